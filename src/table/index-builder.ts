// Builds the segments of a hash index from entries in the order of their mixed hashes, front to back. What is cut off as
// a segment is the largest range that a directory can name and that is complete; so segments come out as full as those
// that grew, however many entries there are, and nobody has to know beforehand.

import { DEPTH, segmentOf, slotCountFor } from "./index-segment.ts"

/** Entries that wait at a time. A segment gets between half of them and all, where hashes are spread evenly. */
const ENTRY_COUNT_WAITING = 12_000
/** Room for them at first: most tables are small. */
const ENTRY_COUNT_FIRST = 64
/** Top bits that segments are told apart by, at most; and at most so many more than evenly spread hashes need. */
const DEPTH_MAX = 20
const DEPTH_SPARE = 4
const MIXED_END = 2 ** 32

export interface BuiltIndex {
  /** Segments by the top bits of the mixed hash. */
  readonly directory: Uint32Array[]
  /** How many bits those are. */
  readonly depth: number
}

export class IndexBuilder {
  readonly #segments: Uint32Array[] = []
  readonly #expectedCount: number
  /** The entries that wait: mixed hash and address plus 1 each. */
  #pairs = new Uint32Array(2 * ENTRY_COUNT_FIRST)
  #end = 0
  /** The mixed hash at which the next segment begins. */
  #start = 0
  /** Entries in segments. */
  #count = 0

  /** `expectedCount`: bounds the directory where hashes share top bits. Far too small a one makes large segments. */
  constructor(expectedCount: number) {
    this.#expectedCount = expectedCount
  }

  /** Adds an entry. Requires: no mixed hash before was greater. */
  add(mixed: number, address: number): void {
    if (this.#end === this.#pairs.length) this.#makeRoom(mixed)
    this.#pairs[this.#end] = mixed
    this.#pairs[this.#end + 1] = address + 1
    this.#end += 2
  }

  finish(): BuiltIndex {
    while (this.#start < MIXED_END) this.#endSegment(this.#depthUpTo(MIXED_END))
    const depth = this.#segments.reduce((most, segment) => Math.max(most, segment[DEPTH] as number), 0)
    const directory: Uint32Array[] = []
    for (const segment of this.#segments) {
      for (let span = 2 ** (depth - (segment[DEPTH] as number)); span > 0; span--) directory.push(segment)
    }
    return { directory, depth }
  }

  /** Ends segments until an entry fits, or lets more wait, where their hashes are too alike. */
  #makeRoom(mixed: number): void {
    if (this.#pairs.length < 2 * ENTRY_COUNT_WAITING) {
      return this.#grow(Math.min(2 * this.#pairs.length, 2 * ENTRY_COUNT_WAITING))
    }
    const expected = Math.max(this.#expectedCount, this.#count + (this.#end >>> 1))
    const depthMax = Math.min(Math.ceil(Math.log2(1 + expected / ENTRY_COUNT_WAITING)) + DEPTH_SPARE, DEPTH_MAX)
    while (this.#end === this.#pairs.length) {
      const depth = this.#depthUpTo(mixed)
      if (depth > depthMax) this.#grow(2 * this.#pairs.length)
      else this.#endSegment(depth)
    }
  }

  #grow(length: number): void {
    const larger = new Uint32Array(length)
    larger.set(this.#pairs)
    this.#pairs = larger
  }

  /** The least depth of a segment that begins where the next one does and ends at or before a mixed hash. */
  #depthUpTo(mixed: number): number {
    let depth = 0
    for (let span = MIXED_END; this.#start % span !== 0 || this.#start + span > mixed; span /= 2) depth++
    return depth
  }

  #endSegment(depth: number): void {
    this.#start += MIXED_END / 2 ** depth
    const cut = this.#pairsBelow(this.#start)
    this.#segments.push(segmentOf(this.#pairs, 0, cut, slotCountFor(cut >>> 1), depth))
    this.#pairs.copyWithin(0, cut, this.#end)
    this.#end -= cut
    this.#count += cut >>> 1
  }

  /** Word behind the last entry that waits with a mixed hash below this one. */
  #pairsBelow(mixed: number): number {
    let low = 0
    let high = this.#end >>> 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#pairs[2 * middle] as number) < mixed) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
