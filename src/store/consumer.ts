// A named consumer, as users hold it: what the store keeps under its name, and, where it runs here, the run.

import type { TransactionRunner } from "./transact.ts"
import { ConsumerUnknown } from "../model/consumer-errors.ts"
import { LimitExceeded, OrreryError } from "../model/errors.ts"
import type { Commit } from "../model/change.ts"
import type { BatchHandler, ConsumerPosition } from "./consumer-options.ts"
import { consumerPositionFrom } from "./consumer-options.ts"
import { commitKey, commitOf } from "./consumer-record.ts"
import type { ConsumerRecord, DeadLetter } from "./consumer-record.ts"
import type { ConsumerRun } from "./consumer-run.ts"
import type { ConsumerTables } from "./consumer-tables.ts"

/**
 * - `running`: works, or waits for commits.
 * - `retrying`: waits to try a commit again that has failed.
 * - `paused`: by `pause`, until `resume`.
 * - `failed`: stands still in front of a commit, until `resume` or `rewind`.
 * - `stopped`: nobody runs it at the moment.
 */
export type ConsumerState = "running" | "retrying" | "paused" | "failed" | "stopped"

/** What the store knows of a consumer, whether it runs or not. */
export interface ConsumerInfo {
  readonly name: string
  readonly state: ConsumerState
  /** Everything up to here is done with. */
  readonly position: number
  /** Positions of the log behind it, of which it may have to process some. */
  readonly lag: number
  /** What it failed with at last; undefined where all is well. */
  readonly error: string | undefined
  /** Dead letters that wait in the table of the engine. */
  readonly deadLetters: number
}

/** What became of dead letters. */
export interface ReplayReport {
  readonly replayed: number
  /** Those that the handler failed again at: they stay. */
  readonly failed: number
}

/** What a consumer's handle needs of its store. */
export interface ConsumerHost {
  readonly tables: ConsumerTables
  readonly transactions: TransactionRunner
  readonly durableLsn: number
  /** The one that runs under the name. */
  runOf(name: string): ConsumerRun | undefined
  handlerOf(name: string): BatchHandler | undefined
  stop(run: ConsumerRun): Promise<void>
}

export class Consumer {
  readonly name: string
  readonly #host: ConsumerHost
  readonly #run: ConsumerRun | undefined

  /** Made by `store.consume` with its run, and by `store.consumer` without one. */
  constructor(host: ConsumerHost, name: string, run: ConsumerRun | undefined) {
    this.name = name
    this.#host = host
    this.#run = run
  }

  get state(): ConsumerState {
    const run = this.#running
    const standing = run?.standing ?? this.#record?.standing ?? "active"
    if (standing !== "active") return standing
    if (run === undefined) return "stopped"
    return run.isRetrying ? "retrying" : "running"
  }

  /** Everything up to here is done with: processed, passed over, or among the dead letters. */
  get position(): number {
    return this.#record?.position ?? this.#run?.position ?? 0
  }

  /** Positions of the log between it and what is durable, of which it may have to process some. */
  get lag(): number {
    return this.#running?.lag ?? Math.max(0, this.#host.durableLsn - (this.#record?.position ?? 0))
  }

  /** What the handler failed with at last, or ConsumerFailed where it stands still; undefined where all is well. */
  get error(): unknown {
    return this.#running?.error ?? this.#record?.error
  }

  /** Resolves when this run is over: stopped, removed, or ended with its store. Never rejects. */
  get done(): Promise<void> {
    return this.#run?.done ?? Promise.resolve()
  }

  get info(): ConsumerInfo {
    const { name, state, position, lag } = this
    const record = this.#record
    return { name, state, position, lag, error: record?.error, deadLetters: record?.letters ?? 0 }
  }

  /**
   * Processes nothing more until `resume`, also after a restart. What the handler has begun leaves no trace. Resolves when
   * that is durable. Fails with: ConsumerUnknown, and like `transact`.
   */
  async pause(): Promise<void> {
    await this.#change((record) => ({ ...record, standing: "paused" }))
  }

  /** Goes on, with new tries for the commit that it stands before. Fails with: ConsumerUnknown, and like `transact`. */
  async resume(): Promise<void> {
    await this.#change((record) => ({ ...record, standing: "active", attempts: 0, error: undefined }))
  }

