// Walks the records of a frame's payload. The frame's checksum has vouched for the bytes: what does not add up here is
// a defect of the writer, not of the disk.

import { invariant } from "../model/invariant.ts"
import {
  FLAG_CONTINUES,
  RECORD_FLAGS,
  RECORD_HASH,
  RECORD_HEADER_SIZE,
  RECORD_KEY_SIZE,
  RECORD_KIND,
  RECORD_TABLE,
  RECORD_VALUE_SIZE,
  recordSize,
} from "./record.ts"
import type { RecordBuffer } from "./record.ts"

/** Stands on one record at a time; reading a field allocates nothing. */
export class RecordWalk {
  /** Where the record starts in `buffer.bytes`. */
  offset = 0
  /** The commit that the record belongs to. */
  lsn = 0
  #buffer: RecordBuffer
  #next = 0
  #end = 0

  constructor(buffer: RecordBuffer) {
    this.#buffer = buffer
  }

  /** Starts over in front of the first record; `firstLsn` is its commit's. */
  reset(buffer: RecordBuffer, start: number, end: number, firstLsn: number): void {
    this.#buffer = buffer
    this.#next = start
    this.#end = end
    this.lsn = firstLsn - 1
  }

  /** Goes to the next record. False behind the last one. */
  next(): boolean {
    if (this.advance()) return true
    invariant(this.isAtEnd, "I6: records fill their frame")
    return false
  }

  /** The same for a frame that nobody vouches for but its bytes: false also at a record that goes beyond its end. */
  advance(): boolean {
    const at = this.#next
    if (at >= this.#end) return false
    this.offset = at
    const next = at + recordSize(this.keySize, this.valueSize)
    // A size that only damage can have may turn the sum back.
    if (next > this.#end || next <= at) return false
    this.#next = next
    if (!this.continues) this.lsn++
    return true
  }

  /** Whether there is no further record. */
  get isAtEnd(): boolean {
    return this.#next >= this.#end
  }

  get buffer(): RecordBuffer {
    return this.#buffer
  }
  get hash(): number {
    return this.#buffer.words[(this.offset + RECORD_HASH) >>> 2] as number
  }
  get valueSize(): number {
    return this.#buffer.words[(this.offset + RECORD_VALUE_SIZE) >>> 2] as number
  }
  get keySize(): number {
    return (this.#buffer.words[(this.offset + RECORD_KEY_SIZE) >>> 2] as number) & 0xffff
  }
  get kind(): number {
    return this.#buffer.bytes[this.offset + RECORD_KIND] as number
  }
  /** Whether the record belongs to the commit of the record before it. */
  get continues(): boolean {
    return ((this.#buffer.bytes[this.offset + RECORD_FLAGS] as number) & FLAG_CONTINUES) !== 0
  }
  /** The table, or for a shape definition the shape's id. */
  get tableId(): number {
    return this.#buffer.words[(this.offset + RECORD_TABLE) >>> 2] as number
  }
  get keyStart(): number {
    return this.offset + RECORD_HEADER_SIZE
  }
  get keyEnd(): number {
    return this.keyStart + this.keySize
  }
  get valueEnd(): number {
    return this.keyEnd + this.valueSize
  }
  /** The key, or for a table definition the name. */
  keyText(): string {
    return this.#buffer.bytes.utf8Slice(this.keyStart, this.keyEnd)
  }
}
