// Live queries whose feed has lost its place, or whose snapshot went while they began: they start anew, and whoever follows
// their deltas sees no gap.

import { expect, test } from "vitest"
import { applyDeltas, open, QueryFailed } from "../../src/index.ts"
import type { LiveRow, Store } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { nodeClock } from "../../src/platform/node/node-clock.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

const LOST = "live queries start anew because the feed has lost its place"

async function simulatedStore(): Promise<{ store: Store; platform: SimulatedPlatform }> {
  const platform = simulatePlatform({ seed: 3 })
  const store = await open("/data", { platform, segmentBytes: 4096, shards: 2 })
  return { store, platform }
}

/** The publisher dies, and what is written meanwhile cannot be read from the disk. */
async function loseTheFeed(store: Store, platform: SimulatedPlatform, write: () => Promise<unknown>): Promise<void> {
  const { faults } = platform.fileSystem
  faults.add({ operation: 0, through: Number.POSITIVE_INFINITY, only: ["read"], error: "EIO" })
  const killed = store.killActor("store/change-publisher", new Error("killed by the test"))
  // Before it is up again.
  await untilSettled(platform, Promise.all([write(), killed]))
  await untilSettled(platform, store.ready())
  await untilSettled(platform, new Promise<void>((resolve) => setImmediate(resolve)))
  faults.clear()
  await untilSettled(platform, store.flush())
}

test("a query whose feed was lost goes on from a new snapshot, with deltas that lead there and rows that stay", async () => {
  const { store, platform } = await simulatedStore()
  const table = store.table<{ n: number }>("t")
  await table.putMany(Array.from({ length: 20 }, (_, n) => [`k${String(n).padStart(2, "0")}`, { n }] as const))
  const query = table.live({ orderBy: ({ n }) => n, limit: 8 })
  const sum = query.sum(({ n }) => n)
  const watch = table.watch("k05")
  let rows: LiveRow<{ n: number }>[] = []
  query
    .deltas()
    .observable()
    .subscribe(({ deltas }) => (rows = applyDeltas(rows, deltas)))
  await untilSettled(platform, Promise.all([query.ready, watch.ready]))
  const before = query.result
  const five = watch.result
  const lost = probes().get(LOST) ?? 0
  await loseTheFeed(store, platform, () =>
    store.batch((batch) => {
      batch.delete(table, "k01")
      batch.put(table, "k19", { n: -1 })
    }),
  )
  for (let turn = 0; turn < 200 && query.lsn < store.metrics().log.durableLsn; turn++) {
    await untilSettled(platform, store.flush())
  }
  expect(probes().get(LOST)).toBeGreaterThan(lost)
  expect(query.result.map(({ value }) => value.n)).toEqual([-1, 0, 2, 3, 4, 5, 6, 7])
  expect(rows).toEqual(query.result)
  expect(sum.result).toBe(26)
  // What did not change is the same object, although it was read anew.
  expect(query.result[1]).toBe(before[0])
  expect(query.result[4]).toBe(before[4])
  expect(watch.result).toBe(five)
  await untilSettled(platform, table.put("k20", { n: -2 }))
  await untilSettled(platform, store.flush())
  expect(query.result[0]?.value).toEqual({ n: -2 })
  expect(rows).toEqual(query.result)
  await untilSettled(platform, store.close())
})

test("a feed that was lost without a change leaves the result the same array", async () => {
  const { store, platform } = await simulatedStore()
  const table = store.table<{ n: number }>("t")
  await table.putMany(Array.from({ length: 20 }, (_, n) => [`k${n}`, { n }] as const))
  const query = table.live({ orderBy: ({ n }) => n })
  const batches: unknown[] = []
  query
    .deltas()
    .observable()
    .subscribe((batch) => batches.push(batch))
  await untilSettled(platform, query.ready)
  const { result } = query
  const { starts } = store.metrics().live
  await loseTheFeed(store, platform, () => store.table("other").put("a", 1))
  for (let turn = 0; turn < 200 && query.lsn < store.metrics().log.durableLsn; turn++) {
    await untilSettled(platform, store.flush())
  }
  expect(store.metrics().live.starts).toBeGreaterThan(starts)
  expect(query.result).toBe(result)
  expect(batches).toHaveLength(1)
  await untilSettled(platform, store.close())
})

