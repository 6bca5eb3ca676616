// What the simulated disk keeps when the power goes: exactly what was synced for certain, and nothing else for certain.

import { describe, expect, test } from "vitest"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { diskWithFile } from "./durable-file.ts"
import { bytesOf, describeFileSystem } from "../platform/file-system-contract.ts"

describeFileSystem("the simulated disk", async () => {
  const disk = new SimulatedDisk()
  await disk.makeDirectory("/data")
  return { fileSystem: disk, directory: "/data", end: async () => undefined }
})

/** Every content of the file in a crash state of the disk's last moment; undefined where it has no name. */
function lastContents(disk: SimulatedDisk, path: string): (readonly number[] | undefined)[] {
  const contents: (readonly number[] | undefined)[] = []
  for (const state of crashStates(disk.trace())) {
    if (state.afterOperation !== disk.operationCount) continue
    const bytes = state.mount().files().get(path)
    contents.push(bytes && [...bytes])
  }
  return contents
}

function namesOf(disk: SimulatedDisk): string[] {
  return [...disk.files().keys()]
}

describe("data", () => {
  test("that was only written is lost with the power, or kept", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2, 2), 10)
    expect(disk.snapshot().crash("nothing").files().get("/a")?.[10]).toBe(1)
    expect(disk.snapshot().crash("everything").files().get("/a")?.[10]).toBe(2)
  })

  test("that a data sync followed is there in every state", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2, 2), 510)
    await file.write(bytesOf(3), 5000)
    await file.dataSync()
    const contents = lastContents(disk, "/a")
    expect(contents).toHaveLength(1)
    expect(contents[0]?.slice(509, 513)).toEqual([1, 2, 2, 1])
    expect(contents[0]?.slice(4999)).toEqual([0, 3])
  })

  test("written after a data sync is not covered by it", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2), 0)
    await file.dataSync()
    await file.write(bytesOf(3), 1)
    const file1 = disk.crash("nothing").files().get("/a")
    expect([file1?.[0], file1?.[1]]).toEqual([2, 1])
  })

  test("of another file is not covered by a data sync", async () => {
    const { disk, file } = await diskWithFile()
    const other = await disk.open("/b", "create")
    await disk.syncDirectory("/")
    await other.write(bytesOf(5), 0)
    await file.dataSync()
    expect(disk.crash("nothing").files().get("/b")).toEqual(bytesOf())
  })

  test("of a synced write is durable, and no byte more, even in the same sector", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2), 0)
    await file.writeSynced(bytesOf(3, 3), 1)
    await file.write(bytesOf(4), 3)
    const states = lastContents(disk, "/a").map((bytes) => bytes?.slice(0, 5))
    for (const state of states) expect(state?.slice(1, 3)).toEqual([3, 3])
    expect(states).toContainEqual([1, 3, 3, 1, 1])
    expect(states).toContainEqual([2, 3, 3, 4, 1])
  })

  test("that is older does not come back over a synced write", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(new Uint8Array(1500).fill(2), 100)
    await file.writeSynced(new Uint8Array(600).fill(3), 400)
    for (const bytes of lastContents(disk, "/a")) expect(bytes?.slice(400, 1000).every((byte) => byte === 3)).toBe(true)
  })

  test("of a synced write behind the end takes the size along that it needs, and no more", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(new Uint8Array(1000).fill(2), 5000)
    await file.writeSynced(bytesOf(3, 3), 4500)
    const bytes = disk.crash("nothing").files().get("/a")
    expect(bytes?.length).toBe(4502)
    expect([...(bytes?.slice(4498) ?? [])]).toEqual([0, 0, 3, 3])
  })

  test("may be shown as zeros where the size was kept and the data lost", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2, 2), 4096)
    expect(lastContents(disk, "/a").map((bytes) => bytes?.slice(4096))).toContainEqual([0, 0])
  })

  test("that a durable cut took away stays away", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2), 3000)
    await file.truncate(1000)
    await file.truncate(4096)
    await file.dataSync()
    const contents = lastContents(disk, "/a")
    expect(contents).toHaveLength(1)
    expect(contents[0]?.slice(1000).every((byte) => byte === 0)).toBe(true)
  })

  test("that a cut took away may be back as long as the cut is not durable", async () => {
    const { disk, file } = await diskWithFile()
    await file.truncate(0)
    expect(lastContents(disk, "/a").map((bytes) => bytes?.length)).toEqual([4096, 0])
  })

  test("the caller's bytes may change after the call", async () => {
    const { disk, file } = await diskWithFile()
    for (const [at, source] of [bytesOf(9, 9), Buffer.from([9, 9])].entries()) {
      const written = file.writeSynced(source, at * 2)
      source.fill(0)
      await written
    }
    expect([...(disk.crash("nothing").files().get("/a")?.subarray(0, 5) ?? [])]).toEqual([9, 9, 9, 9, 1])
  })
})

