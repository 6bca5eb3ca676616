// The materialised views of a store: which there are, and which of them are kept up here.

import type { Engine } from "../actors/engine.ts"
import { LimitExceeded, OrreryError } from "../model/errors.ts"
import { ViewNameTaken } from "../model/view-errors.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { ConsumerEvent } from "./consumer-event.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import { StoredRecords } from "./stored-records.ts"
import type { TableContext } from "./table-context.ts"
import type { TableReads } from "./table-view.ts"
import type { TransactionRunner } from "./transact.ts"
import { PRESENT } from "./version-reader.ts"
import { infoOf, View } from "./view.ts"
import type { ViewInfo, ViewOwner } from "./view.ts"
import { ViewContent } from "./view-content.ts"
import type { ViewLookups } from "./view-content.ts"
import { checkViewName, definitionFrom } from "./view-definition.ts"
import type { CheckedDefinition } from "./view-definition.ts"
import type { ViewRecord } from "./view-record.ts"
import { ViewRun } from "./view-run.ts"
import type { ViewCounters, ViewHost } from "./view-run.ts"
import { ViewTables } from "./view-tables.ts"
import { ViewWalks } from "./view-walk.ts"
import type { Writer } from "./writer.ts"

/** Views that are kept up in a store at the same time. */
export const VIEW_COUNT_MAX = 1_000

export interface ViewMetrics extends Readonly<ViewCounters> {
  /** Those that are kept up. */
  readonly running: number
  readonly failed: number
  /** Of the one that is most behind, in positions of the log. */
  readonly maxLagLsn: number
}

export class Views implements ViewHost, ViewOwner {
  readonly engine: Engine
  readonly tables: ViewTables
  readonly walks: ViewWalks
  readonly transactions: TransactionRunner
  readonly writer: Writer
  readonly counters: ViewCounters = { changes: 0, builtRecords: 0, builds: 0 }
  readonly #emit: (event: ConsumerEvent) => void
  readonly #reads: TableReads
  readonly #lookups: ViewLookups
  readonly #runs: Map<string, ViewRun> = new Map()

  constructor(
    engine: Engine,
    context: TableContext,
    transactions: TransactionRunner,
    registry: SnapshotRegistry,
    emit: (event: ConsumerEvent) => void,
  ) {
    const { versions, reader, writer } = context
    this.engine = engine
    this.transactions = transactions
    this.writer = writer
    this.#emit = emit
    this.tables = new ViewTables(engine, context)
    this.#lookups = { given: new StoredRecords(engine), claims: new StoredRecords(engine) }
    this.walks = new ViewWalks(engine, reader, versions, registry)
    // Not by the reader, whose counters are those of users.
    this.#reads = {
      get: (entry: TableEntry, key: string) => versions.get(entry, key, PRESENT),
      has: (entry: TableEntry, key: string) => versions.has(entry, key, PRESENT),
      size: (entry: TableEntry) => versions.size(entry, PRESENT),
      keys: (entry: TableEntry) => versions.keys(entry, PRESENT),
    }
  }

  /** Fails with: TypeError, ViewNameTaken, LimitExceeded, Restarting, StoreClosed. */
  view<Row>(name: string, definition: unknown): View<Row> {
    checkViewName(name)
    const checked = definitionFrom(name, definition)
    const { engine, tables } = this
    const { state } = engine.status
    if (state === "closed" || state === "closing") throw engine.closedError()
    if (this.#runs.has(name)) throw new ViewNameTaken(name, "a view of that name is kept up already")
    const table = tables.rowsOf<Row>(name)
    if (!tables.views.has(name) && table.size > 0) throw new ViewNameTaken(name, "a table of that name holds records")
    this.#refuseCircle(name, checked.from)
    if (this.#runs.size >= VIEW_COUNT_MAX) {
      throw new LimitExceeded("the number of views", VIEW_COUNT_MAX, this.#runs.size + 1, "Let one view do for several")
    }
    tables.protect(name)
    const run = new ViewRun(this, name, checked)
    this.#runs.set(name, run)
    void run.done.then(() => this.#forget(run))
    engine.consumers.host(run)
    return new View(run, table, this)
  }

  list(): ViewInfo[] {
    const names = new Set([...this.tables.views.keys(), ...this.#runs.keys()])
    return [...names].sort().map((name) => this.infoOf(name))
  }

  infoOf(name: string): ViewInfo {
    const run = this.#runs.get(name)
    return infoOf(name, this.#recordOf(name) ?? run?.record, run, this.engine.feed.metrics().durableLsn)
  }

  /** False where there is none. */
  async remove(name: string): Promise<boolean> {
    checkViewName(name)
    const run = this.#runs.get(name)
    if (run !== undefined) await this.stop(run)
    const { views } = this.tables
    const record = views.get(name)
    if (record === undefined) {
      this.tables.release(name)
      return false
    }
    const removing = { ...record, standing: "removing", run: record.run + 1 } as const
    await views.put(name, removing)
    for (const operations of this.walks.removals(this.tables.partsOf(name, record.from.length))) {
      await this.writer.write([...operations, views.insertion(name, removing)], "written", undefined)
    }
    await views.delete(name)
    this.tables.release(name)
    return true
  }

  emit(event: ConsumerEvent): void {
    this.#emit(event)
  }

  content(name: string, definition: CheckedDefinition): ViewContent {
    const parts = this.tables.partsOf(name, definition.from.length)
    return new ViewContent(name, definition, parts, this.#reads, (value) => this.writer.copy(value), this.#lookups)
  }

  async stop(run: ViewRun): Promise<void> {
    await this.engine.consumers.dismiss(run)
    this.#forget(run)
    run.finished()
  }

  /** Ends all of them. Undefined where none is kept up. */
  close(): Promise<unknown> | undefined {
    if (this.#runs.size === 0) return undefined
    return Promise.all(Array.from(this.#runs.values(), (run) => this.stop(run)))
  }

  metrics(): ViewMetrics {
    let failed = 0
    let maxLagLsn = 0
    for (const run of this.#runs.values()) {
      if (run.hasFailed) failed++
      maxLagLsn = Math.max(maxLagLsn, run.lag ?? 0)
    }
    return { running: this.#runs.size, failed, ...this.counters, maxLagLsn }
  }

  async rebuild(run: ViewRun): Promise<void> {
    const { views } = this.tables
    const begun = await this.transactions.run(
      (tx) => {
        const record = tx.get(views, run.name)
        if (record === undefined) return undefined
        const cleared = { ...record, standing: "clearing", walk: undefined, error: undefined } as const
        tx.put(views, run.name, cleared)
        return cleared
      },
      { durability: "synced" },
    )
    if (begun.value === undefined) return
    this.counters.builds++
    run.adopt(begun.value)
    run.lookAgain()
  }

  #recordOf(name: string): ViewRecord | undefined {
    try {
      return this.tables.views.get(name)
    } catch (error) {
      // The store is closed, or a part of it is not there at the moment.
      if (error instanceof OrreryError) return undefined
      throw error
    }
  }

  /** Views that are made of each other would change each other for ever. */
  #refuseCircle(name: string, from: readonly string[]): void {
    const seen = new Set<string>()
    const ahead = [...from]
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      if (next === name) throw new TypeError(`the view "${name}" would be made of its own rows, by way of others`)
      if (seen.has(next)) continue
      seen.add(next)
      ahead.push(...(this.#runs.get(next)?.definition.from ?? this.tables.views.get(next)?.from ?? []))
    }
  }

  #forget(run: ViewRun): void {
    if (this.#runs.get(run.name) === run) this.#runs.delete(run.name)
  }
}
