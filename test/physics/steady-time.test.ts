// Time that follows the wall clock forward, after a while where it jumps, and never back.

import fc from "fast-check"
import { expect, test } from "vitest"
import { beginSteadyTime, LEAD_MS_BELIEVED, LEAD_MS_HELD, readSteadyTime } from "../../src/physics/steady-time.ts"

const START_MS = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000

test("a clock that is set back does not take time back: it goes on as the monotonic clock does", () => {
  const begun = beginSteadyTime(START_MS, 0)
  const later = readSteadyTime(begun, START_MS + 1_000, 1_000)
  expect(later.nowMs).toBe(START_MS + 1_000)
  expect(readSteadyTime(later, START_MS - HOUR_MS, 3_000).nowMs).toBe(START_MS + 3_000)
})

test("a clock that is a little ahead is believed at once", () => {
  const begun = beginSteadyTime(START_MS, 0)
  expect(readSteadyTime(begun, START_MS + LEAD_MS_BELIEVED, 0).nowMs).toBe(START_MS + LEAD_MS_BELIEVED)
})

test("a clock that jumps ahead is believed when it has stayed there", () => {
  let time = readSteadyTime(beginSteadyTime(START_MS, 0), START_MS + HOUR_MS, 0)
  expect(time.nowMs).toBe(START_MS)
  time = readSteadyTime(time, START_MS + HOUR_MS + LEAD_MS_HELD - 1, LEAD_MS_HELD - 1)
  expect(time.nowMs).toBe(START_MS + LEAD_MS_HELD - 1)
  time = readSteadyTime(time, START_MS + HOUR_MS + LEAD_MS_HELD, LEAD_MS_HELD)
  expect(time.nowMs).toBe(START_MS + HOUR_MS + LEAD_MS_HELD)
})

test("a clock that jumps ahead and comes back leaves nothing behind", () => {
  let time = readSteadyTime(beginSteadyTime(START_MS, 0), START_MS + HOUR_MS, 0)
  time = readSteadyTime(time, START_MS + 5_000, 5_000)
  time = readSteadyTime(time, START_MS + HOUR_MS + LEAD_MS_HELD, LEAD_MS_HELD)
  // The second jump has to hold as long as the first would have had to.
  expect(time.nowMs).toBe(START_MS + LEAD_MS_HELD)
})

test("whatever the wall clock does, time passes at least as on the monotonic one", () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: -HOUR_MS, max: HOUR_MS }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      let time = beginSteadyTime(START_MS, 0)
      let wallMs = START_MS
      for (const [passedMs, jumpMs] of steps) {
        wallMs += passedMs + jumpMs
        const next = readSteadyTime(time, wallMs, time.monotonicMs + passedMs)
        expect(next.nowMs).toBeGreaterThanOrEqual(time.nowMs + passedMs)
        expect(next.nowMs).toBeLessThanOrEqual(Math.max(time.nowMs + passedMs, wallMs))
        time = next
      }
    }),
  )
})
