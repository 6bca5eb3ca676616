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

  test("a timer is not early because it was set together with others", async () => {
    // setTimeout counts whole milliseconds: all that were set within one are run when the first of them is due.
    const waits: Promise<number>[] = []
    for (let count = 0; count < 40; count++) {
      const start = performance.now()
      waits.push(new Promise((resolve) => nodeClock.after(3, () => resolve(performance.now() - start))))
      while (performance.now() - start < 0.15);
    }
    expect(Math.min(...(await Promise.all(waits)))).toBeGreaterThanOrEqual(3)
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
    const warnings: string[] = []
    const listen = (warning: Error): number => warnings.push(warning.name)
    process.on("warning", listen)
    const timer = nodeClock.after(90 * 24 * 3600 * 1000, () => {
      isCalled = true
    })
    await new Promise<void>((resolve) => nodeClock.after(20, resolve))
    timer.cancel()
    process.off("warning", listen)
    expect(isCalled).toBe(false)
    expect(warnings).toEqual([])
  })

  test.each([
    ["does not keep the process alive", "", 0],
    ["keeps the process alive if it is told to", ", true", 7],
  ])("a timer %s", (_, argument, status) => {
    const module = new URL("../../src/platform/node/node-clock.ts", import.meta.url).href
    const code = `import { nodeClock } from "${module}"\nnodeClock.after(100, () => process.exit(7)${argument})`
    const result = spawnSync(process.execPath, ["--input-type=module", "--eval", code])
    expect(result.status).toBe(status)
  })
})
