// Memory for records, outside the JavaScript heap. A chunk is one allocation, cut into slots of one size class
// (size-class.ts); a record too large for a slot is a chunk by itself. Chunks of a class grow with the class, so that
// what is allocated ahead stays a small share of what is used. A packed chunk is memory that came full of records, one
// behind another, of any size, some of them other tables': a block of a checkpoint, as it was read.
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
// unit of the next released slot of the chunk, plus 1 (0: none); in a packed chunk, where nothing new is put, its bytes.

import { invariant } from "../model/invariant.ts"
import { CAPACITY, CARVED, ChunkTable, CLASS, FREE, LIVE, NEXT, PREVIOUS, SIZE, UNLISTED } from "./chunk-table.ts"
import { CLASS_COUNT, CLASS_LARGE, sizeClassOf, slotSizeOf } from "./size-class.ts"

const UNIT_BITS = 15
const UNIT_MASK = (1 << UNIT_BITS) - 1
/** Chunks of one table instance; the address of the last unit plus 1 still fits 32 bits. */
const CHUNK_COUNT_MAX = (1 << (32 - UNIT_BITS)) - 1
const CHUNK_SIZE_MIN = 2 * 1024
/** Largest chunk cut into slots. The allocator's own 16 bytes still fit a whole number of pages. */
export const CHUNK_SIZE_MAX: number = 256 * 1024 - 16
/** Largest packed chunk: its records must have addresses. */
export const PACKED_SIZE_MAX: number = (UNIT_MASK + 1) << 3
const FREE_MARK = 0xffffffff
/** The class of packed chunks. */
const CLASS_PACKED = CLASS_COUNT

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

/** The address of a unit of a chunk. */
export function addressOf(chunk: number, unit: number): number {
  return ((chunk << UNIT_BITS) | unit) >>> 0
}

/** Whether a slot that was handed out once holds no record now, by the words of its chunk. */
export function isFreeSlot(words: Uint32Array, address: number): boolean {
  return words[wordOf(address) + 1] === FREE_MARK
}

export class Slabs {
  readonly #chunks = new ChunkTable(CHUNK_COUNT_MAX)
  /** Memory of each chunk, by its number; empty where the number is not in use. */
  readonly chunkBytes: Buffer[] = this.#chunks.bytes
  /** The same memory as 32-bit words. */
  readonly chunkWords: Uint32Array[] = this.#chunks.words
  readonly #chunkSizeMax: number
  /** By size class: the first chunk that has room, or -1. */
  readonly #open = new Int32Array(CLASS_COUNT).fill(-1)
  /** By size class: slots without a record, in the chunks that may be allocated from. */
  readonly #room = new Int32Array(CLASS_COUNT)
  /** By size class: bytes of its chunks. */
  readonly #classBytes = new Float64Array(CLASS_COUNT)
  /** The chunk being emptied, or -1: nothing new is put into it. */
  #emptied = -1
  #carvedBytes = 0

  constructor(chunkSizeMax: number = CHUNK_SIZE_MAX) {
    invariant(chunkSizeMax >= CHUNK_SIZE_MIN && chunkSizeMax <= CHUNK_SIZE_MAX, "a chunk's units fit its addresses")
    this.#chunkSizeMax = chunkSizeMax
  }

  /** Chunk numbers in use are below this. */
  get chunkLimit(): number {
    return this.chunkBytes.length
  }

  get chunkCount(): number {
    return this.#chunks.count
  }

  /** Bytes taken from the allocator and not yet given back; of packed chunks, those of this table's records. */
  get allocatedBytes(): number {
    return this.#chunks.allocatedBytes
  }

  /** Bytes of slots that were handed out, whether they hold a record now or not. */
  get carvedBytes(): number {
    return this.#carvedBytes
  }

  /** Bytes given back to the allocator so far. */
  get returnedBytes(): number {
    return this.#chunks.returnedBytes
  }

