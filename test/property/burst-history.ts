// Histories whose writes come in bursts: several at a time, of values up to some KiB, so that what one flush has on its way
// to the disk is many sectors, each of which a power cut keeps, loses or tears by itself.

import fc from "fast-check"
import { key, level, place, restartStep, table } from "./store-history.ts"
import type { Step } from "./store-history.ts"

/** Mostly less than a sector; some that span several. */
const size = fc.oneof(
  { weight: 4, arbitrary: fc.nat(300) },
  { weight: 4, arbitrary: fc.integer({ min: 300, max: 1_200 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_200, max: 4_000 }) },
)

const write: fc.Arbitrary<Step> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: fc.constant("put" as const), table, key, size, level }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), table, key, level }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("update" as const), table, key, level }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      puts: fc.array(place, { minLength: 2, maxLength: 6 }),
      deletes: fc.array(place, { maxLength: 2 }),
      size: fc.nat(700),
      level,
    }),
  },
)

const wait: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 50, 200) }) },
)

/** `restarts`: how many of a hundred pauses between bursts reopen the store or kill an actor. */
export function burstHistoryArbitrary(maxLength: number, restarts: number): fc.Arbitrary<Step[]> {
  const pause = fc.oneof({ weight: 100 - restarts, arbitrary: wait }, { weight: restarts, arbitrary: restartStep })
  const burst = fc.tuple(fc.array(write, { minLength: 1, maxLength: 8, size: "max" }), pause)
  const bursts = fc.array(burst, { minLength: 3, maxLength: Math.ceil(maxLength / 4), size: "max" })
  return bursts.map((drawn) => drawn.flatMap(([writes, end]) => [...writes, end]).slice(0, maxLength))
}
