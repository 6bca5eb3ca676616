// Memory for records, outside the JavaScript heap. A chunk is one allocation, cut into slots of one size class
// (size-class.ts); a record too large for a slot is a chunk by itself. Chunks of a class grow with the class, so that
// what is allocated ahead stays a small share of what is used.
//
// Guarantees: allocating and releasing a slot touch one chunk and one line of the chunk table each, whatever the number
// of records; a chunk without records is given back to the allocator. Must not know what a record means: it leaves the
// bytes of a slot alone until the slot is released.
//
// An address is a number of 8-byte units: the chunk's number above, the unit inside the chunk below.
//
//   31                15 14                 0
//   +-------------------+-------------------+
//   |   chunk number    |  unit in chunk    |      a large record starts at unit 0 and may be longer
//   +-------------------+-------------------+
//
// A released slot holds FREE_MARK where a record has the size of its value, which no record reaches, and before it the
// unit of the next released slot of the chunk, plus 1 (0: none).

import { invariant } from "../model/invariant.ts"
import { LimitExceeded } from "../model/errors.ts"
import { CLASS_COUNT, CLASS_LARGE, sizeClassOf, slotSizeOf } from "./size-class.ts"

const UNIT_BITS = 15
const UNIT_MASK = (1 << UNIT_BITS) - 1
/** Chunks of one table instance; the address of the last unit plus 1 still fits 32 bits. */
const CHUNK_COUNT_MAX = (1 << (32 - UNIT_BITS)) - 1
const CHUNK_SIZE_MIN = 2 * 1024
/** Largest chunk cut into slots. The allocator's own 16 bytes still fit a whole number of pages. */
export const CHUNK_SIZE_MAX: number = 256 * 1024 - 16
const FREE_MARK = 0xffffffff

// The chunk table: eight words a chunk, so that one chunk's are half a cache line.
const CLASS = 0
/** Slots in the chunk. */
const CAPACITY = 1
/** Slots handed out at least once since the chunk was empty; the ones behind were never touched. */
const CARVED = 2
/** Slots that hold a record. */
const LIVE = 3
/** Unit of the first released slot, plus 1; 0 for none. */
const FREE = 4
/** Neighbours among the chunks of the class that have room; -1 for none. NEXT also links unused chunk numbers. */
const NEXT = 5
const PREVIOUS = 6
/** Bytes of the chunk. */
const SIZE = 7
/** PREVIOUS of a chunk that is in no list: it is full, large, or being emptied. */
const UNLISTED = -2

const noBytes = Buffer.alloc(0)
const noWords = new Uint32Array(0)

export function chunkOf(address: number): number {
  return address >>> UNIT_BITS
}

/** Where the record starts in the chunk's bytes. */
export function byteOf(address: number): number {
  return (address & UNIT_MASK) << 3
}

/** Where the record starts in the chunk's 32-bit words. */
export function wordOf(address: number): number {
  return (address & UNIT_MASK) << 1
}

/** Whether a slot that was handed out once holds no record now, by the words of its chunk. */
export function isFreeSlot(words: Uint32Array, address: number): boolean {
  return words[wordOf(address) + 1] === FREE_MARK
}

export class Slabs {
  /** Memory of each chunk, by its number; empty where the number is not in use. */
  readonly chunkBytes: Buffer[] = []
  /** The same memory as 32-bit words. */
  readonly chunkWords: Uint32Array[] = []
  readonly #chunkSizeMax: number
  /** By size class: the first chunk that has room, or -1. */
  readonly #open = new Int32Array(CLASS_COUNT).fill(-1)
  /** By size class: slots without a record, in the chunks that may be allocated from. */
  readonly #room = new Int32Array(CLASS_COUNT)
  /** By size class: bytes of its chunks. */
  readonly #classBytes = new Float64Array(CLASS_COUNT)
  #table = new Int32Array(8 * 4)
  /** First unused chunk number below chunkBytes.length, or -1. */
  #unused = -1
  #chunkCount = 0
  /** The chunk being emptied, or -1: nothing new is put into it. */
  #emptied = -1
  #allocatedBytes = 0
  #carvedBytes = 0
  #returnedBytes = 0

