// `crash`: crash tests for code that keeps data on disk. A history of operations runs on a simulated disk; every state
// that a loss of power could have left is recovered; what comes up is checked. A failure is made small, written down, and
// can be replayed by one word.

import { artifactsPath, callerOf, writeArtifacts, writeRegression } from "./crash-artifacts.ts"
import { CrashFound } from "./crash-found.ts"
import type { CrashOptions } from "./crash-options.ts"
import type { CrashReport } from "./crash-report.ts"
import { CrashSearch, type CrashOutcome } from "./crash-search.ts"
import { settingsFrom, type CrashSettings } from "./crash-settings.ts"
import { failureText } from "./failure-text.ts"
import { faults } from "./fault-choice.ts"
import { kill9 } from "./kill-nine.ts"
import { planOf, tokenOf } from "./replay-token.ts"
import { trace } from "./system-trace.ts"

/**
 * Runs histories of operations, crashes them everywhere, and resolves when the invariant held each time. Works in every
 * test runner, and without one.
 *
 * Guarantees: with the same options and seed the same histories, schedules and crash states, in the same order, as far
 * as the budget goes; as long as the system takes time, chance and files from its platform alone.
 * Fails with: CrashFound; TypeError for wrong options; the signal's reason; what the system fails with where no fault
 * and no crash is to blame.
 *
 * With ORRERY_CRASH_REPLAY in the environment it replays that failure and nothing else; a token of another `name` is
 * left to the test of that name.
 */
async function assertCrashes<System, Op, Result = unknown, State = unknown>(
  options: CrashOptions<System, Op, Result, State>,
): Promise<CrashReport> {
  const caller = callerOf(new Error("where").stack)
  const settings = settingsFrom(options)
  const token = process.env["ORRERY_CRASH_REPLAY"]
  if (token === undefined || token === "") return reported(settings, await new CrashSearch(settings).run(), caller)
  if (planOf(token).name !== settings.name) {
    return new CrashSearch(settings).passedUnseen()
  }
  return replayed(token, settings, caller)
}

/**
 * Does one failure again: the history, the schedule and the crash of the token, with the options of the test that found
 * it. Resolves when it does not fail any more. If the system has changed so that it calls the file system in another
 * way, all crash states of that history are looked at instead.
 *
 * Fails with: CrashFound; TypeError for a token or options that make no sense.
 */
async function replayCrash<System, Op, Result = unknown, State = unknown>(
  token: string,
  options: CrashOptions<System, Op, Result, State>,
): Promise<CrashReport> {
  const caller = callerOf(new Error("where").stack)
  return replayed(token, settingsFrom(options), caller)
}

export const crash: {
  readonly assert: typeof assertCrashes
  readonly replay: typeof replayCrash
  /** Things that go wrong, for `faults`. */
  readonly faults: typeof faults
  /** The same question to a real process that is killed again and again. */
  readonly kill9: typeof kill9
  /** The same question to any program, by its system calls. */
  readonly trace: typeof trace
} = { assert: assertCrashes, replay: replayCrash, faults, kill9, trace }

async function replayed<System, Op, Result, State>(
  token: string,
  settings: CrashSettings<System, Op, Result, State>,
  caller: string | undefined,
): Promise<CrashReport> {
  const plan = planOf<Op>(token)
  const found = { ...settings, seed: plan.seed }
  const search = new CrashSearch(found)
  const outcome =
    plan.ops === undefined
      ? await search.run()
      : await search.replay(plan.ops, plan.runSeed, plan.fingerprint, plan.crashes, plan.goesOn)
  return reported(found, outcome, caller)
}

async function reported<System, Op, Result, State>(
  settings: CrashSettings<System, Op, Result, State>,
  outcome: CrashOutcome<Op, Result>,
  caller: string | undefined,
): Promise<CrashReport> {
  if (outcome.kind === "passed") return outcome.report
  const { failure } = outcome
  const { violation, seed } = failure
  const token = tokenOf(settings.name, failure)
  const artifacts = settings.artifacts === false ? undefined : artifactsPath(settings.artifacts, seed)
  const regression = settings.writeRegression
  let message = failureText(failure, { token, artifacts, regression })
  try {
    if (artifacts !== undefined) await writeArtifacts(artifacts, failure, message)
    if (regression !== undefined) await writeRegression(regression, settings.testFile ?? caller, token, message)
  } catch (error) {
    // What was found is what matters: it is told, with what was not written of it.
    message += `\n    not all of it could be written: ${error instanceof Error ? error.message : String(error)}`
  }
  const details = {
    seed,
    token,
    history: violation.history,
    crashes: violation.crashes.map(({ id }) => id),
    recovered: violation.view?.value,
    allowed: violation.allowed,
    artifacts,
  }
  throw new CrashFound(message, details, violation.reason)
}
