// Runs transactions: optimistically, and again where others came first.
//
// A function that ends on its turn commits on its turn: nothing can have come between. One that goes on later is checked
// when the turn of its commit has come; if what it depends on was changed meanwhile (Kung, Robinson 1981: backward
// validation), it leaves no trace and is run anew, after a random while that grows from try to try.

import type { Engine } from "../actors/engine.ts"
import type { Durability } from "../model/durability.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { KeyInDoubt } from "../model/prepare-errors.ts"
import { TransactionConflict, TransactionTimedOut } from "../model/transaction-errors.ts"
import type { ConflictingKey } from "../model/transaction-errors.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import { abortable } from "./abortable.ts"
import type { Operation } from "./commit-session.ts"
import { durabilityFrom, integer, record } from "./option-checks.ts"
import type { PreparedTransactions } from "./prepared.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { TableContext } from "./table-context.ts"
import type { WriteOptions } from "./table-options.ts"
import { TransactionState } from "./transaction.ts"
import type { Isolation, Transaction } from "./transaction.ts"
import type { Writer } from "./writer.ts"

export interface TransactOptions extends WriteOptions {
  /** What others may do meanwhile. Default "serializable". */
  readonly isolation?: Isolation
  /** How often it is run anew after a conflict. Default 10. */
  readonly retries?: number
  /** Milliseconds until it must be on its way into the log, all tries together. Default: no bound. */
  readonly timeoutMs?: number
}

/** What a transaction resolves to. */
export interface TransactionResult<Result> {
  /** What its function returned. */
  readonly value: Result
  /** Its commit's place in the log; of one that wrote nothing, the last commit that it may have read. */
  readonly lsn: Lsn
  /** The id under which it was prepared; then `lsn` is that of its PREPARE, and nothing is committed yet. */
  readonly prepared?: string
}

export interface TransactionCounters {
  committed: number
  retried: number
  failed: number
}

interface Attempt {
  readonly isolation: Isolation
  readonly durability: Durability
  readonly signal: AbortSignal | undefined
}

const RETRIES_DEFAULT = 10
/** Longest wait before another try. The first ones wait at most 1, 2, 4 … */
const BACK_OFF_MS_MAX = 128
const TIMEOUT_MS_MAX = 2 ** 31 - 1

export class TransactionRunner {
  readonly counters: TransactionCounters = { committed: 0, retried: 0, failed: 0 }
  readonly #engine: Engine
  readonly #context: TableContext
  readonly #writer: Writer
  readonly #registry: SnapshotRegistry
  readonly #prepared: PreparedTransactions
  readonly #durability: Durability
  #chance: number

  constructor(
    engine: Engine,
    context: TableContext,
    registry: SnapshotRegistry,
    prepared: PreparedTransactions,
    durability: Durability,
  ) {
    this.#engine = engine
    this.#context = context
    this.#writer = context.writer
    this.#registry = registry
    this.#prepared = prepared
    this.#durability = durability
    this.#chance = engine.manifest.hashSecret.low | 1
  }

  async run<Result>(
    work: (transaction: Transaction) => Result,
    options: TransactOptions,
  ): Promise<TransactionResult<Awaited<Result>>> {
    if (typeof work !== "function") throw new TypeError("transact takes a function of a transaction")
    record("options", options, ["durability", "signal", "isolation", "retries", "timeoutMs"])
    const isolation = isolationFrom(options.isolation)
    const durability = durabilityFrom("durability", options.durability) ?? this.#durability
    const retries = integer("retries", options.retries, RETRIES_DEFAULT, 0, 1_000_000)
    const timeoutMs = integer("timeoutMs", options.timeoutMs, 0, 1, TIMEOUT_MS_MAX, "milliseconds")
    if (this.#writer.isBusy) {
      throw new TypeError("a transaction began within another one: read and write through the one that there is")
    }
    options.signal?.throwIfAborted()
    const bounds = timeoutMs > 0 ? this.#bounded(timeoutMs, options.signal) : undefined
    try {
      const attempt = { isolation, durability, signal: bounds?.signal ?? options.signal }
      const result = await this.#untilCommitted(work, attempt, retries)
      this.counters.committed++
      return result
    } catch (error) {
      this.counters.failed++
      throw error
    } finally {
      bounds?.end()
    }
  }

