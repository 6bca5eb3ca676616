// Time that tests move: order of timers, and two clocks that go apart.

import { describe, expect, test } from "vitest"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"

describe("the simulated clock", () => {
  test("stands still until it is advanced", () => {
    const clock = new SimulatedClock(1000)
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([0, 1000])
    clock.advance(2.5)
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([2.5, 1002.5])
  })

  test("runs timers in the order of their due time, then of their creation", () => {
    const clock = new SimulatedClock()
    const calls: string[] = []
    for (const [delayMs, name] of [
      [20, "c"],
      [10, "a"],
      [20, "d"],
      [10, "b"],
      [5, "first"],
      [20, "e"],
    ] as const) {
      clock.after(delayMs, () => calls.push(name))
    }
    clock.advance(20)
    expect(calls).toEqual(["first", "a", "b", "c", "d", "e"])
  })

  test("shows each timer the time that it was due at", () => {
    const clock = new SimulatedClock()
    const times: number[] = []
    clock.after(3, () => times.push(clock.monotonicMs()))
    clock.after(7, () => times.push(clock.monotonicMs()))
    clock.advance(100)
    expect(times).toEqual([3, 7])
    expect(clock.monotonicMs()).toBe(100)
  })

  test("leaves a timer alone that is not due yet", () => {
    const clock = new SimulatedClock()
    let isCalled = false
    clock.after(10, () => (isCalled = true))
    clock.advance(9.999)
    expect(isCalled).toBe(false)
    expect(clock.nextDueMs).toBe(10)
    clock.advance(0.001)
    expect(isCalled).toBe(true)
    expect(clock.nextDueMs).toBeUndefined()
  })

  test("runs timers that are set meanwhile, if they are due by then", () => {
    const clock = new SimulatedClock()
    const calls: string[] = []
    clock.after(10, () => {
      calls.push("outer")
      clock.after(5, () => calls.push("inner"))
      clock.after(50, () => calls.push("later"))
    })
    clock.advance(20)
    expect(calls).toEqual(["outer", "inner"])
  })

  test("never runs a cancelled timer, and cancels twice without harm", () => {
    const clock = new SimulatedClock()
    const calls: string[] = []
    const timer = clock.after(10, () => calls.push("cancelled"))
    clock.after(10, () => calls.push("kept"))
    timer.cancel()
    timer.cancel()
    clock.advance(10)
    expect(calls).toEqual(["kept"])
  })

  test("goes from timer to timer, one at a time", () => {
    const clock = new SimulatedClock()
    const calls: string[] = []
    clock.after(10, () => calls.push("a"))
    clock.after(10, () => calls.push("b"))
    expect(clock.advanceToNext()).toBe(true)
    expect(calls).toEqual(["a"])
    expect(clock.advanceToNext()).toBe(true)
    expect(clock.advanceToNext()).toBe(false)
    expect(clock.monotonicMs()).toBe(10)
  })

  test("its wall clock jumps either way, and its monotonic clock and timers do not care", () => {
    const clock = new SimulatedClock(1_000_000)
    let isCalled = false
    clock.after(10, () => (isCalled = true))
    clock.jumpWall(-500_000)
    expect(clock.wallMs()).toBe(500_000)
    expect(clock.monotonicMs()).toBe(0)
    clock.jumpWall(900_000)
    clock.advance(9)
    expect(clock.wallMs()).toBe(1_400_009)
    expect(isCalled).toBe(false)
  })

  test("does not go back", () => {
    expect(() => new SimulatedClock().advance(-1)).toThrow("time does not go back")
  })
})
