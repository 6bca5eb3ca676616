// A table of one shard: records by key, as bytes outside the JavaScript heap. Records lie in slabs (slabs.ts), found
// through an index of their keys' hashes (hash-index.ts). Everything is synchronous, nothing is allocated on the
// JavaScript heap for a record, and no operation does work for more than one index segment, whatever the table's size.
//
// A record is kept as the log has it (format/record.ts), with the LSN of its commit in bytes 10 to 15. Must not read
// the log, decode values or know what durable means.

import { KIND_DELETE, KIND_PUT, RECORD_HEADER_SIZE, recordSize, type RecordBuffer } from "../format/record.ts"
import { invariant, InvariantViolation } from "../model/invariant.ts"
import { Compaction } from "./compaction.ts"
import { HashIndex } from "./hash-index.ts"
import type { DeferredEntries } from "./deferred-entries.ts"
import type { IndexBuilder } from "./index-builder.ts"
import { homeOf, mixHash } from "./index-segment.ts"
import type { Retention } from "./retention.ts"
import { isSameKey } from "./same-key.ts"
import { byteOf, chunkOf, Slabs, wordOf } from "./slabs.ts"
import { TableCursor } from "./table-cursor.ts"
import type { TableMetrics } from "./table-metrics.ts"
import { TableVersions } from "./table-versions.ts"
import { copyWords } from "./word-copy.ts"

/** How many records are looked at before the first of them is applied: enough to hide the cache misses of each other. */
const LOOKAHEAD_COUNT = 16
/** Words of 4 bytes in a cache line. */
const WORDS_A_LINE = 16
/** Share of a chunk's slots that must be empty before compaction touches it. */
const DEAD_SHARE_DEFAULT = 0.25

export interface TableOptions {
  /** Largest piece of memory that small records share, in bytes. */
  readonly chunkSizeMax?: number
  /** Share of a chunk, from 0 to 1, that must hold nothing before compaction moves the rest away. */
  readonly compactionDeadShare?: number
}

export class Table {
  /** Where records are. For the parts of a table only. */
  readonly index: HashIndex = new HashIndex()
  /** What records are. For the parts of a table only. */
  readonly slabs: Slabs
  readonly #compaction: Compaction
  /** What the look-ahead found in the home slots. */
  readonly #homeEntries = new Uint32Array(LOOKAHEAD_COUNT)
  /** What snapshots may still read; undefined until the first one is taken. */
  #versions: TableVersions | undefined
  /** With those that are not in the index yet. */
  #liveBytes = 0
  /** Records that are not in the index yet, and their bytes. */
  #deferredCount = 0
  #deferredBytes = 0
  #generation = 0

  constructor(options: TableOptions = {}) {
    this.slabs = new Slabs(options.chunkSizeMax)
    this.#compaction = new Compaction(this.index, this.slabs, options.compactionDeadShare ?? DEAD_SHARE_DEFAULT)
  }

  /** Records in the table. */
  get count(): number {
    return this.index.count + this.#deferredCount
  }

  /** Changes whenever addresses may have changed their meaning. */
  get generation(): number {
    return this.#generation
  }

  /**
   * Applies the records at `offsets[from]` to `offsets[to - 1]` of `source.bytes`, in order: a put sets the key, a
   * delete removes it. `lsns[i]` is the LSN of record i.
   *
   * Requires: offsets are multiples of 8, and the records are puts and deletes of this table.
   */
  applyAll(source: RecordBuffer, offsets: Uint32Array, lsns: Float64Array, from: number, to: number): void {
    this.#generation++
    const words = source.words
    this.#versions?.beginRun(this.count)
    for (let start = from; start < to; start += LOOKAHEAD_COUNT) {
      const end = Math.min(start + LOOKAHEAD_COUNT, to)
      this.#lookAhead(words, offsets, start, end)
      for (let i = start; i < end; i++) {
        const at = (offsets[i] as number) >>> 2
        const kind = ((words[at + 2] as number) >>> 16) & 0xff
        const lsn = lsns[i] as number
        if (kind === KIND_PUT) this.#put(words, at, lsn | 0, (lsn / 0x1_0000_0000) | 0)
        else if (kind === KIND_DELETE) this.#delete(words, at, lsn | 0, (lsn / 0x1_0000_0000) | 0)
        else throw new InvariantViolation(`a table applies puts and deletes, not kind ${kind}`)
      }
    }
    this.#versions?.retention.enforce()
  }

