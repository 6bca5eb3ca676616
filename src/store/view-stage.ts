// What a view is about to write, gathered over many records, so that a row that changes ten times is written once. Reads
// see what is gathered, on top of the tables. Lives for one turn: it is made, filled and committed without anything in
// between.
//
// Most keys are written once and never asked for again: `append` takes those as they are. Only where somebody asks, or a key
// comes again, is everything sorted by key.

import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Operation } from "./commit-session.ts"
import type { StoredRecords } from "./stored-records.ts"
import type { TableReads } from "./table-view.ts"

const ABSENT: unique symbol = Symbol("absent")

/** What is known of a key. */
interface Slot {
  /** What is about to be written; undefined: nothing. */
  staged: unknown
  /** Whether the table itself has the key, once somebody has looked: each look costs a miss of the processor's cache. */
  isHeld: boolean | undefined
}

/** A table, with what is about to be written on top. */
export class StagedTable {
  readonly #reads: TableReads
  readonly #entry: TableEntry
  /** Whether the table itself holds nothing: then there is nothing to look for in it. */
  readonly #isEmpty: boolean
  /** Not sorted by key yet. */
  #appended: Operation[] = []
  readonly #slots: Map<string, Slot> = new Map()

  constructor(reads: TableReads, entry: TableEntry) {
    this.#reads = reads
    this.#entry = entry
    this.#isEmpty = reads.size(entry) === 0
  }

  get(key: string): unknown {
    const slot = this.#slot(key)
    if (slot.staged !== undefined) return slot.staged === ABSENT ? undefined : slot.staged
    if (slot.isHeld === false) return undefined
    const value = this.#reads.get(this.#entry, key)
    slot.isHeld = value !== undefined
    return value
  }

  has(key: string): boolean {
    const slot = this.#slot(key)
    return slot.staged === undefined ? this.#holds(key, slot) : slot.staged !== ABSENT
  }

  /** Throws a TypeError for undefined, which could not be told from no row. */
  put(key: string, value: unknown): void {
    if (value === undefined) throw noRow(key)
    this.#slot(key).staged = value
  }

  delete(key: string): void {
    this.#slot(key).staged = ABSENT
  }

  /** Whether anything is about to be written to the key. Requires: nothing was appended. */
  isStaged(key: string): boolean {
    return this.#slots.size > 0 && this.#slots.get(key)?.staged !== undefined
  }

  /** Looks for the keys in the table itself. Requires: no more of them than may be looked for at once. */
  look(records: StoredRecords, keys: readonly string[]): void {
    if (this.#isEmpty) records.forget()
    else records.look(this.#entry, keys)
  }

  /** Like `put`. Requires: this is the first that is to become of the key. */
  append(key: string, value: unknown): void {
    if (value === undefined) throw noRow(key)
    if (this.#slots.size > 0) return this.put(key, value)
    this.#appended.push({ kind: KIND_PUT, entry: this.#entry, key, value })
  }

  /** Like `delete`. Requires: this is the first that is to become of the key. */
  appendDelete(key: string): void {
    if (this.#slots.size > 0) return this.delete(key)
    if (this.#isEmpty || !this.#reads.has(this.#entry, key)) return
    this.#appended.push({ kind: KIND_DELETE, entry: this.#entry, key, value: undefined })
  }

  /** Whether neither the table nor what is about to be written holds anything, or takes anything back. */
  get isUntouched(): boolean {
    return this.#isEmpty && this.#slots.size === 0 && this.#appended.length === 0
  }

  /** Appends what is to be written. Deletes of what is not there are left out. */
  addTo(operations: Operation[]): void {
    const entry = this.#entry
    for (const operation of this.#appended) operations.push(operation)
    for (const [key, slot] of this.#slots) {
      const { staged } = slot
      if (staged === undefined) continue
      if (staged !== ABSENT) operations.push({ kind: KIND_PUT, entry, key, value: staged })
      else if (this.#holds(key, slot)) operations.push({ kind: KIND_DELETE, entry, key, value: undefined })
    }
  }

  #slot(key: string): Slot {
    if (this.#appended.length > 0) this.#sort()
    let slot = this.#slots.get(key)
    if (slot === undefined) {
      slot = { staged: undefined, isHeld: this.#isEmpty ? false : undefined }
      this.#slots.set(key, slot)
    }
    return slot
  }

  #sort(): void {
    for (const { kind, key, value } of this.#appended) {
      const isPut = kind === KIND_PUT
      this.#slots.set(key, { staged: isPut ? value : ABSENT, isHeld: isPut ? undefined : true })
    }
    this.#appended = []
  }

  /** Whether the table itself has the key. */
  #holds(key: string, slot: Slot): boolean {
    slot.isHeld ??= this.#reads.has(this.#entry, key)
    return slot.isHeld
  }
}

function noRow(key: string): TypeError {
  return new TypeError(`the row "${key}" is undefined: leave it out, or give null`)
}
