// The crash test against a tiny store: it finds each of the known mistakes, makes it as small as it can be, and finds
// none where there is none.

import { describe, expect, test } from "vitest"
import { CrashFound } from "../../src/testing/crash-found.ts"
import { crash } from "../../src/testing/crash.ts"
import type { ToyMistake } from "./toy-store.ts"
import { toyTest, type ToyOptions } from "./toy-test.ts"

async function failureOf(options: ToyOptions): Promise<CrashFound> {
  const outcome: unknown = await crash.assert(options).catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(CrashFound)
  return outcome as CrashFound
}

describe("what it finds", () => {
  const put = { put: { a: 0 } }
  test.each<[ToyMistake, readonly object[], string]>([
    ["no-sync", [put], "acknowledged"],
    ["early-acknowledgement", [put], "acknowledged"],
    ["no-directory-sync", [put], "acknowledged"],
    ["rename-before-sync", [put, { compact: true }], "in-flight"],
    ["rewrites-on-open", [put], "acknowledged"],
    ["keeps-the-torn-tail", [put, put], "acknowledged"],
    ["no-sync-after-recovery", [put], "acknowledged"],
  ])("%s, in the smallest history that shows it", async (mistake, ops, lastOutcome) => {
    const found = await failureOf(toyTest(5, mistake))
    expect(found.history.map(({ op }) => ({ ...(op as object) }))).toEqual(ops)
    expect(found.history.at(-1)?.outcome).toBe(lastOutcome)
    expect(found.recovered).toEqual({})
    expect(found).toMatchObject({ code: "ORRERY_CRASH_FOUND", seed: 5, artifacts: undefined })
    // What a recovery hides shows when life goes on.
    const goesOn = mistake === "keeps-the-torn-tail" || mistake === "no-sync-after-recovery"
    expect(found.message.includes("it recovered, and went on with operation")).toBe(goesOn)
  })

  test("two commits in place of one: one operation, recovered by half", async () => {
    const found = await failureOf(toyTest(5, "two-commits"))
    expect(found.history).toHaveLength(1)
    const [entry] = found.history
    expect(entry).toEqual({ index: 0, op: { put: expect.any(Object) }, outcome: "in-flight" })
    expect(Object.keys(found.recovered as object)).toHaveLength(1)
    expect(found.allowed).toHaveLength(2)
  })

  test("the message tells the history, the crash with the call, what was lost, and what was allowed", async () => {
    const { message } = await failureOf(toyTest(2, "rename-before-sync"))
    expect(message).toMatch(/history \d+: 2 operations, shrunk from \d+ in \d+ runs\n/)
    expect(message).toContain("1. { put: { a: 0 } } acknowledged")
    expect(message).toContain("2. { compact: true } in-flight")
    expect(message).toMatch(/last ended: \d+\. rename \/data\/log\.new \(to \/data\/log\): done/)
    expect(message).toMatch(/lost: (size|bytes) .* of \/data\/log\.new/)
    expect(message).toMatch(/recovered\n\s+\{\}\n\s+allowed, one of\n\s+\{ a: 0 \}/)
    expect(message).toMatch(/ORRERY_CRASH_REPLAY=[\w-]+\n/)
    expect(message).toMatch(/await crash\.replay\("[\w-]+", options\)/)
  })

  test("a crash inside the recovery is told as one, and is not looked for where it is not asked for", async () => {
    const { message, crashes } = await failureOf(toyTest(5, "rewrites-on-open"))
    expect(crashes).toHaveLength(2)
    expect(message).toContain("  crash in the recovery\n")
    const options = toyTest(5, "rewrites-on-open")
    const report = await crash.assert({ ...options, budget: { ...options.budget, nested: 0, states: 2_000 } })
    expect(report.nested).toBe(0)
  })
})

describe("where nothing is wrong", () => {
  test("it passes, with a report of what it did", async () => {
    const options = toyTest(7)
    const report = await crash.assert({ ...options, budget: { ...options.budget, histories: 60, nested: 2 } })
    expect(report).toMatchObject({ seed: 7, histories: 60, endedBy: "histories", unsettled: 0, unmodelled: 0 })
    expect(report.states).toBeGreaterThan(2_000)
    expect(report.nested).toBeGreaterThan(report.states / 10)
    expect(report.overlapping).toBeGreaterThan(30)
    expect(report.statesPerSecond).toBeGreaterThan(0)
  })

  test.each([
    ["posix", 1],
    ["ext4", 4],
    ["xfs", "all-at-once"],
  ] as const)("it passes on %s, with %s in flight", async (persistence, concurrency) => {
    const budget = { histories: 12, ms: 20_000, nested: 2 as const }
    const report = await crash.assert({ ...toyTest(13), persistence, concurrency, budget })
    expect(report.states).toBeGreaterThan(100)
    expect(report.overlapping > 0).toBe(concurrency !== 1)
  })

  test("the same seed does the same", async () => {
    const options = { ...toyTest(11), budget: { histories: 10, ms: 60_000 } }
    const { elapsedMs: _, statesPerSecond: __, ...first } = await crash.assert(options)
    const { elapsedMs: ___, statesPerSecond: ____, ...second } = await crash.assert(options)
    expect(second).toEqual(first)
  })

  test("under faults of the disk as well: what failed may have happened or not", async () => {
    const options = toyTest(3)
    // The toy goes on after a failed sync, which no store may: so writes alone fail.
    const report = await crash.assert({
      ...options,
      faults: [crash.faults.error("EIO", "write"), crash.faults.short("write", "any")],
      budget: { ...options.budget, histories: 40, states: 4_000 },
    })
    expect(report.faultsMet).toBeGreaterThan(20)
  })
})
