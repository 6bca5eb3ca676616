// Where records are, by the hash of their keys: extendible hashing over one sorted sequence. The hash times an odd
// constant (the mixed hash) orders all entries; its top bits choose a segment from a directory. A segment is one typed
// array that grows by steps and, at its full size, splits in two. So no step moves more entries than a segment holds.
//
// Inside a segment entries are sorted, with gaps, each at or behind the slot where an even spread would have it
// (ordered linear probing; Amble, Knuth 1974). So a search ends at the first greater entry, growing is one pass in
// order, and splitting is a cut. Mixing lets the top bits depend on all bits: placement has fixed some (placement.ts).
//
//   word     0         1        2        3         4        5               n-2  n-1
//        +---------+-------+---------+---------+---------+---------+- … -+-----+-----+
//        | entries | depth | mixed   | address | mixed   | address |     |  0  |  0  |
//        |         |       | hash    |  + 1    | hash    |  + 1    |     |     |     |
//        +---------+-------+---------+---------+---------+---------+- … -+-----+-----+
//
// An address of 0 is an empty slot. The last slot is always empty, so that a walk ends there. Depth is how many top
// bits of the mixed hash all entries share.
//
// Guarantees: no empty slot lies between an entry and its home. Must not look at records: who knows the key compares
// it (table.ts).

import { invariant } from "../model/invariant.ts"

/** The golden ratio in 32 bits, odd, so that mixing loses nothing. */
const MIX = 0x9e3779b1

/** First word of the entries. */
export const ENTRIES = 2
const COUNT = 0
const DEPTH = 1

const SLOT_COUNT_MIN = 16
/** Up to here a segment doubles; above it grows by a quarter, which keeps about two thirds of the slots in use. */
const SLOT_COUNT_DOUBLING = 8192
/** A segment of this size splits instead of growing: 8192 grown by a quarter three times. */
const SLOT_COUNT_SPLIT = 16_000
const DEPTH_MAX = 24
/** Homes are found from 16 bits of the mixed hash. */
const HOME_COUNT_MAX = 65_536
/** Most directory entries for each segment: bounds the directory when hashes share their top bits. */
const DIRECTORY_SHARE_MAX = 16

export function mixHash(hash: number): number {
  return Math.imul(hash, MIX) >>> 0
}

/** Word of the slot where the search for a mixed hash begins. */
export function homeOf(segment: Uint32Array, depth: number, mixed: number): number {
  const homeCount = homeCountOf((segment.length - ENTRIES) >>> 1)
  return ENTRIES + ((Math.imul((mixed << depth) >>> 16, homeCount) >>> 16) << 1)
}

export class HashIndex {
  /** Segments by the top bits of the mixed hash; see positionOf. A segment may stand there many times. */
  directory: Uint32Array[] = [allocateSegment(SLOT_COUNT_MIN, 0)]
  /** The depth of each of them, where a search needs it: beside the directory, not in the segment's first line. */
  depths: Uint8Array = new Uint8Array(1)
  /** 31 minus the number of bits that the directory looks at. */
  shift = 31
  #count = 0
  #segmentCount = 1
  #slotCount = SLOT_COUNT_MIN
  #movedCount = 0
  #movedMax = 0
  #probeMax = 0

  /** Entries. */
  get count(): number {
    return this.#count
  }

  get segmentCount(): number {
    return this.#segmentCount
  }

  get slotCount(): number {
    return this.#slotCount
  }

  /** Bytes of all segments and the directory. */
  get byteSize(): number {
    return this.#slotCount * 8 + this.#segmentCount * ENTRIES * 4 + this.directory.length * 9
  }

  /** Entries moved to other segments so far, by growing, splitting and tidying. */
  get movedCount(): number {
    return this.#movedCount
  }

  /** The most entries that one operation ever moved. */
  get movedMax(): number {
    return this.#movedMax
  }

  /** The farthest that an entry was ever put from its home, in slots. */
  get probeMax(): number {
    return this.#probeMax
  }

  /** Position in the directory for a mixed hash. */
  positionOf(mixed: number): number {
    return (mixed >>> 1) >>> this.shift
  }

