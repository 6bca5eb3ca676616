// The bundle: one seed decides everything, and it is a platform like the real one.

import { describe, expect, test } from "vitest"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import type { Platform } from "../../src/platform/platform.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"

describe("the simulated platform", () => {
  test("has the same parts as the real one, and the same checksum", () => {
    const simulated: Platform = simulatePlatform({ seed: 1 })
    expect(Object.keys(simulated).sort()).toEqual(Object.keys(nodePlatform).sort())
    const bytes = new TextEncoder().encode("orrery")
    expect(simulated.checksum(bytes, 5)).toBe(nodePlatform.checksum(bytes, 5))
    expect(simulated.residentBytes()).toBeGreaterThan(0)
  })

  test("gives the same chance for the same seed", () => {
    const [first, second, third] = [1, 1, 2].map((seed) => {
      const bytes = new Uint8Array(32)
      simulatePlatform({ seed }).random.fill(bytes)
      return bytes
    })
    expect(first).toEqual(second)
    expect(first).not.toEqual(third)
  })

  test("goes on with the disk and the clock of an earlier one", () => {
    const [disk, clock] = [new SimulatedDisk(), new SimulatedClock()]
    const platform = simulatePlatform({ seed: 1, disk, clock })
    expect(platform.fileSystem).toBe(disk)
    expect(platform.clock).toBe(clock)
  })
})
