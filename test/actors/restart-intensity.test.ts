import { describe, expect, test } from "vitest"
import { RestartIntensity } from "../../src/actors/restart-intensity.ts"

describe("restart intensity 10 in 60 s", () => {
  test("allows ten restarts at once and refuses the eleventh", () => {
    const intensity = new RestartIntensity(10, 60_000)
    const answers = Array.from({ length: 11 }, () => intensity.allows(5))
    expect(answers).toEqual([...Array.from({ length: 10 }, () => true), false])
  })

  test("allows any number of restarts that are spread over more than the period", () => {
    const intensity = new RestartIntensity(10, 60_000)
    const answers = Array.from({ length: 1_000 }, (_, index) => intensity.allows(index * 6_001))
    expect(answers.every(Boolean)).toBe(true)
  })

  test("counts a restart exactly one period ago, as OTP does, and forgets it a moment later", () => {
    const strict = new RestartIntensity(1, 1_000)
    expect([strict.allows(0), strict.allows(1_000)]).toEqual([true, false])
    const relieved = new RestartIntensity(1, 1_000)
    expect([relieved.allows(0), relieved.allows(1_000.001)]).toEqual([true, true])
  })
})

test("intensity 0 allows no restart", () => {
  expect(new RestartIntensity(0, 1_000).allows(0)).toBe(false)
})
