// One commit's worth of a view: takes in records and changes, and gives the operations that follow from them. An error of
// one of the definition's functions is told with the record in hand.

import { FoldRows } from "./view-fold.ts"
import { MapRows } from "./view-map.ts"
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

export class ViewContent {
  /** Records and changes that were taken in. */
  count = 0
  /** The source of the last one. */
  source = 0
  readonly #view: string
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
  ) {
    this.#view = view
    this.#sources = new Map(from.map((name, index) => [name, index]))
    const rows = new StagedTable(reads, parts.rows)
    const claims = new StagedTable(reads, parts.claims)
    const given = parts.given.map((entry) => new StagedTable(reads, entry))
    this.#tables = [rows, claims, ...given]
    if (kind === "map")
      this.#rows = new MapRows((functions as MapDefinition<unknown, unknown>).map, rows, claims, given)
    else if (kind === "reduce") {
      this.#rows = new ReduceRows(functions as ReduceDefinition<unknown, unknown, unknown>, copy, rows, claims, given)
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
    for (const [source, latest] of this.#latest.entries()) {
      for (const change of latest?.values() ?? []) this.#take(source, change)
    }
    const operations: Operation[] = []
    if (!(this.#rows instanceof MapRows)) this.#rows.finish()
    for (const table of this.#tables) table.addTo(operations)
    return operations
  }

  #add(source: number, change: SourceChange<unknown>): void {
    this.count++
    this.source = source
    if (this.#rows instanceof FoldRows) this.#take(source, change)
    // Rows by map and groupBy follow from the records as they are: of several changes of one only the last is looked at.
    else (this.#latest[source] ??= new Map()).set(change.key, change)
  }

  #take(source: number, { kind, table, key, value }: SourceChange<unknown>): void {
    try {
      if (this.#rows instanceof FoldRows) this.#rows.add({ kind, table, key, value })
      else this.#rows.set(source, table, key, value, kind === "put")
    } catch (error) {
      if (error instanceof OrreryError) throw error
      throw new ViewFailed(this.#view, `${table}/${key}`, errorText(error), error)
    }
  }
}
