// Checks a history of transactions that append to lists and read them against an isolation level, after Elle (Kingsbury
// and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020). A list that was read
// tells the order of everything in it, so dependencies follow from what clients saw, without a look into the database.
//
// For the serializable models the verdict is exact: "valid" means that there is an order which explains the history. So it
// is for the snapshot isolation models where nobody failed to see two appends to one key, which reading every key in the
// end makes sure of. For the weaker models, "valid" means that no anomaly was found.

import { Anomalies } from "./check-anomalies.ts"
import type { Anomaly, AnomalyType } from "./check-anomalies.ts"
import { findCycles } from "./check-cycles.ts"
import type { CycleLevel } from "./check-cycles.ts"
import { dependenciesOf } from "./check-dependencies.ts"
import type { DependencyOptions } from "./check-dependencies.ts"
import { findLostWrites } from "./check-durability.ts"
import { cycleSentence, explainedStep } from "./check-explanation.ts"
import { checkHistory } from "./check-history.ts"
import { findReadAnomalies } from "./check-reads.ts"
import { ABORTED, Transactions, UNKNOWN } from "./check-transactions.ts"
import type { ListHistory } from "./check-transactions.ts"
import { Versions } from "./check-versions.ts"

/** Isolation levels. `strong-session-…` keeps the order of each process, `strong-…` and `strict-…` that of real time. */
export type IsolationModel =
  | "read-uncommitted"
  | "read-committed"
  | "snapshot-isolation"
  | "strong-session-snapshot-isolation"
  | "strong-snapshot-isolation"
  | "serializable"
  | "strong-session-serializable"
  | "strict-serializable"

export interface ListAppendOptions {
  readonly model: IsolationModel
  /** How many anomalies of each kind are told in full; all are counted. Default: 8. */
  readonly anomaliesMax?: number
}

export interface ListAppendVerdict {
  readonly valid: boolean
  readonly model: IsolationModel
  readonly anomalies: readonly Anomaly[]
  readonly counts: {
    readonly transactions: number
    /** Those that surely took place; unknown ones that somebody saw are among them. */
    readonly committed: number
    readonly aborted: number
    /** Those of which nobody saw anything. */
    readonly unknown: number
    readonly appends: number
    readonly reads: number
    readonly keys: number
    /** Edges of the graph that was searched. */
    readonly dependencies: number
    /** How many there are of each kind, also those that are not told. */
    readonly anomalies: Readonly<Partial<Record<AnomalyType, number>>>
  }
}

interface Rules {
  readonly level: CycleLevel
  readonly order: DependencyOptions["order"]
  readonly forbidden: readonly AnomalyType[]
}

/** What no database may do, whatever its level. */
const NEVER: readonly AnomalyType[] = ["duplicate-elements", "unwritten-read", "incompatible-order", "lost-write"]
const DIRTY: readonly AnomalyType[] = [...NEVER, "G1a", "G1b", "internal"]
const SNAPSHOT: readonly AnomalyType[] = [...DIRTY, "lost-update"]

const RULES: Readonly<Record<IsolationModel, Rules>> = {
  "read-uncommitted": { level: "ww", order: "none", forbidden: NEVER },
  "read-committed": { level: "wr", order: "none", forbidden: DIRTY },
  "snapshot-isolation": { level: "alternating", order: "none", forbidden: SNAPSHOT },
  "strong-session-snapshot-isolation": { level: "alternating", order: "process", forbidden: SNAPSHOT },
  "strong-snapshot-isolation": { level: "alternating", order: "realtime", forbidden: SNAPSHOT },
  serializable: { level: "all", order: "none", forbidden: SNAPSHOT },
  "strong-session-serializable": { level: "all", order: "process", forbidden: SNAPSHOT },
  "strict-serializable": { level: "all", order: "realtime", forbidden: SNAPSHOT },
}

/**
 * Looks for anomalies that the model forbids.
 *
 * Requires: each value is appended to a key at most once in the whole history, also by transactions that were aborted.
 * Guarantees: linear time and memory (1,000,000 transactions of one to four operations took 4 to 9 s and about 300 MB
 * besides the history, on two shared cores). An anomaly is never told of a history that the model allows.
 * Fails with: TypeError for a history of another form, or without positions where the model goes by real time.
 */
export function listAppend(history: ListHistory, options: ListAppendOptions): ListAppendVerdict {
  checkHistory(history)
  const { model, anomaliesMax = 8 } = options
  const rules = RULES[model]
  if (rules === undefined) throw new TypeError(`there is no model "${model}": use ${Object.keys(RULES).join(", ")}`)
  if (!Number.isSafeInteger(anomaliesMax) || anomaliesMax < 1)
    throw new TypeError("anomaliesMax must be a whole number")
  if (rules.order === "realtime" || (history.crashes ?? []).length > 0) checkPositions(history)
  const transactions = new Transactions(history)
  const versions = new Versions(transactions)
  const isWeak = rules.level === "ww" || rules.level === "wr"
  // Cycles that the model allows are not looked for.
  const anomalies = new Anomalies(anomaliesMax, (type) => rules.forbidden.includes(type) || isCycle(type))
  findReadAnomalies(transactions, versions, anomalies, isWeak)
  findLostWrites(transactions, versions, anomalies)
  const graph = dependenciesOf(transactions, versions, { hasAntiDependencies: !isWeak, order: rules.order })
  findCycles(graph, rules.level, ({ type, steps }) => {
    anomalies.add(type, () => {
      const cycle = steps.map((step) => explainedStep(transactions, versions, step))
      return { explanation: cycleSentence(cycle), transactions: cycle.map(({ source }) => source), cycle }
    })
  })
  return {
    valid: anomalies.found.length === 0,
    model,
    anomalies: anomalies.found,
    counts: {
      transactions: transactions.count,
      committed: transactions.counts.reduce((sum, counts) => sum + counts, 0),
      aborted: countOf(transactions, ABORTED),
      unknown: countOf(transactions, UNKNOWN),
      appends: transactions.appendCount,
      reads: transactions.readCount,
      keys: transactions.keys.length,
      dependencies: graph.targets.length,
      anomalies: anomalies.countOf,
    },
  }
}

function isCycle(type: AnomalyType): boolean {
  return /^G(0|1c|2|-)/.test(type)
}

/** Transactions of that outcome that do not count as committed. */
function countOf({ outcome, counts }: Transactions, wanted: number): number {
  let count = 0
  for (let index = 0; index < outcome.length; index++) if (outcome[index] === wanted && counts[index] === 0) count++
  return count
}

function checkPositions(history: ListHistory): void {
  for (const [index, { invoked, completed, outcome }] of history.entries.entries()) {
    if (invoked === undefined || (outcome === "committed" && completed === undefined)) {
      throw new TypeError(
        `entry ${index} says not when it was invoked and completed: real time, or a crash, needs that`,
      )
    }
  }
}
