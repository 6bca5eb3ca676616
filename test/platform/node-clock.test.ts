// The process's clocks. Only orders and lower bounds are tested: how late a timer is, is the machine's business.

import { spawnSync } from "node:child_process"
import { describe, expect, test } from "vitest"
import { nodeClock } from "../../src/platform/node/node-clock.ts"

describe("the node clock", () => {
  test("wall time is that of the system", () => {
    const before = Date.now()
    const wallMs = nodeClock.wallMs()
    expect(wallMs).toBeGreaterThanOrEqual(before)
    expect(wallMs).toBeLessThanOrEqual(Date.now())
  })

  test("monotonic time never goes back, and is finer than a millisecond", () => {
    const readings = Array.from({ length: 1000 }, () => nodeClock.monotonicMs())
    expect(readings).toEqual([...readings].sort((left, right) => left - right))
    expect(readings.some((reading) => !Number.isInteger(reading))).toBe(true)
  })

  test.each([0, 0.5, 1, 1.7, 3, 10])("a timer of %f ms is never early", async (delayMs) => {
    for (let round = 0; round < 10; round++) {
      const start = performance.now()
      await new Promise<void>((resolve) => nodeClock.after(delayMs, resolve))
      expect(performance.now() - start).toBeGreaterThanOrEqual(delayMs)
    }
  })

  test("a timer calls back once", async () => {
    let callCount = 0
    nodeClock.after(1, () => callCount++)
    await new Promise<void>((resolve) => nodeClock.after(20, resolve))
    expect(callCount).toBe(1)
  })

  test("a cancelled timer never calls back", async () => {
    let isCalled = false
    const timer = nodeClock.after(1, () => {
      isCalled = true
    })
    timer.cancel()
    timer.cancel()
    await new Promise<void>((resolve) => nodeClock.after(20, resolve))
    expect(isCalled).toBe(false)
  })

  test("a timer of months does not call back at once, as setTimeout does", async () => {
    let isCalled = false
    const timer = nodeClock.after(90 * 24 * 3600 * 1000, () => {
      isCalled = true
    })
    await new Promise<void>((resolve) => nodeClock.after(20, resolve))
    timer.cancel()
    expect(isCalled).toBe(false)
  })

  test("a timer does not keep the process alive", () => {
    const module = new URL("../../src/platform/node/node-clock.ts", import.meta.url).href
    const code = `import { nodeClock } from "${module}"\nnodeClock.after(3_600_000, () => undefined)`
    const result = spawnSync(process.execPath, ["--input-type=module", "--eval", code], { timeout: 20_000 })
    expect(result.status).toBe(0)
  })
})
