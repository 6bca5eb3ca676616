// One commit's worth of a view: takes in records and changes, and gives the operations that follow from them. An error of
// one of the definition's functions is told with the record in hand.

import { FoldRows } from "./view-fold.ts"
import { LOOK_COUNT_MAX } from "./stored-records.ts"
import type { StoredRecords } from "./stored-records.ts"
import { MapRows } from "./view-map.ts"
import type { Rows } from "./view-map.ts"
import { ReduceRows } from "./view-reduce.ts"
import { StagedTable } from "./view-stage.ts"
import type {
  CheckedDefinition,
  FoldDefinition,
  MapDefinition,
  ReduceDefinition,
  SourceChange,
} from "./view-definition.ts"
import type { ViewParts } from "./view-tables.ts"
import { OrreryError } from "../model/errors.ts"
import { ViewFailed } from "../model/view-errors.ts"
import type { Change } from "../model/change.ts"
import type { Operation } from "./commit-session.ts"
import type { TableReads } from "./table-view.ts"
import { errorText } from "./consumer-record.ts"

/** What is looked up in tables beside the rows. Shared by all views: each uses them on one turn. */
export interface ViewLookups {
  readonly given: StoredRecords
  readonly claims: StoredRecords
}

export class ViewContent {
  /** Records and changes that were taken in. */
  count = 0
  /** The source of the last one. */
  source = 0
  readonly #view: string
  readonly #lookups: ViewLookups
  readonly #sources: ReadonlyMap<string, number>
  readonly #tables: readonly StagedTable[]
  /** By source and key, the last change. Not used by fold, which takes every change. */
  readonly #latest: (Map<string, SourceChange<unknown>> | undefined)[] = []
  readonly #rows: MapRows | ReduceRows | FoldRows

  /** `copy`: of values, exactly as they would be read back. */
  constructor(
    view: string,
    { kind, from, functions }: CheckedDefinition,
    parts: ViewParts,
    reads: TableReads,
    copy: (value: unknown) => unknown,
    lookups: ViewLookups,
  ) {
    this.#lookups = lookups
    this.#view = view
    this.#sources = new Map(from.map((name, index) => [name, index]))
    const rows = new StagedTable(reads, parts.rows)
    const claims = new StagedTable(reads, parts.claims)
    const given = parts.given.map((entry) => new StagedTable(reads, entry))
    this.#tables = [rows, claims, ...given]
    if (kind === "map")
      this.#rows = new MapRows(
        (functions as MapDefinition<unknown, unknown>).map,
        rows,
        claims,
        given,
        lookups.given,
        lookups.claims,
      )
    else if (kind === "reduce") {
      const definition = functions as ReduceDefinition<unknown, unknown, unknown>
      this.#rows = new ReduceRows(definition, copy, rows, claims, given, lookups.given)
    } else this.#rows = new FoldRows(functions as FoldDefinition<unknown, unknown>, copy, rows)
  }

  /** A record that was found in a source. */
  put(source: number, table: string, key: string, value: unknown): void {
    this.#add(source, { kind: "put", table, key, value })
  }

  /** A change of a table, which may be none of the sources. */
  change(change: Change): void {
    const source = this.#sources.get(change.table)
    if (source !== undefined) this.#add(source, change)
  }

  /** What is to be written. Called once, at the end. */
  operations(): readonly Operation[] {
    for (const [source, latest] of this.#latest.entries()) if (latest !== undefined) this.#takeAll(source, latest)
    const operations: Operation[] = []
    if (!(this.#rows instanceof MapRows)) this.#rows.finish()
    for (const table of this.#tables) table.addTo(operations)
    return operations
  }

  #add(source: number, change: SourceChange<unknown>): void {
    this.count++
    this.source = source
    if (this.#rows instanceof FoldRows) this.#fold(this.#rows, change)
    // Rows by map and groupBy follow from the records as they are: of several changes of one only the last is looked at.
    else (this.#latest[source] ??= new Map()).set(change.key, change)
  }

  #fold(rows: FoldRows, { kind, table, key, value }: SourceChange<unknown>): void {
    try {
      rows.add({ kind, table, key, value })
    } catch (error) {
      throw this.#failure(table, key, error)
    }
  }

  /** A slice at a time, so that what is kept beside the rows is looked for together. */
  #takeAll(source: number, latest: ReadonlyMap<string, SourceChange<unknown>>): void {
    const rows = this.#rows
    if (rows instanceof MapRows && rows.isAlone(source)) {
      for (const [key, change] of latest) {
        try {
          rows.set(source, key, rows.rowsOf(change), 0)
        } catch (error) {
          throw this.#failure(change.table, key, error)
        }
      }
      return
    }
    try {
      let keys: string[] = []
      let changes: SourceChange<unknown>[] = []
      for (const [key, change] of latest) {
        keys.push(key)
        changes.push(change)
        if (keys.length < LOOK_COUNT_MAX) continue
        this.#take(source, keys, changes)
        keys = []
        changes = []
      }
      if (keys.length > 0) this.#take(source, keys, changes)
    } finally {
      this.#lookups.given.forget()
      this.#lookups.claims.forget()
    }
  }

  #take(source: number, keys: readonly string[], changes: readonly SourceChange<unknown>[]): void {
    const all = this.#rows
    if (all instanceof FoldRows) return
    let place = 0
    try {
      if (all instanceof ReduceRows) {
        all.look(source, keys)
        for (; place < changes.length; place++) all.set(source, changes[place] as SourceChange<unknown>, place)
        return
      }
      const rows: Rows[] = []
      for (; place < changes.length; place++) rows.push(all.rowsOf(changes[place] as SourceChange<unknown>))
      place = 0
      all.look(source, keys, rows)
      for (; place < changes.length; place++) all.set(source, keys[place] as string, rows[place] as Rows, place)
    } catch (error) {
      throw this.#failure((changes[place] as SourceChange<unknown>).table, keys[place] as string, error)
    }
  }

  #failure(table: string, key: string, error: unknown): unknown {
    if (error instanceof OrreryError) return error
    return new ViewFailed(this.#view, `${table}/${key}`, errorText(error), error)
  }
}
