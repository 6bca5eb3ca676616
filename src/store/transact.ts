// Runs transactions: optimistically, and again where others came first.
//
// A function that ends on its turn commits on its turn: nothing can have come between. One that goes on later is checked
// when the turn of its commit has come; if what it depends on was changed meanwhile (Kung, Robinson 1981: backward
// validation), it leaves no trace and is run anew, after a random while that grows from try to try.

import type { Engine } from "../actors/engine.ts"
import type { Durability } from "../model/durability.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { TransactionTimedOut } from "../model/transaction-errors.ts"
import type { CommitBatch } from "../wal/commit-batch.ts"
import { abortable } from "./abortable.ts"
import { durabilityFrom, integer, record, throwIfAborted } from "./option-checks.ts"
import type { PreparedTransactions } from "./prepared.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { TableContext } from "./table-context.ts"
import type { WriteOptions } from "./table-options.ts"
import { Conflict, TransactionTry } from "./transaction-try.ts"
import type { TryParts } from "./transaction-try.ts"
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

/** How one is to be run: its options, checked. */
interface Manner {
  readonly isolation: Isolation
  readonly durability: Durability
  readonly signal: AbortSignal | undefined
  readonly retries: number
  /** 0: no bound. */
  readonly timeoutMs: number
}

type Work<Result> = (transaction: Transaction) => Result
type Outcome<Result> = TransactionResult<Awaited<Result>>

const RETRIES_DEFAULT = 10
/** Longest wait before another try. The first ones wait at most 1, 2, 4 … */
const BACK_OFF_MS_MAX = 128
const TIMEOUT_MS_MAX = 2 ** 31 - 1

export class TransactionRunner {
  readonly counters: TransactionCounters = { committed: 0, retried: 0, failed: 0 }
  readonly #engine: Engine
  readonly #writer: Writer
  readonly #parts: TryParts
  /** That of a call without options. */
  readonly #manner: Manner
  #chance: number

