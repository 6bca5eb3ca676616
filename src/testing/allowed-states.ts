// The states that a reference model allows after a crash: every acknowledged operation has happened, one in flight or of
// unknown outcome has happened or not, one that was rejected or never begun has not; in every order in which an operation
// that had ended before another began comes first.

import type { HistoryEntry, ReferenceModel } from "./crash-options.ts"
import { canonicalText } from "./plain-data.ts"

/** When an operation began and ended, on one scale on which no two moments are equal. */
export interface OperationSpan {
  readonly startedAt: number
  /** Infinite for one that has not ended. */
  readonly settledAt: number
}

/** An operation that has happened or may have. Sets of them are bits of a number of any length. */
interface Part<Op, Result> {
  readonly entry: HistoryEntry<Op, Result>
  readonly bit: bigint
  /** Acknowledged ones that come before it: without them it has not happened. */
  readonly needs: bigint
  /** Those that it comes before: after one of them it cannot happen any more. */
  readonly precedes: bigint
}

interface Way<State> {
  readonly applied: bigint
  readonly state: State
}

/** Ways beyond which listing them helps nobody. */
const WAYS_MAX = 20_000

/** The states, each once; undefined where there are too many ways to them. `spans` has the times of the entries. */
export function allowedStates<Op, Result, State>(
  model: ReferenceModel<Op, Result, State>,
  history: readonly HistoryEntry<Op, Result>[],
  spans: readonly OperationSpan[],
): readonly State[] | undefined {
  const parts = partsOf(history, spans)
  const certain = parts.reduce((bits, { entry, bit }) => (entry.outcome === "acknowledged" ? bits | bit : bits), 0n)
  const found = new Map<string, State>()
  // By how many have happened; ways that came to the same state through the same operations are one.
  let layer = new Map<string, Way<State>>([["", { applied: 0n, state: model.initial }]])
  let wayCount = 0
  while (layer.size > 0) {
    const next: typeof layer = new Map()
    for (const { applied, state } of layer.values()) {
      if ((applied & certain) === certain) found.set(canonicalText(state), state)
      for (const { entry, bit, needs, precedes } of parts) {
        if ((applied & bit) !== 0n || (applied & needs) !== needs || (applied & precedes) !== 0n) continue
        const reached = model.apply(state, entry.op, entry.result)
        next.set(`${applied | bit} ${canonicalText(reached)}`, { applied: applied | bit, state: reached })
        wayCount++
        if (wayCount > WAYS_MAX) return undefined
      }
    }
    layer = next
  }
  return [...found.values()]
}

function partsOf<Op, Result>(
  history: readonly HistoryEntry<Op, Result>[],
  spans: readonly OperationSpan[],
): readonly Part<Op, Result>[] {
  const entries = history.filter(({ outcome }) => outcome !== "rejected" && outcome !== "not-started")
  const startOf = ({ index }: HistoryEntry<Op, Result>): number => spans[index]?.startedAt ?? 0
  const endOf = ({ index }: HistoryEntry<Op, Result>): number => spans[index]?.settledAt ?? Infinity
  const bitsOf = (chosen: (other: HistoryEntry<Op, Result>) => boolean): bigint =>
    entries.reduce((bits, other, index) => (chosen(other) ? bits | (1n << BigInt(index)) : bits), 0n)
  return entries.map((entry, index) => ({
    entry,
    bit: 1n << BigInt(index),
    needs: bitsOf((other) => other.outcome === "acknowledged" && endOf(other) < startOf(entry)),
    precedes: bitsOf((other) => endOf(entry) < startOf(other)),
  }))
}