test("a query that begins while a shard, the log or the publisher dies begins anew, by itself", async () => {
  const { store, platform } = await simulatedStore()
  const table = store.table<number>("t")
  for (const actor of ["shards/shard-0", "log/wal-writer", "change-publisher"]) {
    await untilSettled(platform, table.put(actor, 1))
    const query = table.live()
    const killing = store.killActor(`store/${actor}`, new Error("killed by the test"))
    await untilSettled(platform, Promise.all([query.ready, killing]))
    await untilSettled(platform, store.ready())
    await untilSettled(platform, table.put(`${actor}!`, 2))
    await untilSettled(platform, store.flush())
    expect(new Map(query.result.map(({ key, value }) => [key, value]))).toEqual(new Map(table.entries()))
    query.close()
  }
  await untilSettled(platform, store.close())
})

test("a query on a disk that fails shows the durable state, never what was taken back", async () => {
  const { store, platform } = await simulatedStore()
  const table = store.table<number>("t")
  await untilSettled(platform, table.put("kept", 1))
  platform.fileSystem.faults.add({
    operation: platform.fileSystem.operations.length + 1,
    through: platform.fileSystem.operations.length + 2,
    only: ["writeSynced"],
    error: "EIO",
  })
  const lost = table.put("lost", 2).catch((error: unknown) => error)
  const query = table.live()
  const results: string[] = []
  query.observable().subscribe((rows) => results.push(rows.map(({ key }) => key).join()))
  await untilSettled(platform, lost)
  expect(await lost).toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
  await untilSettled(platform, query.ready)
  await untilSettled(platform, store.ready())
  await untilSettled(platform, table.put("more", 3))
  await untilSettled(platform, store.flush())
  expect(results.at(0)).toBe(
    [...table.keys()]
      .filter((key) => key !== "more")
      .sort()
      .join(),
  )
  expect(results.at(-1)).toBe([...table.keys()].sort().join())
  expect(query.error).not.toBeInstanceOf(QueryFailed)
  await untilSettled(platform, store.close())
})

test("a feed that is lost while a query reads a large table makes it begin anew: nothing in between is missing", async () => {
  // Time is real, so that the walk goes in slices; the disk is not, so that it can be made to fail.
  const simulated = simulatePlatform({ seed: 3 })
  const store = await open("/data", { platform: { ...simulated, clock: nodeClock }, shards: 2 })
  const table = store.table<number>("t")
  await table.putMany(Array.from({ length: 120_000 }, (_, n) => [`k${n}`, n] as const))
  const query = table.live({ where: (n) => n <= 0 })
  const shown: unknown[] = []
  query.observable().subscribe((rows) => shown.push(rows[0]?.value))
  await new Promise<void>((resolve) => setImmediate(resolve))
  expect(store.metrics().live.starts).toBe(1)
  const { faults } = simulated.fileSystem
  faults.add({ operation: 0, through: Number.POSITIVE_INFINITY, only: ["read"], error: "EIO" })
  const lost = probes().get(LOST) ?? 0
  // Before it is up again.
  await Promise.all([table.put("k0", -1), store.killActor("store/change-publisher", new Error("killed by the test"))])
  await store.ready()
  while (probes().get(LOST) === lost) await new Promise<void>((resolve) => setImmediate(resolve))
  faults.clear()
  expect(query.isReady).toBe(false)
  await query.ready
  await store.flush()
  await new Promise<void>((resolve) => setImmediate(resolve))
  expect(shown).toEqual([-1])
  await store.close()
})

test("a watched key does not wait for the large table that another query reads", async () => {
  const store = await temporaryStore()
  const large = store.table<number>("large")
  await large.putMany(Array.from({ length: 30_000 }, (_, n) => [`k${n}`, n] as const))
  const order: string[] = []
  const query = large.live()
  const first = query.ready.then(() => order.push("query"))
  await new Promise<void>((resolve) => setImmediate(resolve))
  const watch = large.watch("k7")
  const second = watch.ready.then(() => order.push("watch"))
  await Promise.all([first, second])
  expect(order).toEqual(["watch", "query"])
  expect(watch.result).toBe(7)
})
