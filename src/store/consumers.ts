// The named consumers of a store: which there are, and which of them run here. One run a name at a time: in this process
// because of the list here, beyond it because a directory has one owner.

import type { Engine } from "../actors/engine.ts"
import { ConsumerRunning, ConsumerUnknown } from "../model/consumer-errors.ts"
import type { Durability } from "../model/durability.ts"
import { Consumer } from "./consumer.ts"
import type { ConsumerHost, ConsumerInfo } from "./consumer.ts"
import type { ConsumerEvent } from "./consumer-event.ts"
import { checkConsumerName, consumerSettingsFrom } from "./consumer-options.ts"
import type { BatchHandler, CommitHandler, ConsumeOptions } from "./consumer-options.ts"
import { ConsumerRun } from "./consumer-run.ts"
import type { ConsumerCounters } from "./consumer-run.ts"
import { ConsumerTables } from "./consumer-tables.ts"
import { LimitExceeded } from "../model/errors.ts"
import type { TableContext } from "./table-context.ts"
import type { TransactionRunner } from "./transact.ts"

/** Consumers that run in a store at the same time. */
export const CONSUMER_COUNT_MAX = 1_000

export interface ConsumerMetrics {
  readonly running: number
  /** Those that stand still. */
  readonly failed: number
  /** Commits that handlers were done with. */
  readonly processed: number
  /** Tries that a handler's error has ended. */
  readonly retries: number
  readonly deadLetters: number
  /** Of the one that is most behind, in positions of the log. */
  readonly maxLagLsn: number
}

export class Consumers implements ConsumerHost {
  readonly tables: ConsumerTables
  readonly transactions: TransactionRunner
  readonly #engine: Engine
  readonly #durability: Durability
  readonly #emit: (event: ConsumerEvent) => void
  readonly #runs: Map<string, { readonly run: ConsumerRun; readonly handler: BatchHandler }> = new Map()
  readonly #counters: ConsumerCounters = { processed: 0, retries: 0, deadLetters: 0 }

  constructor(
    engine: Engine,
    context: TableContext,
    transactions: TransactionRunner,
    durability: Durability,
    emit: (event: ConsumerEvent) => void,
  ) {
    this.#engine = engine
    this.transactions = transactions
    this.#durability = durability
    this.#emit = emit
    this.tables = new ConsumerTables(engine, context, (name) => this.#runs.get(name)?.run.settings)
  }

  /** Fails with: TypeError, ConsumerRunning, LimitExceeded, StoreClosed. */
  consume(name: string, handler: CommitHandler | BatchHandler, options: ConsumeOptions): Consumer {
    checkConsumerName(name)
    if (typeof handler !== "function") throw new TypeError("consume takes a function of a commit and a transaction")
    const settings = consumerSettingsFrom(options, this.#durability)
    const { state } = this.#engine.status
    if (state === "closed" || state === "closing") throw this.#engine.closedError()
    if (this.#runs.has(name)) throw new ConsumerRunning(name)
    if (this.#runs.size >= CONSUMER_COUNT_MAX) {
      const remedy = "Let one consumer do the work of several"
      throw new LimitExceeded("the number of consumers", CONSUMER_COUNT_MAX, this.#runs.size + 1, remedy)
    }
    const ofLists = settled(
      settings.batch === undefined ? ofSingles(handler as CommitHandler) : (handler as BatchHandler),
    )
    const { tables, transactions } = this
    const run = new ConsumerRun(this.#engine, tables, transactions, name, ofLists, settings, this.#counters, this.#emit)
    this.#runs.set(name, { run, handler: ofLists })
    void run.done.then(() => this.#forget(run))
    this.#engine.consumers.host(run)
    return new Consumer(this, name, run)
  }

  /** Fails with: ConsumerUnknown. */
  consumer(name: string): Consumer {
    checkConsumerName(name)
    const run = this.#runs.get(name)?.run
    if (run === undefined && !this.tables.consumers.has(name)) {
      throw new ConsumerUnknown(name, "is not known", "See consumers() for those that are")
    }
    return new Consumer(this, name, run)
  }

  list(): ConsumerInfo[] {
    const names = new Set([...this.tables.consumers.keys(), ...this.#runs.keys()])
    return [...names].sort().map((name) => new Consumer(this, name, undefined).info)
  }

  /** False where there is none. */
  async remove(name: string): Promise<boolean> {
    checkConsumerName(name)
    const run = this.#runs.get(name)?.run
    if (run !== undefined) await this.stop(run)
    if (!this.tables.consumers.has(name)) return false
    await this.tables.remove(name)
    return true
  }

  runOf(name: string): ConsumerRun | undefined {
    return this.#runs.get(name)?.run
  }

  handlerOf(name: string): BatchHandler | undefined {
    return this.#runs.get(name)?.handler
  }

  get durableLsn(): number {
    return this.#engine.feed.metrics().durableLsn
  }

  async stop(run: ConsumerRun): Promise<void> {
    await this.#engine.consumers.dismiss(run)
    this.#forget(run)
    run.finished()
  }

  /** Ends all of them. Undefined where none runs. */
  close(): Promise<unknown> | undefined {
    if (this.#runs.size === 0) return undefined
    return Promise.all(Array.from(this.#runs.values(), ({ run }) => this.stop(run)))
  }

  metrics(): ConsumerMetrics {
    let failed = 0
    let maxLagLsn = 0
    for (const { run } of this.#runs.values()) {
      if (run.hasFailed) failed++
      maxLagLsn = Math.max(maxLagLsn, run.lag ?? 0)
    }
    return { running: this.#runs.size, failed, ...this.#counters, maxLagLsn }
  }

  #forget(run: ConsumerRun): void {
    if (this.#runs.get(run.name)?.run === run) this.#runs.delete(run.name)
  }
}

/** Gives a promise of the language's own for whatever may be awaited, so that nobody takes it for done. */
function settled(handler: BatchHandler): BatchHandler {
  return (commits, transaction, context) => {
    const handled: unknown = handler(commits, transaction, context)
    const isLater = typeof handled === "object" && handled !== null && "then" in handled
    return isLater ? Promise.resolve(handled as PromiseLike<void>) : undefined
  }
}

function ofSingles(handler: CommitHandler): BatchHandler {
  return ([commit], transaction, context) => (commit === undefined ? undefined : handler(commit, transaction, context))
}