  /**
   * Moves the position: what lies behind it is processed, again perhaps. One that had failed goes on; a paused one stays
   * paused. Fails with: ConsumerUnknown, and like `transact`. A position that the log does not reach back to is met by
   * the run, which stands still there with CursorExpired.
   */
  async rewind(to: ConsumerPosition): Promise<void> {
    consumerPositionFrom("the position", to)
    await this.#change((record) => {
      const standing = record.standing === "paused" ? "paused" : "active"
      return { ...record, position: this.#host.tables.lsnOf(to), standing, attempts: 0, error: undefined }
    })
  }

  /** Ends this run; its position stays. What the handler has begun and not committed leaves no trace. */
  async stop(): Promise<void> {
    if (this.#run !== undefined) await this.#host.stop(this.#run)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Commits that it has given up, oldest first. Fails with: Restarting, StoreClosed. */
  deadLetters(): readonly DeadLetter[] {
    return this.#host.tables.letters(this.name, this.#running?.settings.deadLetter ?? true)
  }

  /**
   * Gives dead letters to the handler once more, oldest first, each in a transaction that removes it. Those that it fails
   * at again stay where they are. `lsn`: only that one. It does not wait for the run, and may overtake it.
   *
   * Fails with: ConsumerUnknown where it does not run here, and like `transact`.
   */
  async replay(options: { readonly lsn?: number } = {}): Promise<ReplayReport> {
    const run = this.#running
    const handler = this.#host.handlerOf(this.name)
    if (run === undefined || handler === undefined) {
      throw new ConsumerUnknown(this.name, "does not run here", "Call consume, whose handler gets the letters")
    }
    let replayed = 0
    let failed = 0
    for (const letter of this.deadLetters()) {
      if (options.lsn !== undefined && letter.lsn !== options.lsn) continue
      const isDone = await this.#replay(letter, run, handler)
      if (isDone) replayed++
      else failed++
    }
    return { replayed, failed }
  }

  get #running(): ConsumerRun | undefined {
    return this.#host.runOf(this.name)
  }

  get #record(): ConsumerRecord | undefined {
    try {
      return this.#host.tables.consumers.get(this.name)
    } catch (error) {
      // The store is closed, or a part of it is not there at the moment.
      if (error instanceof OrreryError) return undefined
      throw error
    }
  }

  async #change(change: (record: ConsumerRecord) => ConsumerRecord): Promise<void> {
    const { tables, transactions } = this.#host
    await transactions.run(
      (tx) => {
        const record = tx.get(tables.consumers, this.name)
        if (record === undefined)
          throw new ConsumerUnknown(this.name, "is not known", "See consumers() for those that are")
        tx.put(tables.consumers, this.name, change(record))
      },
      { durability: "synced" },
    )
    this.#running?.lookAgain()
  }

  /** False where the handler, or what it wants to write, fails. */
  async #replay(letter: DeadLetter, run: ConsumerRun, handler: BatchHandler): Promise<boolean> {
    const { tables, transactions } = this.#host
    const { deadLetter } = run.settings
    const letters = tables.lettersOf(deadLetter)
    const key = commitKey(this.name, letter.lsn)
    let isHandlers = false
    try {
      await transactions.run(
        (tx) => {
          isHandlers = false
          const record = tx.get(tables.consumers, this.name)
          // Somebody else was faster.
          if (record === undefined || !tx.has(letters, key)) return undefined
          const remove = (): void => {
            isHandlers = false
            const count = deadLetter === true ? Math.max(0, record.letters - 1) : record.letters
            tx.delete(letters, key)
            tx.put(tables.consumers, this.name, { ...record, letters: count })
          }
          isHandlers = true
          const handled = handler([commitIn(letter)], tx, { attempt: letter.attempts + 1, signal: NEVER })
          if (handled instanceof Promise) return handled.then(remove)
          remove()
          return undefined
        },
        { durability: "synced" },
      )
      return true
    } catch (error) {
      if (!isHandlers) throw error
      return false
    }
  }
}

const NEVER: AbortSignal = new AbortController().signal

function commitIn(letter: DeadLetter): Commit {
  const commit = commitOf(letter)
  if (commit !== undefined) return commit
  const remedy = "Read the commit from the log, with changes({ after })"
  throw new LimitExceeded("the size of the letter's commit", 0, letter.lsn, remedy)
}
