// A consumer that runs: takes commits from the feed, gives them to the handler within a transaction, and moves its position
// in that same transaction. What the handler wrote and how far it got are one commit, so after a crash it has happened once
// or it is yet to happen. Before the handler is called, the transaction reads the consumer's record: whoever has lost the
// lease, was paused or moved finds that out there, or conflicts at the commit, and leaves no trace.

import type { Engine } from "../actors/engine.ts"
import type { Commit } from "../model/change.ts"
import { ConsumerFailed } from "../model/consumer-errors.ts"
import { Corruption, CursorExpired, LimitExceeded } from "../model/errors.ts"
import { InvariantViolation, invariant } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import { BackOff } from "./back-off.ts"
import { CommitIntake } from "./commit-intake.ts"
import type { ConsumerEvent } from "./consumer-event.ts"
import type { BatchHandler, ConsumerSettings } from "./consumer-options.ts"
import { commitKey, errorText, letterOf } from "./consumer-record.ts"
import type { ConsumerRecord } from "./consumer-record.ts"
import type { ConsumerTables } from "./consumer-tables.ts"
import { FeedWorker, passesByItself, Superseded } from "./feed-worker.ts"
import type { PassEnd } from "./feed-worker.ts"
import type { TransactionRunner } from "./transact.ts"
import type { Transaction } from "./transaction.ts"

/** What all consumers of a store have done since it was opened. */
export interface ConsumerCounters {
  /** Commits that handlers were done with. */
  processed: number
  /** Tries that a handler's error has ended. */
  retries: number
  deadLetters: number
}

/** Commits that a position may fall behind what the consumer has passed over. */
const UNSAVED_MAX = 1_024
/** Commits of a consumer with lists that are kept in memory; beyond, they are read from the log again. */
const BUFFER_COMMITS = 4_096
/** Dead letters of one consumer in the engine's own table; beyond, it stands still. */
const LETTERS_MAX = 100_000

export class ConsumerRun extends FeedWorker {
  // Constant after construction.
  readonly name: string
  readonly settings: ConsumerSettings
  readonly counters: ConsumerCounters
  readonly #tables: ConsumerTables
  readonly #transactions: TransactionRunner
  readonly #handler: BatchHandler
  readonly #startLsn: number | undefined
  readonly #emit: (event: ConsumerEvent) => void
  readonly #retryWaits: BackOff
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers()
  // Changed by the pass that runs.
  /** The lease; 0 before it was taken. */
  #lease = 0
  #intake: CommitIntake | undefined
  #position = 0
  #standing: ConsumerRecord["standing"] = "active"
  #error: unknown
  #isRetrying = false
  /** Whether it works from the position that it has read. */
  #isFollowing = false
  /** Commits up to here are tried one by one: one of them has failed its list. */
  #singleUpTo = 0

  constructor(
    engine: Engine,
    tables: ConsumerTables,
    transactions: TransactionRunner,
    name: string,
    handler: BatchHandler,
    settings: ConsumerSettings,
    counters: ConsumerCounters,
    emit: (event: ConsumerEvent) => void,
  ) {
    super(engine)
    this.name = name
    this.settings = settings
    this.counters = counters
    this.#tables = tables
    this.#transactions = transactions
    this.#handler = handler
    this.#startLsn = settings.from === "now" ? engine.commit?.lastLsn : undefined
    this.#emit = emit
    this.#retryWaits = new BackOff(engine.clock, settings.retry, engine.manifest.hashSecret.high)
  }

  get done(): Promise<void> {
    return this.#over.promise
  }

  get standing(): ConsumerRecord["standing"] {
    return this.#standing
  }

  get isRetrying(): boolean {
    return this.#isRetrying
  }

  /** What the last try failed with, if it did. */
  get error(): unknown {
    return this.#error
  }

  override get hasFailed(): boolean {
    return this.#standing === "failed"
  }

  get position(): number {
    return this.#position
  }

