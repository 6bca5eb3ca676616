// The chunks of a table's slabs (slabs.ts) by their number: their memory, and eight words about each, which are half a
// cache line. Numbers that are free again are given out first. Must not know what a chunk's bytes mean.

import { LimitExceeded } from "../model/errors.ts"

// The words of a chunk.
export const CLASS = 0
/** Slots in the chunk. */
export const CAPACITY = 1
/** Slots handed out at least once since the chunk was empty; the ones behind were never touched. */
export const CARVED = 2
/** Slots that hold a record. */
export const LIVE = 3
/** Unit of the first released slot, plus 1; 0 for none. */
export const FREE = 4
/** Neighbours among the chunks of the class that have room; -1 for none. NEXT also links unused chunk numbers. */
export const NEXT = 5
export const PREVIOUS = 6
/** Bytes of the chunk. */
export const SIZE = 7
/** PREVIOUS of a chunk that is in no list: it is full, large, packed, or being emptied. */
export const UNLISTED = -2

const ROW_COUNT_FIRST = 4
const noBytes = Buffer.alloc(0)
const noWords = new Uint32Array(0)

export class ChunkTable {
  /** Memory of each chunk, by its number; empty where the number is not in use. */
  readonly bytes: Buffer[] = []
  /** The same memory as 32-bit words. */
  readonly words: Uint32Array[] = []
  /** The words of all chunks: eight each. Replaced when there are more. */
  rows: Int32Array = new Int32Array(8 * ROW_COUNT_FIRST)
  readonly #countMax: number
  /** First unused chunk number below bytes.length, or -1. */
  #unused = -1
  #count = 0
  #allocatedBytes = 0
  #returnedBytes = 0

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** Chunks in use. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the chunks in use. */
  get allocatedBytes(): number {
    return this.#allocatedBytes
  }

  /** Bytes of the chunks that were dropped. */
  get returnedBytes(): number {
    return this.#returnedBytes
  }

  /** Gives memory a number. Its words are zero, but SIZE, and PREVIOUS: it is in no list. Fails with: LimitExceeded. */
  take(sizeClass: number, bytes: Buffer, words: Uint32Array, size: number): number {
    let chunk = this.#unused
    if (chunk >= 0) this.#unused = this.rows[(chunk << 3) + NEXT] as number
    else chunk = this.#newNumber()
    this.bytes[chunk] = bytes
    this.words[chunk] = words
    const at = chunk << 3
    this.rows.fill(0, at, at + 8)
    this.rows[at + CLASS] = sizeClass
    this.rows[at + PREVIOUS] = UNLISTED
    this.resize(chunk, size)
    this.#count++
    return chunk
  }

  /** Says how many bytes of a chunk are this table's. */
  resize(chunk: number, size: number): void {
    this.#allocatedBytes += size - (this.rows[(chunk << 3) + SIZE] as number)
    this.rows[(chunk << 3) + SIZE] = size
  }

  /** Gives the memory back, and the number free. */
  drop(chunk: number): void {
    const at = chunk << 3
    const size = this.rows[at + SIZE] as number
    this.#allocatedBytes -= size
    this.#returnedBytes += size
    this.#count--
    this.bytes[chunk] = noBytes
    this.words[chunk] = noWords
    this.rows.fill(0, at, at + 8)
    this.rows[at + NEXT] = this.#unused
    this.rows[at + PREVIOUS] = UNLISTED
    this.#unused = chunk
  }

  /** Gives everything back. */
  clear(): void {
    this.#returnedBytes += this.#allocatedBytes
    this.#allocatedBytes = 0
    this.#count = 0
    this.#unused = -1
    this.rows = new Int32Array(8 * ROW_COUNT_FIRST)
    this.bytes.length = 0
    this.words.length = 0
  }

  #newNumber(): number {
    const chunk = this.bytes.length
    if (chunk >= this.#countMax) {
      throw new LimitExceeded(
        "the number of memory chunks of a table in one shard",
        this.#countMax,
        chunk + 1,
        "Use more shards, or split the table",
      )
    }
    if (chunk << 3 === this.rows.length) {
      const rows = new Int32Array(chunk << 4)
      rows.set(this.rows)
      this.rows = rows
    }
    this.bytes.push(noBytes)
    this.words.push(noWords)
    return chunk
  }
}
