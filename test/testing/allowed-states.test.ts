// Which states a model allows, by the outcomes and the times of the operations.

import { describe, expect, test } from "vitest"
import { allowedStates, type OperationSpan } from "../../src/testing/allowed-states.ts"
import type { HistoryEntry, OperationOutcome } from "../../src/testing/crash-options.ts"

/** Each operation adds its letter to the end of a text. */
const model = { initial: "", apply: (state: string, letter: string): string => state + letter }

type Told = readonly [letter: string, outcome: OperationOutcome, startedAt: number, settledAt: number]

function allowed(...told: readonly Told[]): readonly string[] | undefined {
  const history = told.map(([op, outcome], index): HistoryEntry<string> => ({ index, op, outcome }))
  const spans = told.map(([, , startedAt, settledAt]): OperationSpan => ({ startedAt, settledAt }))
  return allowedStates(model, history, spans)?.toSorted()
}

describe("the states that a model allows", () => {
  test("of nothing is the first one", () => {
    expect(allowed()).toEqual([""])
  })

  test("of acknowledged operations one after the other is one", () => {
    expect(allowed(["a", "acknowledged", 0, 1], ["b", "acknowledged", 2, 3])).toEqual(["ab"])
  })

  test("of those side by side are both orders", () => {
    expect(allowed(["a", "acknowledged", 0, 2], ["b", "acknowledged", 1, 3])).toEqual(["ab", "ba"])
  })

  test("with one in flight are with and without it, wherever it may have come", () => {
    expect(allowed(["a", "acknowledged", 0, 2], ["b", "in-flight", 1, Infinity])).toEqual(["a", "ab", "ba"])
    expect(allowed(["a", "acknowledged", 0, 1], ["b", "in-flight", 2, Infinity])).toEqual(["a", "ab"])
  })

  test("with one unknown are with and without it, and never after what began when it had ended", () => {
    expect(allowed(["a", "unknown", 0, 1], ["b", "acknowledged", 2, 3])).toEqual(["ab", "b"])
  })

  test("leave out what was rejected and what never began", () => {
    expect(
      allowed(["a", "rejected", 0, 1], ["b", "acknowledged", 2, 3], ["c", "not-started", Infinity, Infinity]),
    ).toEqual(["b"])
  })

  test("are not listed where there are too many ways", () => {
    const many = Array.from({ length: 12 }, (_, n): Told => [String.fromCharCode(97 + n), "in-flight", n, Infinity])
    expect(allowed(...many)).toBeUndefined()
  })

  test("of a hundred operations of which few overlap are still listed", () => {
    const many = Array.from({ length: 100 }, (_, n): Told => ["x", "acknowledged", 2 * n, 2 * n + 3])
    expect(allowed(...many)).toEqual(["x".repeat(100)])
  })
})