  constructor(chunkSizeMax: number = CHUNK_SIZE_MAX) {
    invariant(chunkSizeMax >= CHUNK_SIZE_MIN && chunkSizeMax <= CHUNK_SIZE_MAX, "a chunk's units fit its addresses")
    this.#chunkSizeMax = chunkSizeMax
  }

  /** Chunk numbers in use are below this. */
  get chunkLimit(): number {
    return this.chunkBytes.length
  }

  get chunkCount(): number {
    return this.#chunkCount
  }

  /** Bytes taken from the allocator and not yet given back. */
  get allocatedBytes(): number {
    return this.#allocatedBytes
  }

  /** Bytes of slots that were handed out, whether they hold a record now or not. */
  get carvedBytes(): number {
    return this.#carvedBytes
  }

  /** Bytes given back to the allocator so far. */
  get returnedBytes(): number {
    return this.#returnedBytes
  }

  /** A slot for a record of that size. Its bytes are whatever they were. */
  allocate(recordSize: number): number {
    const sizeClass = sizeClassOf(recordSize)
    if (sizeClass === CLASS_LARGE) return this.#addLarge(recordSize)
    let chunk = this.#open[sizeClass] as number
    if (chunk < 0) chunk = this.#addChunk(sizeClass)
    const table = this.#table
    const at = chunk << 3
    let unit = (table[at + FREE] as number) - 1
    if (unit >= 0) {
      const words = this.chunkWords[chunk] as Uint32Array
      table[at + FREE] = words[unit << 1] as number
    } else {
      const slotSize = slotSizeOf(sizeClass)
      const carved = table[at + CARVED] as number
      unit = carved * (slotSize >>> 3)
      table[at + CARVED] = carved + 1
      this.#carvedBytes += slotSize
    }
    const live = (table[at + LIVE] as number) + 1
    table[at + LIVE] = live
    this.#room[sizeClass] = (this.#room[sizeClass] as number) - 1
    if (live === table[at + CAPACITY]) this.#unlist(chunk)
    return ((chunk << UNIT_BITS) | unit) >>> 0
  }

