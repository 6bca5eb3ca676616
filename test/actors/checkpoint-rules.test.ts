// When a checkpoint is due, in numbers alone.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { dueBytes, isByHand, isCrowded, isHurried, redundancyOf } from "../../src/actors/checkpoint-rules.ts"
import type { CheckpointRules } from "../../src/actors/checkpoint-rules.ts"

const MIB = 1024 * 1024
const NEVER = Number.MAX_SAFE_INTEGER
const RULES: CheckpointRules = {
  logBytes: 64 * MIB,
  commits: NEVER,
  intervalMs: 0,
  redundancy: 0.5,
  onClose: false,
  keepCount: 3,
  historyMs: 0,
  historyBytes: 0,
}

describe("redundancy", () => {
  test("is the part that a new checkpoint would do without", () => {
    expect(redundancyOf(25, 60, 40)).toBe(0.75)
    expect(redundancyOf(0, 60, 40)).toBe(1)
    expect(redundancyOf(100, 60, 40)).toBe(0)
  })

  test("is never below 0, and 0 where nothing was ever written", () => {
    expect(redundancyOf(120, 60, 40)).toBe(0)
    expect(redundancyOf(160, 0, 0)).toBe(0)
  })
})

describe("a checkpoint is due", () => {
  const at = (state: number, log: number, redundancy: number | undefined, rules = RULES): boolean =>
    log >= dueBytes(rules, state, log, () => redundancy)

  test("when the log is as long as the state, and at least as long as the rule says", () => {
    expect(at(0, 64 * MIB - 1, 0)).toBe(false)
    expect(at(0, 64 * MIB, 0)).toBe(true)
    expect(at(100 * MIB, 100 * MIB - 1, 0)).toBe(false)
    expect(at(100 * MIB, 100 * MIB, 0)).toBe(true)
  })

  test("at 256 MiB of log, however large the state is", () => {
    expect(at(5_000 * MIB, 256 * MIB - 1, 0)).toBe(false)
    expect(at(5_000 * MIB, 256 * MIB, 0)).toBe(true)
  })

  test("before that, where half of what there is is of no more use", () => {
    expect(at(200 * MIB, 64 * MIB, 0.5)).toBe(true)
    expect(at(200 * MIB, 64 * MIB, 0.49)).toBe(false)
    expect(at(200 * MIB, 64 * MIB, undefined)).toBe(false)
    expect(at(200 * MIB, 64 * MIB - 1, 0.99)).toBe(false)
  })

  test("never for that reason where the rule is 1", () => {
    expect(at(200 * MIB, 64 * MIB, 1, { ...RULES, redundancy: 1 })).toBe(false)
  })

  test("without asking for the redundancy where it does not matter", () => {
    const ask = (): number => {
      throw new Error("asked")
    }
    expect(dueBytes(RULES, 200 * MIB, 10 * MIB, ask)).toBe(200 * MIB)
    expect(dueBytes(RULES, 200 * MIB, 300 * MIB, ask)).toBe(200 * MIB)
    expect(dueBytes({ ...RULES, redundancy: 1 }, 200 * MIB, 100 * MIB, ask)).toBe(200 * MIB)
    expect(() => dueBytes(RULES, 200 * MIB, 100 * MIB, ask)).toThrow("asked")
  })

  test("and then writes no more than the log did since the last one, or than half of what it reads", () => {
    const bytes = fc.integer({ min: 0, max: 1_000 * MIB })
    fc.assert(
      fc.property(bytes, bytes, bytes, (state, log, live) => {
        const redundancy = redundancyOf(live, state, log)
        if (!at(state, log, redundancy) || state >= 256 * MIB) return
        // What is live came from the state or from the log.
        if (live <= state) expect(live).toBeLessThanOrEqual(Math.max(log, (state + log) / 2))
      }),
      { numRuns: 1_000 },
    )
  })
})

test("checkpoints are made by hand where no rule makes one by itself", () => {
  expect(isByHand({ ...RULES, logBytes: NEVER })).toBe(true)
  expect(isByHand(RULES)).toBe(false)
  expect(isByHand({ ...RULES, logBytes: NEVER, commits: 10 })).toBe(false)
  expect(isByHand({ ...RULES, logBytes: NEVER, intervalMs: 10 })).toBe(false)
})

describe("a checkpoint that is being made", () => {
  test("is hurried where nobody writes, or where too much is written meanwhile", () => {
    expect(isHurried(true, 0, RULES)).toBe(true)
    expect(isHurried(false, 0, RULES)).toBe(false)
    expect(isHurried(false, 32 * MIB - 1, RULES)).toBe(false)
    expect(isHurried(false, 32 * MIB, RULES)).toBe(true)
    expect(isHurried(false, 1000, { ...RULES, logBytes: 2000 })).toBe(true)
    // Made by hand alone: the bound holds all the same.
    expect(isHurried(false, 32 * MIB, { ...RULES, logBytes: NEVER })).toBe(true)
  })
})

describe("a log lies in too many small segments", () => {
  test("when there are 128 of them, and less than a quarter of their room is used", () => {
    expect(isCrowded(128, 32 * MIB - 1, MIB)).toBe(true)
    expect(isCrowded(127, 0, MIB)).toBe(false)
    expect(isCrowded(128, 32 * MIB, MIB)).toBe(false)
  })
})