  constructor(
    engine: Engine,
    context: TableContext,
    registry: SnapshotRegistry,
    prepared: PreparedTransactions,
    durability: Durability,
  ) {
    this.#engine = engine
    this.#writer = context.writer
    this.#parts = { context, registry, prepared }
    this.#manner = {
      isolation: "serializable",
      durability,
      signal: undefined,
      retries: RETRIES_DEFAULT,
      timeoutMs: 0,
    }
    this.#chance = engine.manifest.hashSecret.low | 1
  }

  run<Result>(work: Work<Result>, options?: TransactOptions): Promise<Outcome<Result>> {
    let manner: Manner
    try {
      manner = this.#mannerFrom(work, options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (manner.timeoutMs > 0) return this.#counted(this.#inTime(work, manner))
    return this.#writer.isOpen ? this.#begin(work, manner) : this.#counted(this.#untilCommitted(work, manner))
  }

  /** Its turn is now. One that ends on it costs what a write costs; there is one promise, that of its result. */
  #begin<Result>(work: Work<Result>, manner: Manner): Promise<Outcome<Result>> {
    const first = new TransactionTry(this.#parts, work, manner.isolation)
    const { durability } = manner
    let batch: CommitBatch | undefined
    try {
      batch = this.#writer.commitNow(first, durability)
    } catch (error) {
      first.release()
      return this.#counted(this.#untilCommitted(work, manner, Promise.reject(first.failed(error))))
    }
    const lsn = this.#lastLsn
    if (!first.isSettled)
      return this.#counted(this.#untilCommitted(work, manner, this.#goOn(first, batch, lsn, manner)))
    const value = first.value as Awaited<Result>
    if (batch === undefined || durability === "memory") {
      this.counters.committed++
      return Promise.resolve({ value, lsn })
    }
    return batch.settled.then(() => {
      this.counters.committed++
      return { value, lsn }
    }, this.#onFailed)
  }

  async #counted<Result>(outcome: Promise<Outcome<Result>>): Promise<Outcome<Result>> {
    try {
      const result = await outcome
      this.counters.committed++
      return result
    } catch (error) {
      return this.#onFailed(error)
    }
  }

  readonly #onFailed = (error: unknown): never => {
    this.counters.failed++
    throw error
  }

  async #inTime<Result>(work: Work<Result>, manner: Manner): Promise<Outcome<Result>> {
    const { signal, end } = this.#bounded(manner.timeoutMs, manner.signal)
    try {
      return await this.#untilCommitted(work, { ...manner, signal })
    } finally {
      end()
    }
  }

  /** `first`: the first try, if it was begun already. */
  async #untilCommitted<Result>(
    work: Work<Result>,
    manner: Manner,
    first?: Promise<Outcome<Result>>,
  ): Promise<Outcome<Result>> {
    for (let tries = 1; ; tries++) {
      try {
        return await (tries === 1 && first !== undefined ? first : this.#try(work, manner))
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
        if (tries > manner.retries) throw error.told(tries)
      }
      this.counters.retried++
      await abortable(this.#wait(Math.min(2 ** (tries - 1), BACK_OFF_MS_MAX)), manner.signal)
    }
  }

  async #try<Result>(work: Work<Result>, manner: Manner): Promise<Outcome<Result>> {
    const attempt = new TransactionTry(this.#parts, work, manner.isolation)
    try {
      const { lsn } = await this.#writer.update(attempt, manner.durability, manner.signal)
      return await this.#rest(attempt, lsn, manner)
    } catch (error) {
      throw attempt.failed(error)
    } finally {
      attempt.release()
    }
  }

  /** The same behind the first turn. `batch`: what it committed there is in it. */
  async #goOn<Result>(
    attempt: TransactionTry<Result>,
    batch: CommitBatch | undefined,
    lsn: Lsn,
    manner: Manner,
  ): Promise<Outcome<Result>> {
    try {
      if (batch !== undefined && manner.durability !== "memory") await batch.settled
      return await this.#rest(attempt, lsn, manner)
    } catch (error) {
      throw attempt.failed(error)
    } finally {
      attempt.release()
    }
  }

  async #rest<Result>(
    attempt: TransactionTry<Result>,
    lsn: Lsn,
    { durability, signal }: Manner,
  ): Promise<Outcome<Result>> {
    const { snapshot } = attempt
    if (snapshot === undefined) return this.#result(attempt, attempt.value as Awaited<Result>, lsn)
    const value = await abortable(Promise.resolve(attempt.value as Result), signal)
    if (!attempt.end()) return { value, lsn: lsnOf(snapshot.lsn) }
    const receipt = await this.#writer.update({ run: () => attempt.decide() }, durability, signal)
    return this.#result(attempt, value, receipt.lsn)
  }

  async #result<Value>(
    { transaction: { preparedId } }: TransactionTry<unknown>,
    value: Value,
    lsn: Lsn,
  ): Promise<TransactionResult<Value>> {
    if (preparedId === undefined) return { value, lsn }
    // Whatever the durability of other writes: who says that he is prepared says so for good.
    await this.#parts.prepared.durable(lsn)
    return { value, lsn, prepared: preparedId }
  }

  get #lastLsn(): Lsn {
    return lsnOf(this.#engine.commit?.lastLsn ?? 0)
  }

  /** Throws a TypeError, the signal's reason. */
  #mannerFrom(work: unknown, options: TransactOptions | undefined): Manner {
    if (typeof work !== "function") throw new TypeError("transact takes a function of a transaction")
    const manner = options === undefined ? this.#manner : this.#checked(options)
    if (this.#writer.isBusy) {
      throw new TypeError("a transaction began within another one: read and write through the one that there is")
    }
    if (manner.signal !== undefined) throwIfAborted(manner.signal)
    return manner
  }

  #checked(options: TransactOptions): Manner {
    record("options", options, ["durability", "signal", "isolation", "retries", "timeoutMs"])
    return {
      isolation: isolationFrom(options.isolation),
      durability: durabilityFrom("durability", options.durability) ?? this.#manner.durability,
      signal: options.signal,
      retries: integer("retries", options.retries, RETRIES_DEFAULT, 0, 1_000_000),
      timeoutMs: integer("timeoutMs", options.timeoutMs, 0, 1, TIMEOUT_MS_MAX, "milliseconds"),
    }
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

function isolationFrom(value: unknown): Isolation {
  if (value === undefined) return "serializable"
  if (value === "serializable" || value === "snapshot") return value
  throw new TypeError(`isolation must be "serializable" or "snapshot", not ${JSON.stringify(value)}`)
}