  /** A slot for a record of that size. Its bytes are whatever they were. */
  allocate(recordSize: number): number {
    const sizeClass = sizeClassOf(recordSize)
    if (sizeClass === CLASS_LARGE) return this.#addLarge(recordSize)
    let chunk = this.#open[sizeClass] as number
    if (chunk < 0) chunk = this.#addChunk(sizeClass)
    const table = this.#chunks.rows
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
    return addressOf(chunk, unit)
  }

  /**
   * Takes over memory full of records, at most PACKED_SIZE_MAX of it; several tables may. Returns the chunk's number.
   * `settle` has to follow.
   */
  adopt(bytes: Buffer, words: Uint32Array): number {
    return this.#chunks.take(CLASS_PACKED, bytes, words, 0)
  }

  /** Says how many records of a packed chunk are this table's, and their bytes. */
  settle(chunk: number, recordCount: number, bytes: number): void {
    const at = chunk << 3
    this.#chunks.rows[at + CAPACITY] = recordCount
    this.#chunks.rows[at + CARVED] = recordCount
    this.#chunks.rows[at + LIVE] = recordCount
    this.#chunks.resize(chunk, bytes)
    this.#carvedBytes += bytes
  }

  /** Takes the slot of a record of that size back. Whatever it held is gone. */
  release(address: number, recordSize: number): void {
    const chunk = address >>> UNIT_BITS
    const table = this.#chunks.rows
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
    if (sizeClass === CLASS_PACKED) {
      words[unit << 1] = recordSize
      words[(unit << 1) + 1] = FREE_MARK
      if (live === 0) this.#drop(chunk)
      return
    }
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
    const sizeClass = this.#chunks.rows[at + CLASS] as number
    if (sizeClass !== sizeClassOf(recordSize)) return false
    if (sizeClass !== CLASS_LARGE) return true
    const size = this.#chunks.rows[at + SIZE] as number
    return recordSize <= size && size - recordSize <= size >>> 3
  }

