// What can be read of a table, whether the store is open for writing or a state of the past.

import type { TableEntry } from "../table/catalogue.ts"

/** What a view reads through. */
export interface TableReads {
  get(entry: TableEntry, key: string): unknown
  has(entry: TableEntry, key: string): boolean
  size(entry: TableEntry): number
  keys(entry: TableEntry): IterableIterator<string>
}

export class TableView<Value = unknown> {
  readonly name: string
  readonly #reader: TableReads
  readonly #entry: TableEntry

  constructor(reader: TableReads, entry: TableEntry) {
    this.name = entry.name
    this.#reader = reader
    this.#entry = entry
  }

  /** The value, or undefined where there is none; a new object with every call. Fails with: Restarting, StoreClosed. */
  get(key: string): Value | undefined {
    checkKey(key)
    return this.#reader.get(this.#entry, key) as Value | undefined
  }

  /** Whether the key is there. */
  has(key: string): boolean {
    checkKey(key)
    return this.#reader.has(this.#entry, key)
  }

  /** How many keys there are. */
  get size(): number {
    return this.#reader.size(this.#entry)
  }

  /**
   * The keys, in no order. A key that is there all along is met exactly once, whatever is written meanwhile; one that
   * comes or goes during the walk may be met or not.
   */
  keys(): IterableIterator<string> {
    return this.#reader.keys(this.#entry)
  }

  /** Keys and values; see `keys`. A value is as new as the moment that its entry is asked for. */
  *entries(): Generator<[string, Value], undefined> {
    for (const key of this.keys()) {
      if (this.has(key)) yield [key, this.get(key) as Value]
    }
    return undefined
  }

  /** Values; see `entries`. */
  *values(): Generator<Value, undefined> {
    for (const [, value] of this.entries()) yield value
    return undefined
  }

  [Symbol.iterator](): Iterator<[string, Value], undefined> {
    return this.entries()
  }
}

export function checkKey(key: unknown): void {
  if (typeof key !== "string")
    throw new TypeError(`the key must be a string, not ${key === null ? "null" : typeof key}`)
}