  /**
   * Adds an entry. `slot` is the word where the search for it ended in the segment at `position` of the directory: the
   * first slot that is empty or holds a greater mixed hash. The mixed hash may be signed.
   */
  insert(position: number, slot: number, mixed: number, address: number): void {
    const segment = this.directory[position] as Uint32Array
    const distance = (slot - homeOf(segment, this.depths[position] as number, mixed)) >>> 1
    if (distance > this.#probeMax) this.#probeMax = distance
    let word = slot
    let carriedMixed = mixed >>> 0
    let carriedAddress = address + 1
    do {
      const nextMixed = segment[word] as number
      const nextAddress = segment[word + 1] as number
      segment[word] = carriedMixed
      segment[word + 1] = carriedAddress
      carriedMixed = nextMixed
      carriedAddress = nextAddress
      word += 2
    } while (carriedAddress !== 0)
    this.#count++
    const count = (segment[COUNT] as number) + 1
    segment[COUNT] = count
    if (count > countMaxOf((segment.length - ENTRIES) >>> 1) || word === segment.length) this.#makeRoom(position)
    else if (count > ENTRY_COUNT_SPLIT && this.#maySplit(segment)) this.#split(position)
  }

  /** Removes the entry at a word of the segment at `position`; what was pushed behind it moves up. */
  remove(position: number, slot: number): void {
    const segment = this.directory[position] as Uint32Array
    const depth = this.depths[position] as number
    let word = slot
    for (let next = slot + 2; segment[next + 1] !== 0; next += 2) {
      const mixed = segment[next] as number
      if (homeOf(segment, depth, mixed) === next) break
      segment[word] = mixed
      segment[word + 1] = segment[next + 1] as number
      word = next
    }
    segment[word] = 0
    segment[word + 1] = 0
    segment[COUNT] = (segment[COUNT] as number) - 1
    this.#count--
  }

  /** The entry in the home slot of a mixed hash, whichever it is: to have the slot fetched ahead of its use. */
  homeEntry(mixed: number): number {
    const position = this.positionOf(mixed)
    const segment = this.directory[position] as Uint32Array
    return segment[homeOf(segment, this.depths[position] as number, mixed) + 1] as number
  }

  /** Lets the entry with this mixed hash and address have another address. */
  move(mixed: number, address: number, target: number): void {
    const position = this.positionOf(mixed)
    const segment = this.directory[position] as Uint32Array
    let word = homeOf(segment, this.depths[position] as number, mixed)
    while (segment[word + 1] !== address + 1) {
      invariant(segment[word + 1] !== 0 && (segment[word] as number) <= mixed, "every record is in the index")
      word += 2
    }
    segment[word + 1] = target + 1
  }

  /**
   * Gives back what the segment at a directory position does not need: merges it with its sibling, or makes it
   * smaller. Returns the position to go on with: behind the segment, or the merged one, which may merge again.
   */
  tidy(position: number): number {
    const segment = this.directory[position] as Uint32Array
    const depth = segment[DEPTH] as number
    const count = segment[COUNT] as number
    const span = this.directory.length >>> depth
    const start = position - (position % span)
    if (depth > 0) {
      const sibling = this.directory[start ^ span] as Uint32Array
      // Half of what makes a segment split, so that a table whose size swings does not merge and split in turns.
      if (sibling[DEPTH] === depth && count + (sibling[COUNT] as number) <= ENTRY_COUNT_SPLIT >>> 1) {
        const joint = start & ~span
        this.#merge(joint, span)
        return joint >>> this.#halveDirectory()
      }
    }
    const slotCount = slotCountFor(count)
    if (slotCount * 2 <= (segment.length - ENTRIES) >>> 1) {
      const smaller = this.#spread(segment, ENTRIES, segment.length, slotCount, depth)
      if (smaller.length < segment.length) this.#replace(start, span, smaller)
    }
    return start + span
  }

  /** Takes over the segments that a builder made. Requires: the index is empty. */
  adopt(builder: IndexBuilder): void {
    const { depth } = builder
    this.directory = builder.finish()
    this.depths = new Uint8Array(this.directory.length).fill(depth)
    this.shift = 31 - depth
    this.#segmentCount = this.directory.length
    this.#count = 0
    this.#slotCount = 0
    for (const segment of this.directory) {
      this.#count += segment[COUNT] as number
      this.#slotCount += (segment.length - ENTRIES) >>> 1
    }
  }

  /** Removes every entry. */
  clear(): void {
    this.directory = [allocateSegment(SLOT_COUNT_MIN, 0)]
    this.depths = new Uint8Array(1)
    this.shift = 31
    this.#count = 0
    this.#segmentCount = 1
    this.#slotCount = SLOT_COUNT_MIN
  }

  #makeRoom(position: number): void {
    const segment = this.directory[position] as Uint32Array
    const depth = segment[DEPTH] as number
    const slotCount = (segment.length - ENTRIES) >>> 1
    if (slotCount >= SLOT_COUNT_SPLIT && this.#maySplit(segment)) {
      this.#split(position)
      return
    }
    const span = this.directory.length >>> depth
    const larger = this.#spread(segment, ENTRIES, segment.length, nextSlotCount(slotCount), depth)
    this.#replace(position - (position % span), span, larger)
  }

  // Hashes that share their top bits cannot be told apart by a split; then the segment grows instead.
  #maySplit(segment: Uint32Array): boolean {
    const depth = segment[DEPTH] as number
    if (this.directory.length >>> depth > 1) return true
    return depth < DEPTH_MAX && this.directory.length < this.#segmentCount * DIRECTORY_SHARE_MAX
  }

