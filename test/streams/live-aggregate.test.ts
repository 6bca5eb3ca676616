// Aggregates over rows that come and go are what they are over the rows that are left, whatever the order was.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { ExactSum } from "../../src/streams/exact-sum.ts"
import { aggregates } from "../../src/streams/live-aggregate.ts"
import type { Aggregate, Fold } from "../../src/streams/live-aggregate.ts"
import { isSameSelection } from "../../src/streams/same-selection.ts"

/** The sum as an exact fraction, rounded by the parser of numbers: another way than the one that is tested. */
function exactly(values: readonly number[]): number {
  const scaled = values.reduce((sum, value) => sum + scaledOf(value), 0n)
  const digits = (scaled < 0n ? -scaled : scaled) * 10n ** 1_080n
  const text = `${digits >> 1_074n}${digits % (1n << 1_074n) === 0n ? "" : "1"}`
  const shift = digits % (1n << 1_074n) === 0n ? 1_080 : 1_081
  return Number(`${scaled < 0n ? "-" : ""}${text}e-${shift}`)
}

function scaledOf(value: number): bigint {
  const bits = new DataView(new Float64Array([Math.abs(value)]).buffer).getBigUint64(0, true)
  const exponent = Number(bits >> 52n)
  const fraction = bits & ((1n << 52n) - 1n)
  const size = exponent === 0 ? fraction : (fraction + (1n << 52n)) * 2n ** BigInt(exponent - 1)
  return value < 0 ? -size : size
}

const double = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -1_000, max: 1_000 }).map((n) => n / 100),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, 5e-324, -5e-324, 2 ** -1022, 1e16, 0.1),
)

describe("a sum", () => {
  test("is the exact one, rounded once, whatever was in it meanwhile", () => {
    fc.assert(
      fc.property(fc.array(double, { maxLength: 12 }), fc.array(double, { maxLength: 12 }), (kept, gone) => {
        const sum = new ExactSum()
        for (const value of gone) sum.add(value)
        for (const value of kept) sum.add(value)
        for (const value of gone.toReversed()) sum.remove(value)
        expect(sum.value).toBe(exactly(kept) + 0)
      }),
      { numRuns: 1_000 },
    )
  })

  test("of tenths does not drift", () => {
    const sum = new ExactSum()
    for (let n = 0; n < 10; n++) sum.add(0.1)
    expect(sum.value).toBe(1)
    sum.add(1e300)
    sum.remove(1e300)
    expect(sum.value).toBe(1)
    for (let n = 0; n < 10; n++) sum.remove(0.1)
    expect(sum.value).toBe(0)
  })

  test("of what is not finite is as by addition, and comes back when that has gone", () => {
    const sum = new ExactSum()
    sum.add(1)
    sum.add(Infinity)
    expect(sum.value).toBe(Infinity)
    sum.add(-Infinity)
    expect(sum.value).toBeNaN()
    sum.remove(Infinity)
    expect(sum.value).toBe(-Infinity)
    sum.remove(-Infinity)
    sum.add(Number.NaN)
    expect(sum.value).toBeNaN()
    sum.remove(Number.NaN)
    expect(sum.value).toBe(1)
  })

  test("beyond what a double holds is infinite, in both directions", () => {
    const sum = new ExactSum()
    sum.add(Number.MAX_VALUE)
    sum.add(Number.MAX_VALUE)
    expect(sum.value).toBe(Infinity)
    sum.remove(Number.MAX_VALUE)
    expect(sum.value).toBe(Number.MAX_VALUE)
    sum.remove(Number.MAX_VALUE)
    sum.add(-Number.MAX_VALUE)
    sum.add(-Number.MAX_VALUE)
    expect(sum.value).toBe(-Infinity)
  })
})

const value = fc.integer({ min: -20, max: 20 })
const history = fc.array(fc.tuple(fc.nat(9), fc.option(value, { nil: undefined })), { maxLength: 60 })