  /**
   * The chunk among those numbered from `from` to `to` - 1 that wastes the largest share, if emptying it gives memory
   * back: at least `deadShare` of its slots are empty, and its records fit into the room of other chunks or, with what is
   * allocated ahead, into half its size. Of a packed chunk, whose slots nothing can use again, the share alone. Else -1.
   */
  sparsest(from: number, to: number, deadShare: number): number {
    const table = this.#chunks.rows
    let best = -1
    let bestShare = deadShare
    for (let chunk = from; chunk < to; chunk++) {
      const at = chunk << 3
      const capacity = table[at + CAPACITY] as number
      if (capacity === 0) continue
      const live = table[at + LIVE] as number
      const free = capacity - live
      const sizeClass = table[at + CLASS] as number
      if (sizeClass === CLASS_PACKED) {
        if (free === 0 || free < bestShare * capacity) continue
        best = chunk
        bestShare = free / capacity
        continue
      }
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
    this.#emptied = chunk
    if (this.isPacked(chunk)) return
    const at = chunk << 3
    const sizeClass = this.#chunks.rows[at + CLASS] as number
    const live = this.#chunks.rows[at + LIVE] as number
    this.#unlist(chunk)
    this.#room[sizeClass] = (this.#room[sizeClass] as number) - ((this.#chunks.rows[at + CAPACITY] as number) - live)
    // The chunks that take its records are sized as if it were gone.
    this.#classBytes[sizeClass] = (this.#classBytes[sizeClass] as number) - (this.#chunks.rows[at + SIZE] as number)
    if (live === 0) this.#drop(chunk)
  }

  /** The chunk being emptied, or -1. */
  get emptied(): number {
    return this.#emptied
  }

  /** Whether records of any size lie in the chunk one behind another, some of which may not be this table's. */
  isPacked(chunk: number): boolean {
    return this.#chunks.rows[(chunk << 3) + CLASS] === CLASS_PACKED
  }

  /** Units of the chunk that may hold a record: the ones behind were never handed out. */
  carvedUnits(chunk: number): number {
    if (this.isPacked(chunk)) return (this.chunkWords[chunk] as Uint32Array).length >>> 1
    return (this.#chunks.rows[(chunk << 3) + CARVED] as number) * (this.slotSizeIn(chunk) >>> 3)
  }

  /** Slots of the chunk that hold a record of this table. */
  liveCount(chunk: number): number {
    return this.#chunks.rows[(chunk << 3) + LIVE] as number
  }

  /** Bytes of the chunk that are this table's. */
  sizeOf(chunk: number): number {
    return this.#chunks.rows[(chunk << 3) + SIZE] as number
  }

  /** Bytes of each slot of a chunk that is not packed. */
  slotSizeIn(chunk: number): number {
    const sizeClass = this.#chunks.rows[(chunk << 3) + CLASS] as number
    return sizeClass === CLASS_LARGE ? this.sizeOf(chunk) : slotSizeOf(sizeClass)
  }

  /** Gives everything back. */
  clear(): void {
    this.#chunks.clear()
    this.#carvedBytes = 0
    this.#emptied = -1
    this.#open.fill(-1)
    this.#room.fill(0)
    this.#classBytes.fill(0)
  }

  // A chunk that runs empty goes at once when its class has room elsewhere. The last one with room stays, so that a
  // record that comes and goes does not cost an allocation each time; compaction takes it.
  #emptiedByReleases(chunk: number, sizeClass: number, room: number): void {
    const at = chunk << 3
    if (room > (this.#chunks.rows[at + CAPACITY] as number)) {
      this.#room[sizeClass] = room - (this.#chunks.rows[at + CAPACITY] as number)
      this.#classBytes[sizeClass] = (this.#classBytes[sizeClass] as number) - (this.#chunks.rows[at + SIZE] as number)
      this.#unlist(chunk)
      this.#drop(chunk)
      return
    }
    this.#carvedBytes -= (this.#chunks.rows[at + CARVED] as number) * slotSizeOf(sizeClass)
    this.#chunks.rows[at + CARVED] = 0
    this.#chunks.rows[at + FREE] = 0
  }

  #addChunk(sizeClass: number): number {
    const slotSize = slotSizeOf(sizeClass)
    const classBytes = this.#classBytes[sizeClass] as number
    const capacity = Math.max(1, Math.floor(this.#chunkSizeFor(classBytes) / slotSize))
    const chunk = this.#allocateChunk(sizeClass, capacity * slotSize)
    this.#chunks.rows[(chunk << 3) + CAPACITY] = capacity
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
    const chunk = this.#allocateChunk(CLASS_LARGE, recordSize)
    const at = chunk << 3
    this.#chunks.rows[at + CAPACITY] = 1
    this.#chunks.rows[at + CARVED] = 1
    this.#chunks.rows[at + LIVE] = 1
    this.#carvedBytes += recordSize
    return addressOf(chunk, 0)
  }

  #allocateChunk(sizeClass: number, size: number): number {
    // Not zeroed: nothing is read from a slot before a record was written to it.
    const bytes = Buffer.allocUnsafeSlow(size)
    return this.#chunks.take(sizeClass, bytes, new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2), size)
  }

  #drop(chunk: number): void {
    this.#carvedBytes -= this.isPacked(chunk)
      ? this.sizeOf(chunk)
      : (this.#chunks.rows[(chunk << 3) + CARVED] as number) * this.slotSizeIn(chunk)
    if (chunk === this.#emptied) this.#emptied = -1
    this.#chunks.drop(chunk)
  }

  #list(chunk: number, sizeClass: number): void {
    const table = this.#chunks.rows
    const first = this.#open[sizeClass] as number
    table[(chunk << 3) + NEXT] = first
    table[(chunk << 3) + PREVIOUS] = -1
    if (first >= 0) table[(first << 3) + PREVIOUS] = chunk
    this.#open[sizeClass] = chunk
  }

  #unlist(chunk: number): void {
    const table = this.#chunks.rows
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
