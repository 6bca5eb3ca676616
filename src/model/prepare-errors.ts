// The errors of prepared transactions; see errors.ts.

import { OrreryError } from "./errors.ts"

/** What becomes of a prepared transaction. */
export type Decision = "committed" | "aborted"

/**
 * A prepared transaction that waits for its decision holds the key: it wrote it, or depends on what it read there. The
 * write, or the prepare, left no trace. It may be tried again, and succeeds once that transaction is decided.
 */
export class KeyInDoubt extends OrreryError {
  override readonly _tag = "KeyInDoubt"
  override readonly code = "ORRERY_KEY_IN_DOUBT"
  override readonly name = "KeyInDoubt"
  readonly table: string
  readonly key: string
  /** The prepared transaction. */
  readonly id: string
  constructor(table: string, key: string, id: string) {
    super(
      `"${key}" of table "${table}" is held by the prepared transaction "${id}", which is in doubt`,
      "Try again once it is decided; store.inDoubt() tells since when it waits",
    )
    this.table = table
    this.key = key
    this.id = id
  }
}

/** The id of a prepare is that of another transaction, in doubt or decided. No trace. */
export class PrepareIdReused extends OrreryError {
  override readonly _tag = "PrepareIdReused"
  override readonly code = "ORRERY_PREPARE_ID_REUSED"
  override readonly name = "PrepareIdReused"
  readonly id: string
  /** How that transaction stands. */
  readonly outcome: Decision | "in doubt"
  constructor(id: string, outcome: Decision | "in doubt") {
    super(
      `a transaction was prepared as "${id}" before; it is ${outcome}`,
      "Take an id that was never used for each attempt; where this is the same attempt again, ask store.outcome(id)",
    )
    this.id = id
    this.outcome = outcome
  }
}

/** No transaction in doubt has this id, and no decision about one is remembered. */
export class UnknownTransaction extends OrreryError {
  override readonly _tag = "UnknownTransaction"
  override readonly code = "ORRERY_UNKNOWN_TRANSACTION"
  override readonly name = "UnknownTransaction"
  readonly id: string
  constructor(id: string) {
    super(
      `no prepared transaction "${id}" is known`,
      "Check the id; it was never prepared here, or its decision is older than prepared.decisions remembers",
    )
    this.id = id
  }
}

/** The transaction was decided the other way, and that stays so. */
export class AlreadyDecided extends OrreryError {
  override readonly _tag = "AlreadyDecided"
  override readonly code = "ORRERY_ALREADY_DECIDED"
  override readonly name = "AlreadyDecided"
  readonly id: string
  readonly outcome: Decision
  /** The commit that the decision is in. */
  readonly lsn: number
  /** Why it was aborted, where that was said. */
  readonly reason: string | undefined
  constructor(id: string, outcome: Decision, lsn: number, reason: string | undefined) {
    const because = reason === undefined ? "" : ` (${reason})`
    super(
      `the prepared transaction "${id}" was ${outcome}${because}, as commit ${lsn}`,
      "Its coordinator said two things: find out which one holds elsewhere, and mend the other by a transaction of its own",
    )
    this.id = id
    this.outcome = outcome
    this.lsn = lsn
    this.reason = reason
  }
}
