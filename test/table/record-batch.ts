// Builds records as the log has them, with hashes of the test's choice, and hands them to a table in batches.

import { allocateRecordBuffer, KIND_DELETE, KIND_PUT, recordSize, type RecordBuffer } from "../../src/format/record.ts"
import type { Table } from "../../src/table/table.ts"

/** Byte i of the value that a commit writes, so that every value of every commit differs. */
export function valueByte(lsn: number, i: number): number {
  return (Math.imul(lsn + 1, 0x9e3779b1) + Math.imul(i, 31)) & 0xff
}

/** A 32-bit hash, spread evenly, that depends on every byte. */
export function evenHash(key: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export class RecordBatch {
  #source: RecordBuffer
  #offsets = new Uint32Array(64)
  #lsns = new Float64Array(64)
  #count = 0
  #end = 0

  constructor(size: number = 64 * 1024) {
    this.#source = allocateRecordBuffer(size)
  }

  get count(): number {
    return this.#count
  }

  put(hash: number, key: Uint8Array, valueSize: number, lsn: number): void {
    const valueAt = this.#add(KIND_PUT, hash, key, valueSize, lsn)
    const bytes = this.#source.bytes
    // Long values are told apart by their ends; filling them byte by byte would be most of the test's time.
    const filled = Math.min(valueSize, 4096)
    for (let i = 0; i < filled; i++) bytes[valueAt + i] = valueByte(lsn, i)
    if (valueSize > filled) bytes.fill(lsn & 0xff, valueAt + filled, valueAt + valueSize)
  }

  delete(hash: number, key: Uint8Array, lsn: number): void {
    this.#add(KIND_DELETE, hash, key, 0, lsn)
  }

  /** Applies what was added and begins a new batch. */
  applyTo(table: Table): void {
    table.applyAll(this.#source, this.#offsets, this.#lsns, 0, this.#count)
    this.#count = 0
    this.#end = 0
  }

  #add(kind: number, hash: number, key: Uint8Array, valueSize: number, lsn: number): number {
    const size = recordSize(key.length, valueSize)
    this.#reserve(size)
    const at = this.#end
    const { bytes } = this.#source
    bytes.fill(0, at + size - 8, at + size)
    bytes.writeUInt32LE(hash, at)
    bytes.writeUInt32LE(valueSize, at + 4)
    bytes.writeUInt16LE(key.length, at + 8)
    // Flags and table id hold something, because the table must not take them for the LSN.
    bytes.writeUInt16LE(kind | 0x0100, at + 10)
    bytes.writeUInt32LE(0xabcdef01, at + 12)
    bytes.set(key, at + 16)
    this.#offsets[this.#count] = at
    this.#lsns[this.#count] = lsn
    this.#count++
    this.#end = at + size
    return at + 16 + key.length
  }

  #reserve(size: number): void {
    if (this.#count === this.#offsets.length) {
      const offsets = new Uint32Array(this.#count * 2)
      offsets.set(this.#offsets)
      this.#offsets = offsets
      const lsns = new Float64Array(this.#count * 2)
      lsns.set(this.#lsns)
      this.#lsns = lsns
    }
    if (this.#end + size <= this.#source.bytes.length) return
    const larger = allocateRecordBuffer((this.#end + size) * 2)
    this.#source.bytes.copy(larger.bytes, 0, 0, this.#end)
    this.#source = larger
  }
}

/** Whether the record at an address holds the value that the commit wrote. */
export function holdsValue(table: Table, address: number, valueSize: number, lsn: number): boolean {
  const bytes = table.bytesAt(address)
  const start = table.valueStart(address)
  if (table.valueEnd(address) - start !== valueSize || table.lsnAt(address) !== lsn) return false
  const filled = Math.min(valueSize, 4096)
  for (let i = 0; i < filled; i++) if (bytes[start + i] !== valueByte(lsn, i)) return false
  return (
    valueSize === filled || (bytes[start + filled] === (lsn & 0xff) && bytes[start + valueSize - 1] === (lsn & 0xff))
  )
}
