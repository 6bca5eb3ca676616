// Whatever value can be stored comes back the same: kinds, prototypes, order, holes, -0 and NaN, and which objects are
// one. Where structuredClone keeps a value whole, the codec gives what structuredClone gives.

import fc from "fast-check"
import { expect, test } from "vitest"
import { assertSame } from "../format/same-value.ts"
import { ValueScene } from "../format/value-scene.ts"
import { anyPlan, build } from "./any-value.ts"
import type { Plan } from "./any-value.ts"

/** Whether structuredClone keeps the value whole: it turns objects without a prototype into plain ones. */
function isKeptByStructuredClone(plan: Plan): boolean {
  switch (plan.kind) {
    case "leaf":
    case "again":
      return true
    case "bare":
      return false
    case "object":
      return plan.fields.every(([, part]) => isKeptByStructuredClone(part))
    case "map":
      return plan.entries.flat().every(isKeptByStructuredClone)
    case "array":
    case "set":
      return plan.items.every((item) => item === undefined || isKeptByStructuredClone(item))
    case "error":
      return plan.cause === undefined || isKeptByStructuredClone(plan.cause)
  }
}

test("every value comes back the same, from a store that learns as it goes", () => {
  const scene = new ValueScene()
  let clonedCount = 0
  fc.assert(
    fc.property(anyPlan, (plan) => {
      const value = build(plan, [])
      const bytes = scene.encode(value)
      const back = scene.decode(bytes)
      assertSame(back, value)
      if (isKeptByStructuredClone(plan)) {
        clonedCount++
        assertSame(back, structuredClone(value))
      }
      // By now the shapes are learnt or not, so that the same value makes the same bytes.
      const again = scene.encode(value)
      assertSame(scene.decode(again), value)
    }),
    { numRuns: 20_000 },
  )
  expect(clonedCount).toBeGreaterThan(10_000)
  expect(scene.shapes.count).toBeGreaterThan(50)
})

test("a registry that learns the definitions from the log reads what another has written", () => {
  const writer = new ValueScene()
  const reader = new ValueScene()
  fc.assert(
    fc.property(anyPlan, (plan) => {
      const value = build(plan, [])
      const bytes = writer.encode(value)
      for (const { id, fields } of writer.shapes.takePending()) reader.shapes.define(id, fields)
      assertSame(reader.decode(bytes), value)
    }),
    { numRuns: 2_000 },
  )
})
