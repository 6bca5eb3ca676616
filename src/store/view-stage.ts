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
  /** What was found out about keys of the table itself: each look costs a miss of the processor's cache. */
  readonly #found: Map<string, boolean> = new Map()

  constructor(reads: TableReads, entry: TableEntry) {
    this.#reads = reads
    this.#entry = entry
    this.#isEmpty = reads.size(entry) === 0
  }

  get(key: string): unknown {
    const staged = this.#staged.get(key)
    if (staged !== undefined) return staged === ABSENT ? undefined : staged
    if (this.#isEmpty || this.#found.get(key) === false) return undefined
    const value = this.#reads.get(this.#entry, key)
    this.#found.set(key, value !== undefined)
    return value
  }

  has(key: string): boolean {
    const staged = this.#staged.get(key)
    return staged === undefined ? this.#holds(key) : staged !== ABSENT
  }

  /** Throws a TypeError for undefined, which could not be told from no row. */
  put(key: string, value: unknown): void {
    if (value === undefined) throw new TypeError(`the row "${key}" is undefined: leave it out, or give null`)
    this.#staged.set(key, value)
  }

  delete(key: string): void {
    this.#staged.set(key, ABSENT)
  }

  /** Whether neither the table nor what is about to be written holds anything, or takes anything back. */
  get isUntouched(): boolean {
    return this.#isEmpty && this.#staged.size === 0
  }

  /** Appends what is to be written. Deletes of what is not there are left out. */
  addTo(operations: Operation[]): void {
    const entry = this.#entry
    for (const [key, value] of this.#staged) {
      if (value !== ABSENT) operations.push({ kind: KIND_PUT, entry, key, value })
      else if (this.#holds(key)) operations.push({ kind: KIND_DELETE, entry, key, value: undefined })
    }
  }

  /** Whether the table itself has the key. */
  #holds(key: string): boolean {
    if (this.#isEmpty) return false
    let holds = this.#found.get(key)
    if (holds === undefined) {
      holds = this.#reads.has(this.#entry, key)
      this.#found.set(key, holds)
    }
    return holds
  }
}
