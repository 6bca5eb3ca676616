// What was decided about prepared transactions: outcomes by their ids, the newest of them, so that a decision may be asked
// for and repeated after a crash. Kept in three system tables, written in the commits of the decisions themselves:
// "committed" and "aborted" by id, and "decision-order", a queue by number with its bounds under "bounds". Guarantees: one
// decision reads and writes the same few records however many there were before. Must not decide anything.

import type { Decision } from "../model/prepare-errors.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { Operation } from "./commit-session.ts"
import { systemTable } from "./system-table.ts"
import type { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"

/** A decision that is remembered. */
export interface DecisionTaken {
  readonly outcome: Decision
  /** The commit that it is in. */
  readonly lsn: number
  readonly reason: string | undefined
}

interface DecisionRecord {
  readonly version: 1
  /** By the wall clock. */
  readonly decidedAtMs: number
  readonly reason?: string
}

interface OrderRecord {
  readonly version: 1
  readonly id: string
  readonly outcome: Decision
}

/** Numbers of the oldest decision that is remembered, and of the next one. */
interface Bounds {
  readonly version: 1
  readonly oldest: number
  readonly next: number
}

const BOUNDS = "bounds"
/** Most that one decision lets go of: more than one only where the bound was lowered. */
const FORGOTTEN_COUNT_MAX = 2

export class Decisions {
  readonly #tables: Readonly<Record<Decision, TableHandle<DecisionRecord>>>
  readonly #order: TableHandle<OrderRecord | Bounds>
  readonly #countMax: number

  constructor(context: TableContext, catalogue: Catalogue, countMax: number) {
    this.#tables = {
      committed: systemTable(context, catalogue, "committed"),
      aborted: systemTable(context, catalogue, "aborted"),
    }
    this.#order = systemTable(context, catalogue, "decision-order")
    this.#countMax = countMax
  }

  /** Fails with: Restarting, StoreClosed. */
  find(id: string): DecisionTaken | undefined {
    for (const outcome of ["committed", "aborted"] as const) {
      const { value, version } = this.#tables[outcome].getVersioned(id)
      if (value !== undefined) return { outcome, lsn: version, reason: value.reason }
    }
    return undefined
  }

  /** What the commit of a decision writes besides what is decided. Fails with: Restarting, StoreClosed. */
  operationsFor(id: string, outcome: Decision, reason: string | undefined, decidedAtMs: number): Operation[] {
    const bounds = this.#order.get(BOUNDS) as Bounds | undefined
    let oldest = bounds?.oldest ?? 0
    const next = (bounds?.next ?? 0) + 1
    const record: DecisionRecord = { version: 1, decidedAtMs, ...(reason === undefined ? {} : { reason }) }
    const ordered: OrderRecord = { version: 1, id, outcome }
    const operations = [this.#tables[outcome].insertion(id, record), this.#order.insertion(String(next - 1), ordered)]
    for (let count = 0; count < FORGOTTEN_COUNT_MAX && next - oldest > this.#countMax; count++, oldest++) {
      const forgotten = this.#order.get(String(oldest)) as OrderRecord | undefined
      if (forgotten === undefined) continue
      operations.push(this.#tables[forgotten.outcome].deletion(forgotten.id), this.#order.deletion(String(oldest)))
    }
    const moved: Bounds = { version: 1, oldest, next }
    operations.push(this.#order.insertion(BOUNDS, moved))
    return operations
  }

  /** Which decision a commit with these operations takes about the transaction. */
  decisionIn(operations: readonly Operation[], id: string): Decision | undefined {
    for (const outcome of ["committed", "aborted"] as const) {
      const { entry } = this.#tables[outcome]
      if (operations.some((operation) => operation.entry === entry && operation.key === id)) return outcome
    }
    return undefined
  }
}
