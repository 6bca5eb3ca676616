// An index as live queries follow it: what it takes of a value, as texts that compare like the index; and the part of it
// that a user asks for. Live queries go on by values alone, also while the index is built anew; an index that is dropped, or
// that fails, ends them.

import { IndexKeyRefused } from "../model/index-errors.ts"
import { invariant } from "../model/invariant.ts"
import { INDEX_KEY_SIZE_MAX } from "../model/limits.ts"
import { IndexPart } from "../streams/index-part.ts"
import type { LiveIndex } from "../streams/index-part.ts"
import { encodeIndexKey, indexKeyFault, type IndexKey } from "../table/index-key.ts"
import { boundsFrom, boundsOfKey } from "./index-range.ts"
import type { IndexBounds, IndexRange } from "./index-range.ts"
import { record } from "./option-checks.ts"
import type { PresentIndex } from "./present-index.ts"

/** A part of an index: a key that rows have, a range of keys, or, without either, all rows that are in the index. */
export interface LiveIndexOptions<Name extends string = string, Key = IndexKey> {
  /** Only rows in this index, in its order where there is no `orderBy`. Default: all rows of the table. */
  readonly index?: Name | undefined
  /** Only rows with this index key. */
  readonly equals?: Key | undefined
  /** Only rows with an index key in this range. Not with `equals`. */
  readonly range?: LiveRange<Key> | undefined
}

/** The range of an index, as reads of it take it; how many rows there are is said beside it. */
export type LiveRange<Key = IndexKey> = Omit<IndexRange<Key>, "limit">

/** The names of options that say which part of an index. */
export const PART_OPTIONS: readonly string[] = ["index", "equals", "range"]

const RANGE_NAMES = ["from", "after", "to", "through", "prefix", "reverse"]
const NO_KEYS: readonly string[] = []
const NOT_ASKED: unique symbol = Symbol("not asked")
const scratch = Buffer.alloc(INDEX_KEY_SIZE_MAX)

export class FollowedIndex implements LiveIndex {
  readonly present: PresentIndex
  /** The value that was asked for last, and its keys: of one change several parties want them. */
  #lastValue: unknown = NOT_ASKED
  #lastKeys: readonly string[] = NO_KEYS

  constructor(present: PresentIndex) {
    this.present = present
  }

  /** Fails with: IndexKeyRefused. */
  keysOf(key: string, value: unknown): readonly string[] {
    if (value === this.#lastValue) return this.#lastKeys
    const { index } = this.present
    const taken = index.extract(key, value)
    const keys =
      taken === undefined || taken === null
        ? NO_KEYS
        : index.definition.isMany
          ? (taken as readonly unknown[]).map((each) => this.#textOf(key, each))
          : [this.#textOf(key, taken)]
    this.#lastValue = value
    this.#lastKeys = keys
    return keys
  }

  /** The part that the options of a live query ask for. Throws a TypeError. */
  part({ equals, range, orderBy }: Readonly<Record<string, unknown>>): IndexPart {
    if (equals !== undefined && range !== undefined)
      throw new TypeError("a part of an index has equals, or range: not both")
    if (equals !== undefined) {
      const bounds = boundsOfKey(equals)
      return this.#part(bounds, textOf(bounds.low))
    }
    const bounds = boundsFrom(range === undefined ? undefined : { ...record("range", range, RANGE_NAMES) })
    if (bounds.isReverse && orderBy !== undefined) {
      throw new TypeError("a range is reversed, or there is an orderBy: not both")
    }
    return this.#part(bounds)
  }

  #part({ low, high, isReverse }: IndexBounds, equal?: string): IndexPart {
    return new IndexPart(this, textOf(low), high && textOf(high), isReverse, equal)
  }

  #textOf(key: string, indexKey: unknown): string {
    const end = encodeIndexKey(indexKey, scratch, 0)
    if (end < 0) {
      const { table, name } = this.present.index
      throw new IndexKeyRefused(table, name, key, indexKeyFault(indexKey))
    }
    return scratch.latin1Slice(0, end)
  }
}

function textOf(bytes: Buffer): string {
  return bytes.latin1Slice(0, bytes.length)
}

/** The bounds of a part, for reads of its index. */
export function boundsOfPart({ low, high }: IndexPart): IndexBounds {
  return {
    low: Buffer.from(low, "latin1"),
    high: high === undefined ? undefined : Buffer.from(high, "latin1"),
    isReverse: false,
    limit: Number.POSITIVE_INFINITY,
  }
}

/** The index that a part of a live query is of. */
export function followedBy({ index }: IndexPart): FollowedIndex {
  invariant(index instanceof FollowedIndex, "a live query's part was made of an index that the store follows")
  return index
}
