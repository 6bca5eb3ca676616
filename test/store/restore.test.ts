// Restoring: from backups and from stores, to the newest state and to others, into nothing, into an empty directory and
// in the place of a store.

import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { CannotOpen, HistoryExpired, NotAStore, open, restoreStore, StoreLocked } from "../../src/index.ts"
import type { RestoreOptions, RestoreReport, Store } from "../../src/index.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import { readAudit } from "../../src/recovery/audit-file.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { readManifest } from "../../src/checkpoint/manifest-file.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const DAY_MS = 86_400_000

async function keysIn(path: string): Promise<string[]> {
  await using past = await open(path, { readOnly: true })
  return [...past.table("t").keys()].sort()
}

interface Scene {
  readonly platform: SimulatedPlatform
  readonly store: Store
  /** Content behind every commit. */
  readonly states: ReadonlyMap<number, ReadonlyMap<string, unknown>>
  readonly done: <T>(work: Promise<T>) => Promise<T>
  readonly restore: (options: Omit<RestoreOptions, "platform">) => Promise<RestoreReport>
  readonly contentOf: (path: string) => Promise<ReadonlyMap<string, unknown>>
}

/** A store with 60 commits, a checkpoint in so many of them. */
async function scene(checkpointEvery: number, keepCount = 1000): Promise<Scene> {
  const platform = simulatePlatform({ seed: 21 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const keep = { checkpoints: keepCount }
  const store = await done(open("/data", { platform, segmentBytes: 4096, shards: 2, checkpoint: false, keep }))
  const table = store.table("t")
  const states = new Map<number, ReadonlyMap<string, unknown>>([[0, new Map()]])
  let content = new Map<string, unknown>()
  for (let n = 1; n <= 60; n++) {
    content = new Map(content)
    const key = `k${(n * 7) % 11}`
    if (n % 4 === 0) content.delete(key)
    else content.set(key, { n })
    const { lsn } = await done(n % 4 === 0 ? table.delete(key) : table.put(key, { n }))
    states.set(lsn, content)
    platform.clock.jumpWall(1000)
    if (n % checkpointEvery === 0) await done(store.checkpoint())
  }
  return {
    platform,
    store,
    states,
    done,
    restore: (options) => done(restoreStore({ ...options, platform })),
    contentOf: async (path) => {
      const past = await done(open(path, { readOnly: true, platform }))
      return new Map(past.table("t").entries())
    },
  }
}

describe("restoring a backup", () => {
  test("gives a store of its own with the newest state, whose commits go on above it", async () => {
    const store = await temporaryStore()
    await store.table("t").put("a", 1)
    await store.table("t").put("b", { n: 2n })
    const directory = await temporaryDirectory()
    const backup = await store.backup(join(directory, "backup"))
    const into = join(directory, "new")
    const report = await restoreStore({ from: backup.path, into })
    expect(report).toMatchObject({ path: into, lsn: backup.lsn, records: 2 })
    expect(await readdir(directory)).toEqual(["backup", "new"])
    await using restored = await open(into, { create: false })
    expect(new Map(restored.table("t").entries())).toEqual(
      new Map<string, unknown>([
        ["a", 1],
        ["b", { n: 2n }],
      ]),
    )
    expect((await restored.table("t").put("c", 3)).lsn).toBeGreaterThan(backup.lsn)
  })

  test("to an LSN or a time gives the state that was kept from then", async () => {
    const { platform, store, done, restore, contentOf } = await scene(1000)
    const taken: { readonly lsn: number; readonly timeMs: number; readonly size: number }[] = []
    for (let day = 0; day < 3; day++) {
      await done(store.table("t").put(`day ${day}`, day))
      const { lsn } = await done(store.backup("/backup", { keepDays: 30 }))
      taken.push({ lsn, timeMs: platform.clock.wallMs(), size: store.table("t").size })
      platform.clock.jumpWall(DAY_MS)
    }
    for (const [n, { lsn, timeMs, size }] of taken.entries()) {
      expect(await restore({ from: "/backup", into: `/a${n}`, at: lsn })).toMatchObject({ lsn, records: size })
      const byTime = await restore({ from: "/backup", into: `/b${n}`, at: new Date(timeMs + DAY_MS / 2) })
      expect(byTime).toMatchObject({ lsn, records: size })
      expect(byTime.timeMs).toBeLessThanOrEqual(timeMs)
      expect((await contentOf(`/a${n}`)).size).toBe(size)
    }
    const [first] = taken
    const early = new Date((first?.timeMs ?? 0) - DAY_MS)
    await expect(restore({ from: "/backup", into: "/c", at: early })).rejects.toThrow(HistoryExpired)
    expect(platform.fileSystem.files().has("/c/manifest-0")).toBe(false)
  })
})

describe("restoring a store", () => {
  test.each([7, 1000])("to every LSN gives exactly that state, with a checkpoint in %i commits", async (every) => {
    const { platform, states, done, restore, contentOf } = await scene(every)
    for (const [lsn, content] of [...states].filter(([at]) => at % 3 === 0)) {
      const report = await restore({ from: "/data", into: `/to-${lsn}`, at: lsn })
      expect(report).toMatchObject({ lsn, records: content.size })
      expect(await contentOf(`/to-${lsn}`), `at ${lsn}`).toEqual(content)
      expect((await done(verifyStore(platform, `/to-${lsn}`))).verdict).toBe("good")
    }
  })

  test("inside a frame of many commits ends behind the one that was asked for", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const receipts = await Promise.all(Array.from({ length: 30 }, (_, n) => table.put(`k${n}`, n)))
    const directory = await temporaryDirectory()
    for (const n of [3, 17]) {
      const into = join(directory, String(n))
      const lsn = receipts[n]?.lsn ?? 0
      expect(await restoreStore({ from: store.path, into, at: lsn })).toMatchObject({ lsn, records: n + 1 })
      expect(await keysIn(into)).toEqual(Array.from({ length: n + 1 }, (_, index) => `k${index}`).sort())
    }
  })

  test("into its own place goes back, with an id of its own, and refuses the backups of the one before", async () => {
    const { platform, store, states, done, restore, contentOf } = await scene(20)
    await done(store.backup("/backup"))
    await done(store.close())
    const [lsn = 0, content] = [...states][30] ?? []
    const files = platform.fileSystem
    const before = await done(readManifest(files, "/data", platform.checksum))
    await expect(restore({ from: "/data", into: "/data", at: lsn })).rejects.toThrow("it holds a store")
    expect(await restore({ from: "/data", into: "/data/", at: lsn, force: true })).toMatchObject({ lsn })
    expect(await contentOf("/data")).toEqual(content)
    const after = await done(readManifest(files, "/data", platform.checksum))
    expect(after.manifest?.storeId).not.toEqual(before.manifest?.storeId)
    expect([...files.files().keys()].filter((name) => !/^\/(data|backup)\//.test(name))).toEqual([])
    const restored = await done(open("/data", { platform, create: false }))
    expect((await done(restored.table("t").put("new", 1))).lsn).toBeGreaterThan(lsn)
    await expect(done(restored.backup("/backup"))).rejects.toThrow("it holds another store")
    await done(restored.close())
  })

  test("where the state is not kept, or not there yet, is refused, and leaves nothing behind", async () => {
    const { platform, restore, states } = await scene(10, 1)
    const last = Math.max(...states.keys())
    await expect(restore({ from: "/data", into: "/new", at: 3 })).rejects.toThrow(HistoryExpired)
    await expect(restore({ from: "/data", into: "/new", at: last + 100 })).rejects.toThrow(CannotOpen)
    await expect(restore({ from: "/nowhere", into: "/new" })).rejects.toThrow("there is no store")
    expect([...platform.fileSystem.files().keys()].filter((name) => name.startsWith("/new"))).toEqual([])
    expect(await platform.fileSystem.list("/")).toEqual(["data"])
  })

  test("falls back on an older checkpoint where the newest has rotted", async () => {
    const { platform, states, restore, contentOf } = await scene(20)
    const disk = platform.fileSystem
    const newest =
      [...disk.files().keys()]
        .filter((name) => name.startsWith("/data/checkpoint-"))
        .sort()
        .at(-1) ?? ""
    disk.flipBit(newest, (disk.files().get(newest)?.length ?? 0) - 60, 1)
    await restore({ from: "/data", into: "/new" })
    expect(await contentOf("/new")).toEqual([...states.values()].at(-1))
  })
})

describe("the place of the new store", () => {
  test("may be an empty directory, and parents that are missing are made", async () => {
    const store = await temporaryStore()
    await store.table("t").put("a", 1)
    const directory = await temporaryDirectory()
    const empty = join(directory, "empty")
    await mkdir(empty)
    await restoreStore({ from: store.path, into: `${empty}/` })
    const deep = join(directory, "x", "y", "z")
    await restoreStore({ from: store.path, into: deep })
    expect([await keysIn(empty), await keysIn(deep)]).toEqual([["a"], ["a"]])
    expect((await readdir(directory)).sort()).toEqual(["empty", "x"])
  })

  test("is never what is no store, nor a store with files of others, even with force", async () => {
    const store = await temporaryStore()
    await store.table("t").put("a", 1)
    const foreign = await temporaryDirectory()
    const notes = join(foreign, "notes.txt")
    await writeFile(notes, "mine")
    const from = store.path
    await expect(restoreStore({ from, into: foreign, force: true })).rejects.toThrow(NotAStore)
    await expect(restoreStore({ from, into: notes, force: true })).rejects.toThrow(CannotOpen)
    const mixed = join(await temporaryDirectory(), "mixed")
    await (await open(mixed)).close()
    await writeFile(join(mixed, "notes.txt"), "mine")
    await expect(restoreStore({ from, into: mixed, force: true })).rejects.toThrow('it holds "notes.txt"')
    const beside = join(await temporaryDirectory(), "new")
    await mkdir(`${beside}.restoring`)
    await writeFile(join(`${beside}.restoring`, "notes.txt"), "mine")
    await expect(restoreStore({ from, into: beside })).rejects.toThrow('it holds "notes.txt"')
    expect(await readFile(notes, "utf8")).toBe("mine")
    expect(await readFile(join(mixed, "notes.txt"), "utf8")).toBe("mine")
    await expect(stat(`${mixed}.restoring`)).rejects.toThrow("ENOENT")
  })

  test("is refused while somebody has the store there open, and that one goes on", async () => {
    const store = await temporaryStore()
    await store.table("t").put("a", 1)
    const path = join(await temporaryDirectory(), "backup")
    await store.backup(path)
    await expect(restoreStore({ from: path, into: store.path })).rejects.toThrow("it holds a store")
    await expect(restoreStore({ from: path, into: store.path, force: true })).rejects.toThrow(StoreLocked)
    await store.table("t").put("b", 2)
    expect(await keysIn(store.path)).toEqual(["a", "b"])
  })

  test("is taken over from a closed store with force, and nothing of it is left", async () => {
    const store = await temporaryStore()
    await store.table("t").put("old", 1)
    await store.close()
    const other = await temporaryStore()
    await other.table("t").put("new", 1)
    await restoreStore({ from: other.path, into: store.path, force: true })
    expect(await keysIn(store.path)).toEqual(["new"])
    expect(await readdir(join(store.path, ".."))).toEqual(["store"])
    const again = await open(store.path)
    await again.table("t").put("more", 1)
    await again.close()
    expect(await keysIn(store.path)).toEqual(["more", "new"])
  })

  test("is what a crash between the two renames left, for the next open and the next restore", async () => {
    const { platform, store, done, restore, contentOf } = await scene(20)
    const disk = platform.fileSystem
    await done(store.close())
    await restore({ from: "/data", into: "/data.restoring", at: 5 })
    await done(disk.rename("/data", "/data.replaced"))
    const mended = await done(open("/data", { platform }))
    expect(mended.recovery.foundStore).toBe(true)
    expect(mended.table("t").size).toBe((await contentOf("/data")).size)
    await done(mended.close())
    expect(await disk.list("/")).toEqual(["data", "data.replaced"])
    await expect(restore({ from: "/data.replaced", into: "/data", force: true })).rejects.toThrow("Rename it")
    await done(disk.rename("/data", "/data.restoring"))
    await expect(restore({ from: "/data.restoring", into: "/data" })).rejects.toThrow("Rename it")
    await restore({ from: "/data.replaced", into: "/copy", at: 9 })
    await expect(restore({ from: "/copy", into: "/data" })).rejects.toThrow("it holds a store")
    await restore({ from: "/copy", into: "/data", force: true })
    expect(await contentOf("/data")).toEqual(await contentOf("/copy"))
    expect(await disk.list("/")).toEqual(["copy", "data"])
  })
})

describe("a restore", () => {
  test("tells how it gets on, and can be given up without a trace", async () => {
    const store = await temporaryStore()
    await store
      .table("t")
      .putMany(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, { n, pad: "x".repeat(90) }] as const))
    const into = join(await temporaryDirectory(), "new")
    const shares: number[] = []
    const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): void => {
      shares.push(doneBytes / totalBytes)
    }
    await restoreStore({ from: store.path, into, onProgress })
    expect(shares.length).toBeGreaterThan(4)
    expect(shares).toEqual(shares.toSorted((left, right) => left - right))
    expect(shares.at(-1)).toBe(1)
    const other = `${into}-2`
    const giveUp = (): void => {
      throw new Error("enough")
    }
    await expect(restoreStore({ from: store.path, into: other, onProgress: giveUp })).rejects.toThrow("enough")
    const signal = AbortSignal.abort(new Error("not at all"))
    await expect(restoreStore({ from: store.path, into: other, signal })).rejects.toThrow("not at all")
    expect(await readdir(join(into, ".."))).toEqual(["new"])
  })

  test("that reads back otherwise than it was written does not take the place", async () => {
    const { platform, restore, contentOf, states, store, done } = await scene(7)
    await done(store.close())
    const disk = platform.fileSystem
    const written = "/data.restoring/checkpoint-0000000001"
    let rottenCount = 0
    let isProving = false
    const onProgress = (): void => {
      // The manifest is written last: from then on it is proven. Each time: damage is met by building anew.
      const wasProving = isProving
      isProving = disk.files().has("/data.restoring/manifest-0")
      if (wasProving || !isProving) return
      rottenCount++
      disk.flipBit(written, (disk.files().get(written)?.length ?? 0) - 100, 5)
    }
    const failed = restore({ from: "/data", into: "/data", force: true, onProgress })
    await expect(failed).rejects.toThrow("the restored store reads back damaged")
    expect(rottenCount).toBeGreaterThan(0)
    expect([...disk.files().keys()].filter((name) => !name.startsWith("/data/"))).toEqual([])
    expect(await contentOf("/data")).toEqual([...states.values()].at(-1))
  })

  test("refuses options that are none", async () => {
    const options = { from: "/a", into: "/b", platform: simulatePlatform({ seed: 1 }) }
    await expect(restoreStore({ ...options, into: "" })).rejects.toThrow(TypeError)
    await expect(restoreStore({ ...options, at: "some day" })).rejects.toThrow(TypeError)
    await expect(restoreStore({ ...options, force: 1 } as never)).rejects.toThrow(TypeError)
    await expect(restoreStore({ ...options, to: 3 } as never)).rejects.toThrow('has no "to"')
  })
})

test("the audit log of a store that was replaced goes on in the new one, which says where it came from", async () => {
  const directory = await temporaryDirectory()
  const [from, into] = [join(directory, "from"), join(directory, "into")]
  for (const path of [from, into]) {
    const store = await open(path)
    await store.table("t").put("k", path)
    await store.close()
  }
  const before = await readAudit(nodePlatform.fileSystem, into)
  const { lsn } = await restoreStore({ from, into, force: true })
  const { entries, brokenLines } = await readAudit(nodePlatform.fileSystem, into)
  expect(brokenLines).toBe(0)
  expect(entries.slice(0, -1)).toEqual(before.entries)
  expect(entries.at(-1)).toMatchObject({ kind: "restored", from, lsn, records: 1 })
})