  async #untilCommitted<Result>(
    work: (transaction: Transaction) => Result,
    attempt: Attempt,
    retries: number,
  ): Promise<TransactionResult<Awaited<Result>>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#try(work, attempt)
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
        if (tries > retries) throw new TransactionConflict(error.keys, tries, error.cause)
      }
      this.counters.retried++
      await abortable(this.#wait(Math.min(2 ** (tries - 1), BACK_OFF_MS_MAX)), attempt.signal)
    }
  }

  async #try<Result>(
    work: (transaction: Transaction) => Result,
    { isolation, durability, signal }: Attempt,
  ): Promise<TransactionResult<Awaited<Result>>> {
    const transaction = new TransactionState(this.#context, isolation)
    let snapshot: OpenSnapshot | undefined
    const release = (): void => {
      if (snapshot !== undefined && !isReleased) this.#registry.release(snapshot)
      isReleased = true
    }
    let isReleased = false
    // The function ends later than the turn that it began on, or writes to the store beside the transaction.
    const goOn = (): void => {
      if (snapshot !== undefined) return
      snapshot = this.#registry.take()
      transaction.goOn(snapshot)
    }
    let hasEnded = false
    let value: Result | undefined
    try {
      const begin = await this.#writer.update(
        () => {
          value = work(transaction)
          transaction.throwIfAborted()
          if (isPromise(value)) {
            // Nobody listens to it if there is no snapshot to be had.
            value.then(undefined, () => undefined)
            goOn()
          }
          if (snapshot !== undefined) return []
          transaction.end()
          hasEnded = true
          return this.#operationsOf(transaction)
        },
        durability,
        signal,
        goOn,
      )
      if (snapshot === undefined) return await this.#result(transaction, value as Awaited<Result>, begin.lsn)
      const taken: OpenSnapshot = snapshot
      const settled = await abortable(Promise.resolve(value as Result), signal)
      transaction.throwIfAborted()
      transaction.end()
      this.#registry.check(taken)
      // All that it read is one state that there was: nothing can contradict it.
      if (!transaction.hasWrites && transaction.preparedId === undefined)
        return { value: settled, lsn: lsnOf(taken.lsn) }
      hasEnded = true
      const decide = (): readonly Operation[] => {
        this.#registry.check(taken)
        const keys = transaction.conflicts()
        // What it keeps is of no more use, and the commit may take a while.
        release()
        if (keys.length > 0) throw new Conflict(keys)
        return this.#operationsOf(transaction)
      }
      const { lsn } = await this.#writer.update(decide, durability, signal)
      return await this.#result(transaction, settled, lsn)
    } catch (error) {
      transaction.end(error)
      // One in doubt is in the way of the commit. What the function itself has met there is the function's.
      if (hasEnded && error instanceof KeyInDoubt) throw new Conflict([{ table: error.table, key: error.key }], error)
      throw hasEnded && transaction.preparedId !== undefined ? this.#prepared.explained(error) : error
    } finally {
      release()
    }
  }

  /** What it commits now: its writes, or that it is prepared. */
  #operationsOf(transaction: TransactionState): readonly Operation[] {
    const { claim } = transaction
    return claim === undefined ? transaction.operations() : this.#prepared.prepare(claim)
  }

  async #result<Value>({ preparedId }: TransactionState, value: Value, lsn: Lsn): Promise<TransactionResult<Value>> {
    if (preparedId === undefined) return { value, lsn }
    // Whatever the durability of other writes: who says that he is prepared says so for good.
    await this.#prepared.durable(lsn)
    return { value, lsn, prepared: preparedId }
  }

  /** A signal that says so when the time is over or the user's signal does. */
  #bounded(timeoutMs: number, outer: AbortSignal | undefined): { signal: AbortSignal; end: () => void } {
    const controller = new AbortController()
    const onAbort = (): void => controller.abort(outer?.reason)
    outer?.addEventListener("abort", onAbort, { once: true })
    const timer = this.#engine.clock.after(timeoutMs, () => controller.abort(new TransactionTimedOut(timeoutMs)), true)
    const end = (): void => {
      timer.cancel()
      outer?.removeEventListener("abort", onAbort)
    }
    return { signal: controller.signal, end }
  }

  #wait(mostMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#engine.clock.after(this.#random() * mostMs, resolve, true)
    return promise
  }

  /** From 0 to 1 (Marsaglia 2003: xorshift), so that those who met do not meet again; a secret it is not. */
  #random(): number {
    let chance = this.#chance
    chance ^= chance << 13
    chance ^= chance >>> 17
    chance ^= chance << 5
    this.#chance = chance
    return (chance >>> 0) / 2 ** 32
  }
}

/** Others came first. Met by the runner alone. */
class Conflict extends Error {
  readonly keys: readonly ConflictingKey[]

  /** `cause`: what is in the way, where nobody has changed anything. */
  constructor(keys: readonly ConflictingKey[], cause?: KeyInDoubt) {
    super("others came first", cause === undefined ? undefined : { cause })
    this.keys = keys
  }
}

function isolationFrom(value: unknown): Isolation {
  if (value === undefined) return "serializable"
  if (value === "serializable" || value === "snapshot") return value
  throw new TypeError(`isolation must be "serializable" or "snapshot", not ${JSON.stringify(value)}`)
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"
}
