// Leaving operations out of a history, against failures of known causes.

import fc from "fast-check"
import { expect, test } from "vitest"
import { smallerHistory } from "../../src/testing/smaller-history.ts"

test("what is left is exactly what the failure needs, wherever it lies", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 4 }), async (needed) => {
      const ops = Array.from({ length: 31 }, (_, n) => n)
      const isFailing = async (candidate: readonly number[]): Promise<boolean> =>
        needed.every((n) => candidate.includes(n))
      expect(await smallerHistory(ops, isFailing, () => false)).toEqual(needed.toSorted((a, b) => a - b))
    }),
  )
})

test("nothing is asked once the time is up", async () => {
  let asked = 0
  const isFailing = async (): Promise<boolean> => {
    asked++
    return true
  }
  const smaller = await smallerHistory([1, 2, 3, 4], isFailing, () => asked >= 1)
  expect(smaller).toEqual([3, 4])
  expect(asked).toBe(1)
})
