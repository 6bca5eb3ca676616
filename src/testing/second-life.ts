// What a recovered system is for: going on. Runs some operations on it that the crash had kept from beginning, one after
// the other, and lets the power fail again with nothing kept that was not synced. A tail that recovery left lying, and that
// hides what is written behind it, shows here and nowhere else.

import type { SimulatedDisk } from "../simulation/simulated-disk.ts"
import type { SimulatedPlatform } from "../simulation/simulated-platform.ts"
import type { OperationSpan } from "./allowed-states.ts"
import type { HistoryEntry } from "./crash-options.ts"
import type { CrashSettings } from "./crash-settings.ts"
import { NeverSettles, settle } from "./event-pump.ts"

export interface SecondLife<Op, Result> {
  /** What the power left. */
  readonly disk: SimulatedDisk
  readonly history: readonly HistoryEntry<Op, Result>[]
  readonly spans: readonly OperationSpan[]
  /** Indices of the operations that ran. */
  readonly afterwards: readonly number[]
}

const OPERATIONS_MAX = 3

/** Undefined where the history has no operations left. The system stays as it is. */
export async function goOn<System, Op, Result, State>(
  settings: CrashSettings<System, Op, Result, State>,
  platform: SimulatedPlatform,
  system: System,
  before: readonly HistoryEntry<Op, Result>[],
  spansBefore: readonly OperationSpan[],
): Promise<SecondLife<Op, Result> | undefined> {
  const afterwards = before.flatMap(({ index, outcome }) => (outcome === "not-started" ? [index] : []))
  afterwards.length = Math.min(afterwards.length, OPERATIONS_MAX)
  if (afterwards.length === 0) return undefined
  const history = [...before]
  // The crash is where the first life ends, on the scale of what began and ended in it.
  const startOf = Math.max(...spansBefore.map(({ settledAt }) => (settledAt === Infinity ? 0 : settledAt))) + 1
  const spans = before.map(({ outcome }, index): OperationSpan => {
    const { startedAt, settledAt } = spansBefore[index] as OperationSpan
    return { startedAt, settledAt: outcome === "in-flight" ? startOf : settledAt }
  })
  for (const [place, index] of afterwards.entries()) {
    const { op } = before[index] as HistoryEntry<Op, Result>
    const acknowledged = (): readonly HistoryEntry<Op, Result>[] =>
      history.filter(({ outcome }) => outcome === "acknowledged")
    const context = { index, acknowledged, platform, signal: settings.signal }
    spans[index] = { startedAt: startOf + place * 2 + 1, settledAt: startOf + place * 2 + 2 }
    try {
      const result = await settle(platform, settings.run(system, op, context), settings.signal)
      history[index] = { index, op, outcome: "acknowledged", result }
    } catch (error) {
      settings.signal.throwIfAborted()
      if (error instanceof NeverSettles) history[index] = { index, op, outcome: "in-flight" }
      else history[index] = { index, op, outcome: settings.outcomeOf(error), error }
    }
  }
  return { disk: platform.fileSystem.snapshot().crash("nothing"), history, spans, afterwards }
}
