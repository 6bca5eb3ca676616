// The example of two stores: kill -9 of the coordinator and of each bank at every step, by a transfer in each direction;
// no money is lost or made, and nothing stays in doubt.

import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, onTestFinished, test } from "vitest"
import { BANK_STEPS, COORDINATOR_STEPS } from "../../examples/two-stores/messages.ts"
import { Processes } from "../../examples/two-stores/processes.ts"
import { deposit, settledTotals, transferUntilAnswered } from "../../examples/two-stores/transfers.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const MONEY = 1_000

const BANK = pathToFileURL(programPath("examples/two-stores/bank.ts"))
const COORDINATOR = pathToFileURL(programPath("examples/two-stores/coordinator.ts"))
const PROGRAMS = { coordinator: COORDINATOR, west: BANK, east: BANK }

async function started(): Promise<Processes> {
  const directory = await temporaryDirectory()
  // To start takes most of the time. Processes that end by themselves leave their compiled code to the others.
  await (await Processes.start(join(directory, "first"), PROGRAMS)).stop()
  const processes = await Processes.start(directory, PROGRAMS)
  onTestFinished(() => processes.stop())
  await deposit(processes, "ada", MONEY)
  return processes
}

test("no money is lost when any of the three is killed at any step of a transfer, of one that is refused too", async () => {
  const processes = await started()
  let [west, east] = [MONEY, MONEY]
  for (const victim of ["coordinator", "west", "east"] as const) {
    for (const [index, step] of (victim === "coordinator" ? COORDINATOR_STEPS : BANK_STEPS).entries()) {
      const where = `${victim}: ${step}`
      // The west takes money in, so it is prepared when the east says that it has not so much.
      const isRefused = step.includes("abort")
      const [from, to] = ["east", "west"] as const
      const amount = isRefused ? 10 * MONEY : 7 + index
      processes.dieAt(victim, step)
      const answer = await transferUntilAnswered(processes, { id: where, from, to, account: "ada", amount })
      expect(answer, where).toBe(isRefused ? "refused" : "done")
      if (!isRefused) [west, east] = [west + amount, east - amount]
      expect(await settledTotals(processes), where).toEqual({ west, east, inDoubt: 0 })
      expect(processes.deaths[victim], where).toBe(index + 1)
    }
  }
})

test("the program says that all of the money is there", () => {
  const main = join(import.meta.dirname, "../../examples/two-stores/main.ts")
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "2"], { encoding: "utf8", timeout: 500_000 })
  expect(status, stderr).toBe(0)
  expect(stdout).toMatch(/kills: coordinator 1, west 1, east 0\n/)
  expect(stdout).toMatch(/2000 as before, nothing is in doubt\n$/)
})
