// Opening: bad paths, bad options, other people's directories. Each a typed error with a remedy; nothing changes on disk.

import { fork } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { open, OrreryError } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

async function failure(work: Promise<unknown>): Promise<OrreryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(OrreryError)
  expect((error as OrreryError).remedy.length).toBeGreaterThan(10)
  expect((error as OrreryError).message).toContain((error as OrreryError).remedy)
  return error as OrreryError
}

/** Names, sizes and contents of a directory. */
async function imageOf(path: string): Promise<Record<string, string>> {
  const image: Record<string, string> = {}
  for (const name of (await readdir(path)).sort()) image[name] = (await readFile(join(path, name))).toString("base64")
  return image
}

describe("paths", () => {
  test("missing parents are made", async () => {
    const path = join(await temporaryDirectory(), "a", "b", "c")
    const store = await open(path)
    expect(store.recovery.foundStore).toBe(false)
    await store.close()
    expect((await stat(path)).isDirectory()).toBe(true)
  })

  test("a file in the directory's place is refused and kept", async () => {
    const path = join(await temporaryDirectory(), "file")
    await writeFile(path, "mine")
    const error = await failure(open(path))
    expect(error).toMatchObject({ code: "ORRERY_CANNOT_OPEN", path })
    expect(await readFile(path, "utf8")).toBe("mine")
  })

  test("a file as a parent is refused", async () => {
    const file = join(await temporaryDirectory(), "file")
    await writeFile(file, "mine")
    expect(await failure(open(join(file, "store")))).toMatchObject({ code: "ORRERY_CANNOT_OPEN" })
  })

  test("another program's directory is refused and kept", async () => {
    const path = await temporaryDirectory()
    await writeFile(join(path, "precious.txt"), "mine")
    const before = await imageOf(path)
    const error = await failure(open(path))
    expect(error).toMatchObject({ code: "ORRERY_NOT_A_STORE", foreignName: "precious.txt" })
    expect(await imageOf(path)).toEqual(before)
  })

  test("another program's file beside a store disturbs nobody", async () => {
    const path = await temporaryDirectory()
    await (await open(path)).close()
    await writeFile(join(path, "notes.txt"), "mine")
    await (await open(path)).close()
    expect(await readFile(join(path, "notes.txt"), "utf8")).toBe("mine")
  })

  test("with create: false an absent store is refused, and not made", async () => {
    const path = join(await temporaryDirectory(), "absent")
    expect(await failure(open(path, { create: false }))).toMatchObject({ code: "ORRERY_CANNOT_OPEN" })
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" })
    const empty = await temporaryDirectory()
    expect(await failure(open(empty, { create: false }))).toMatchObject({ code: "ORRERY_CANNOT_OPEN" })
    expect(await readdir(empty)).toEqual([])
  })

  test("a directory without the right to write is refused", async (context) => {
    const path = await temporaryDirectory()
    await chmod(path, 0o500)
    if (process.getuid?.() === 0) return context.skip("needs a user other than root: root may write everywhere")
    expect(await failure(open(path))).toMatchObject({ code: "ORRERY_CANNOT_OPEN" })
    expect(await readdir(path)).toEqual([])
  })

  test.for(["", 7, undefined, null, "nul\0"])("the path %j is a TypeError", async (path) => {
    await expect(open(path as string)).rejects.toThrow(TypeError)
  })

  test("a link to a store is that store: a second opener by another name is refused", async () => {
    const path = await temporaryDirectory()
    await mkdir(join(path, "real"))
    await symlink(join(path, "real"), join(path, "link"))
    const store = await open(join(path, "real"))
    expect(await failure(open(join(path, "link")))).toMatchObject({ code: "ORRERY_LOCKED" })
    await store.close()
    await (await open(join(path, "link"))).close()
  })
})