  /** Address of the record whose key stands in 32-bit words from `at` on, as records and hashAsciiKey have it; or -1. */
  find(hash: number, words: Uint32Array, at: number, keySize: number): number {
    const index = this.index
    const mixed = mixHash(hash)
    const position = (mixed >>> 1) >>> index.shift
    const segment = index.directory[position] as Uint32Array
    for (let word = homeOf(segment, index.depths[position] as number, mixed); ; word += 2) {
      const entry = segment[word + 1] as number
      if (entry === 0) break
      const found = segment[word] as number
      if (found < mixed) continue
      if (found > mixed) return -1
      const target = this.slabs.chunkWords[chunkOf(entry - 1)] as Uint32Array
      const to = wordOf(entry - 1)
      if (((target[to + 2] as number) & 0xffff) === keySize && isSameKey(target, to + 4, words, at, keySize)) {
        return entry - 1
      }
    }
    if (segment !== index.marker) return -1
    index.ensure(mixed)
    return this.find(hash, words, at, keySize)
  }

  /** The same for the records at the first `count` offsets, of which only the keys count: their addresses into `found`. */
  findAll(words: Uint32Array, offsets: Uint32Array, count: number, found: Float64Array): void {
    for (let start = 0; start < count; start += LOOKAHEAD_COUNT) {
      const end = Math.min(start + LOOKAHEAD_COUNT, count)
      this.#lookAhead(words, offsets, start, end)
      for (let i = start; i < end; i++) {
        const at = (offsets[i] as number) >>> 2
        found[i] = this.find(words[at] as number, words, at + 4, (words[at + 2] as number) & 0xffff)
      }
    }
  }

  /** The same at an LSN that is read at, where the record may be one that was overwritten or deleted since. */
  findAt(hash: number, words: Uint32Array, at: number, keySize: number, lsn: number): number {
    const address = this.find(hash, words, at, keySize)
    if (address >= 0 && this.lsnAt(address) <= lsn) return address
    return this.#versions?.find(mixHash(hash), words, at, keySize, lsn) ?? -1
  }

  // Reading a record that was found. Addresses hold until the next change or compaction step.

  /** The bytes that hold the record, among others. */
  bytesAt(address: number): Buffer {
    return this.slabs.chunkBytes[chunkOf(address)] as Buffer
  }

  keyStart(address: number): number {
    return byteOf(address) + RECORD_HEADER_SIZE
  }

