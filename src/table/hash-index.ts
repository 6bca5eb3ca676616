// Where records are, by the hash of their keys: extendible hashing over one sorted sequence. The hash times an odd
// constant (the mixed hash) orders all entries; its top bits choose a segment from a directory. A segment is one typed
// array that grows by steps and, at its full size, splits in two. So no step moves more entries than a segment holds.
//
// Mixing lets the top bits depend on all bits: placement has fixed some (placement.ts). Must not look at records: who knows the key compares
// it (table.ts).

import { invariant } from "../model/invariant.ts"
import type { DeferredEntries } from "./deferred-entries.ts"
import type { IndexBuilder } from "./index-builder.ts"
import {
  allocateSegment,
  copyEntries,
  COUNT,
  DEPTH,
  ENTRIES,
  ENTRY_COUNT_SPLIT,
  homeOf,
  nextSlotCount,
  segmentOf,
  SLOT_COUNT_MIN,
  SLOT_COUNT_SPLIT,
  slotCountFor,
  countMaxOf,
} from "./index-segment.ts"

const DEPTH_MAX = 24
/**
 * Slots from its home behind which an entry makes its segment split: far more than evenly spread hashes ever come to.
 * Entries that come in the order of the index, from a walk over another table, crowd the front of each segment.
 */
const PROBE_SPLIT = 256
/** Most directory entries for each segment: bounds the directory when hashes share their top bits. */
const DIRECTORY_SHARE_MAX = 16

export class HashIndex {
  /** Segments by the top bits of the mixed hash; see positionOf. A segment may stand there many times. */
  directory: Uint32Array[] = [allocateSegment(SLOT_COUNT_MIN, 0)]
  /** The depth of each of them, where a search needs it: beside the directory, not in the segment's first line. */
  depths: Uint8Array = new Uint8Array(1)
  /** 31 minus the number of bits that the directory looks at. */
  shift = 31
  /** Stands in the directory, empty, where entries are put off: see `defer`. Undefined where none are. */
  marker: Uint32Array | undefined
  #deferred: DeferredEntries | undefined
  #deferredDepth = 0
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
    else if ((count > ENTRY_COUNT_SPLIT || distance > PROBE_SPLIT) && this.#maySplit(segment)) this.#split(position)
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

  /** Adds an entry beside others that may have the same mixed hash. */
  add(mixed: number, address: number): void {
    const position = this.positionOf(mixed)
    const segment = this.directory[position] as Uint32Array
    let word = homeOf(segment, this.depths[position] as number, mixed)
    while (segment[word + 1] !== 0 && (segment[word] as number) <= mixed) word += 2
    this.insert(position, word, mixed, address)
  }

  /** Removes the entry with this mixed hash and address. */
  removeEntry(mixed: number, address: number): void {
    const position = this.positionOf(mixed)
    const word = this.#wordOf(position, mixed, address)
    invariant(word >= 0, "the entry is in the index")
    this.remove(position, word)
  }

  /** The entry in the home slot of a mixed hash, whichever it is: to have the slot fetched ahead of its use. */
  homeEntry(mixed: number): number {
    const position = this.positionOf(mixed)
    const segment = this.directory[position] as Uint32Array
    return segment[homeOf(segment, this.depths[position] as number, mixed) + 1] as number
  }

  /** Whether there is an entry with this mixed hash and address. */
  has(mixed: number, address: number): boolean {
    const position = this.positionOf(mixed)
    return this.#wordOf(position, mixed, address) >= 0
  }

  /** Lets the entry with this mixed hash and address have another address. */
  move(mixed: number, address: number, target: number): void {
    const position = this.positionOf(mixed)
    const word = this.#wordOf(position, mixed, address)
    invariant(word >= 0, "every record is in the index")
    ;(this.directory[position] as Uint32Array)[word + 1] = target + 1
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
    const { directory, depth } = builder.finish()
    this.directory = directory
    this.depths = Uint8Array.from(directory, (segment) => segment[DEPTH] as number)
    this.shift = 31 - depth
    this.#segmentCount = 0
    this.#count = 0
    this.#slotCount = 0
    for (let position = 0; position < directory.length;) {
      const segment = directory[position] as Uint32Array
      position += directory.length >>> (segment[DEPTH] as number)
      this.#segmentCount++
      this.#count += segment[COUNT] as number
      this.#slotCount += (segment.length - ENTRIES) >>> 1
    }
  }

  /**
   * Puts the entries of all 2^depth ranges of mixed hashes off, until each is wanted: whoever finds `marker` in the
   * directory calls `ensure`, and looks again. Requires: the index is empty.
   */
  defer(depth: number, entries: DeferredEntries): void {
    const marker = allocateSegment(SLOT_COUNT_MIN, depth)
    this.marker = marker
    this.#deferred = entries
    this.#deferredDepth = depth
    this.directory = Array.from({ length: 2 ** depth }, () => marker)
    this.depths = new Uint8Array(2 ** depth).fill(depth)
    this.shift = 31 - depth
    this.#segmentCount = 2 ** depth
    this.#slotCount = 2 ** depth * SLOT_COUNT_MIN
  }

  /** Whether entries are put off: then the index must not be tidied. */
  get isDeferred(): boolean {
    return this.#deferred !== undefined
  }

  /** Sees to it that the entries of a mixed hash's range are there. */
  ensure(mixed: number): void {
    if (this.marker !== undefined && this.directory[this.positionOf(mixed)] === this.marker) {
      this.#deferred?.enter(mixed)
    }
  }

  /** Has some of what is put off entered. False where nothing is. */
  enterNext(): boolean {
    return this.#deferred?.enterNext() === true
  }

  ensureAll(): void {
    while (this.enterNext());
  }

  /** Puts in the entries of a range that were put off: pairs of a mixed hash and an address plus 1, in order, in words 0 to `end` - 1. */
  fill(range: number, pairs: Uint32Array, end: number): void {
    const depth = this.#deferredDepth
    const span = this.directory.length >>> depth
    invariant(this.directory[range * span] === this.marker, "a range of entries is put in once")
    this.#replace(range * span, span, segmentOf(pairs, 0, end, slotCountFor(end >>> 1), depth))
    this.#count += end >>> 1
  }

  /** No entries are put off any more. */
  endDeferral(): void {
    this.marker = undefined
    this.#deferred = undefined
  }

  /** Removes every entry. Requires: none is put off. */
  clear(): void {
    this.directory = [allocateSegment(SLOT_COUNT_MIN, 0)]
    this.depths = new Uint8Array(1)
    this.shift = 31
    this.#count = 0
    this.#segmentCount = 1
    this.#slotCount = SLOT_COUNT_MIN
  }

  /** Word of the entry in the segment at a position, or -1. */
  #wordOf(position: number, mixed: number, address: number): number {
    const segment = this.directory[position] as Uint32Array
    let word = homeOf(segment, this.depths[position] as number, mixed)
    while (segment[word + 1] !== address + 1) {
      if (segment[word + 1] === 0 || (segment[word] as number) > mixed) return -1
      word += 2
    }
    return word
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
