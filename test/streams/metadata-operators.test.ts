// The operators over samples: where the heat is, and which keys are hot.

import { Subject } from "rxjs"
import { expect, test } from "vitest"
import type { AccessBatch } from "../../src/streams/metadata-batch.ts"
import { heat, hottestKeys } from "../../src/streams/metadata-operators.ts"

function batchOf(atMs: number, accesses: readonly (readonly [string, string, number])[]): AccessBatch {
  return {
    count: accesses.length,
    every: 64,
    kinds: accesses.map(() => "get"),
    tables: accesses.map(([table]) => table),
    keys: accesses.map(([, key]) => key),
    hashes: Uint32Array.from(accesses, (_, n) => n),
    shards: Uint16Array.from(accesses, ([, , shard]) => shard),
    timesMs: Float64Array.from(accesses, () => atMs),
    atMs,
  }
}

test("heat is told by table and shard, hottest first, and cools down", () => {
  const batches = new Subject<AccessBatch>()
  const told: unknown[] = []
  batches.pipe(heat({ halfLifeMs: 1_000 })).subscribe((parts) => told.push(parts.map((part) => Object.values(part))))
  batches.next(
    batchOf(0, [
      ["t", "a", 0],
      ["t", "b", 1],
      ["u", "a", 1],
      ["t", "c", 1],
    ]),
  )
  batches.next(batchOf(1_000, [["u", "a", 1]]))
  const rate = (value: number): unknown => expect.closeTo(value * Math.LN2, 6)
  expect(told).toEqual([
    [
      ["t", 1, 128, rate(128)],
      ["t", 0, 64, rate(64)],
      ["u", 1, 64, rate(64)],
    ],
    [
      ["u", 1, 96, rate(96)],
      ["t", 1, 64, rate(64)],
      ["t", 0, 32, rate(32)],
    ],
  ])
})

test("the hottest keys are told with their tables, whatever these and the keys are called", () => {
  const batches = new Subject<AccessBatch>()
  let told: readonly { readonly table: string; readonly key: string }[] = []
  batches.pipe(hottestKeys({ count: 2, halfLifeMs: 1_000 })).subscribe((keys) => (told = keys))
  const names = [
    ["1:a", "b"],
    ["1", ":ab"],
    ["", "1:1:ab"],
  ] as const
  names.forEach(([table, key], n) => {
    batches.next(
      batchOf(
        0,
        Array.from({ length: n + 1 }, () => [table, key, 0] as const),
      ),
    )
  })
  expect(told.map(({ table, key }) => [table, key])).toEqual([
    ["", "1:1:ab"],
    ["1", ":ab"],
  ])
  // What was hot is overtaken.
  batches.next(batchOf(10_000, [["1:a", "b", 0]]))
  expect(told[0]).toMatchObject({ table: "1:a", key: "b", errorPerSecond: 0 })
})

test("each subscription has a state of its own", () => {
  const batches = new Subject<AccessBatch>()
  const warm = batches.pipe(heat())
  const [early, late]: number[][] = [[], []]
  warm.subscribe(([part]) => early?.push(part?.heat ?? 0))
  batches.next(batchOf(0, [["t", "a", 0]]))
  warm.subscribe(([part]) => late?.push(part?.heat ?? 0))
  batches.next(batchOf(0, [["t", "a", 0]]))
  expect([early, late]).toEqual([[64, 128], [64]])
})

test("options that make no sense are refused", () => {
  expect(() => heat({ halfLifeMs: 0 })).toThrow("halfLifeMs must be a whole number from 1")
  expect(() => hottestKeys({ count: 1.5 })).toThrow("count must be")
  expect(() => hottestKeys({ capacity: 20_000 })).toThrow("capacity must be a whole number from 1 to 10000")
  expect(() => hottestKeys({ count: 20, capacity: 10 })).toThrow("capacity must not be less than count")
})
