// What a view is about to write, gathered over many records, so that a row that changes ten times is written once. Reads
// see what is gathered, on top of the tables. Lives for one turn: it is made, filled and committed without anything in
// between.

import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Operation } from "./commit-session.ts"
import type { TableReads } from "./table-view.ts"

const ABSENT: unique symbol = Symbol("absent")

/** A table, with what is about to be written on top. */
export class StagedTable {
  readonly #reads: TableReads
  readonly #entry: TableEntry
  /** Whether the table itself holds nothing: then there is nothing to look for in it. */
  readonly #isEmpty: boolean
  readonly #staged: Map<string, unknown> = new Map()

  constructor(reads: TableReads, entry: TableEntry) {
    this.#reads = reads
    this.#entry = entry
    this.#isEmpty = reads.size(entry) === 0
  }

  get(key: string): unknown {
    const staged = this.#staged.get(key)
    if (staged === undefined) return this.#isEmpty ? undefined : this.#reads.get(this.#entry, key)
    return staged === ABSENT ? undefined : staged
  }

  has(key: string): boolean {
    const staged = this.#staged.get(key)
    return staged === undefined ? !this.#isEmpty && this.#reads.has(this.#entry, key) : staged !== ABSENT
  }

  /** Throws a TypeError for undefined, which could not be told from no row. */
  put(key: string, value: unknown): void {
    if (value === undefined) throw new TypeError(`the row "${key}" is undefined: leave it out, or give null`)
    this.#staged.set(key, value)
  }

  delete(key: string): void {
    this.#staged.set(key, ABSENT)
  }

  /** Appends what is to be written. Deletes of what is not there are left out. */
  addTo(operations: Operation[]): void {
    const entry = this.#entry
    for (const [key, value] of this.#staged) {
      if (value !== ABSENT) operations.push({ kind: KIND_PUT, entry, key, value })
      else if (!this.#isEmpty && this.#reads.has(entry, key))
        operations.push({ kind: KIND_DELETE, entry, key, value: undefined })
    }
  }
}
