// The promises of `platform/file-system.ts` that can be seen without a crash, as tests. The real file system and the
// simulated disk both run them, so that nothing proven on the one is untrue of the other.

import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { DirectoryLock, FileHandle, FileSystem, LockRefusal } from "../../src/platform/file-system.ts"

/** A file system, and an empty directory on it that the tests may use. */
export interface Scene {
  readonly fileSystem: FileSystem
  readonly directory: string
  end(): Promise<void>
}

export function describeFileSystem(name: string, begin: () => Promise<Scene>): void {
  describe(name, () => {
    let scene: Scene
    let fileSystem: FileSystem
    let path: (name: string) => string

    beforeEach(async () => {
      scene = await begin()
      fileSystem = scene.fileSystem
      path = (fileName) => fileSystem.join(scene.directory, fileName)
    })
    afterEach(() => scene.end())

    async function createWith(fileName: string, bytes: Uint8Array): Promise<FileHandle> {
      const file = await fileSystem.open(path(fileName), "create")
      if (bytes.length > 0) expect(await file.write(bytes, 0)).toBe(bytes.length)
      return file
    }

    async function contentOf(fileName: string): Promise<readonly number[]> {
      const file = await fileSystem.open(path(fileName), "read")
      const target = new Uint8Array(await file.size())
      expect(await file.read(target, 0)).toBe(target.length)
      await file.close()
      return [...target]
    }

    describe("open", () => {
      test("creates an empty file that was not there", async () => {
        const file = await fileSystem.open(path("a"), "create")
        expect(await file.size()).toBe(0)
        await file.close()
        expect(await fileSystem.stat(path("a"))).toEqual({ kind: "file", size: 0 })
      })

      test("refuses to create a file that is there, and leaves it alone", async () => {
        await (await createWith("a", bytesOf(1, 2, 3))).close()
        await expect(fileSystem.open(path("a"), "create")).rejects.toMatchObject({ code: "EEXIST" })
        expect(await contentOf("a")).toEqual([1, 2, 3])
      })

      test.each(["read", "write"] as const)(
        "refuses to %s a file that is not there, and creates none",
        async (mode) => {
          await expect(fileSystem.open(path("a"), mode)).rejects.toMatchObject({ code: "ENOENT", syscall: "open" })
          expect(await fileSystem.list(scene.directory)).toEqual([])
        },
      )

      test("keeps the bytes of a file that it opens to write", async () => {
        await (await createWith("a", bytesOf(1, 2, 3))).close()
        const file = await fileSystem.open(path("a"), "write")
        await file.write(bytesOf(9), 1)
        await file.close()
        expect(await contentOf("a")).toEqual([1, 9, 3])
      })

      test("says in the error which file it was about", async () => {
        await expect(fileSystem.open(path("a"), "read")).rejects.toMatchObject({ path: path("a") })
      })
    })

    describe("an open file", () => {
      test("reads what was written, at any position", async () => {
        const file = await createWith("a", bytesOf(1, 2, 3, 4, 5))
        const target = new Uint8Array(2)
        expect(await file.read(target, 3)).toBe(2)
        expect([...target]).toEqual([4, 5])
        await file.close()
      })

      test("reads short at its end, and nothing behind it", async () => {
        const file = await createWith("a", bytesOf(1, 2, 3))
        const target = bytesOf(7, 7, 7, 7)
        expect(await file.read(target, 1)).toBe(2)
        expect([...target]).toEqual([2, 3, 7, 7])
        expect(await file.read(target, 3)).toBe(0)
        expect(await file.read(target, 1000)).toBe(0)
        await file.close()
      })

      test("writes into the middle without a change to the rest", async () => {
        const file = await createWith("a", new Uint8Array(10_000).fill(1))
        expect(await file.write(new Uint8Array(5000).fill(2), 3000)).toBe(5000)
        await file.close()
        const content = await contentOf("a")
        expect(content.length).toBe(10_000)
        expect(content.findIndex((byte) => byte === 2)).toBe(3000)
        expect(content.findLastIndex((byte) => byte === 2)).toBe(7999)
      })

      test("has zeros between its end and a write behind it", async () => {
        const file = await createWith("a", bytesOf(1))
        await file.write(bytesOf(2), 4)
        await file.close()
        expect(await contentOf("a")).toEqual([1, 0, 0, 0, 2])
      })

      test("writes synced what a plain read and a plain write then see and change", async () => {
        const file = await createWith("a", bytesOf(1, 1, 1, 1))
        expect(await file.writeSynced(bytesOf(2, 2), 1)).toBe(2)
        expect(await file.write(bytesOf(3), 2)).toBe(1)
        const target = new Uint8Array(4)
        expect(await file.read(target, 0)).toBe(4)
        expect([...target]).toEqual([1, 2, 3, 1])
        await file.close()
      })

      test("grows by a synced write", async () => {
        const file = await createWith("a", bytesOf(1))
        await file.writeSynced(bytesOf(2, 3), 1)
        expect(await file.size()).toBe(3)
        await file.close()
        expect(await contentOf("a")).toEqual([1, 2, 3])
      })

      test("syncs its data", async () => {
        const file = await createWith("a", bytesOf(1, 2))
        await expect(file.dataSync()).resolves.toBeUndefined()
        await file.close()
      })

      test("is cut to a smaller size, and what was behind it does not come back", async () => {
        const file = await createWith("a", bytesOf(1, 2, 3, 4))
        await file.truncate(2)
        expect(await file.size()).toBe(2)
        await file.truncate(5)
        await file.close()
        expect(await contentOf("a")).toEqual([1, 2, 0, 0, 0])
      })

      test("takes empty reads and writes", async () => {
        const file = await createWith("a", bytesOf(1))
        expect(await file.read(new Uint8Array(0), 0)).toBe(0)
        expect(await file.write(new Uint8Array(0), 0)).toBe(0)
        expect(await file.size()).toBe(1)
        await file.close()
      })

      test("opened to read, refuses every change", async () => {
        await (await createWith("a", bytesOf(1))).close()
        const file = await fileSystem.open(path("a"), "read")
        await expect(file.write(bytesOf(2), 0)).rejects.toThrow()
        await expect(file.writeSynced(bytesOf(2), 0)).rejects.toThrow()
        await expect(file.truncate(0)).rejects.toThrow()
        await file.close()
        expect(await contentOf("a")).toEqual([1])
      })

      test("may be closed twice", async () => {
        const file = await createWith("a", bytesOf(1))
        await file.close()
        await expect(file.close()).resolves.toBeUndefined()
      })

      test("refuses every use after close", async () => {
        const file = await createWith("a", bytesOf(1))
        await file.close()
        const error = { code: "EBADF", path: path("a") }
        await expect(file.read(new Uint8Array(1), 0)).rejects.toMatchObject(error)
        await expect(file.write(bytesOf(1), 0)).rejects.toMatchObject(error)
        await expect(file.writeSynced(bytesOf(1), 0)).rejects.toMatchObject(error)
        await expect(file.dataSync()).rejects.toMatchObject(error)
        await expect(file.truncate(0)).rejects.toMatchObject(error)
        await expect(file.size()).rejects.toMatchObject(error)
      })

      test("stays the same file when its name moves", async () => {
        const file = await createWith("a", bytesOf(1, 2))
        await fileSystem.rename(path("a"), path("b"))
        await (await createWith("a", bytesOf(5))).close()
        await file.writeSynced(bytesOf(9), 0)
        await file.close()
        expect(await contentOf("a")).toEqual([5])
        expect(await contentOf("b")).toEqual([9, 2])
      })

      test("stays usable when its name is gone", async () => {
        const file = await createWith("a", bytesOf(1, 2))
        await fileSystem.unlink(path("a"))
        await file.write(bytesOf(9), 0)
        const target = new Uint8Array(2)
        expect(await file.read(target, 0)).toBe(2)
        expect([...target]).toEqual([9, 2])
        await file.close()
        expect(await fileSystem.list(scene.directory)).toEqual([])
      })
    })

    describe("names", () => {
      test("a rename moves the file and replaces the one that had the name", async () => {
        await (await createWith("a", bytesOf(1))).close()
        await (await createWith("b", bytesOf(2))).close()
        await fileSystem.rename(path("a"), path("b"))
        expect(await fileSystem.list(scene.directory)).toEqual(["b"])
        expect(await contentOf("b")).toEqual([1])
      })

      test("a rename of a file that is not there fails", async () => {
        await expect(fileSystem.rename(path("a"), path("b"))).rejects.toMatchObject({ code: "ENOENT" })
      })

      test("a rename of a file to its own name changes nothing", async () => {
        await (await createWith("a", bytesOf(1))).close()
        await fileSystem.rename(path("a"), path("a"))
        expect(await contentOf("a")).toEqual([1])
      })

      test("a rename does not put a file in the place of a directory", async () => {
        await (await createWith("a", bytesOf(1))).close()
        await fileSystem.makeDirectory(path("b"))
        await expect(fileSystem.rename(path("a"), path("b"))).rejects.toMatchObject({ code: "EISDIR" })
      })

      test("unlink removes a file, and fails where there is none", async () => {
        await (await createWith("a", bytesOf(1))).close()
        await fileSystem.unlink(path("a"))
        expect(await fileSystem.stat(path("a"))).toBeUndefined()
        await expect(fileSystem.unlink(path("a"))).rejects.toMatchObject({ code: "ENOENT", path: path("a") })
      })

      test("a link is a second name of one file: what is written through one is read through both", async () => {
        const file = await createWith("a", bytesOf(1, 2))
        await fileSystem.link(path("a"), path("b"))
        await file.write(bytesOf(9), 0)
        await file.close()
        const other = await fileSystem.open(path("b"), "write")
        await other.write(bytesOf(8), 1)
        await other.close()
        expect([await contentOf("a"), await contentOf("b")]).toEqual([
          [9, 8],
          [9, 8],
        ])
        expect(await fileSystem.list(scene.directory)).toEqual(["a", "b"])
      })

      test("unlink of one of two names leaves the other, and its bytes", async () => {
        await (await createWith("a", bytesOf(1, 2))).close()
        await fileSystem.link(path("a"), path("b"))
        await fileSystem.unlink(path("a"))
        expect(await contentOf("b")).toEqual([1, 2])
        expect(await fileSystem.list(scene.directory)).toEqual(["b"])
      })

      test("a rename between two names of one file changes nothing", async () => {
        await (await createWith("a", bytesOf(1))).close()
        await fileSystem.link(path("a"), path("b"))
        await fileSystem.rename(path("a"), path("b"))
        expect(await fileSystem.list(scene.directory)).toEqual(["a", "b"])
      })

      test("a link is refused over a name that is there, from one that is not, and from a directory", async () => {
        await (await createWith("a", bytesOf(1))).close()
        await (await createWith("b", bytesOf(2))).close()
        await fileSystem.makeDirectory(path("d"))
        await expect(fileSystem.link(path("a"), path("b"))).rejects.toMatchObject({ code: "EEXIST" })
        expect(await contentOf("b")).toEqual([2])
        await expect(fileSystem.link(path("c"), path("e"))).rejects.toMatchObject({ code: "ENOENT" })
        await expect(fileSystem.link(path("d"), path("e"))).rejects.toMatchObject({ code: "EPERM" })
        expect(await fileSystem.list(scene.directory)).toEqual(["a", "b", "d"])
      })

      test("list gives the names sorted, directories included", async () => {
        for (const name of ["b", "a10", "a2", "B"]) await (await createWith(name, bytesOf())).close()
        await fileSystem.makeDirectory(path("c"))
        expect(await fileSystem.list(scene.directory)).toEqual(["B", "a10", "a2", "b", "c"])
      })

      test("list fails where there is nothing, and on a file", async () => {
        await (await createWith("a", bytesOf())).close()
        await expect(fileSystem.list(path("b"))).rejects.toMatchObject({ code: "ENOENT" })
        await expect(fileSystem.list(path("a"))).rejects.toMatchObject({ code: "ENOTDIR" })
      })

      test("stat tells files from directories, and is undefined where there is nothing", async () => {
        await (await createWith("a", bytesOf(1, 2, 3))).close()
        await fileSystem.makeDirectory(path("b"))
        expect(await fileSystem.stat(path("a"))).toEqual({ kind: "file", size: 3 })
        expect(await fileSystem.stat(path("b"))).toMatchObject({ kind: "directory" })
        expect(await fileSystem.stat(path("c"))).toBeUndefined()
        expect(await fileSystem.stat(fileSystem.join(path("c"), "d"))).toBeUndefined()
      })

      test("a path through a file fails", async () => {
        await (await createWith("a", bytesOf())).close()
        const below = fileSystem.join(path("a"), "b")
        await expect(fileSystem.stat(below)).rejects.toMatchObject({ code: "ENOTDIR" })
        await expect(fileSystem.open(below, "create")).rejects.toMatchObject({ code: "ENOTDIR" })
        await expect(fileSystem.makeDirectory(below)).rejects.toMatchObject({ code: "ENOTDIR" })
      })
    })

    describe("directories", () => {
      test("makeDirectory creates missing parents", async () => {
        const deep = fileSystem.join(fileSystem.join(path("a"), "b"), "c")
        await fileSystem.makeDirectory(deep)
        expect(await fileSystem.stat(deep)).toMatchObject({ kind: "directory" })
      })

      test("makeDirectory leaves a directory alone that is there", async () => {
        await fileSystem.makeDirectory(path("a"))
        await (await fileSystem.open(fileSystem.join(path("a"), "b"), "create")).close()
        await fileSystem.makeDirectory(path("a"))
        expect(await fileSystem.list(path("a"))).toEqual(["b"])
      })

      test("makeDirectory fails where a file has the name", async () => {
        await (await createWith("a", bytesOf())).close()
        await expect(fileSystem.makeDirectory(path("a"))).rejects.toMatchObject({ code: "EEXIST" })
      })

      test("removeDirectory removes an empty directory, and nothing else", async () => {
        await fileSystem.makeDirectory(path("d"))
        const below = fileSystem.join(path("d"), "a")
        await (await fileSystem.open(below, "create")).close()
        await expect(fileSystem.removeDirectory(path("d"))).rejects.toMatchObject({ code: "ENOTEMPTY" })
        await expect(fileSystem.removeDirectory(below)).rejects.toMatchObject({ code: "ENOTDIR" })
        await expect(fileSystem.removeDirectory(path("c"))).rejects.toMatchObject({ code: "ENOENT" })
        await fileSystem.unlink(below)
        await fileSystem.removeDirectory(path("d"))
        expect(await fileSystem.list(scene.directory)).toEqual([])
      })

      test("syncDirectory works on a directory, and fails where there is none", async () => {
        await expect(fileSystem.syncDirectory(scene.directory)).resolves.toBeUndefined()
        await expect(fileSystem.syncDirectory(path("a"))).rejects.toMatchObject({ code: "ENOENT" })
      })
    })

    describe("lock", () => {
      test("is refused to a second caller, who learns who has it", async () => {
        const lock = held(await fileSystem.lock(scene.directory, "LOCK"))
        const refusal = await fileSystem.lock(scene.directory, "LOCK")
        expect(refusal).toHaveProperty("heldBy")
        expect("heldBy" in refusal && refusal.heldBy).toMatch(/^pid \d+ on host \S+ since \d{4}-\d\d-\d\dT\S+Z$/)
        await lock.release()
      })

      test("is free after release, which may be called twice", async () => {
        const lock = held(await fileSystem.lock(scene.directory, "LOCK"))
        await lock.release()
        const next = held(await fileSystem.lock(scene.directory, "LOCK"))
        await lock.release()
        expect(await fileSystem.lock(scene.directory, "LOCK")).toHaveProperty("heldBy")
        await next.release()
      })

      test("is refused under another spelling of the path", async () => {
        const lock = held(await fileSystem.lock(scene.directory, "LOCK"))
        const spelling = `${scene.directory}/./../${scene.directory.split("/").at(-1)}`
        expect(await fileSystem.lock(spelling, "LOCK")).toHaveProperty("heldBy")
        await lock.release()
      })

      test("of one directory leaves another free", async () => {
        await fileSystem.makeDirectory(path("a"))
        const lock = held(await fileSystem.lock(scene.directory, "LOCK"))
        const other = held(await fileSystem.lock(path("a"), "LOCK"))
        await other.release()
        await lock.release()
      })

      test("leaves its file there", async () => {
        const lock = held(await fileSystem.lock(scene.directory, "LOCK"))
        await lock.release()
        expect(await fileSystem.list(scene.directory)).toEqual(["LOCK"])
      })

      test("of a directory that is not there fails", async () => {
        await expect(fileSystem.lock(path("a"), "LOCK")).rejects.toMatchObject({ code: "ENOENT" })
      })
    })
  })
}

/** The lock that was got; the test fails if it was refused. */
export function held(lock: DirectoryLock | LockRefusal): DirectoryLock {
  if ("heldBy" in lock) expect.fail(`the lock is held by ${lock.heldBy}`)
  return lock
}

/** The value; the test fails if there is none. */
export function present<Value>(value: Value | undefined): Value {
  if (value === undefined) expect.fail("something is missing")
  return value
}

export function bytesOf(...bytes: readonly number[]): Uint8Array {
  return Uint8Array.from(bytes)
}
