// `fsPromises` beside Node's own: the same calls give the same results and the same error codes; and code written against
// it can be crashed.

import * as nodeFs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { crash } from "../../src/testing/crash.ts"
import { CrashFound } from "../../src/testing/crash-found.ts"
import { fsPromises, type FsPromises } from "../../src/testing/fs-promises.ts"

interface Scene {
  readonly fs: FsPromises
  readonly root: string
}

const scenes: Record<string, () => Promise<Scene>> = {
  "the simulated disk": async () => ({ fs: fsPromises(new SimulatedDisk({ watchesUse: false })), root: "/" }),
  // Node's own have more overloads than are listed: those that are listed are the same.
  "Node's own": async () => ({
    fs: nodeFs as unknown as FsPromises,
    root: await nodeFs.mkdtemp(join(tmpdir(), "orrery-fs-test-")),
  }),
}

describe.each(Object.keys(scenes))("%s", (name) => {
  let fs: FsPromises
  let root: string
  const at = (path: string): string => join(root, path)
  const codeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => "no error",
      (error: { readonly code?: unknown }) => error.code,
    )

  beforeEach(async () => {
    const made = await scenes[name]?.()
    if (made !== undefined) ({ fs, root } = made)
  })
  afterEach(async () => {
    if (root !== "/") await nodeFs.rm(root, { recursive: true })
  })

  test("whole files are written, read, added to and cut", async () => {
    await fs.writeFile(at("a"), "one ")
    await fs.appendFile(at("a"), "two")
    expect(await fs.readFile(at("a"), "utf8")).toBe("one two")
    expect(Buffer.isBuffer(await fs.readFile(at("a")))).toBe(true)
    await fs.writeFile(at("a"), Buffer.from([1, 2, 3]))
    expect([...(await fs.readFile(at("a")))]).toEqual([1, 2, 3])
    await fs.truncate(at("a"), 2)
    expect((await fs.stat(at("a"))).size).toBe(2)
    await fs.appendFile(at("new"), "x", { flush: true })
    expect(await fs.readFile(at("new"), { encoding: "utf8" })).toBe("x")
  })

  test("a handle reads and writes where it stands, or where it is told", async () => {
    const handle = await fs.open(at("a"), "w+")
    expect((await handle.write("hello ")).bytesWritten).toBe(6)
    await handle.write(Buffer.from("..world.."), 2, 5)
    await handle.write("H", 0)
    await handle.write(Buffer.from("!"), 0, 1, 11)
    const buffer = Buffer.alloc(5)
    expect((await handle.read(buffer, 0, 5, 6)).bytesRead).toBe(5)
    expect(buffer.toString()).toBe("world")
    expect((await handle.stat()).size).toBe(12)
    await handle.truncate(5)
    await handle.datasync()
    await handle.sync()
    await handle.close()
    expect(await fs.readFile(at("a"), "utf8")).toBe("Hello")
    const reader = await fs.open(at("a"))
    const two = Buffer.alloc(2)
    await reader.read(two)
    expect(two.toString()).toBe("He")
    expect(await reader.readFile("utf8")).toBe("llo")
    expect((await reader.read(two)).bytesRead).toBe(0)
    await reader.close()
  })

  test("a handle that appends writes at the end, wherever it is told to", async () => {
    await fs.writeFile(at("a"), "12")
    const handle = await fs.open(at("a"), "a+")
    await handle.write("3", 0)
    await handle.appendFile("4")
    await handle.close()
    expect(await fs.readFile(at("a"), "utf8")).toBe("1234")
  })

  test("who opens a file at the same time as others, or while it is taken away, gets one all the same", async () => {
    await Promise.all([1, 2, 3, 4].map((n) => fs.writeFile(at("a"), `${n}`)))
    expect(await fs.readFile(at("a"), "utf8")).toMatch(/^[1-4]$/)
    await Promise.all([fs.unlink(at("a")), fs.appendFile(at("a"), "x"), fs.appendFile(at("a"), "y")])
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => fs.open(at("b"), "wx")))
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
    for (const outcome of outcomes) if (outcome.status === "fulfilled") await outcome.value.close()
  })

  test("directories are made, listed, synced and removed", async () => {
    await fs.mkdir(at("x/y/z"), { recursive: true })
    await fs.mkdir(at("x/y/z"), { recursive: true })
    await fs.writeFile(at("x/b"), "")
    await fs.writeFile(at("x/a"), "")
    expect((await fs.readdir(at("x"))).toSorted()).toEqual(["a", "b", "y"])
    expect((await fs.stat(at("x"))).isDirectory()).toBe(true)
    expect((await fs.stat(at("x/a"))).isFile()).toBe(true)
    const directory = await fs.open(at("x"))
    expect((await directory.stat()).isDirectory()).toBe(true)
    await directory.sync()
    await directory.close()
    await fs.rename(at("x/a"), at("x/c"))
    await fs.link(at("x/c"), at("x/d"))
    await fs.unlink(at("x/c"))
    await fs.access(at("x/d"))
    await fs.rmdir(at("x/y/z"))
    await fs.rm(at("x"), { recursive: true })
    await fs.rm(at("x"), { force: true })
    expect(await codeOf(fs.access(at("x")))).toBe("ENOENT")
  })

  test("errors have the operating system's codes", async () => {
    await fs.writeFile(at("a"), "")
    await fs.mkdir(at("d"))
    expect(await codeOf(fs.open(at("none")))).toBe("ENOENT")
    expect(await codeOf(fs.open(at("none"), "r+"))).toBe("ENOENT")
    expect(await codeOf(fs.open(at("a"), "wx"))).toBe("EEXIST")
    expect(await codeOf(fs.open(at("d"), "w"))).toBe("EISDIR")
    expect(await codeOf(fs.mkdir(at("d")))).toBe("EEXIST")
    expect(await codeOf(fs.mkdir(at("e/f")))).toBe("ENOENT")
    expect(await codeOf(fs.readFile(at("d")))).toBe("EISDIR")
    expect(await codeOf(fs.stat(at("a/b")))).toBe("ENOTDIR")
    expect(await codeOf(fs.unlink(at("none")))).toBe("ENOENT")
    expect(await codeOf(fs.rename(at("none"), at("b")))).toBe("ENOENT")
    expect(await codeOf(fs.readdir(at("none")))).toBe("ENOENT")
    expect(await codeOf(fs.rm(at("none")))).toBe("ENOENT")
    const reader = await fs.open(at("a"), "r")
    expect(await codeOf(reader.write("x"))).toBe("EBADF")
    await reader.close()
    const writer = await fs.open(at("a"), "w")
    expect(await codeOf(writer.read(Buffer.alloc(1)))).toBe("EBADF")
    await writer.close()
  })
})

