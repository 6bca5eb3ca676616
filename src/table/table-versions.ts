// Records of a table that were overwritten or deleted while somebody still wants to read them: versions. A version stays
// in its slot of the slabs, as it was, and is found through an index of its own; a row of numbers says when it ended.
//
// A version holds from the LSN of its record up to, but not with, the LSN that ended it. These spans do not overlap for
// a key, so at most one version holds at an LSN, and a key that was deleted in between has none: no tombstones.
//
// Guarantees: keeping and releasing a version cost the same whatever the number of others. Must not decide how long one
// is kept: that is the retention's (retention.ts).

import { RECORD_HEADER_SIZE, recordSize } from "../format/record.ts"
import { invariant } from "../model/invariant.ts"
import { HashIndex } from "./hash-index.ts"
import { homeOf, mixHash } from "./index-segment.ts"
import type { OpenSnapshot, Retention, VersionRows } from "./retention.ts"
import { isSameKey } from "./same-key.ts"
import { byteOf, chunkOf, wordOf, type Slabs } from "./slabs.ts"

const ROW_COUNT_FIRST = 16
/** Rows above which their memory is given back when the last version is released. */
const ROW_COUNT_KEPT = 4096
/** What a version takes besides its record, in bytes: its row, and its part of the index. */
export const VERSION_OVERHEAD = 32

export class TableVersions implements VersionRows {
  /** Numbers of rows, by the mixed hash of their keys. */
  readonly index: HashIndex = new HashIndex()
  readonly retention: Retention
  /** The newest LSN that somebody reads at, as of the run of changes that is being applied; -1: nobody reads. */
  newestLsn = -1
  readonly #slabs: Slabs
  /** By row: where the record is, the LSN that ended it, the next row of its list or of the free ones (-1: none). */
  #addresses = new Uint32Array(0)
  #ends = new Float64Array(0)
  #next = new Int32Array(0)
  #usedRows = 0
  #freeRow = -1
  #bytes = 0
  /** The snapshot that knows how many records there were when it was taken. */
  #counted: OpenSnapshot | undefined

  constructor(slabs: Slabs, retention: Retention) {
    this.#slabs = slabs
    this.retention = retention
  }

  get count(): number {
    return this.index.count
  }

  /** Bytes of the records. */
  get bytes(): number {
    return this.#bytes
  }

