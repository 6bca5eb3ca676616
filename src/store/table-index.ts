// An index, as users read it: of the table as it is, or, through a transaction, as that one sees it. Synchronous.

import { decodeIndexKey } from "../table/index-key.ts"
import type { IndexKey } from "../table/index-key.ts"
import { boundsFrom, boundsOfKey } from "./index-range.ts"
import type { IndexBounds, IndexRange } from "./index-range.ts"

/** A walk over entries of an index. Where the current one lies is valid until the next step. */
export interface IndexWalk {
  readonly bytes: Buffer
  readonly start: number
  /** Where its index key ends, and the record's key begins. */
  readonly keyEnd: number
  readonly end: number
  next(): boolean
  recordKey(): string
}

/** What an index is read through. Every call, and every step of a walk, fails where the index cannot be read. */
export interface IndexSource {
  walk(bounds: IndexBounds): IndexWalk
  count(bounds: IndexBounds): number
  /** The record's key in the first entry with an index key, if there is a shorter way to it than a walk. */
  first?(indexKey: unknown): string | undefined
  /** The value of a record that is in the index. */
  value(key: string): unknown
}

/**
 * Reads fail with: IndexBuilding, NoSuchIndex where it was dropped, what its build failed with, Restarting, StoreClosed.
 * `where` is a key, or a range of keys; none: all. The order is that of index keys, and of records' keys within one.
 */
export class TableIndex<Value = unknown, Key = IndexKey> {
  readonly name: string
  readonly #source: IndexSource

  constructor(name: string, source: IndexSource) {
    this.name = name
    this.#source = source
  }

  /** The keys of the records that have this index key. */
  get(key: Key): string[] {
    const walk = this.#source.walk(boundsOfKey(key))
    const keys: string[] = []
    while (walk.next()) keys.push(walk.recordKey())
    return keys
  }

  /** The key of the first record that has this index key: the only one, in a unique index. */
  find(key: Key): string | undefined {
    if (this.#source.first !== undefined) return this.#source.first(key)
    const walk = this.#source.walk(boundsOfKey(key))
    return walk.next() ? walk.recordKey() : undefined
  }

  /**
   * The keys of records, in the order of the index; in an index with many keys a record once for each of its keys. One that
   * is there all along is met, whatever is written meanwhile; one that comes or goes may be met or not.
   */
  *keys(where?: Key | IndexRange<Key>): Generator<string, undefined> {
    const bounds = boundsFrom(where)
    const walk = this.#source.walk(bounds)
    for (let left = bounds.limit; left > 0 && walk.next(); left--) yield walk.recordKey()
    return undefined
  }

  /** Keys and values of records; see `keys`. A value is as new as the moment that its entry is asked for. */
  *entries(where?: Key | IndexRange<Key>): Generator<[string, Value], undefined> {
    for (const key of this.keys(where)) yield [key, this.#source.value(key) as Value]
    return undefined
  }

  /** Index keys, each with the key of its record; see `keys`. */
  *pairs(where?: Key | IndexRange<Key>): Generator<[Key, string], undefined> {
    const bounds = boundsFrom(where)
    const walk = this.#source.walk(bounds)
    for (let left = bounds.limit; left > 0 && walk.next(); left--) yield [keyOf<Key>(walk), walk.recordKey()]
    return undefined
  }

  /** How many entries there are: found by two searches, not by a walk. */
  count(where?: Key | IndexRange<Key>): number {
    const bounds = boundsFrom(where)
    return Math.min(bounds.limit, this.#source.count(bounds))
  }

  /** The least index key; undefined where there is none. */
  min(where?: IndexRange<Key>): Key | undefined {
    return this.#first({ ...boundsFrom(where), isReverse: false })
  }

  /** The greatest index key; undefined where there is none. */
  max(where?: IndexRange<Key>): Key | undefined {
    return this.#first({ ...boundsFrom(where), isReverse: true })
  }

  #first(bounds: IndexBounds): Key | undefined {
    const walk = this.#source.walk({ ...bounds, limit: 1 })
    return walk.next() ? keyOf<Key>(walk) : undefined
  }
}

function keyOf<Key>(walk: IndexWalk): Key {
  return decodeIndexKey(walk.bytes, walk.start, walk.keyEnd) as Key
}
