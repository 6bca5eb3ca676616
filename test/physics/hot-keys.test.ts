// Space-Saving keeps what its authors promise: bounds of each count, and all keys above their share.

import fc from "fast-check"
import { expect, test } from "vitest"
import { countKey, createHotKeys, decayKeys, hottestOf } from "../../src/physics/hot-keys.ts"

test("no key is counted too low, none by more than its error too high, and none above its share is missing", () => {
  const key = fc.integer({ min: 0, max: 30 }).map((n) => `k${Math.floor(n ** 1.3)}`)
  fc.assert(
    fc.property(fc.array(key, { maxLength: 300, size: "max" }), fc.integer({ min: 1, max: 20 }), (keys, capacity) => {
      const hot = createHotKeys(capacity)
      const exact = new Map<string, number>()
      for (const one of keys) {
        countKey(hot, one, 1)
        exact.set(one, (exact.get(one) ?? 0) + 1)
      }
      expect(hot.counts.size).toBeLessThanOrEqual(capacity)
      expect(hot.heap.map(({ key }) => hot.counts.get(key))).toEqual(hot.heap)
      for (const [one, { value, error }] of hot.counts) {
        expect(value).toBeGreaterThanOrEqual(exact.get(one) ?? 0)
        expect(value - error).toBeLessThanOrEqual(exact.get(one) ?? 0)
        expect(error).toBeLessThanOrEqual(keys.length / capacity)
      }
      for (const [one, count] of exact) if (count > keys.length / capacity) expect(hot.counts.has(one)).toBe(true)
    }),
  )
})

test("the hottest come first, and what was hot is forgotten", () => {
  const hot = createHotKeys(3)
  for (const [key, weight] of [
    ["a", 10],
    ["b", 30],
    ["c", 20],
  ] as const)
    countKey(hot, key, weight)
  const told = (count: number): unknown[] => hottestOf(hot, count).map(({ key, value, error }) => [key, value, error])
  expect(told(2)).toEqual([
    ["b", 30, 0],
    ["c", 20, 0],
  ])
  decayKeys(hot, 0.1)
  countKey(hot, "d", 1.5)
  expect(told(3)).toEqual([
    ["b", 3, 0],
    ["d", 2.5, 1],
    ["c", 2, 0],
  ])
})
