// Checks whether a history of operations on one object, or on many apart, is linearizable: whether each operation could
// have taken place at one moment between its begin and its end. The search of Wing and Gong (1993) with the memory of
// Lowe ("Testing for linearizability", 2017). An unknown operation may take place at any time after its begin, or never.
//
// The problem is NP-complete: the search is bounded, and says "unknown" when the bound is reached, never a guess.

import { checkHistory } from "./check-history.ts"
import type { RecordedHistory } from "./check-history.ts"
import { callsOf, LinearSearch } from "./check-linear-search.ts"
import type { Stuck } from "./check-linear-search.ts"
import { nameOf } from "./check-models.ts"
import type { SequentialModel } from "./check-models.ts"

export interface LinearizableOptions {
  /** At most so many steps of the model, over all keys. Default: 5,000,000. */
  readonly stepsMax?: number
  /** Asked every 1,024 steps: true ends the search, by the caller's clock for example. */
  readonly stop?: () => boolean
}

export interface LinearizableVerdict<State = unknown> {
  readonly verdict: "valid" | "invalid" | "unknown"
  /** For people. */
  readonly explanation: string
  /** Where it failed, or how far it came: undefined for a valid history, and where a key was not begun. */
  readonly stuck: Stuck<State> | undefined
  /** Steps of the model that were tried. */
  readonly steps: number
  readonly partitions: { readonly count: number; readonly valid: number }
}

const STEPS_MAX = 5_000_000

/**
 * Looks for an order of the operations that explains all results.
 *
 * Requires: positions of begin and end (the recorder gives them).
 * Guarantees: "valid" and "invalid" are proven. A failing history is told by its shortest prefix that has no order.
 * Fails with: TypeError for a history of another form, or states that need a `hash`.
 */
export function linearizable<State, Operation, Result>(
  history: RecordedHistory<Operation, Result>,
  model: SequentialModel<State, Operation, Result>,
  options: LinearizableOptions = {},
): LinearizableVerdict<State> {
  checkHistory(history)
  const { stepsMax = STEPS_MAX, stop = () => false } = options
  if (!Number.isSafeInteger(stepsMax) || stepsMax < 1) throw new TypeError("stepsMax must be a whole number from 1")
  const partitions = callsOf(history, model)
  let steps = 0
  let valid = 0
  let unknown: Stuck<State> | undefined
  // The small ones first: what they show is not kept waiting by a large one that runs into the bound.
  for (const [key, calls] of [...partitions].sort((a, b) => a[1].length - b[1].length)) {
    if (steps >= stepsMax || (unknown !== undefined && stop())) break
    const search = new LinearSearch(key, calls, model)
    const verdict = search.run(stepsMax - steps, stop)
    steps += search.steps
    if (verdict === "valid") valid++
    else if (verdict === "invalid") {
      const stuck = search.stuck()
      return {
        verdict,
        explanation: stuckSentence(stuck, String(model.hash?.(stuck.state) ?? nameOf(stuck.state))),
        stuck,
        steps,
        partitions: { count: partitions.size, valid },
      }
    } else unknown ??= search.stuck()
  }
  const isValid = valid === partitions.size
  return {
    verdict: isValid ? "valid" : "unknown",
    explanation: isValid
      ? "every result is explained by an order of the operations"
      : `the search was ended after ${steps} steps, with ${valid} of ${partitions.size} keys found valid`,
    stuck: isValid ? undefined : unknown,
    steps,
    partitions: { count: partitions.size, valid },
  }
}

function stuckSentence({ key, at, order, pending }: Stuck<unknown>, state: string): string {
  const names = (entries: readonly number[]): string =>
    entries.length > 12 ? `…, ${entries.slice(-12).join(", ")}` : entries.join(", ")
  const where = key === "" ? "" : ` on ${JSON.stringify(key)}`
  return (
    `no order of the operations${where} explains the result of entry ${at}: the best one, of entries ${names(order)}, ` +
    `ends in ${state.slice(0, 200)}, and none of the pending entries ${names(pending)} leads on from there`
  )
}
