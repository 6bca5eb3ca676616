// The errors of snapshots, transactions and conditional writes; see errors.ts.

import { OrreryError } from "./errors.ts"

/** A key of a table, or, without a key, the whole table, which was walked or counted. */
export interface ConflictingKey {
  readonly table: string
  readonly key: string | undefined
}

/**
 * What the transaction had read, or wanted to write, was changed by others each time that it was tried; or is held by a
 * prepared transaction, and then the cause is KeyInDoubt. No trace.
 */
export class TransactionConflict extends OrreryError {
  override readonly _tag = "TransactionConflict"
  override readonly code = "ORRERY_TRANSACTION_CONFLICT"
  override readonly name = "TransactionConflict"
  /** Some of what was changed by others, in the last try; at most ten. */
  readonly keys: readonly ConflictingKey[]
  readonly attempts: number
  constructor(keys: readonly ConflictingKey[], attempts: number, cause?: unknown) {
    const names = keys.map(({ table, key }) => (key === undefined ? `table "${table}"` : `"${key}" of "${table}"`))
    super(
      `others ${cause === undefined ? "changed" : "hold"} what the transaction depends on, in each of ${attempts} tries: ${names.join(", ")}`,
      cause === undefined
        ? "Try again; make it shorter or synchronous, touch fewer shared keys, or raise retries"
        : "Try again once the prepared transaction that holds them is decided: see store.inDoubt()",
      cause,
    )
    this.keys = keys
    this.attempts = attempts
  }
}

/** The transaction took longer than it was given. No trace. */
export class TransactionTimedOut extends OrreryError {
  override readonly _tag = "TransactionTimedOut"
  override readonly code = "ORRERY_TRANSACTION_TIMED_OUT"
  override readonly name = "TransactionTimedOut"
  readonly timeoutMs: number
  constructor(timeoutMs: number) {
    super(`the transaction did not commit within ${timeoutMs} ms`, "Try again, or raise timeoutMs")
    this.timeoutMs = timeoutMs
  }
}

/** The state at the snapshot's LSN is not kept any more. */
export class SnapshotExpired extends OrreryError {
  override readonly _tag = "SnapshotExpired"
  override readonly code = "ORRERY_SNAPSHOT_EXPIRED"
  override readonly name = "SnapshotExpired"
  readonly lsn: number
  constructor(lsn: number, reason: string, remedy: string) {
    super(`the snapshot at LSN ${lsn} has ended: ${reason}`, remedy)
    this.lsn = lsn
  }
}

/** A conditional write found another version than it was to find. No trace. */
export class ConditionFailed extends OrreryError {
  override readonly _tag = "ConditionFailed"
  override readonly code = "ORRERY_CONDITION_FAILED"
  override readonly name = "ConditionFailed"
  readonly table: string
  readonly key: string
  /** The version that was asked for; 0: none. */
  readonly expected: number
  /** The version that is there; 0: none. */
  readonly version: number
  constructor(table: string, key: string, expected: number, version: number) {
    super(
      `"${key}" of table "${table}" has ${versionText(version)}, not ${versionText(expected)}`,
      "Read it again with getVersioned, and decide anew",
    )
    this.table = table
    this.key = key
    this.expected = expected
    this.version = version
  }
}

/** `increment` met a value that it cannot count with. No trace. */
export class NotACounter extends OrreryError {
  override readonly _tag = "NotACounter"
  override readonly code = "ORRERY_NOT_A_COUNTER"
  override readonly name = "NotACounter"
  readonly table: string
  readonly key: string
  constructor(table: string, key: string, reason: string, remedy: string) {
    super(`"${key}" of table "${table}" cannot be incremented: ${reason}`, remedy)
    this.table = table
    this.key = key
  }
}

function versionText(version: number): string {
  return version === 0 ? "no value" : `version ${version}`
}
