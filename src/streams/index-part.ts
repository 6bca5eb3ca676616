// A part of a secondary index that a live query is over: which rows are in it, and in which order they stand. Index keys
// are texts here, a character for each byte of their encoding (index-key.ts): texts compare as the bytes do, and can be
// keys of a map. Synchronous and pure.

import type { Ordered, RowOrder } from "./live-order.ts"

/** An index, as far as live queries need it. The same object for all that are over the same index. */
export interface LiveIndex {
  /** The keys that it takes from a value, in no order. Throws what its function throws. */
  keysOf(key: string, value: unknown): readonly string[]
}

/** Behind every text of an index key, whose characters are bytes. */
const SEPARATOR = "\u0100"

export class IndexPart {
  readonly index: LiveIndex
  /** Not below this. */
  readonly low: string
  /** Below this; undefined: to the end. */
  readonly high: string | undefined
  /** Whether rows stand from the end. */
  readonly isReverse: boolean
  /** The only key that is in it; undefined where it is a range. */
  readonly equal: string | undefined
  /** The same for parts of an index with the same rows. */
  readonly id: string

  constructor(index: LiveIndex, low: string, high: string | undefined, isReverse: boolean, equal?: string) {
    this.index = index
    this.low = low
    this.high = high
    this.isReverse = isReverse
    this.equal = equal
    this.id = high === undefined ? low : low + SEPARATOR + high
  }

  holds(indexKey: string): boolean {
    if (this.equal !== undefined) return indexKey === this.equal
    return indexKey >= this.low && (this.high === undefined || indexKey < this.high)
  }

  /** The row's place: its first key, in the order of the part; undefined where it is not in the part. Throws like `keysOf`. */
  placeOf(value: unknown, key: string): string | undefined {
    let place: string | undefined
    for (const each of this.index.keysOf(key, value)) {
      if (this.holds(each) && (place === undefined || each < place !== this.isReverse)) place = each
    }
    return place
  }
}

/** The order of an index: by index key, then by the record's key in the order of its bytes; all of it turned in reverse. */
export function indexOrder(isReverse: boolean, placeOf: (value: unknown, key: string) => string | undefined): RowOrder {
  const sign = isReverse ? -1 : 1
  return {
    sortKeyOf: placeOf,
    abbreviate: (sortKey) => leadingBytes(sortKey as string) * sign,
    compare: (left, right) => compareEntries(left, right) * sign,
  }
}

/** The kind of the key and five bytes more. */
function leadingBytes(text: string): number {
  let number = 0
  for (let at = 0; at < 6; at++) number = number * 256 + (at < text.length ? text.charCodeAt(at) : 0)
  return number
}

function compareEntries(left: Ordered, right: Ordered): number {
  const leftPlace = left.sortKey as string
  const rightPlace = right.sortKey as string
  if (leftPlace !== rightPlace) return leftPlace < rightPlace ? -1 : 1
  return left.key === right.key ? 0 : compareCodePoints(left.key, right.key)
}

/** The order of UTF-8. That of UTF-16 is another one where surrogates meet the units behind them. */
function compareCodePoints(left: string, right: string): number {
  const size = Math.min(left.length, right.length)
  for (let at = 0; at < size; at++) {
    const leftUnit = left.charCodeAt(at)
    const rightUnit = right.charCodeAt(at)
    if (leftUnit !== rightUnit) return rankOf(leftUnit) < rankOf(rightUnit) ? -1 : 1
  }
  return left.length < right.length ? -1 : 1
}

/** Surrogates last: they stand for code points above all that have a unit of their own. */
function rankOf(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x1_0000 : unit
}