test("a name that mkdir made is not durable before its parent is synced", async () => {
  const disk = new SimulatedDisk()
  const fs = fsPromises(disk)
  await fs.mkdir("/d")
  expect(await disk.snapshot().crash("nothing").stat("/d")).toBeUndefined()
  const root = await fs.open("/")
  await root.sync()
  expect(await disk.crash("nothing").stat("/d")).toMatchObject({ kind: "directory" })
})

/** What many programs do to save their settings. */
class Settings {
  readonly #fs: FsPromises
  readonly #path: string
  readonly #isSynced: boolean

  constructor(fs: FsPromises, path: string, isSynced: boolean) {
    this.#fs = fs
    this.#path = path
    this.#isSynced = isSynced
  }

  async load(): Promise<unknown> {
    const text = await this.#fs.readFile(this.#path, "utf8").catch(() => "null")
    return JSON.parse(text) as unknown
  }

  async save(value: unknown): Promise<void> {
    const temporary = `${this.#path}.new`
    await this.#fs.writeFile(temporary, JSON.stringify(value), { flush: this.#isSynced })
    await this.#fs.rename(temporary, this.#path)
    if (!this.#isSynced) return
    const directory = await this.#fs.open("/")
    await directory.sync()
    await directory.close()
  }
}

describe("code that takes its fs from outside", () => {
  const settings = (isSynced: boolean): Parameters<typeof crash.assert<Settings, number, void, unknown>>[0] => ({
    open: ({ fileSystem }) => new Settings(fsPromises(fileSystem), "/settings", isSynced),
    ops: [1, 2, 3],
    concurrency: 1,
    run: (system, value) => system.save(value),
    model: { initial: null, apply: (_, value) => value },
    recoveredView: (system) => system.load(),
    budget: { histories: 5, ms: 20_000 },
    artifacts: false,
    seed: 1,
  })

  test("is found out where it syncs nothing", async () => {
    await expect(crash.assert(settings(false))).rejects.toBeInstanceOf(CrashFound)
  })

  test("passes where it syncs the file and then the directory", async () => {
    await expect(crash.assert(settings(true))).resolves.toMatchObject({ histories: 5 })
  })
})