  /**
   * Positions of the log between it and what is durable, of which it may have to process some. Undefined between two
   * passes: what it knows may have been lost with the log.
   */
  get lag(): number | undefined {
    if (!this.#isFollowing) return undefined
    const { durableLsn } = this.engine.feed.metrics()
    return Math.max(0, durableLsn - Math.max(this.#position, this.#intake?.drainedLsn ?? 0))
  }

  /** Keeps the position from falling far behind where nothing is of interest to the consumer, and the log from passing it. */
  override look(): void {
    this.#tables.purge()
    const lsn = this.#isFollowing ? this.#intake?.drainedLsn : undefined
    if (lsn === undefined || this.#standing !== "active") return
    const oldestLsn = this.engine.log?.oldestLsn ?? 0
    const isDue = lsn - this.#position >= UNSAVED_MAX || (this.#position + 1 < oldestLsn && lsn > this.#position)
    if (isDue) void this.#save(lsn).catch(ignore)
  }

  protected override get isAwaited(): boolean {
    return false
  }

  /** It will not run any more. */
  override finished(): void {
    this.#over.resolve()
  }

  protected override async work(signal: AbortSignal): Promise<PassEnd> {
    const record = await this.#begin(signal)
    if (record === undefined) return "over"
    this.#standing = record.standing
    this.#position = record.position
    if (record.standing !== "active") return "wait"
    try {
      await this.#follow(record, signal)
      return "again"
    } catch (error) {
      if (!(error instanceof CursorExpired || error instanceof Corruption)) throw error
      return await this.#standStill(0, 0, error)
    } finally {
      this.#isFollowing = false
      this.#isRetrying = false
    }
  }

  protected override async settle(): Promise<void> {
    const lsn = this.#intake?.drainedLsn
    this.#intake = undefined
    if (lsn === undefined || lsn <= this.#position || this.engine.status.state !== "open") return
    await this.#save(lsn).catch(ignore)
  }

  /** Takes the lease once a life of the run; makes the consumer the first time. Undefined: it was removed. */
  async #begin(signal: AbortSignal): Promise<ConsumerRecord | undefined> {
    const { consumers } = this.#tables
    if (this.#lease > 0) {
      const found = consumers.get(this.name)
      if (found !== undefined && found.run !== this.#lease) throw new Superseded()
      return found
    }
    const { value } = await this.#transactions.run(
      (tx): ConsumerRecord => {
        const found = tx.get(consumers, this.name)
        const position = found?.position ?? this.#tables.lsnOf(this.#startLsn ?? this.settings.from)
        const fresh = { standing: "active", attempts: 0, error: undefined, letters: 0 } as const
        const owner = this.engine.settings.owner
        const taken: ConsumerRecord = { ...(found ?? fresh), version: 1, position, run: (found?.run ?? 0) + 1, owner }
        tx.put(consumers, this.name, taken)
        return taken
      },
      // The lease must outlive a failure of the log: it says that the consumer was there.
      { signal, durability: "synced" },
    )
    this.#lease = value.run
    return value
  }

  async #follow(record: ConsumerRecord, signal: AbortSignal): Promise<void> {
    const { batch, table, prefix } = this.settings
    const bufferCommits = Math.max(BUFFER_COMMITS, batch ?? 1)
    const stream = this.engine.feed.subscribe({ after: lsnOf(record.position), table, prefix, signal, bufferCommits })
    const intake = new CommitIntake(stream)
    this.#intake = intake
    this.#isFollowing = true
    let { attempts } = record
    for (;;) {
      const isSingle = attempts > 0 || this.#position < this.#singleUpTo
      const commits = await intake.take(isSingle ? 1 : (batch ?? 1))
      if (commits.length === 0) return
      const wanted = commits.filter(({ lsn }) => !this.#isOwn(lsn))
      if (wanted.length > 0) attempts = await this.#process(wanted, attempts, signal)
      intake.release()
    }
  }

  /** Whether it made the commit itself, and does not want to see it. */
  #isOwn(lsn: number): boolean {
    return !this.settings.own && this.#tables.isCommitOf(this.name, lsn)
  }

  /** Until the commits are done with, one way or the other. Returns 0: what comes next was not tried yet. */
  async #process(commits: readonly Commit[], tried: number, signal: AbortSignal): Promise<0> {
    const last = commits.at(-1)
    invariant(last !== undefined, "there are commits to process")
    for (let attempts = tried; ;) {
      try {
        await this.#try(commits, last.lsn, attempts + 1, signal)
        this.counters.processed += commits.length
        this.#error = undefined
        this.#isRetrying = false
        return 0
      } catch (error) {
        if (signal.aborted || error instanceof Superseded || error instanceof InvariantViolation) throw error
        if (passesByItself(error)) throw error
        this.#error = error
        this.#isRetrying = true
        if (commits.length > 1) {
          // One of them: each for itself, and none has used up a try.
          this.#singleUpTo = last.lsn
          for (const commit of commits) await this.#process([commit], 0, signal)
          return 0
        }
        attempts++
        if (attempts >= this.settings.retry.attempts) {
          await this.#giveUp(last, attempts, error, signal)
          return 0
        }
        this.counters.retries++
        await this.#write({ attempts, error: errorText(error) }, signal)
        await this.#retryWaits.wait(attempts, signal, this.isAwaited)
      }
    }
  }

  async #try(commits: readonly Commit[], lsn: number, attempt: number, signal: AbortSignal): Promise<void> {
    const { durability } = this.settings
    await this.#transactions.run((tx) => this.#handle(tx, commits, lsn, { attempt, signal }), { durability, signal })
    this.#position = lsn
  }

  /** Synchronous where the handler is: then nothing can come in between, and nothing conflicts. */
  #handle(
    tx: Transaction,
    commits: readonly Commit[],
    lsn: number,
    context: { readonly attempt: number; readonly signal: AbortSignal },
  ): void | Promise<void> {
    const record = this.#held(tx)
    const move = (): void => {
      tx.put(this.#tables.consumers, this.name, { ...record, position: lsn, attempts: 0, error: undefined })
    }
    const handled = this.#handler(commits, tx, context)
    if (handled instanceof Promise) return handled.then(move)
    move()
  }

  /** The record, if the lease is held, the consumer is to run, and its position is where this one stands. */
  #held(tx: Transaction): ConsumerRecord {
    const record = tx.get(this.#tables.consumers, this.name)
    const isHeld = record?.run === this.#lease && record.standing === "active" && record.position === this.#position
    if (!isHeld) throw new Superseded()
    return record
  }

  async #write(change: Partial<ConsumerRecord>, signal: AbortSignal): Promise<void> {
    const { consumers } = this.#tables
    await this.#transactions.run((tx) => tx.put(consumers, this.name, { ...this.#held(tx), ...change }), { signal })
  }

