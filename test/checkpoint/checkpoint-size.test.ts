// What a checkpoint of the present would take, told from counters, against what it takes.

import fc from "fast-check"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { CheckpointSize } from "../../src/checkpoint/checkpoint-size.ts"
import { untilSettled } from "../property/store-history.ts"

/** A store that has just made a checkpoint of these records has nothing that another would do without. */
async function redundancyBehindCheckpoint(
  tables: number,
  keys: number,
  size: number,
  deletes: number,
): Promise<readonly [redundancy: number, sizeBytes: number]> {
  const platform = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform, shards: 3, checkpoint: false })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  for (let t = 0; t < tables; t++) {
    const table = store.table(`table ${t}`)
    const entry = (n: number): readonly [string, unknown] => [`k${n}`, { [`field${t}`]: n, pad: "p".repeat(n % size) }]
    await done(table.putMany(Array.from({ length: keys }, (_, n) => entry(n))))
    await done(
      store.batch((batch) => {
        for (let n = 0; n < Math.min(deletes, keys); n++) batch.delete(table, `k${n}`)
      }),
    )
  }
  const report = await done(store.checkpoint())
  const { redundancy } = store.metrics().checkpoint
  await done(store.close())
  return [redundancy, report?.sizeBytes ?? 0]
}

test("behind a checkpoint the redundancy is next to nothing, whatever is in the store", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 1, max: 2_000 }),
      fc.nat(400),
      async (tables, keys, size, deletes) => {
        const [redundancy, sizeBytes] = await redundancyBehindCheckpoint(tables, keys, size, deletes)
        expect(redundancy).toBeGreaterThanOrEqual(0)
        // A header too many or too few for each table, of what is there.
        expect(redundancy * sizeBytes).toBeLessThanOrEqual(tables * 128)
      },
    ),
    { numRuns: 15 },
  )
})

test("what is deleted or overwritten behind the checkpoint is redundant, and no more after the next one", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open("/data", { platform, shards: 3, checkpoint: false, segmentBytes: 4096 }))
  const redundancy = (): number => store.metrics().checkpoint.redundancy
  expect(redundancy()).toBe(0)
  const table = store.table<string>("t")
  const keys = Array.from({ length: 500 }, (_, n) => `k${n}`)
  const pad = "p".repeat(200)
  await done(table.putMany(keys.map((key) => [key, pad] as const)))
  await done(store.checkpoint())
  expect(redundancy()).toBeLessThan(0.01)
  await done(table.putMany(keys.map((key) => [key, pad] as const)))
  expect(redundancy()).toBeGreaterThan(0.48)
  expect(redundancy()).toBeLessThan(0.52)
  await done(
    store.batch((batch) => {
      for (const key of keys.slice(0, 400)) batch.delete(table, key)
    }),
  )
  expect(redundancy()).toBeGreaterThan(0.88)
  await store.killActor("store/shards/shard-1", new Error("killed by the test"))
  expect(store.metrics().shards[1]?.isUp).toBe(false)
  expect(redundancy()).toBe(0)
  await done(store.ready())
  expect(redundancy()).toBeGreaterThan(0.88)
  await done(store.checkpoint())
  expect(redundancy()).toBeLessThan(0.01)
  await done(store.close())
})

test("of the segment that a checkpoint ends in, only what lies behind it counts as log", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open("/data", { platform, shards: 3, checkpoint: false }))
  const table = store.table<string>("t")
  const write = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) await done(table.put(`k${n}`, "v".repeat(200_000)))
  }
  await write(20)
  const before = store.metrics().checkpoint
  expect(before.replayBytes).toBeGreaterThan(4_000_000)
  await done(store.checkpoint())
  expect(store.metrics().checkpoint).toMatchObject({ replayBytes: 0, replayCommits: 0 })
  await write(1)
  expect(store.metrics().checkpoint.replayCommits).toBe(1)
  expect(store.metrics().checkpoint.replayBytes).toBeGreaterThan(200_000)
  expect(store.metrics().checkpoint.replayBytes).toBeLessThan(1_000_000)
  await done(store.close())
})

test("shapes whose numbers leave others out are counted as they are written", () => {
  const sizeOf = (...ids: readonly number[]): number => {
    const catalogue = new Catalogue()
    for (const id of ids) catalogue.shapes.define(id, ["name", `n${id % 2}`])
    return new CheckpointSize(catalogue).of([])
  }
  expect(sizeOf(0, 4, 9)).toBe(sizeOf(0, 1, 2))
  expect(sizeOf(0, 4, 9)).toBeGreaterThan(sizeOf(9))
})
