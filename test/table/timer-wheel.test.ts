// The wheel against a sorted list, over all its levels, and what it promises about order and memory.

import fc from "fast-check"
import { expect, test } from "vitest"
import { TimerWheel } from "../../src/table/timer-wheel.ts"

const TICK_MS = 25
const NOW_MS = Date.UTC(2026, 0, 1)

function dueOf(wheel: TimerWheel): number[] {
  const deadlines: number[] = []
  for (let timer = wheel.due; timer >= 0; timer = wheel.due) {
    deadlines.push(wheel.deadlineOf(timer))
    wheel.remove(timer)
  }
  return deadlines
}

/** From a fraction of a tick to centuries. */
const delay = fc.oneof(
  fc.double({ min: 0, max: 100, noNaN: true }),
  fc.integer({ min: 0, max: 10_000 }),
  fc.tuple(fc.integer({ min: 0, max: 43 }), fc.integer({ min: -30, max: 30 })).map(([power, off]) => 2 ** power + off),
)
const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("add" as const), delay }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("move" as const), delay, which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), delay }) },
  { weight: 3, arbitrary: fc.constant({ kind: "next" as const }) },
)

test("timers are due in the order of their deadlines, none early, none more than a tick late", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: "max" }), (actions) => {
      const wheel = new TimerWheel(TICK_MS)
      let nowMs = NOW_MS
      wheel.advance(nowMs)
      const set = new Map<number, number>()
      /** When each was set: before, it could not be due. */
      const setMs = new Map<number, number>()
      const chosen = (which: number): number | undefined => [...set.keys()][which % Math.max(1, set.size)]
      for (const step of actions) {
        if (step.kind === "add") {
          const timer = wheel.add(nowMs + step.delay)
          set.set(timer, nowMs + step.delay)
          setMs.set(timer, nowMs)
        } else if (step.kind === "move" || step.kind === "remove") {
          const timer = chosen(step.which)
          if (timer === undefined) continue
          if (step.kind === "move") {
            wheel.move(timer, nowMs + step.delay)
            setMs.set(timer, nowMs)
            set.set(timer, nowMs + step.delay)
          } else {
            wheel.remove(timer)
            set.delete(timer)
          }
        } else {
          const earliest = Math.min(...set.values())
          if (set.size > 0) expect(wheel.nextMs).toBeLessThanOrEqual(Math.max(nowMs, earliest) + TICK_MS)
          else expect(wheel.nextMs).toBe(Number.POSITIVE_INFINITY)
          const targetMs = step.kind === "next" ? wheel.nextMs : nowMs + step.delay
          if (targetMs === Number.POSITIVE_INFINITY) continue
          nowMs = Math.max(nowMs, targetMs)
          wheel.advance(nowMs)
          const sorted = [...set.values()].toSorted((one, other) => one - other)
          const due = dueOf(wheel)
          expect(due).toEqual(sorted.slice(0, due.length))
          expect(due.every((deadline) => deadline <= nowMs)).toBe(true)
          const left = [...set].toSorted(([, one], [, other]) => one - other).slice(due.length)
          set.clear()
          for (const [timer, deadline] of left) {
            set.set(timer, deadline)
            expect(Math.max(deadline, setMs.get(timer) ?? 0)).toBeGreaterThan(nowMs - TICK_MS)
          }
        }
        expect(wheel.count).toBe(set.size)
      }
    }),
    { numRuns: 300 },
  )
})

test("an idle wheel is moved by years in one step, and back in none", () => {
  const wheel = new TimerWheel(TICK_MS)
  wheel.advance(NOW_MS)
  wheel.add(NOW_MS + 1_000)
  const yearMs = 365 * 24 * 3_600_000
  wheel.advance(NOW_MS + 50 * yearMs)
  expect(dueOf(wheel)).toEqual([NOW_MS + 1_000])
  wheel.add(NOW_MS + 60 * yearMs)
  wheel.advance(NOW_MS)
  expect(wheel.due).toBe(-1)
  expect(wheel.nextMs).toBeGreaterThan(NOW_MS + 50 * yearMs)
})

test("a timer costs 18 bytes, and its room is used again", () => {
  const wheel = new TimerWheel(TICK_MS)
  const timers = Array.from({ length: 4_096 }, (_, n) => wheel.add(NOW_MS + n))
  expect(wheel.byteSize).toBe(4_096 * 18)
  for (const timer of timers) wheel.remove(timer)
  for (let n = 0; n < 4_096; n++) wheel.add(NOW_MS + n)
  expect(wheel.byteSize).toBe(4_096 * 18)
  wheel.clear()
  expect([wheel.count, wheel.byteSize, wheel.nextMs]).toEqual([0, 0, Number.POSITIVE_INFINITY])
})

test("removing a timer twice is a defect", () => {
  const wheel = new TimerWheel(TICK_MS)
  const timer = wheel.add(NOW_MS)
  wheel.remove(timer)
  expect(() => wheel.remove(timer)).toThrow("a timer is removed once")
})
