// Gives memory back: moves the records of chunks that are mostly empty into the room of others, so that whole chunks
// can go, and makes the index smaller after the table has shrunk. Works in steps of bounded size, each of which leaves
// the table whole; anything may happen to the table between two steps.
//
// Must not begin what does not pay: a chunk is emptied only when it wastes enough and when that really frees memory.

import { recordSize } from "../format/record.ts"
import { invariant } from "../model/invariant.ts"
import type { HashIndex } from "./hash-index.ts"
import { mixHash } from "./index-segment.ts"
import { addressOf, chunkOf, isFreeSlot, wordOf, type Slabs } from "./slabs.ts"
import type { TableVersions } from "./table-versions.ts"
import { copyWords } from "./word-copy.ts"

/** Chunks compared in one step before the sparsest is taken. */
const CHUNK_SCAN_MAX = 256
/** Slots looked at for each record that a step may move; a chunk that is emptied has mostly empty ones. */
const SLOT_SCAN_SHARE = 8
/** The same for packed chunks, in units of 8 bytes: other tables' records in them cost a search each. */
const PACKED_SCAN_SHARE = 8
/** Index segments looked at in one step. */
const SEGMENT_SCAN_MAX = 64
/** Records whose index slots are fetched at the same time. */
const LOOKAHEAD_COUNT = 16

export class Compaction {
  /** Records that are not in the index any more, and still wanted. Set by the table. */
  versions: TableVersions | undefined
  readonly #index: HashIndex
  readonly #slabs: Slabs
  readonly #deadShare: number
  readonly #addresses = new Uint32Array(LOOKAHEAD_COUNT)
  readonly #homeEntries = new Uint32Array(LOOKAHEAD_COUNT)
  #movedRecords = 0
  /** Next chunk to look at. */
  #chunk = 0
  /** Chunks seen since the last one that was worth emptying. */
  #seenCount = 0
  /** Unit of the next slot of the chunk being emptied. */
  #unit = 0
  /** Next directory position to look at; -1 while chunks come first. */
  #position = -1

  constructor(index: HashIndex, slabs: Slabs, deadShare: number) {
    this.#index = index
    this.#slabs = slabs
    this.#deadShare = deadShare
  }

  get movedRecords(): number {
    return this.#movedRecords
  }

  /** Moves at most `recordCountMax` records, or the entries of a few index segments. Returns whether there is more. */
  step(recordCountMax: number): boolean {
    if (this.#slabs.emptied < 0 && this.#position < 0) this.#chooseChunk()
    if (this.#slabs.emptied >= 0) {
      this.#moveRecords(recordCountMax)
      return true
    }
    return this.#position < 0 || this.#tidyIndex(recordCountMax)
  }

  /** Begins anew, after the table was cleared. */
  reset(): void {
    this.#chunk = 0
    this.#seenCount = 0
    this.#unit = 0
    this.#position = -1
  }

  #chooseChunk(): void {
    const limit = this.#slabs.chunkLimit
    const from = this.#chunk < limit ? this.#chunk : 0
    const to = Math.min(from + CHUNK_SCAN_MAX, limit)
    const chunk = this.#slabs.sparsest(from, to, this.#deadShare)
    if (chunk >= 0) {
      this.#slabs.beginEmptying(chunk)
      this.#unit = 0
      this.#seenCount = 0
      return
    }
    this.#chunk = to
    this.#seenCount += to - from
    if (this.#seenCount >= limit) {
      this.#seenCount = 0
      this.#position = 0
    }
  }

  #moveRecords(recordCountMax: number): void {
    const slabs = this.#slabs
    const chunk = slabs.emptied
    const end = slabs.carvedUnits(chunk)
    const share = slabs.isPacked(chunk) ? PACKED_SCAN_SHARE : SLOT_SCAN_SHARE * (slabs.slotSizeIn(chunk) >>> 3)
    const last = Math.min(end, this.#unit + recordCountMax * share)
    let left = recordCountMax
    while (left > 0 && this.#unit < last && slabs.emptied === chunk) {
      const count = this.#collect(chunk, last, Math.min(left, LOOKAHEAD_COUNT))
      for (let i = 0; i < count; i++) this.#moveRecord(this.#addresses[i] as number)
      left -= count
    }
    this.#movedRecords += recordCountMax - left
    invariant(slabs.emptied !== chunk || this.#unit < end, "a chunk whose records are all moved is dropped")
  }

  /** The next records of the chunk, at most so many, with their index slots on the way to the processor. */
  #collect(chunk: number, last: number, countMax: number): number {
    const words = this.#slabs.chunkWords[chunk] as Uint32Array
    const slotUnits = this.#slabs.isPacked(chunk) ? 0 : this.#slabs.slotSizeIn(chunk) >>> 3
    let count = 0
    let unit = this.#unit
    while (unit < last && count < countMax) {
      const address = addressOf(chunk, unit)
      const isFree = isFreeSlot(words, address)
      unit += slotUnits > 0 ? slotUnits : packedUnits(words, wordOf(address), isFree)
      if (isFree) continue
      const mixed = mixHash(words[wordOf(address)] as number)
      // A packed chunk holds other tables' records as well.
      if (slotUnits === 0 && !this.#index.has(mixed, address) && !this.#isVersion(mixed, address)) continue
      this.#homeEntries[count] = this.#index.homeEntry(mixed)
      this.#addresses[count] = address
      count++
    }
    this.#unit = unit
    return count
  }

  #moveRecord(address: number): void {
    const slabs = this.#slabs
    const words = slabs.chunkWords[chunkOf(address)] as Uint32Array
    const at = wordOf(address)
    const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
    const target = slabs.allocate(size)
    copyWords(words, at, slabs.chunkWords[chunkOf(target)] as Uint32Array, wordOf(target), size >>> 2)
    const mixed = mixHash(words[at] as number)
    const { versions } = this
    if (versions !== undefined && versions.rowAt(mixed, address) >= 0) versions.move(mixed, address, target)
    else this.#index.move(mixed, address, target)
    slabs.release(address, size)
  }

  #isVersion(mixed: number, address: number): boolean {
    return this.versions !== undefined && this.versions.rowAt(mixed, address) >= 0
  }

  #tidyIndex(entryCountMax: number): boolean {
    const index = this.#index
    const movedBefore = index.movedCount
    for (let i = 0; i < SEGMENT_SCAN_MAX && this.#position < index.directory.length; i++) {
      this.#position = index.tidy(this.#position)
      if (index.movedCount - movedBefore >= entryCountMax) return true
    }
    if (this.#position < index.directory.length) return true
    this.#position = -1
    return false
  }
}

/** Units from a record in a packed chunk, or from what is left of it, to the next. */
function packedUnits(words: Uint32Array, at: number, isFree: boolean): number {
  const size = isFree ? (words[at] as number) : recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
  return size >>> 3
}
