// One try of a transaction: the turn on which its function is run, the snapshot that it takes where the function goes on
// behind that turn, and what is looked at when the turn of its commit has come.
//
// Must not wait and must not commit: that is the runner's (transact.ts), which also lets go of it by `release`.

import { KeyInDoubt } from "../model/prepare-errors.ts"
import { TransactionConflict } from "../model/transaction-errors.ts"
import type { ConflictingKey } from "../model/transaction-errors.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { Operation } from "./commit-session.ts"
import type { PreparedTransactions } from "./prepared.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { TableContext } from "./table-context.ts"
import { TransactionState } from "./transaction.ts"
import type { Isolation, Transaction } from "./transaction.ts"
import type { AloneStep } from "./writer.ts"

/** What tries are made with. */
export interface TryParts {
  readonly context: TableContext
  readonly registry: SnapshotRegistry
  readonly prepared: PreparedTransactions
}

/** Others came first. Met by the runner alone, often perhaps: an error in all but the stack trace, and what that costs. */
export class Conflict implements Error {
  readonly name = "Conflict"
  readonly message = "others came first"
  readonly keys: readonly ConflictingKey[]
  /** What is in the way, where nobody has changed anything. */
  readonly cause: KeyInDoubt | undefined

  constructor(keys: readonly ConflictingKey[], cause?: KeyInDoubt) {
    this.keys = keys
    this.cause = cause
  }

  /** What the user hears of it, after so many tries. */
  told(tries: number): TransactionConflict {
    return new TransactionConflict(this.keys, tries, this.cause)
  }
}

export class TransactionTry<Result> implements AloneStep {
  readonly transaction: TransactionState
  /** What the function returned. */
  value: Result | undefined
  /** Where it reads, once its function goes on behind the turn that it began on, or has written beside it. */
  snapshot: OpenSnapshot | undefined
  readonly #parts: TryParts
  readonly #work: (transaction: Transaction) => Result
  #isReleased = false
  #hasEnded = false

  constructor(parts: TryParts, work: (transaction: Transaction) => Result, isolation: Isolation) {
    this.transaction = new TransactionState(parts.context, isolation)
    this.#parts = parts
    this.#work = work
  }

  /** On its first turn: runs the function. What it commits now; nothing, where the function goes on. */
  run(): readonly Operation[] {
    const work = this.#work
    const { transaction } = this
    const value = work(transaction)
    this.value = value
    transaction.throwIfAborted()
    if (isPromise(value)) {
      // Nobody listens to it if there is no snapshot to be had.
      value.then(ignore, ignore)
      this.intrude()
    }
    if (this.snapshot !== undefined) return []
    transaction.end()
    this.#hasEnded = true
    return this.#operations()
  }

  /** The function ends later than the turn that it began on, or writes to the store beside the transaction. */
  intrude(): void {
    if (this.snapshot !== undefined) return
    this.snapshot = this.#parts.registry.take()
    this.transaction.goOn(this.snapshot)
  }

  /** Whether it is done with its first turn, but for its commit's way to the disk. */
  get isSettled(): boolean {
    return this.snapshot === undefined && this.transaction.preparedId === undefined
  }

  /**
   * The function has ended behind its turn. Whether there is something to commit: if not, all that it read is one state
   * that there was, and nothing can contradict it. Requires: `snapshot`. Fails with: SnapshotExpired, the abort's reason.
   */
  end(): boolean {
    const { transaction } = this
    transaction.throwIfAborted()
    transaction.end()
    this.#parts.registry.check(this.snapshot as OpenSnapshot)
    this.#hasEnded = transaction.hasWrites || transaction.preparedId !== undefined
    return this.#hasEnded
  }

  /** On the turn of its commit: what it commits, if what it depends on still holds. Fails with: Conflict, SnapshotExpired. */
  decide(): readonly Operation[] {
    this.#parts.registry.check(this.snapshot as OpenSnapshot)
    const keys = this.transaction.conflicts()
    // What it keeps is of no more use, and the commit may take a while.
    this.release()
    if (keys.length === 0) return this.#operations()
    const conflict: Error = new Conflict(keys)
    throw conflict
  }

  /** What its failure is called. */
  failed(error: unknown): unknown {
    const { transaction } = this
    transaction.end(error)
    if (!this.#hasEnded) return error
    // One in doubt is in the way of the commit. What the function itself has met there is the function's.
    if (error instanceof KeyInDoubt) return new Conflict([{ table: error.table, key: error.key }], error)
    return transaction.preparedId === undefined ? error : this.#parts.prepared.explained(error)
  }

  /** Lets go of the snapshot. Calling it twice is allowed. */
  release(): void {
    if (this.snapshot !== undefined && !this.#isReleased) this.#parts.registry.release(this.snapshot)
    this.#isReleased = true
  }

  /** What it commits now: its writes, or that it is prepared. */
  #operations(): readonly Operation[] {
    const { claim } = this.transaction
    return claim === undefined ? this.transaction.operations() : this.#parts.prepared.prepare(claim)
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"
}

function ignore(): void {
  // What it comes to is met where the function is awaited.
}