describe("options", () => {
  const wrong: [string, unknown, string][] = [
    ["an unknown name", { durabilty: "synced" }, '"durabilty"'],
    ["an unknown durability", { durability: "sync" }, "durability must be one of"],
    ["shards of 0", { shards: 0 }, "shards must be a whole number from 1"],
    ["shards as text", { shards: "8" }, "shards"],
    ["shards of 1.5", { shards: 1.5 }, "shards"],
    ["a segment in MiB", { segmentBytes: 16 }, "segmentBytes must be a whole number in bytes"],
    [
      "a delay in seconds as text",
      { flush: { delayMs: "1s" } },
      "flush.delayMs must be a whole number in milliseconds",
    ],
    ["a negative delay", { flush: { delayMs: -1 } }, "flush.delayMs"],
    ["an unknown trigger", { flush: { ms: 1 } }, 'flush has no "ms"'],
    ["flush as a number", { flush: 1 }, "flush must be an object"],
    ["a backlog without bound", { backlog: { bytes: Infinity } }, "backlog.bytes"],
    ["create as text", { create: "yes" }, "create"],
    ["a signal that is none", { signal: {} }, "signal"],
    ["a number", 5, "options must be an object"],
  ]

  test.for(wrong)("%s is a TypeError that says so, before anything is touched", async ([, options, message]) => {
    const path = join(await temporaryDirectory(), "store")
    const attempt = open(path, options as object)
    await expect(attempt).rejects.toThrow(TypeError)
    await expect(attempt).rejects.toThrow(message)
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" })
  })

  test("of tables, writes, batches, changes, flush are checked as well", async () => {
    const store = await temporaryStore()
    const table = store.table("t")
    const wrongName = { durabilty: "memory" } as object
    expect(() => store.table("t", wrongName)).toThrow('"durabilty"')
    expect(() => store.table("t", { schema: {} as never })).toThrow("Standard Schema")
    expect(() => store.table(5 as never)).toThrow(TypeError)
    await expect(table.put("k", 1, wrongName)).rejects.toThrow('"durabilty"')
    await expect(table.put("k", 1, { durability: "disk" as never })).rejects.toThrow("durability must be one of")
    await expect(table.put(5 as never, 1)).rejects.toThrow("the key must be a string, not number")
    await expect(table.delete(null as never)).rejects.toThrow("not null")
    await expect(table.update("k", 5 as never)).rejects.toThrow("function")
    await expect(store.batch(5 as never)).rejects.toThrow("function")
    await expect(store.flush(wrongName)).rejects.toThrow('"durabilty"')
    expect(() => table.get(undefined as never)).toThrow("not undefined")
    expect(() => store.changes({ after: -1 })).toThrow("after")
    expect(() => store.changes({ since: 1 } as object)).toThrow('"since"')
    expect(() => store.changes({ prefix: 5 as never })).toThrow("prefix")
    expect([table.size, store.tables()]).toEqual([0, []])
  })

  test("an aborted signal gives up opening and leaves the directory free", async () => {
    const path = await temporaryDirectory()
    await expect(open(path, { signal: AbortSignal.abort(new Error("never mind")) })).rejects.toThrow("never mind")
    const controller = new AbortController()
    const onRecovery = (): void => controller.abort(new Error("in the middle"))
    await expect(open(path, { signal: controller.signal, onRecovery })).rejects.toThrow("in the middle")
    await (await open(path)).close()
  })
})

describe("keys and values that cannot be kept", () => {
  test("are refused with a typed error, and leave no trace", async () => {
    const store = await temporaryStore()
    const table = store.table("t")
    const refusals: [Promise<unknown>, object][] = [
      [table.put("\ud800", 1), { code: "ORRERY_KEY_REFUSED" }],
      [table.put("x".repeat(4_097), 1), { code: "ORRERY_LIMIT_EXCEEDED", limit: 4_096, actual: 4_097 }],
      [table.put("é".repeat(2_049), 1), { code: "ORRERY_LIMIT_EXCEEDED", actual: 4_098 }],
      [table.delete("\udc00"), { code: "ORRERY_KEY_REFUSED" }],
      [table.put("k", () => 1), { code: "ORRERY_VALUE_REFUSED", path: "$" }],
      [table.put("k", { list: [1, Symbol("s")] }), { code: "ORRERY_VALUE_REFUSED", path: "$.list[1]" }],
      [table.put("k", new Uint8Array(17 * 1024 * 1024)), { code: "ORRERY_LIMIT_EXCEEDED" }],
      [table.put("k", "x".repeat(17 * 1024 * 1024)), { code: "ORRERY_LIMIT_EXCEEDED" }],
    ]
    for (const [attempt, expected] of refusals) expect(await failure(attempt)).toMatchObject(expected)
    expect(table.size).toBe(0)
    expect(store.metrics().operations.rejected).toBe(refusals.length)
    expect(() => table.get("\ud800")).toThrow(expect.objectContaining({ code: "ORRERY_KEY_REFUSED" }))
  })

  test("a getter that writes to the store while its value is stored is refused", async () => {
    const store = await temporaryStore()
    const table = store.table("t")
    let inner: Promise<unknown> = Promise.resolve()
    const value = {
      get trap() {
        inner = table.put("inner", 1)
        inner.catch(() => undefined)
        return 1
      },
    }
    await table.put("outer", value)
    await expect(inner).rejects.toThrow("a getter must not")
    expect([table.get("outer"), table.has("inner")]).toEqual([{ trap: 1 }, false])
  })
})