  /** Before a run of changes is applied to the table, which has so many records. */
  beginRun(count: number): void {
    const { newest } = this.retention
    this.newestLsn = newest === undefined ? -1 : newest.lsn
    if (newest === this.#counted || newest === undefined) return
    this.#counted = newest
    newest.noteChange(this, count)
  }

  /** Keeps the record at an address, which is ended by a commit. Requires: no snapshot is newer than that commit. */
  keep(mixed: number, address: number, size: number, endLsn: number): void {
    const row = this.#takeRow()
    this.#addresses[row] = address
    this.#ends[row] = endLsn
    this.index.add(mixed, row)
    this.#bytes += size
    this.retention.bytes += size + VERSION_OVERHEAD
    const { newest } = this.retention
    invariant(newest !== undefined, "a version is kept for a snapshot")
    this.#next[row] = newest.versions.get(this) ?? -1
    newest.versions.set(this, row)
  }

  /** Address of the version of a key that holds at an LSN, or -1. */
  find(mixed: number, words: Uint32Array, at: number, keySize: number, lsn: number): number {
    const index = this.index
    if (index.count === 0) return -1
    const position = index.positionOf(mixed)
    const segment = index.directory[position] as Uint32Array
    for (let word = homeOf(segment, index.depths[position] as number, mixed); ; word += 2) {
      const entry = segment[word + 1] as number
      if (entry === 0) return -1
      const found = segment[word] as number
      if (found < mixed) continue
      if (found > mixed) return -1
      if (!this.holdsAt(entry - 1, lsn)) continue
      const address = this.#addresses[entry - 1] as number
      const target = this.#slabs.chunkWords[chunkOf(address)] as Uint32Array
      const to = wordOf(address)
      if (((target[to + 2] as number) & 0xffff) === keySize && isSameKey(target, to + 4, words, at, keySize)) {
        return address
      }
    }
  }

  /** Whether a row's version holds at an LSN. */
  holdsAt(row: number, lsn: number): boolean {
    return (this.#ends[row] as number) > lsn && this.startOf(row) <= lsn
  }

  /** The commit that wrote a row's record. */
  startOf(row: number): number {
    const address = this.#addresses[row] as number
    const words = this.#slabs.chunkWords[chunkOf(address)] as Uint32Array
    const at = wordOf(address)
    return ((words[at + 2] as number) >>> 16) * 0x1_0000_0000 + (words[at + 3] as number)
  }

  /** Where a row's record is. */
  addressOf(row: number): number {
    return this.#addresses[row] as number
  }

  /** The key of a row's record. */
  keyOf(row: number): string {
    const address = this.#addresses[row] as number
    const bytes = this.#slabs.chunkBytes[chunkOf(address)] as Buffer
    const start = byteOf(address)
    const size = (bytes[start + 8] as number) | ((bytes[start + 9] as number) << 8)
    return bytes.toString("utf8", start + RECORD_HEADER_SIZE, start + RECORD_HEADER_SIZE + size)
  }

  /** The row whose record is at an address, or -1. */
  rowAt(mixed: number, address: number): number {
    const index = this.index
    const position = index.positionOf(mixed)
    const segment = index.directory[position] as Uint32Array
    for (let word = homeOf(segment, index.depths[position] as number, mixed); ; word += 2) {
      const entry = segment[word + 1] as number
      if (entry === 0 || (segment[word] as number) > mixed) return -1
      if (segment[word] === mixed && this.#addresses[entry - 1] === address) return entry - 1
    }
  }

  /** Compaction has moved the record. */
  move(mixed: number, address: number, target: number): void {
    const row = this.rowAt(mixed, address)
    invariant(row >= 0, "every record is in the index, or a version")
    this.#addresses[row] = target
  }

  /** Lets go of a version. Returns the row that followed it in its list. */
  release(row: number): number {
    const address = this.#addresses[row] as number
    const words = this.#slabs.chunkWords[chunkOf(address)] as Uint32Array
    const at = wordOf(address)
    const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
    this.index.removeEntry(mixHash(words[at] as number), row)
    this.#slabs.release(address, size)
    this.#bytes -= size
    this.retention.bytes -= size + VERSION_OVERHEAD
    const next = this.#next[row] as number
    this.#next[row] = this.#freeRow
    this.#freeRow = row
    if (this.index.count === 0 && this.#usedRows > ROW_COUNT_KEPT) this.#forgetRows()
    return next
  }

  /** Puts a row in front of another list. Returns the row that followed it in its own. */
  relink(row: number, head: number): number {
    const next = this.#next[row] as number
    this.#next[row] = head
    return next
  }

  // What many versions have made necessary is not kept for few.
  #forgetRows(): void {
    this.index.clear()
    this.#addresses = new Uint32Array(0)
    this.#ends = new Float64Array(0)
    this.#next = new Int32Array(0)
    this.#usedRows = 0
    this.#freeRow = -1
  }

  #takeRow(): number {
    const free = this.#freeRow
    if (free >= 0) {
      this.#freeRow = this.#next[free] as number
      return free
    }
    if (this.#usedRows === this.#addresses.length) this.#growRows()
    return this.#usedRows++
  }

  #growRows(): void {
    const count = Math.max(ROW_COUNT_FIRST, this.#addresses.length * 2)
    const addresses = new Uint32Array(count)
    const ends = new Float64Array(count)
    const next = new Int32Array(count)
    addresses.set(this.#addresses)
    ends.set(this.#ends)
    next.set(this.#next)
    this.#addresses = addresses
    this.#ends = ends
    this.#next = next
  }
}
