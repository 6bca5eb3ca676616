// The child process of a benchmark: runs the scenario of `<file>.bench.ts` that it is told to, and writes the outcome, as
// JSON, to file descriptor 3. A peer that is not available is an outcome, not a failure.

import { writeSync } from "node:fs"
import { PeerUnavailable } from "./peers/peer-list.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"

/** How a run ended. */
export type Outcome =
  | { readonly kind: "measured"; readonly measured: Measured }
  | { readonly kind: "unavailable"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string }

const RESULT_FD = 3

async function run(file: string, name: string, input: ScenarioInput): Promise<Outcome> {
  const { scenarios } = (await import(new URL(`${file}.bench.ts`, import.meta.url).href)) as { scenarios: Scenarios }
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`${file}.bench.ts has no scenario "${name}"`)
  return { kind: "measured", measured: await scenario(input) }
}

const [file = "", name = "", input = "{}"] = process.argv.slice(2)
const outcome = await run(file, name, JSON.parse(input) as ScenarioInput).catch((error: unknown): Outcome => {
  const reason = error instanceof Error ? error.message : String(error)
  if (error instanceof PeerUnavailable) return { kind: "unavailable", reason }
  console.error(error)
  return { kind: "failed", reason }
})
writeSync(RESULT_FD, JSON.stringify(outcome))
// What a scenario leaves open must not keep the process, nor be closed in an orderly way: recovery is measured after this.
process.kill(process.pid, "SIGKILL")
