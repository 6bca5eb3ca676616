// The histogram's quantiles, its error, and its ends.

import fc from "fast-check"
import { expect, test } from "vitest"
import { LatencyHistogram } from "../../src/wal/latency-histogram.ts"

test("nothing recorded is nothing known", () => {
  const histogram = new LatencyHistogram()
  expect(histogram).toMatchObject({ count: 0, sumMs: 0, maxMs: 0 })
  expect(histogram.quantileMs(0.5)).toBe(0)
  expect(histogram.quantileMs(1)).toBe(0)
})

test("a quantile is never below the true one, and at most 19 % above it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 20_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (values, quantile) => {
        const histogram = new LatencyHistogram()
        for (const value of values) histogram.record(value)
        const sorted = values.toSorted((a, b) => a - b)
        const exact = sorted[Math.ceil(values.length * quantile) - 1] as number
        // A hair's breadth for logarithms of values on the edge of a bucket.
        expect(histogram.quantileMs(quantile)).toBeGreaterThanOrEqual(exact * (1 - 1e-9))
        expect(histogram.quantileMs(quantile)).toBeLessThanOrEqual(exact * 2 ** 0.25 * (1 + 1e-9))
        expect(histogram.count).toBe(values.length)
        expect(histogram.maxMs).toBe(sorted.at(-1))
      },
    ),
  )
})

test("what is shorter or longer than the ends is counted at them, and the maximum is kept", () => {
  const histogram = new LatencyHistogram()
  for (const ms of [0, 0.000_001, 1_000_000]) histogram.record(ms)
  expect(histogram.quantileMs(0.5)).toBeLessThan(0.002)
  expect(histogram.maxMs).toBe(1_000_000)
  expect(histogram.quantileMs(1)).toBeGreaterThan(30_000)
  expect(histogram.sumMs).toBeCloseTo(1_000_000)
})

test("what was recorded since a copy is told apart from what was before", () => {
  const histogram = new LatencyHistogram()
  for (let n = 0; n < 1_000; n++) histogram.record(1)
  const before = histogram.copy()
  expect(histogram.since(before)).toMatchObject({ count: 0, sumMs: 0 })
  expect(histogram.since(before).quantileMs(0.99)).toBe(0)
  for (let n = 0; n < 10; n++) histogram.record(100)
  expect(histogram.quantileMs(0.5)).toBeLessThan(2)
  expect(histogram.since(before)).toMatchObject({ count: 10, sumMs: 1_000, maxMs: 100 })
  expect(histogram.since(before).quantileMs(0.5)).toBe(100)
  expect(before).toMatchObject({ count: 1_000, maxMs: 1 })
})

test("the buckets that are shown count everything up to their bounds, and every one can change", () => {
  const histogram = new LatencyHistogram()
  const bounds = histogram.buckets().map(({ upToMs }) => upToMs)
  expect(bounds[0]).toBeCloseTo(0.004)
  expect(bounds.at(-1)).toBeGreaterThan(10_000)
  for (const bound of bounds) histogram.record(bound * 0.9)
  expect(histogram.buckets()).toEqual(bounds.map((upToMs, index) => ({ upToMs, count: index + 1 })))
  histogram.record(1e9)
  expect(histogram.buckets().at(-1)?.count).toBe(bounds.length)
  expect(histogram.count).toBe(bounds.length + 1)
})
