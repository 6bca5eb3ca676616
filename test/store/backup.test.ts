// Backups: a directory that is a store of its own, made while the store runs, replaced as a whole or not at all.

import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { CannotOpen, NotAStore, open, StoreLocked } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

async function contentAt(path: string): Promise<Map<string, unknown>> {
  await using store = await open(path)
  return new Map(store.table("t").entries())
}

async function putSome(store: Store, first: number, count: number): Promise<void> {
  await store.table("t").putMany(Array.from({ length: count }, (_, n) => [`k${first + n}`, { n: first + n }] as const))
}

describe("a backup", () => {
  test("is a store with everything that was durable, and nothing of what came later", async () => {
    const store = await temporaryStore()
    await putSome(store, 0, 500)
    await store.table("t").delete("k7")
    const path = join(await temporaryDirectory(), "backup")
    const report = await store.backup(path)
    await putSome(store, 1000, 10)
    const content = await contentAt(path)
    expect(content.size).toBe(499)
    expect(content.get("k8")).toEqual({ n: 8 })
    expect(content.has("k7")).toBe(false)
    expect(report).toMatchObject({ path, records: 499, lsn: store.metrics().checkpoint.lastLsn })
    expect(report).toMatchObject({ linkedBytes: report.sizeBytes, copiedBytes: 0, keptLsns: [report.lsn] })
  })

  test("goes on where it was: what is put into it is there after the next open", async () => {
    const store = await temporaryStore()
    await putSome(store, 0, 50)
    const path = join(await temporaryDirectory(), "backup")
    const { lsn } = await store.backup(path)
    const restored = await open(path)
    expect((await restored.table("t").put("new", 1)).lsn).toBeGreaterThan(lsn)
    await restored.close()
    expect((await contentAt(path)).size).toBe(51)
  })

  test("goes on over many segments, whose numbers those of the store had that it is of", async () => {
    const platform = simulatePlatform({ seed: 5 })
    const settings = { platform, segmentBytes: 4096, shards: 2, checkpoint: false } as const
    const fill = async (store: Store, from: number): Promise<void> => {
      for (let n = from; n < from + 40; n++) {
        await untilSettled(platform, store.table("t").put(`k${n}`, { n, pad: "p".repeat(400) }))
      }
    }
    const store = await open("/data", settings)
    await fill(store, 0)
    await untilSettled(platform, store.backup("/backup"))
    await untilSettled(platform, store.close())
    for (let owner = 1; owner < 4; owner++) {
      const next = await untilSettled(platform, open("/backup", settings))
      expect(next.table("t").size).toBe(owner * 40)
      await fill(next, owner * 40)
      await untilSettled(platform, next.close())
    }
    const last = await untilSettled(platform, open("/backup", settings))
    expect([...last.table<{ n: number }>("t").values()].map(({ n }) => n).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 160 }, (_, n) => n),
    )
    await untilSettled(platform, last.close())
  })

  test("is replaced by the next one, and copied only if something has changed", async () => {
    const store = await temporaryStore()
    await putSome(store, 0, 50)
    const path = join(await temporaryDirectory(), "backup")
    const { sizeBytes } = await store.backup(path, { link: false })
    expect(await store.backup(path, { link: false })).toMatchObject({ copiedBytes: 0, linkedBytes: 0, removedBytes: 0 })
    await putSome(store, 50, 50)
    const report = await store.backup(path, { link: false })
    expect(report).toMatchObject({ copiedBytes: report.sizeBytes, linkedBytes: 0, removedBytes: sizeBytes })
    const names = (await readdir(path)).filter((name) => /^(wal|checkpoint|spare)/.test(name))
    expect(names).toHaveLength(2)
    expect((await contentAt(path)).size).toBe(100)
  })

  test("of a store that was never written to is an empty store", async () => {
    const store = await temporaryStore()
    const path = join(await temporaryDirectory(), "backup")
    expect((await store.backup(path)).records).toBe(0)
    expect((await contentAt(path)).size).toBe(0)
  })

  test("does not go over other files, another store, the store itself, or a backup that has been used", async () => {
    const store = await temporaryStore()
    await putSome(store, 0, 5)
    const foreign = await temporaryDirectory()
    await writeFile(join(foreign, "notes.txt"), "mine")
    await expect(store.backup(foreign)).rejects.toThrow(NotAStore)
    await expect(store.backup(join(foreign, "notes.txt"))).rejects.toThrow(CannotOpen)
    expect(await readFile(join(foreign, "notes.txt"), "utf8")).toBe("mine")
    await expect(store.backup(store.path)).rejects.toThrow(StoreLocked)
    const other = await temporaryStore()
    const { path: otherPath } = other
    await other.close()
    await expect(store.backup(otherPath)).rejects.toThrow("it holds another store")
    const used = join(await temporaryDirectory(), "backup")
    await store.backup(used)
    expect((await contentAt(used)).size).toBe(5)
    await putSome(store, 5, 5)
    await expect(store.backup(used)).rejects.toThrow("it has been opened as a store")
  })

  test("tells how it gets on, and can be given up", async () => {
    const store = await temporaryStore()
    await putSome(store, 0, 500)
    const path = join(await temporaryDirectory(), "backup")
    const seen: number[] = []
    const copying = store.backup(path, {
      onProgress: ({ doneBytes, totalBytes }) => {
        seen.push(doneBytes / totalBytes)
        throw new Error("enough")
      },
    })
    await expect(copying).rejects.toThrow("enough")
    expect(seen).toEqual([1])
    const aborted = AbortSignal.abort(new Error("not at all"))
    await expect(store.backup(path, { signal: aborted })).rejects.toThrow("not at all")
    await store.backup(path)
    expect((await contentAt(path)).size).toBe(500)
  })

  test("leaves, wherever the power fails, the backup of before or the new one", async () => {
    const platform = simulatePlatform({ seed: 5 })
    const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
    const store = await done(open("/data", { platform, segmentBytes: 4096, shards: 2 }))
    await done(putSome(store, 0, 20))
    await done(store.backup("/backup"))
    const before = platform.fileSystem.operations.length
    await done(putSome(store, 20, 20))
    await done(store.backup("/backup"))
    const sizes = new Set<number>()
    let stateCount = 0
    for (const state of crashStates(platform.fileSystem.trace(), { seed: 7 })) {
      if (state.afterOperation < before) continue
      stateCount++
      const machine = simulatePlatform({ seed: 6, disk: state.mount() })
      const backup = await untilSettled(machine, open("/backup", { platform: machine, create: false }))
      const { size } = backup.table("t")
      if (size !== 20 && size !== 40) throw new Error(`${size} records: ${state.describe()}`)
      sizes.add(size)
      await untilSettled(machine, backup.close())
    }
    expect(stateCount).toBeGreaterThan(50)
    expect(sizes).toEqual(new Set([20, 40]))
  })
})
