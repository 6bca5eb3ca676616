// The tables of views: of their rows, which nobody else may write, and of what is kept beside them.

import type { Engine } from "../actors/engine.ts"
import { ViewReadOnly } from "../model/view-errors.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Operation } from "./commit-session.ts"
import { systemTable } from "./system-table.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"
import { VIEW_CLAIMS, VIEW_GIVEN, VIEWS } from "./view-record.ts"
import type { ViewRecord } from "./view-record.ts"
import type { WriteRule } from "./write-rule.ts"

/** The tables of one view. */
export interface ViewParts {
  readonly rows: TableEntry
  readonly claims: TableEntry
  /** One for each source. */
  readonly given: readonly TableEntry[]
}

export class ViewTables implements WriteRule {
  readonly views: TableHandle<ViewRecord>
  readonly #engine: Engine
  readonly #context: TableContext
  readonly #protected: Set<TableEntry> = new Set()

  constructor(engine: Engine, context: TableContext) {
    this.#engine = engine
    this.#context = context
    this.views = systemTable(context, engine.catalogue, VIEWS)
    for (const name of this.views.keys()) this.protect(name)
    context.writer.rules.add(this)
  }

  /** From now on only the view itself writes to its rows. */
  protect(view: string): void {
    const entry = this.#engine.catalogue.entry(view)
    if (this.#protected.has(entry)) return
    this.#protected.add(entry)
    entry.ruleCount++
  }

  /** The table is anybody's again. */
  release(view: string): void {
    const entry = this.#engine.catalogue.entry(view)
    if (this.#protected.delete(entry)) entry.ruleCount--
  }

  /** A view's own commits move its record, which nobody else can write. */
  check(operations: readonly Operation[]): readonly Operation[] {
    let refused: TableEntry | undefined
    for (const { entry } of operations) {
      if (entry === refused || entry.ruleCount === 0 || !this.#protected.has(entry)) continue
      if (refused !== undefined) throw new ViewReadOnly(entry.name)
      refused = entry
    }
    if (refused === undefined) return operations
    const { name } = refused
    if (!operations.some(({ entry, key }) => entry === this.views.entry && key === name)) throw new ViewReadOnly(name)
    return operations
  }

  rowsOf<Row>(view: string): TableHandle<Row> {
    return new TableHandle<Row>(this.#context, this.#engine.catalogue.entry(view), "synced", {})
  }

  partsOf(view: string, sourceCount: number): ViewParts {
    const { catalogue } = this.#engine
    const system = (name: string): TableEntry => systemTable(this.#context, catalogue, name).entry
    return {
      rows: catalogue.entry(view),
      claims: system(VIEW_CLAIMS + view),
      given: Array.from({ length: sourceCount }, (_, source) => system(`${VIEW_GIVEN}${source}:${view}`)),
    }
  }
}