describe("one owner", () => {
  test("a second opener in this process is told so", async () => {
    const store = await temporaryStore()
    const error = await failure(open(store.path))
    expect(error).toMatchObject({ code: "ORRERY_LOCKED", heldBy: expect.stringContaining(`pid ${process.pid}`) })
    await store.close()
    await (await open(store.path)).close()
  })

  test("a second process is told who holds it; when that one is killed the store is free at once", async () => {
    const path = join(await temporaryDirectory(), "store")
    const holder = fork(new URL("holder.ts", import.meta.url), [path], { execArgv: [] })
    await once(holder, "message")
    const before = await imageOf(path)
    const error = await failure(open(path))
    expect(error).toMatchObject({ code: "ORRERY_LOCKED", heldBy: expect.stringContaining(`pid ${holder.pid}`) })
    expect(await imageOf(path)).toEqual(before)
    holder.kill("SIGKILL")
    await once(holder, "exit")
    const store = await open(path)
    expect(store.table("t").get("k")).toBe("held")
    await store.close()
  })
})

describe("closing", () => {
  test("drains what was not awaited, in order, and refuses everything after", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const writes = Array.from({ length: 500 }, (_, n) =>
      table.put("k", n, { durability: n % 3 === 0 ? "memory" : "synced" }),
    )
    const closing = store.close()
    await expect(table.put("k", -1)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
    await Promise.all([...writes, closing])
    expect(store.status).toEqual({ state: "closed", reason: undefined })
    for (const use of [() => table.get("k"), () => table.size, () => [...table.keys()], () => store.changes()]) {
      expect(use).toThrow(expect.objectContaining({ code: "ORRERY_CLOSED" }))
    }
    for (const use of [
      table.delete("k"),
      store.flush(),
      store.ready(),
      store.batch((batch) => batch.delete(table, "k")),
    ]) {
      expect(await failure(use)).toMatchObject({ code: "ORRERY_CLOSED" })
    }
    const again = await open(store.path)
    expect(again.table("t").get("k")).toBe(499)
    expect(again.recovery).toMatchObject({
      wasSealed: true,
      cutBytes: 0,
      foundStore: true,
      tail: "sealed by its last owner",
    })
    await again.close()
  })

  test("gives the directory free when nothing more is written, and not before", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const disk = platform.fileSystem
    const store = await open("/data", { platform, audit: false })
    for (let n = 0; n < 5; n++) void store.table("t").put(`k${n}`, n)
    let isClosed = false
    const closing = store.close().then(() => (isClosed = true))
    let attempt = await disk.lock("/data", "LOCK")
    let refusalCount = 0
    for (; "heldBy" in attempt; attempt = await disk.lock("/data", "LOCK")) {
      refusalCount++
      expect(isClosed).toBe(false)
      // What closes the store may need a turn of the event loop; more of them would pass over the moment.
      if (refusalCount % 100 === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    const operationCount = disk.operations.length
    await closing
    expect(refusalCount).toBeGreaterThan(0)
    expect(disk.operations.slice(operationCount)).toEqual([])
    await attempt.release()
  })

  test("twice waits for the same end, and await using closes", async () => {
    const store = await temporaryStore()
    await Promise.all([store.close(), store.close()])
    await store.close()
    {
      await using inner = await open(store.path)
      await inner.table("t").put("k", 1)
    }
    const again = await open(store.path)
    expect(again.table("t").get("k")).toBe(1)
    await again.close()
  })

  test("writes that wait in line are let in first", async () => {
    const store = await temporaryStore({ backlog: { bytes: 2_000 } })
    const table = store.table<number>("t")
    const writes = Array.from({ length: 300 }, (_, n) => table.put(`k${n}`, n))
    expect(store.metrics().flush.waitingWrites).toBeGreaterThan(0)
    await Promise.all([...writes, store.close()])
    const again = await open(store.path)
    expect(again.table("t").size).toBe(300)
    await again.close()
  })
})