  #split(position: number): void {
    const segment = this.directory[position] as Uint32Array
    const depth = segment[DEPTH] as number
    let start = position
    if (this.directory.length >>> depth === 1) {
      this.#doubleDirectory()
      start *= 2
    }
    const span = this.directory.length >>> (depth + 1)
    start -= start % (span * 2)
    // The least mixed hash of the upper half.
    const middle = (start + span) * 2 ** (this.shift + 1)
    let cut = homeOf(segment, depth, middle)
    let upperCount = 0
    while (segment[cut + 1] !== 0 && (segment[cut] as number) < middle) cut += 2
    for (let word = cut; word < segment.length; word += 2) if (segment[word + 1] !== 0) upperCount++
    const lowerSlots = slotCountFor((segment[COUNT] as number) - upperCount)
    this.#replace(start, span, this.#spread(segment, ENTRIES, cut, lowerSlots, depth + 1))
    const upper = this.#spread(segment, cut, segment.length, slotCountFor(upperCount), depth + 1)
    this.#slotCount += (upper.length - ENTRIES) >>> 1
    this.#segmentCount++
    this.#put(start + span, span, upper)
  }

  /** Joins the segments at `start` and `start + span`, siblings of equal depth. */
  #merge(start: number, span: number): void {
    const lower = this.directory[start] as Uint32Array
    const upper = this.directory[start + span] as Uint32Array
    const depth = (lower[DEPTH] as number) - 1
    const count = (lower[COUNT] as number) + (upper[COUNT] as number)
    let size = slotCountFor(count)
    let target = allocateSegment(size, depth)
    for (;;) {
      const next = copyEntries(lower, ENTRIES, lower.length, target, ENTRIES)
      if (next >= 0 && copyEntries(upper, ENTRIES, upper.length, target, next) >= 0) break
      size = nextSlotCount(size)
      target = allocateSegment(size, depth)
    }
    this.#accountMoved(count)
    this.#slotCount -= (upper.length - ENTRIES) >>> 1
    this.#segmentCount--
    this.#replace(start, span * 2, target)
  }

  /** A new segment with the entries between two words of another, in at least that many slots. */
  #spread(source: Uint32Array, from: number, to: number, slotCount: number, depth: number): Uint32Array {
    const target = segmentOf(source, from, to, slotCount, depth)
    this.#accountMoved(target[COUNT] as number)
    return target
  }

  /** Puts a segment in the place of the one at `start`. */
  #replace(start: number, span: number, segment: Uint32Array): void {
    this.#slotCount += (segment.length - (this.directory[start] as Uint32Array).length) >> 1
    this.#put(start, span, segment)
  }

  #accountMoved(count: number): void {
    this.#movedCount += count
    this.#movedMax = Math.max(this.#movedMax, count)
  }

  #put(start: number, span: number, segment: Uint32Array): void {
    this.directory.fill(segment, start, start + span)
    this.depths.fill(segment[DEPTH] as number, start, start + span)
  }

  #doubleDirectory(): void {
    const doubled: Uint32Array[] = []
    for (const segment of this.directory) doubled.push(segment, segment)
    this.directory = doubled
    this.depths = Uint8Array.from(doubled, (segment) => segment[DEPTH] as number)
    this.shift--
  }

  /** Halves the directory while no segment needs its last bit. Returns how often. */
  #halveDirectory(): number {
    let halvings = 0
    while (this.shift < 31 && !this.depths.includes(31 - this.shift)) {
      this.directory = this.directory.filter((_, position) => (position & 1) === 0)
      this.depths = this.depths.filter((_, position) => (position & 1) === 0)
      this.shift++
      halvings++
    }
    return halvings
  }
}

/** Entries that a segment is built for: as many as it has between two splits, on average. */
const ENTRY_COUNT_BUILT = 9_500