function run<Result>(
  aggregate: Aggregate<number, Result>,
  steps: readonly [number, number | undefined][],
): Fold<number, Result> {
  const fold = aggregate.start()
  const rows = new Map<number, number>()
  for (const [key, next] of steps) {
    const before = rows.get(key)
    if (before !== undefined) fold.remove(before, String(key))
    if (next !== undefined) fold.add(next, String(key))
    if (next === undefined) rows.delete(key)
    else rows.set(key, next)
    void fold.result
  }
  return fold
}

test("count, sum, average, min, max and groups are those of the rows that are left", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const rows = new Map<number, number>()
      for (const [key, next] of steps) {
        if (next === undefined) rows.delete(key)
        else rows.set(key, next)
      }
      const left = [...rows.values()]
      const total = left.reduce((sum, n) => sum + n, 0)
      const itself = (n: number): number => n
      expect(run(aggregates.count(), steps).result).toBe(left.length)
      expect(run(aggregates.sum(itself), steps).result).toBe(total)
      expect(run(aggregates.average(itself), steps).result).toBe(left.length === 0 ? undefined : total / left.length)
      expect(run(aggregates.min(itself), steps).result).toBe(left.length === 0 ? undefined : Math.min(...left))
      expect(run(aggregates.max(itself), steps).result).toBe(left.length === 0 ? undefined : Math.max(...left))
      const groups = new Map<boolean, number>()
      for (const n of left) groups.set(n > 0, (groups.get(n > 0) ?? 0) + 1)
      expect(
        run(
          aggregates.groupBy((n: number) => n > 0, aggregates.count()),
          steps,
        ).result,
      ).toEqual(groups)
      const texts = left.map((n) => `t${n}`).sort((one, other) => (one < other ? -1 : 1))
      expect(
        run(
          aggregates.max((n: number) => `t${n}`),
          steps,
        ).result,
      ).toBe(texts.at(-1))
    }),
    { numRuns: 300 },
  )
})

test("groups may be grouped again", () => {
  const aggregate = aggregates.groupBy(
    (n: number) => n % 2,
    aggregates.groupBy((n: number) => n > 5, aggregates.count()),
  )
  const fold = aggregate.start()
  for (let n = 0; n < 10; n++) fold.add(n, String(n))
  const before = fold.result
  expect(before.get(0)).toEqual(
    new Map([
      [false, 3],
      [true, 2],
    ]),
  )
  fold.remove(8, "8")
  expect(before.get(0)?.get(true)).toBe(2)
  expect(fold.result.get(0)?.get(true)).toBe(1)
  expect(fold.result.get(1)).toBe(before.get(1))
})

test("a function that gives something else for a row that leaves is found out", () => {
  let calls = 0
  const least = aggregates.min(() => calls++).start()
  least.add(1, "a")
  expect(() => least.remove(1, "a")).toThrow("another value for the same row")
  const groups = aggregates.groupBy(() => calls++, aggregates.count()).start()
  groups.add(1, "a")
  expect(() => groups.remove(1, "a")).toThrow("another group for the same row")
})

test("what a selection is made of is compared one level deep", () => {
  const inner = { a: 1 }
  expect(isSameSelection(Number.NaN, Number.NaN)).toBe(true)
  expect(isSameSelection({ inner, n: 1 }, { inner, n: 1 })).toBe(true)
  expect(isSameSelection([1, inner], [1, inner])).toBe(true)
  expect(isSameSelection({ inner }, { inner: { a: 1 } })).toBe(false)
  expect(isSameSelection({ a: undefined }, { b: undefined })).toBe(false)
  expect(isSameSelection({ a: 1 }, { a: 1, b: 2 })).toBe(false)
  expect(isSameSelection([1], { 0: 1 })).toBe(false)
  expect(isSameSelection(new Date(1), new Date(1))).toBe(false)
  expect(isSameSelection(new Map(), new Map())).toBe(false)
  expect(isSameSelection(null, {})).toBe(false)
})