describe("names", () => {
  test("a new file's name may be lost though its data was synced", async () => {
    const disk = new SimulatedDisk()
    const file = await disk.open("/a", "create")
    await file.writeSynced(bytesOf(1), 0)
    expect(namesOf(disk.snapshot().crash("nothing"))).toEqual([])
    await disk.syncDirectory("/")
    expect(disk.crash("nothing").files()).toEqual(new Map([["/a", bytesOf(1)]]))
  })

  test("a name may be kept though the data was lost: an empty file", async () => {
    const disk = new SimulatedDisk()
    const file = await disk.open("/a", "create")
    await file.write(bytesOf(1), 0)
    expect(lastContents(disk, "/a")).toContainEqual([])
  })

  test("a rename is there or not, and the file always has one of the names", async () => {
    const { disk } = await diskWithFile()
    await disk.rename("/a", "/b")
    const states = [...crashStates(disk.trace())]
      .filter((state) => state.afterOperation === disk.operationCount)
      .map((state) => namesOf(state.mount()))
    expect(states).toEqual([["/a"], ["/b"]])
  })

  test("a rename over another file leaves the old one or the new one, whole", async () => {
    const { disk } = await diskWithFile()
    const next = await disk.open("/a.new", "create")
    await next.write(bytesOf(7, 7), 0)
    await next.dataSync()
    await disk.syncDirectory("/")
    await disk.rename("/a.new", "/a")
    const contents = lastContents(disk, "/a").map((bytes) => bytes?.length)
    expect(contents).toEqual([4096, 2])
    await disk.syncDirectory("/")
    expect(lastContents(disk, "/a")).toEqual([[7, 7]])
  })

  test("a rename of unsynced data may give an empty file the name", async () => {
    const { disk } = await diskWithFile()
    const next = await disk.open("/a.new", "create")
    await next.write(bytesOf(7, 7), 0)
    await disk.rename("/a.new", "/a")
    expect(lastContents(disk, "/a")).toContainEqual([])
  })

  test("a rename between directories is whole, and durable with either of them", async () => {
    for (const synced of ["/from", "/to"]) {
      const disk = new SimulatedDisk()
      await disk.makeDirectory("/from")
      await disk.makeDirectory("/to")
      await (await disk.open("/from/a", "create")).close()
      await disk.syncDirectory("/from")
      await disk.rename("/from/a", "/to/a")
      const states = [...crashStates(disk.trace())].map((state) => namesOf(state.mount()).join())
      expect(new Set(states.slice(-2))).toEqual(new Set(["/from/a", "/to/a"]))
      await disk.syncDirectory(synced)
      expect(namesOf(disk.crash("nothing"))).toEqual(["/to/a"])
    }
  })

  test("a rename between directories that is durable takes along what had its name before", async () => {
    const disk = new SimulatedDisk()
    await disk.makeDirectory("/from")
    await disk.makeDirectory("/to")
    await (await disk.open("/from/a", "create")).writeSynced(bytesOf(7), 0)
    await disk.syncDirectory("/from")
    await disk.open("/to/a", "create")
    await disk.rename("/from/a", "/to/a")
    await disk.syncDirectory("/from")
    expect(lastContents(disk, "/to/a")).toEqual([[7]])
  })

  test("an unlinked file may be back", async () => {
    const { disk } = await diskWithFile()
    await disk.unlink("/a")
    expect(lastContents(disk, "/a").map((bytes) => bytes?.length)).toEqual([4096, undefined])
    await disk.syncDirectory("/")
    expect(lastContents(disk, "/a")).toEqual([undefined])
  })

  test("a sync of one directory says nothing of another", async () => {
    const disk = new SimulatedDisk()
    await disk.makeDirectory("/d")
    await (await disk.open("/d/a", "create")).close()
    await disk.syncDirectory("/")
    expect(namesOf(disk.crash("nothing"))).toEqual([])
  })

  test("makeDirectory returns when every name that it made is durable", async () => {
    const disk = new SimulatedDisk()
    await disk.makeDirectory("/d/e/f")
    const next = disk.crash("nothing")
    expect(await next.stat("/d/e/f")).toEqual({ kind: "directory", size: 0 })
  })

  test("makeDirectory makes a name durable that an earlier, killed call has left", async () => {
    const disk = new SimulatedDisk()
    disk.failAt(4, "EIO")
    await expect(disk.makeDirectory("/d")).rejects.toMatchObject({ syscall: "syncDirectory" })
    const next = disk.crash("kill")
    await next.makeDirectory("/d")
    expect(await next.crash("nothing").stat("/d")).toBeDefined()
  })

  test("files without a name keep no room, and are not there after a crash", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 8192 })
    const file = await disk.open("/a", "create")
    await file.write(new Uint8Array(4096), 0)
    await disk.unlink("/a")
    expect(await disk.freeBytes("/")).toBe(4096)
    await file.close()
    expect(await disk.freeBytes("/")).toBe(8192)
  })
})