/** Builds an index from entries in the order of their mixed hashes. */
export class IndexBuilder {
  /** Top bits of the mixed hash that all entries of a segment share. */
  readonly depth: number
  readonly #segments: Uint32Array[] = []
  /** The entries of the segment that fills: mixed hash and address plus 1 each. */
  #pairs = new Uint32Array(2 * ENTRY_COUNT_BUILT)
  #end = 0

  constructor(expectedCount: number) {
    let depth = 0
    while (depth < DEPTH_MAX - 4 && expectedCount > ENTRY_COUNT_BUILT * 2 ** depth) depth++
    this.depth = depth
  }

  /** Adds an entry. Requires: no mixed hash before was greater. */
  add(mixed: number, address: number): void {
    // A shift by 32 would be one by 0.
    const group = (mixed >>> 1) >>> (31 - this.depth)
    while (this.#segments.length < group) this.#endSegment()
    if (this.#end === this.#pairs.length) {
      const larger = new Uint32Array(2 * this.#pairs.length)
      larger.set(this.#pairs)
      this.#pairs = larger
    }
    this.#pairs[this.#end] = mixed
    this.#pairs[this.#end + 1] = address + 1
    this.#end += 2
  }

  /** The segments, one a directory position. */
  finish(): Uint32Array[] {
    while (this.#segments.length < 2 ** this.depth) this.#endSegment()
    return this.#segments
  }

  #endSegment(): void {
    this.#segments.push(segmentOf(this.#pairs, 0, this.#end, slotCountFor(this.#end >>> 1), this.depth))
    this.#end = 0
  }
}

/** Entries above which a segment of any size splits. */
const ENTRY_COUNT_SPLIT = countMaxOf(SLOT_COUNT_SPLIT)

/** A new segment with the entries between two words of `source`, in at least that many slots. */
function segmentOf(source: Uint32Array, from: number, to: number, slotCount: number, depth: number): Uint32Array {
  let size = slotCount
  let target = allocateSegment(size, depth)
  while (copyEntries(source, from, to, target, ENTRIES) < 0) {
    size = nextSlotCount(size)
    target = allocateSegment(size, depth)
  }
  return target
}

function allocateSegment(slotCount: number, depth: number): Uint32Array {
  const segment = new Uint32Array(ENTRIES + slotCount * 2)
  segment[DEPTH] = depth
  return segment
}

/**
 * Copies the entries between two words of a segment to `target`, in order, to `next` or behind it. Returns the word
 * behind the last, or -1 if they do not fit. Free of branches on what a slot holds: which ones are empty cannot be
 * predicted.
 */
function copyEntries(source: Uint32Array, from: number, to: number, target: Uint32Array, next: number): number {
  const end = target.length - 2
  const depth = target[DEPTH] as number
  const homeCount = homeCountOf((target.length - ENTRIES) >>> 1)
  let free = next
  let count = target[COUNT] as number
  for (let word = from; word < to; word += 2) {
    const mixed = source[word] as number
    const address = source[word + 1] as number
    // All ones for an entry, zero for an empty slot, which is copied to where the next entry will be.
    const taken = (Math.clz32(address) >>> 5) - 1
    const home = (ENTRIES + ((Math.imul((mixed << depth) >>> 16, homeCount) >>> 16) << 1)) & taken
    const distance = home - free
    const slot = home - (distance & (distance >> 31))
    if (slot >= end) return -1
    target[slot] = mixed
    target[slot + 1] = address
    free = slot + (taken & 2)
    count -= taken
  }
  target[COUNT] = count
  return free
}

/** Slots that are a home; the ones behind take what does not fit. Far too many equal hashes need a great many. */
function homeCountOf(slotCount: number): number {
  return Math.min(slotCount - (slotCount >>> 5) - 4, HOME_COUNT_MAX)
}

/** Most entries of a segment with that many slots: 27/32, above which runs get long. */
function countMaxOf(slotCount: number): number {
  return (slotCount * 27) >>> 5
}

function nextSlotCount(slotCount: number): number {
  if (slotCount < SLOT_COUNT_DOUBLING || slotCount >= SLOT_COUNT_SPLIT) return slotCount * 2
  return slotCount + (slotCount >>> 2)
}

/** The smallest segment that holds that many entries with some room left. */
function slotCountFor(count: number): number {
  let slotCount = SLOT_COUNT_MIN
  while (countMaxOf(slotCount) < count + (count >>> 4)) slotCount = nextSlotCount(slotCount)
  return slotCount
}