  keyEnd(address: number): number {
    return byteOf(address) + RECORD_HEADER_SIZE + ((this.#wordsAt(address)[wordOf(address) + 2] as number) & 0xffff)
  }

  valueStart(address: number): number {
    return this.keyEnd(address)
  }

  valueEnd(address: number): number {
    const words = this.#wordsAt(address)
    const at = wordOf(address)
    const keySize = (words[at + 2] as number) & 0xffff
    return byteOf(address) + RECORD_HEADER_SIZE + keySize + (words[at + 1] as number)
  }

  /** The commit that wrote the record. */
  lsnAt(address: number): number {
    const words = this.#wordsAt(address)
    const at = wordOf(address)
    return ((words[at + 2] as number) >>> 16) * 0x1_0000_0000 + (words[at + 3] as number)
  }

  /**
   * One bounded step of compaction: moves at most `recordCountMax` records out of chunks that are mostly empty, gives
   * chunks without records back, makes the index smaller where it has become too large. Returns whether there is more
   * to do.
   */
  compactStep(recordCountMax: number): boolean {
    // The index is not tidied before it is whole.
    if (this.index.isDeferred) return false
    this.#generation++
    return this.#compaction.step(recordCountMax)
  }

  /** From now on keeps what snapshots need, as the retention says. */
  retain(retention: Retention): void {
    if (this.#versions?.retention === retention) return
    invariant(this.#versions === undefined, "a table has one retention")
    this.#versions = new TableVersions(this.slabs, retention)
    this.#compaction.versions = this.#versions
  }

  /** Undefined before `retain`. */
  get versions(): TableVersions | undefined {
    return this.#versions
  }

  /** Takes over an index that was built over records of `liveBytes` in the slabs. For table-loader.ts only. */
  adopt(builder: IndexBuilder, liveBytes: number): void {
    this.#generation++
    this.index.adopt(builder)
    this.#liveBytes = liveBytes
  }

  /**
   * Has so many records more, which are not in the index yet: see DeferredRecords, which alone calls this and `enter`.
   * Requires: the table is empty.
   */
  defer(depth: number, records: DeferredEntries, count: number, bytes: number): void {
    invariant(this.count === 0, "records are put off for an empty table")
    this.index.defer(depth, records)
    this.#deferredCount = count
    this.#deferredBytes = bytes
    this.#liveBytes = bytes
  }

  /** Has a range of the records that were put off in its index, which are in the slabs by now. */
  enter(range: number, pairs: Uint32Array, end: number, bytes: number): void {
    this.index.fill(range, pairs, end)
    this.#deferredCount -= end >>> 1
    this.#deferredBytes -= bytes
  }

  /** Removes every record and gives the memory back. Requires: no versions. */
  clear(): void {
    invariant((this.#versions?.count ?? 0) === 0, "a table with versions is not cleared")
    // Nothing may be entered later.
    this.index.ensureAll()
    this.#generation++
    this.#liveBytes = 0
    this.index.clear()
    this.slabs.clear()
    this.#compaction.reset()
  }

  /** A walk over all records, or over those with mixed hashes below `end`, that holds through any change in between. */
  cursor(position: number = 0, end?: number): TableCursor {
    return new TableCursor(this.index, this.slabs, position, end)
  }

  /** Bytes of the records, with header and padding. */
  get liveBytes(): number {
    return this.#liveBytes
  }

  metrics(): TableMetrics {
    return {
      count: this.count,
      deferredCount: this.#deferredCount,
      liveBytes: this.#liveBytes,
      deadBytes: this.slabs.carvedBytes + this.#deferredBytes - this.#liveBytes - (this.#versions?.bytes ?? 0),
      versionBytes: this.#versions?.bytes ?? 0,
      allocatedBytes: this.slabs.allocatedBytes + this.#deferredBytes,
      indexBytes: this.index.byteSize,
      indexSlots: this.index.slotCount,
      segments: this.index.segmentCount,
      chunks: this.slabs.chunkCount,
      movedRecords: this.#compaction.movedRecords,
      returnedBytes: this.slabs.returnedBytes,
      longestProbe: this.index.probeMax,
      longestRehash: this.index.movedMax,
    }
  }

  #wordsAt(address: number): Uint32Array {
    return this.slabs.chunkWords[chunkOf(address)] as Uint32Array
  }

  // Reads what the next records will need: the processor fetches independent lines at the same time, where applying one
  // record after the other would wait for each. First the slots, without a branch on what they hold; a branch on a line
  // that is still on its way would end the overlap. Then the records. What is read is checked, or the reads would be
  // optimised away.
  #lookAhead(words: Uint32Array, offsets: Uint32Array, from: number, to: number): void {
    const { directory, depths, shift } = this.index
    const chunkWords = this.slabs.chunkWords
    const homeEntries = this.#homeEntries
    for (let i = from; i < to; i++) {
      const mixed = mixHash(words[(offsets[i] as number) >>> 2] as number)
      const position = (mixed >>> 1) >>> shift
      const segment = directory[position] as Uint32Array
      homeEntries[i - from] = segment[homeOf(segment, depths[position] as number, mixed) + 1] as number
    }
    let differences = 0
    for (let i = from; i < to; i++) {
      let entry = homeEntries[i - from] as number
      if (entry === 0) continue
      const hash = words[(offsets[i] as number) >>> 2] as number
      const mixed = mixHash(hash)
      const position = (mixed >>> 1) >>> shift
      const segment = directory[position] as Uint32Array
      let word = homeOf(segment, depths[position] as number, mixed)
      while (entry !== 0 && (segment[word] as number) < mixed) {
        word += 2
        entry = segment[word + 1] as number
      }
      if (entry === 0 || segment[word] !== mixed) continue
      const target = chunkWords[chunkOf(entry - 1)] as Uint32Array
      const at = wordOf(entry - 1)
      differences |= (target[at] as number) ^ hash
      // The line behind the header's: it will be written.
      homeEntries[i - from] = target[Math.min(at + WORDS_A_LINE, target.length - 1)] as number
    }
    invariant(differences === 0, "the index and the records agree on hashes")
  }

  #put(words: Uint32Array, at: number, lsnLow: number, lsnHigh: number): void {
    const hash = words[at] as number
    const valueSize = words[at + 1] as number
    const keySize = (words[at + 2] as number) & 0xffff
    const size = recordSize(keySize, valueSize)
    const index = this.index
    const slabs = this.slabs
    const mixed = mixHash(hash)
    const position = (mixed >>> 1) >>> index.shift
    const segment = index.directory[position] as Uint32Array
    const search = this.#search(segment, index.depths[position] as number, mixed | 0, words, at + 4, keySize)
    let address: number
    if (search < 0 && segment === index.marker) {
      index.ensure(mixed)
      return this.#put(words, at, lsnLow, lsnHigh)
    }
    if (search < 0) {
      address = slabs.allocate(size)
      this.#liveBytes += size
      index.insert(position, ~search, mixed | 0, address)
    } else {
      address = (segment[search + 1] as number) - 1
      const target = slabs.chunkWords[chunkOf(address)] as Uint32Array
      const before = recordSize(keySize, target[wordOf(address) + 1] as number)
      this.#liveBytes += size - before
      if (this.#versions !== undefined && this.#keep(mixed | 0, address, before, lsnLow, lsnHigh)) {
        address = slabs.allocate(size)
        segment[search + 1] = address + 1
      } else if (before !== size && !slabs.fits(address, size)) {
        const previous = address
        address = slabs.allocate(size)
        segment[search + 1] = address + 1
        slabs.release(previous, before)
      }
    }
    const target = slabs.chunkWords[chunkOf(address)] as Uint32Array
    const to = wordOf(address)
    copyWords(words, at, target, to, size >>> 2)
    target[to + 2] = keySize | (lsnHigh << 16)
    target[to + 3] = lsnLow
  }

  #delete(words: Uint32Array, at: number, lsnLow: number, lsnHigh: number): void {
    const index = this.index
    const mixed = mixHash(words[at] as number)
    const position = (mixed >>> 1) >>> index.shift
    const segment = index.directory[position] as Uint32Array
    const keySize = (words[at + 2] as number) & 0xffff
    const search = this.#search(segment, index.depths[position] as number, mixed | 0, words, at + 4, keySize)
    if (search < 0 && segment === index.marker) {
      index.ensure(mixed)
      return this.#delete(words, at, lsnLow, lsnHigh)
    }
    if (search < 0) return
    const address = (segment[search + 1] as number) - 1
    const valueSize = (this.slabs.chunkWords[chunkOf(address)] as Uint32Array)[wordOf(address) + 1] as number
    const size = recordSize(keySize, valueSize)
    this.#liveBytes -= size
    index.remove(position, search)
    if (this.#versions !== undefined && this.#keep(mixed | 0, address, size, lsnLow, lsnHigh)) return
    this.slabs.release(address, size)
  }

  /** Keeps a record that a commit ends, if a snapshot reads it. Returns whether it does. */
  #keep(signedMixed: number, address: number, size: number, lsnLow: number, lsnHigh: number): boolean {
    const versions = this.#versions
    if (versions === undefined || this.lsnAt(address) > versions.newestLsn) return false
    versions.keep(signedMixed >>> 0, address, size, lsnHigh * 0x1_0000_0000 + (lsnLow >>> 0))
    return true
  }

  /** Word of the entry for the key in `words` from `at` on, or the complement of the word where it would be inserted. */
  #search(
    segment: Uint32Array,
    depth: number,
    signedMixed: number,
    words: Uint32Array,
    at: number,
    keySize: number,
  ): number {
    const chunkWords = this.slabs.chunkWords
    // Signed in the call, because V8 passes integers of 32 bits without a heap object only when they are signed.
    const mixed = signedMixed >>> 0
    for (let word = homeOf(segment, depth, mixed); ; word += 2) {
      const entry = segment[word + 1] as number
      if (entry === 0) return ~word
      const found = segment[word] as number
      if (found < mixed) continue
      if (found > mixed) return ~word
      const target = chunkWords[chunkOf(entry - 1)] as Uint32Array
      const to = wordOf(entry - 1)
      if (((target[to + 2] as number) & 0xffff) === keySize && isSameKey(target, to + 4, words, at, keySize))
        return word
    }
  }
}
