// The bank example: the crash test finds the transfer of two commits, in the smallest history that shows it, and the same
// crash again by its token; the transfer of one batch holds.

import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { expect, test } from "vitest"
import { bankTest } from "../../examples/bank/crash-test.ts"
import { crash, CrashFound } from "../../src/testing.ts"

// Found, and made small, in a few seconds; the bounds are those of a busy machine.
const BUDGET = { ms: 60_000, shrinkMs: 60_000 }

test("a transfer of two commits is found, made as small as it can be, and replayed", async () => {
  const options = { ...bankTest("transferInTwoCommits"), seed: 1, artifacts: false as const, budget: BUDGET }
  const outcome: unknown = await crash.assert(options).catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(CrashFound)
  const found = outcome as CrashFound
  expect(found.history.map(({ op }) => Object.keys(op as object)[0])).toEqual(["deposit", "transfer"])
  expect(found.history[1]?.outcome).toBe("in-flight")
  expect(found.recovered).toHaveProperty("ada")
  expect(found.recovered).not.toHaveProperty("bob")

  const again: unknown = await crash.replay(found.token, options).catch((error: unknown) => error)
  expect(again).toBeInstanceOf(CrashFound)
  expect(again).toMatchObject({ crashes: found.crashes, recovered: found.recovered, token: found.token })
  const mended = { ...bankTest("transfer"), name: options.name ?? "", artifacts: false as const, budget: BUDGET }
  await expect(crash.replay(found.token, mended)).resolves.toMatchObject({ seed: 1 })
})

test("a transfer of one batch holds", async () => {
  const budget = { histories: 6, states: 600, ms: 60_000 }
  const report = await crash.assert({ ...bankTest("transfer"), seed: 1, artifacts: false, budget })
  expect(report.endedBy).not.toBe("ms")
  expect(report.states).toBeGreaterThan(200)
  expect(report.nested).toBeGreaterThan(20)
})

test("the program says both", () => {
  const main = join(import.meta.dirname, "../../examples/bank/main.ts")
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "1"], { encoding: "utf8", timeout: 300_000 })
  expect(status, stderr).toBe(0)
  expect(stdout).toMatch(/transferInTwoCommits\nafter a crash the check fails/)
  expect(stdout).toMatch(/transfer\nheld in \d+ crash states/)
})
