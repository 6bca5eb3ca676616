// Which part of an index is read, and how: what users say, checked, and as bounds in bytes.

import {
  behindPrefix,
  encodeIndexKey,
  indexKeyFault,
  kindPrefix,
  textPrefix,
  type IndexKey,
} from "../table/index-key.ts"
import { INDEX_KEY_SIZE_MAX } from "../model/limits.ts"
import { isBoolean, optional, record, show } from "./option-checks.ts"

/**
 * A part of an index, in its order: by index key, and records with the same one by their keys. Keys of one kind are
 * ordered within themselves; a bound takes in keys of its own kind only.
 */
export interface IndexRange<Key = IndexKey> {
  /** Not below this. */
  readonly from?: Key
  /** Above this. */
  readonly after?: Key
  /** Below this. */
  readonly to?: Key
  /** Not above this. */
  readonly through?: Key
  /** Strings that begin with this. Not with bounds. */
  readonly prefix?: string
  /** From the end. Default false. */
  readonly reverse?: boolean
  /** Entries at most. Default: no bound. */
  readonly limit?: number
}

export interface IndexBounds {
  readonly low: Buffer
  /** Undefined: to the end. */
  readonly high: Buffer | undefined
  readonly isReverse: boolean
  readonly limit: number
}

const RANGE_NAMES = ["from", "after", "to", "through", "prefix", "reverse", "limit"]
const NOTHING: Buffer = Buffer.alloc(0)
const scratch = Buffer.alloc(INDEX_KEY_SIZE_MAX)
/** What `keyOver` gives, made once. */
const shared = { bytes: scratch, end: 0 }

/** The bounds of all entries with a key. Throws a TypeError. */
export function boundsOfKey(key: unknown): IndexBounds {
  const low = encoded("the key", key)
  return { low, high: behindPrefix(low), isReverse: false, limit: Number.POSITIVE_INFINITY }
}

/** A key as bytes from the first one of `bytes` on, which holds until the next call. Throws a TypeError. */
export function keyOver(key: unknown): { readonly bytes: Buffer; readonly end: number } {
  shared.end = endOf("the key", key)
  return shared
}

/** The bounds of a range, or of a key. Throws a TypeError. */
export function boundsFrom(where: unknown): IndexBounds {
  if (where === undefined) return { low: NOTHING, high: undefined, isReverse: false, limit: Number.POSITIVE_INFINITY }
  if (typeof where !== "object" || where === null || where instanceof Date) return boundsOfKey(where)
  const range = record("the range", where, RANGE_NAMES)
  const { from, after, to, through, prefix, limit } = range
  const isReverse = optional("reverse", range["reverse"], "boolean", isBoolean) ?? false
  if (limit !== undefined && !(typeof limit === "number" && Number.isSafeInteger(limit) && limit >= 0)) {
    throw new TypeError(`limit must be a whole number from 0, not ${show(limit)}`)
  }
  const most = limit ?? Number.POSITIVE_INFINITY
  if (prefix !== undefined) {
    if (typeof prefix !== "string") throw new TypeError(`prefix must be a string, not ${show(prefix)}`)
    if ([from, after, to, through].some((bound) => bound !== undefined)) {
      throw new TypeError("a range has a prefix, or bounds: not both")
    }
    const low = textPrefix(encoded("prefix", prefix))
    return { low, high: behindPrefix(low), isReverse, limit: most }
  }
  if (from !== undefined && after !== undefined) throw new TypeError("a range begins from a key, or after it: not both")
  if (to !== undefined && through !== undefined) throw new TypeError("a range goes to a key, or through it: not both")
  return { ...between(from, after, to, through), isReverse, limit: most }
}

function between(
  from: unknown,
  after: unknown,
  to: unknown,
  through: unknown,
): { readonly low: Buffer; readonly high: Buffer | undefined } {
  const lowKey = from ?? after
  const highKey = to ?? through
  const first = lowKey === undefined ? undefined : encoded(from === undefined ? "after" : "from", lowKey)
  const last = highKey === undefined ? undefined : encoded(to === undefined ? "through" : "to", highKey)
  if (first !== undefined && last !== undefined && first[0] !== last[0]) {
    throw new TypeError("the bounds of a range must be of one kind")
  }
  const some = first ?? last
  if (some === undefined) return { low: NOTHING, high: undefined }
  const kind = kindPrefix(some)
  return {
    low: first === undefined ? kind : from === undefined ? behindPrefix(first) : first,
    high: last === undefined ? behindPrefix(kind) : to === undefined ? behindPrefix(last) : last,
  }
}

function encoded(name: string, key: unknown): Buffer {
  return Buffer.from(scratch.subarray(0, endOf(name, key)))
}

/** Leaves the key in `scratch`. */
function endOf(name: string, key: unknown): number {
  const end = encodeIndexKey(key, scratch, 0)
  if (end < 0) throw new TypeError(`${name} cannot be ${indexKeyFault(key)}: no index holds that`)
  return end
}
