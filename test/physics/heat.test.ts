// Heat halves with every half-life, however often it is looked at, and a steady use keeps it where it is.

import fc from "fast-check"
import { expect, test } from "vitest"
import { decayOver, heatAt, rateOf, warmed } from "../../src/physics/heat.ts"
import type { Heat } from "../../src/physics/heat.ts"

const HALF_LIFE_MS = 60_000

test("a heat is half of itself after each half-life, and the same at an earlier moment", () => {
  const heat = warmed(undefined, 8, 1_000, HALF_LIFE_MS)
  expect([0, 1, 2, 3].map((lives) => heatAt(heat, 1_000 + lives * HALF_LIFE_MS, HALF_LIFE_MS))).toEqual([8, 4, 2, 1])
  expect(heatAt(heat, 0, HALF_LIFE_MS)).toBe(8)
})

test("looking at it in between, or adding in whatever portions, makes no difference", () => {
  const use = fc.tuple(fc.integer({ min: 0, max: 50_000 }), fc.integer({ min: 0, max: 100 }))
  fc.assert(
    fc.property(fc.array(use, { minLength: 1, maxLength: 50 }), (uses) => {
      let heat: Heat | undefined
      let nowMs = 0
      const all: { readonly atMs: number; readonly amount: number }[] = []
      for (const [passedMs, amount] of uses) {
        nowMs += passedMs
        heat = warmed(heat, amount, nowMs, HALF_LIFE_MS)
        all.push({ atMs: nowMs, amount })
      }
      const expected = all.reduce((sum, { atMs, amount }) => sum + amount * decayOver(nowMs - atMs, HALF_LIFE_MS), 0)
      expect(heat?.value).toBeCloseTo(expected, 6)
    }),
  )
})

test("a steady rate of uses is what its heat says", () => {
  let heat: Heat | undefined
  for (let nowMs = 0; nowMs < 20 * HALF_LIFE_MS; nowMs += 100) heat = warmed(heat, 5, nowMs, HALF_LIFE_MS)
  expect(rateOf(heat?.value ?? 0, HALF_LIFE_MS)).toBeCloseTo(50, 0)
})
