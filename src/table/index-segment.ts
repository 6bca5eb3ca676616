// One segment of the hash index: a typed array of entries, sorted by mixed hash.
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
// Guarantees: no empty slot lies between an entry and its home. Knows nothing of the other segments.

/** The golden ratio in 32 bits, odd, so that mixing loses nothing. */
const MIX = 0x9e3779b1

/** First word of the entries. */
export const ENTRIES = 2
export const COUNT = 0
export const DEPTH = 1

export const SLOT_COUNT_MIN = 16
/** Up to here a segment doubles; above it grows by a quarter, which keeps about two thirds of the slots in use. */
const SLOT_COUNT_DOUBLING = 8192
/** A segment of this size splits instead of growing: 8192 grown by a quarter three times. */
export const SLOT_COUNT_SPLIT = 16_000
/** Homes are found from 16 bits of the mixed hash. */
const HOME_COUNT_MAX = 65_536

export function mixHash(hash: number): number {
  return Math.imul(hash, MIX) >>> 0
}

/** Word of the slot where the search for a mixed hash begins. */
export function homeOf(segment: Uint32Array, depth: number, mixed: number): number {
  const homeCount = homeCountOf((segment.length - ENTRIES) >>> 1)
  return ENTRIES + ((Math.imul((mixed << depth) >>> 16, homeCount) >>> 16) << 1)
}

/** Entries above which a segment of any size splits. */
export const ENTRY_COUNT_SPLIT: number = countMaxOf(SLOT_COUNT_SPLIT)

/** A new segment with the entries between two words of `source`, in at least that many slots. */
export function segmentOf(
  source: Uint32Array,
  from: number,
  to: number,
  slotCount: number,
  depth: number,
): Uint32Array {
  let size = slotCount
  let target = allocateSegment(size, depth)
  while (copyEntries(source, from, to, target, ENTRIES) < 0) {
    size = nextSlotCount(size)
    target = allocateSegment(size, depth)
  }
  return target
}

export function allocateSegment(slotCount: number, depth: number): Uint32Array {
  const segment = new Uint32Array(ENTRIES + slotCount * 2)
  segment[DEPTH] = depth
  return segment
}

/**
 * Copies the entries between two words of a segment to `target`, in order, to `next` or behind it. Returns the word
 * behind the last, or -1 if they do not fit. Free of branches on what a slot holds: which ones are empty cannot be
 * predicted.
 */
export function copyEntries(source: Uint32Array, from: number, to: number, target: Uint32Array, next: number): number {
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
export function countMaxOf(slotCount: number): number {
  return (slotCount * 27) >>> 5
}

export function nextSlotCount(slotCount: number): number {
  if (slotCount < SLOT_COUNT_DOUBLING || slotCount >= SLOT_COUNT_SPLIT) return slotCount * 2
  return slotCount + (slotCount >>> 2)
}

/** The smallest segment that holds that many entries with some room left. */
export function slotCountFor(count: number): number {
  let slotCount = SLOT_COUNT_MIN
  while (countMaxOf(slotCount) < count + (count >>> 4)) slotCount = nextSlotCount(slotCount)
  return slotCount
}
