// A store that lost most of what it held does not wait for as much log as it once was large.

import { expect, test } from "vitest"
import type { CheckpointOptions } from "../../src/index.ts"
import { WatchedStore } from "./watched-store.ts"

/** A store with a checkpoint of half a megabyte, of which nine tenths were deleted since. */
async function shrunkenStore(checkpoint: CheckpointOptions): Promise<WatchedStore> {
  const watched = await WatchedStore.open({ checkpoint, alerts: false })
  const table = watched.store.table<string>("t")
  const keys = Array.from({ length: 100 }, (_, n) => `key ${n}`)
  await watched.settled(table.putMany(keys.map((key) => [key, "v".repeat(5_000)] as const)))
  await watched.settled(watched.store.checkpoint())
  for (const key of keys.slice(0, 90)) await watched.settled(table.delete(key))
  return watched
}

test("a checkpoint is made when most of what recovery would read is of no more use", async () => {
  const watched = await shrunkenStore({ logBytes: 5_000 })
  const before = watched.store.metrics().checkpoint
  expect(before.lastSizeBytes).toBeGreaterThan(500_000)
  expect(before.replayBytes).toBeGreaterThan(5_000)
  expect(before.replayBytes).toBeLessThan(20_000)
  expect(before.redundancy).toBeGreaterThan(0.85)
  await watched.pass(1_000)
  const after = watched.store.metrics().checkpoint
  expect(after).toMatchObject({ made: 2, lastRecords: 10 })
  expect(after.lastSizeBytes).toBeLessThan(60_000)
  expect(after.redundancy).toBeLessThan(0.1)
  await watched.pass(10_000)
  expect(watched.store.metrics().checkpoint.made).toBe(2)
  await watched.close()
})

test.each([
  ["the rule is off", { logBytes: 5_000, redundancy: 1 }],
  ["more is asked for", { logBytes: 5_000, redundancy: 0.95 }],
  ["the log is shorter than the rule for it says", { logBytes: 50_000 }],
])("none is made for that where %s", async (_, options) => {
  const watched = await shrunkenStore(options)
  await watched.pass(10_000)
  expect(watched.store.metrics().checkpoint.made).toBe(1)
  await watched.close()
})
