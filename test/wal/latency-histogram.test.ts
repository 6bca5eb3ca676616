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