  /** To the dead letters, and past it; or stands still. */
  async #giveUp(commit: Commit, attempts: number, error: unknown, signal: AbortSignal): Promise<void> {
    if (this.settings.deadLetter === false) return this.#standStill(commit.lsn, attempts, error)
    const { consumers } = this.#tables
    const letters = this.#tables.lettersOf(this.settings.deadLetter)
    const isOwnTable = this.settings.deadLetter === true
    const letter = letterOf(this.name, commit, attempts, error, this.engine.clock.wallMs())
    const put = (content: typeof letter): Promise<unknown> =>
      this.#transactions.run(
        (tx) => {
          const record = this.#held(tx)
          if (isOwnTable && record.letters >= LETTERS_MAX) {
            const remedy = "Replay or remove dead letters"
            throw new LimitExceeded("the number of dead letters", LETTERS_MAX, record.letters + 1, remedy)
          }
          tx.put(letters, commitKey(this.name, commit.lsn), content)
          const count = record.letters + (isOwnTable ? 1 : 0)
          const moved = { position: commit.lsn, attempts: 0, error: undefined, letters: count }
          tx.put(consumers, this.name, { ...record, ...moved })
        },
        { signal },
      )
    try {
      await put(letter).catch((reason: unknown) => {
        // A commit may hold more than one value may: then the letter says which one it was.
        if (!(reason instanceof LimitExceeded)) throw reason
        return put({ ...letter, changes: undefined })
      })
    } catch (reason) {
      if (!(reason instanceof LimitExceeded)) throw reason
      return this.#standStill(commit.lsn, attempts, reason)
    }
    this.#position = commit.lsn
    this.#error = undefined
    this.#isRetrying = false
    this.counters.deadLetters++
    this.#emit({ kind: "consumer-dead-letter", consumer: this.name, lsn: commit.lsn, attempts, error })
  }

  /** Says so, durably, and ends the pass. */
  async #standStill(lsn: number, attempts: number, cause: unknown): Promise<never> {
    const { consumers } = this.#tables
    const text = errorText(cause)
    const standing = "failed" as const
    await this.#transactions.run((tx) => {
      tx.put(consumers, this.name, { ...this.#held(tx), standing, attempts: 0, error: text })
    }, {})
    this.#standing = standing
    const reason = lsn === 0 ? text : `its handler failed ${attempts} times at LSN ${lsn}: ${text}`
    this.#error = new ConsumerFailed(this.name, lsn, attempts, reason, cause)
    this.#emit({ kind: "consumer-failed", consumer: this.name, lsn, error: this.#error })
    throw new Superseded()
  }

  async #save(lsn: number): Promise<void> {
    const { consumers } = this.#tables
    const from = this.#position
    await this.#transactions.run((tx) => {
      const record = tx.get(consumers, this.name)
      const isHeld = record?.run === this.#lease && record.standing === "active" && record.position === from
      if (isHeld && this.#position === from) {
        tx.put(consumers, this.name, { ...record, position: lsn })
        this.#position = lsn
      }
    }, {})
  }
}

/** Saving a position is worth trying and no more: without it, commits of no interest are passed over again. */
function ignore(): void {}