  /** Takes the slot back. Whatever it held is gone. */
  release(address: number): void {
    const chunk = address >>> UNIT_BITS
    const table = this.#table
    const at = chunk << 3
    const sizeClass = table[at + CLASS] as number
    const live = (table[at + LIVE] as number) - 1
    table[at + LIVE] = live
    if (sizeClass === CLASS_LARGE) {
      this.#drop(chunk)
      return
    }
    const words = this.chunkWords[chunk] as Uint32Array
    const unit = address & UNIT_MASK
    words[unit << 1] = table[at + FREE] as number
    words[(unit << 1) + 1] = FREE_MARK
    table[at + FREE] = unit + 1
    if (chunk === this.#emptied) {
      if (live === 0) this.#drop(chunk)
      return
    }
    const room = (this.#room[sizeClass] as number) + 1
    this.#room[sizeClass] = room
    if (live === (table[at + CAPACITY] as number) - 1) this.#list(chunk, sizeClass)
    if (live === 0) this.#emptiedByReleases(chunk, sizeClass, room)
  }

  /** Whether a record of that size may stay where a record is now. */
  fits(address: number, recordSize: number): boolean {
    const at = (address >>> UNIT_BITS) << 3
    const sizeClass = this.#table[at + CLASS] as number
    if (sizeClass !== sizeClassOf(recordSize)) return false
    if (sizeClass !== CLASS_LARGE) return true
    const size = this.#table[at + SIZE] as number
    return recordSize <= size && size - recordSize <= size >>> 3
  }

  /**
   * The chunk among those numbered from `from` to `to` - 1 that wastes the largest share, if emptying it gives memory
   * back: at least `deadShare` of its slots are empty, and its records fit into the room of other chunks or, with what is
   * allocated ahead, into half its size. Else -1.
   */
  sparsest(from: number, to: number, deadShare: number): number {
    const table = this.#table
    let best = -1
    let bestShare = deadShare
    for (let chunk = from; chunk < to; chunk++) {
      const at = chunk << 3
      const capacity = table[at + CAPACITY] as number
      if (capacity === 0) continue
      const live = table[at + LIVE] as number
      const free = capacity - live
      const sizeClass = table[at + CLASS] as number
      const size = table[at + SIZE] as number
      const ahead = this.#chunkSizeFor((this.#classBytes[sizeClass] as number) - size)
      const shrinks = (live * slotSizeOf(sizeClass) + ahead) * 2 <= size
      // Slots that were never handed out are no waste as long as the class may still grow into them.
      const dead = shrinks || live === 0 ? free : (table[at + CARVED] as number) - live
      if (dead === 0 || dead < bestShare * capacity) continue
      if (shrinks || (this.#room[sizeClass] as number) - free >= live) {
        best = chunk
        bestShare = dead / capacity
      }
    }
    return best
  }

  /** Begins to empty the chunk: nothing new goes into it, and it is dropped when its last record leaves. */
  beginEmptying(chunk: number): void {
    invariant(this.#emptied < 0, "one chunk is emptied at a time")
    const at = chunk << 3
    const sizeClass = this.#table[at + CLASS] as number
    const live = this.#table[at + LIVE] as number
    this.#unlist(chunk)
    this.#room[sizeClass] = (this.#room[sizeClass] as number) - ((this.#table[at + CAPACITY] as number) - live)
    // The chunks that take its records are sized as if it were gone.
    this.#classBytes[sizeClass] = (this.#classBytes[sizeClass] as number) - (this.#table[at + SIZE] as number)
    this.#emptied = chunk
    if (live === 0) this.#drop(chunk)
  }

  /** The chunk being emptied, or -1. */
  get emptied(): number {
    return this.#emptied
  }

  /** Slots of the chunk that may hold a record: the ones behind were never handed out. */
  carvedCount(chunk: number): number {
    return this.#table[(chunk << 3) + CARVED] as number
  }

  /** Slots of the chunk that hold a record. */
  liveCount(chunk: number): number {
    return this.#table[(chunk << 3) + LIVE] as number
  }

  /** Bytes of each slot of the chunk. */
  slotSizeIn(chunk: number): number {
    const sizeClass = this.#table[(chunk << 3) + CLASS] as number
    return sizeClass === CLASS_LARGE ? (this.#table[(chunk << 3) + SIZE] as number) : slotSizeOf(sizeClass)
  }

  /** Address of a slot of a chunk, by its position among the slots. */
  slotAt(chunk: number, slot: number): number {
    return ((chunk << UNIT_BITS) | (slot * (this.slotSizeIn(chunk) >>> 3))) >>> 0
  }

  /** Gives everything back. */
  clear(): void {
    this.#returnedBytes += this.#allocatedBytes
    this.#allocatedBytes = 0
    this.#carvedBytes = 0
    this.#chunkCount = 0
    this.#emptied = -1
    this.#unused = -1
    this.#open.fill(-1)
    this.#room.fill(0)
    this.#classBytes.fill(0)
    this.#table = new Int32Array(8 * 4)
    this.chunkBytes.length = 0
    this.chunkWords.length = 0
  }

  // A chunk that runs empty goes at once when its class has room elsewhere. The last one with room stays, so that a
  // record that comes and goes does not cost an allocation each time; compaction takes it.
  #emptiedByReleases(chunk: number, sizeClass: number, room: number): void {
    const at = chunk << 3
    if (room > (this.#table[at + CAPACITY] as number)) {
      this.#room[sizeClass] = room - (this.#table[at + CAPACITY] as number)
      this.#classBytes[sizeClass] = (this.#classBytes[sizeClass] as number) - (this.#table[at + SIZE] as number)
      this.#unlist(chunk)
      this.#drop(chunk)
      return
    }
    this.#carvedBytes -= (this.#table[at + CARVED] as number) * slotSizeOf(sizeClass)
    this.#table[at + CARVED] = 0
    this.#table[at + FREE] = 0
  }

  #addChunk(sizeClass: number): number {
    const slotSize = slotSizeOf(sizeClass)
    const classBytes = this.#classBytes[sizeClass] as number
    const capacity = Math.max(1, Math.floor(this.#chunkSizeFor(classBytes) / slotSize))
    const chunk = this.#takeNumber(capacity * slotSize)
    const at = chunk << 3
    this.#table[at + CLASS] = sizeClass
    this.#table[at + CAPACITY] = capacity
    this.#table[at + CARVED] = 0
    this.#table[at + LIVE] = 0
    this.#room[sizeClass] = (this.#room[sizeClass] as number) + capacity
    this.#classBytes[sizeClass] = classBytes + capacity * slotSize
    this.#list(chunk, sizeClass)
    return chunk
  }

  /** Size of the next chunk of a class that has so many bytes. */
  #chunkSizeFor(classBytes: number): number {
    return Math.min(Math.max(Math.floor(classBytes / 8), CHUNK_SIZE_MIN), this.#chunkSizeMax)
  }

  #addLarge(recordSize: number): number {
    const chunk = this.#takeNumber(recordSize)
    const at = chunk << 3
    this.#table[at + CLASS] = CLASS_LARGE
    this.#table[at + CAPACITY] = 1
    this.#table[at + CARVED] = 1
    this.#table[at + LIVE] = 1
    this.#carvedBytes += recordSize
    return (chunk << UNIT_BITS) >>> 0
  }

  #takeNumber(size: number): number {
    // Not zeroed: nothing is read from a slot before a record was written to it. First, because it may fail.
    const bytes = Buffer.allocUnsafeSlow(size)
    let chunk = this.#unused
    if (chunk >= 0) this.#unused = this.#table[(chunk << 3) + NEXT] as number
    else {
      chunk = this.chunkBytes.length
      if (chunk >= CHUNK_COUNT_MAX)
        throw new LimitExceeded(
          "the number of memory chunks of a table in one shard",
          CHUNK_COUNT_MAX,
          chunk + 1,
          "Use more shards, or split the table",
        )
      if (chunk << 3 === this.#table.length) {
        const table = new Int32Array(chunk << 4)
        table.set(this.#table)
        this.#table = table
      }
      this.chunkBytes.push(noBytes)
      this.chunkWords.push(noWords)
    }
    this.chunkBytes[chunk] = bytes
    this.chunkWords[chunk] = new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2)
    const at = chunk << 3
    this.#table[at + FREE] = 0
    this.#table[at + PREVIOUS] = UNLISTED
    this.#table[at + SIZE] = size
    this.#allocatedBytes += size
    this.#chunkCount++
    return chunk
  }

  #drop(chunk: number): void {
    const at = chunk << 3
    const table = this.#table
    const size = table[at + SIZE] as number
    this.#carvedBytes -= (table[at + CARVED] as number) * this.slotSizeIn(chunk)
    this.#allocatedBytes -= size
    this.#returnedBytes += size
    this.#chunkCount--
    if (chunk === this.#emptied) this.#emptied = -1
    this.chunkBytes[chunk] = noBytes
    this.chunkWords[chunk] = noWords
    table.fill(0, at, at + 8)
    table[at + NEXT] = this.#unused
    table[at + PREVIOUS] = UNLISTED
    this.#unused = chunk
  }

  #list(chunk: number, sizeClass: number): void {
    const table = this.#table
    const first = this.#open[sizeClass] as number
    table[(chunk << 3) + NEXT] = first
    table[(chunk << 3) + PREVIOUS] = -1
    if (first >= 0) table[(first << 3) + PREVIOUS] = chunk
    this.#open[sizeClass] = chunk
  }

  #unlist(chunk: number): void {
    const table = this.#table
    const at = chunk << 3
    const previous = table[at + PREVIOUS] as number
    if (previous === UNLISTED) return
    const next = table[at + NEXT] as number
    if (previous >= 0) table[(previous << 3) + NEXT] = next
    else this.#open[table[at + CLASS] as number] = next
    if (next >= 0) table[(next << 3) + PREVIOUS] = previous
    table[at + PREVIOUS] = UNLISTED
  }
}
