// The write set of a transaction: the last operation on each key, found again by table and key. Most transactions write a
// few keys and end on their turn, so the first ones stand in one list that is searched from its front; only what grows
// beyond that is given maps. Guarantees: the order of `operations` is that of tables, and within a table of keys, as
// they were first written, whatever the size. Must not copy or check values: that is the transaction's.

import type { TableEntry } from "../table/catalogue.ts"
import type { Operation } from "./commit-session.ts"

/** Up to so many a search of the list costs less than hashing the key. */
const LISTED_COUNT_MAX = 8

const NOTHING: ReadonlyMap<string, Operation> = new Map()
/** Never changed: what has an operation has a list of its own. */
const NONE: Operation[] = []

export class WriteSet {
  /** Keys written. */
  size = 0
  /** All operations, until there are maps. */
  #listed: Operation[] = NONE
  #tables: Map<TableEntry, Map<string, Operation>> | undefined

  get(entry: TableEntry, key: string): Operation | undefined {
    if (this.#tables !== undefined) return this.#tables.get(entry)?.get(key)
    const place = this.#placeOf(entry, key)
    return place < 0 ? undefined : this.#listed[place]
  }

  set(operation: Operation): void {
    const { entry, key } = operation
    if (this.#tables === undefined) {
      const place = this.#placeOf(entry, key)
      if (place >= 0) {
        this.#listed[place] = operation
        return
      }
      if (this.size < LISTED_COUNT_MAX) {
        // A list of one holds one; what is pushed to an empty one makes room for seventeen.
        if (this.size === 0) this.#listed = [operation]
        else this.#listed.push(operation)
        this.size++
        return
      }
    }
    const written = this.#ensureMap(entry)
    const before = written.size
    written.set(key, operation)
    this.size += written.size - before
  }

  /** The operations on a table, by key. Follows what is written later, where there are any. */
  of(entry: TableEntry): ReadonlyMap<string, Operation> {
    return this.size === 0 ? NOTHING : (this.#mapped().get(entry) ?? NOTHING)
  }

  /** The tables that are written to. */
  entries(): Iterable<TableEntry> {
    return this.size === 0 ? [] : this.#mapped().keys()
  }

  operations(): readonly Operation[] {
    const listed = this.#listed
    if (this.#tables === undefined) {
      if (listed.length === 1) return listed
      const entry = listed[0]?.entry
      if (listed.every((operation) => operation.entry === entry)) return listed
    }
    const operations: Operation[] = []
    for (const written of this.#mapped().values()) for (const operation of written.values()) operations.push(operation)
    return operations
  }

  /** Sets each operation to what `change` makes of it. */
  replaceAll(change: (operation: Operation) => Operation): void {
    if (this.#tables === undefined) this.#listed = this.#listed.map((operation) => change(operation))
    else {
      for (const written of this.#tables.values()) {
        for (const [key, operation] of written) written.set(key, change(operation))
      }
    }
  }

  #placeOf(entry: TableEntry, key: string): number {
    const listed = this.#listed
    for (let place = 0; place < listed.length; place++) {
      const operation = listed[place] as Operation
      if (operation.key === key && operation.entry === entry) return place
    }
    return -1
  }

  #ensureMap(entry: TableEntry): Map<string, Operation> {
    const tables = this.#mapped()
    let written = tables.get(entry)
    if (written === undefined) tables.set(entry, (written = new Map()))
    return written
  }

  /** The operations in maps, from now on. */
  #mapped(): Map<TableEntry, Map<string, Operation>> {
    if (this.#tables !== undefined) return this.#tables
    this.#tables = new Map()
    for (const operation of this.#listed) this.#ensureMap(operation.entry).set(operation.key, operation)
    this.#listed = NONE
    return this.#tables
  }
}
