// Rows by `fold`: one for each key, changed by every change, never taken back. Nothing is kept beside the rows, so nothing
// may be folded twice.

import type { FoldDefinition, SourceChange } from "./view-definition.ts"
import type { StagedTable } from "./view-stage.ts"

export class FoldRows {
  readonly #definition: FoldDefinition<unknown, unknown>
  readonly #copy: (value: unknown) => unknown
  readonly #rows: StagedTable
  readonly #states: Map<string, unknown> = new Map()

  /** `copy`: of the initial state, which the function may change. */
  constructor(definition: FoldDefinition<unknown, unknown>, copy: (value: unknown) => unknown, rows: StagedTable) {
    this.#definition = definition
    this.#copy = copy
    this.#rows = rows
  }

  add(change: SourceChange<unknown>): void {
    const { fold, key, initial } = this.#definition
    const id = key === undefined ? "" : key(change)
    if (id === undefined) return
    const state = this.#states.get(id) ?? this.#rows.get(id) ?? this.#copy(initial)
    this.#states.set(id, fold(state, change))
  }

  /** Writes the rows that were touched. */
  finish(): void {
    for (const [id, state] of this.#states) this.#rows.put(id, state)
  }
}
