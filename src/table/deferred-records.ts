// Records of one table that are in memory and not in its index yet: a checkpoint as it was read. They are entered range
// by range of their mixed hashes, each range when it is first looked at, or when there is time. So a store is there as
// soon as its bytes are checked, however many records it has.
//
// The records lie in memory as tables keep them, in the order of their mixed hashes, those of all shards together: a range
// is entered for all shards at once. Guarantees: a range is entered once, and whole; what a table counts is the same
// before and after. Must not read files, or find anything wrong: whoever collects the records has looked at each
// (RecordSurvey).

import { recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { shardOf } from "../physics/placement.ts"
import type { DeferredEntries } from "./deferred-entries.ts"
import { mixHash } from "./index-segment.ts"
import { addressOf, chunkOf, PACKED_SIZE_MAX, wordOf } from "./slabs.ts"
import type { Table } from "./table.ts"
import { copyWords } from "./word-copy.ts"

/** Room for entries of a range at first, in words. */
const PAIRS_LENGTH_FIRST = 512

export class DeferredRecords implements DeferredEntries {
  /** By shard. */
  readonly #tables: readonly Table[]
  readonly #memories: RecordBuffer[]
  readonly #depth: number
  /** Where each range begins, and where the last one ends: the number of a memory, and a word in it. */
  readonly #bounds: Uint32Array
  readonly #isEntered: Uint8Array
  #left: number
  /** No range before this one is left. */
  #next = 0
  // Of the range that is entered, by shard: the entries, words in use of them, and bytes of the records.
  readonly #pairs: Uint32Array[]
  readonly #ends: Uint32Array
  readonly #bytes: Float64Array
  /** Of the memory that is entered: its number among a shard's chunks or -1, its records and their bytes. */
  readonly #chunks: Int32Array
  readonly #chunkRecords: Uint32Array
  readonly #chunkBytes: Float64Array

  /**
   * `memories` hold the records in order, `bounds` says where the 2^`depth` ranges begin, and the end; see #bounds. The
   * tables know by themselves how many records they get: see Table.defer.
   */
  constructor(tables: readonly Table[], memories: RecordBuffer[], depth: number, bounds: Uint32Array) {
    this.#tables = tables
    this.#memories = memories
    this.#depth = depth
    this.#bounds = bounds
    this.#left = 2 ** depth
    this.#isEntered = new Uint8Array(2 ** depth)
    this.#pairs = tables.map(() => new Uint32Array(PAIRS_LENGTH_FIRST))
    this.#ends = new Uint32Array(tables.length)
    this.#bytes = new Float64Array(tables.length)
    this.#chunks = new Int32Array(tables.length)
    this.#chunkRecords = new Uint32Array(tables.length)
    this.#chunkBytes = new Float64Array(tables.length)
  }

  enter(mixed: number): void {
    this.#enterRange(Math.floor(mixed / 2 ** (32 - this.#depth)))
  }

  /** Enters one range that is left. False where none was. */
  enterNext(): boolean {
    if (this.#left === 0) return false
    while (this.#isEntered[this.#next] === 1) this.#next++
    this.#enterRange(this.#next)
    return true
  }

  enterAll(): void {
    while (this.enterNext());
  }

  #enterRange(range: number): void {
    if (this.#left === 0 || this.#isEntered[range] === 1) return
    const bounds = this.#bounds
    const lastMemory = bounds[2 * range + 2] as number
    const lastWord = bounds[2 * range + 3] as number
    let from = bounds[2 * range + 1] as number
    this.#ends.fill(0)
    this.#bytes.fill(0)
    for (let number = bounds[2 * range] as number; number <= lastMemory; number++, from = 0) {
      const memory = this.#memories[number]
      const to = number === lastMemory ? lastWord : (memory?.words.length ?? 0)
      if (memory !== undefined && from < to) this.#enterPiece(memory, from, to)
    }
    this.#isEntered[range] = 1
    this.#left--
    for (const [shard, table] of this.#tables.entries()) {
      table.enter(range, this.#pairs[shard] as Uint32Array, this.#ends[shard] as number, this.#bytes[shard] as number)
      if (this.#left === 0) table.index.endDeferral()
    }
    if (this.#left === 0) this.#memories.length = 0
  }

  /** Takes the records between two words of a memory into the slabs, and notes their entries. */
  #enterPiece(memory: RecordBuffer, from: number, to: number): void {
    const tables = this.#tables
    const { words } = memory
    const isAdopted = memory.bytes.length <= PACKED_SIZE_MAX
    const chunks = this.#chunks.fill(-1)
    for (let at = from; at < to;) {
      const hash = words[at] as number
      const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
      const shard = shardOf(hash, tables.length)
      let address: number
      if (isAdopted) {
        let chunk = chunks[shard] as number
        if (chunk < 0) chunk = this.#adopt(shard, memory, from, to)
        this.#chunkRecords[shard] = (this.#chunkRecords[shard] as number) + 1
        this.#chunkBytes[shard] = (this.#chunkBytes[shard] as number) + size
        address = addressOf(chunk, (at - from) >>> 1)
      } else {
        address = copied(tables[shard] as Table, words, at, size)
      }
      this.#note(shard, mixHash(hash), address)
      this.#bytes[shard] = (this.#bytes[shard] as number) + size
      at += size >>> 2
    }
    for (const [shard, table] of tables.entries()) {
      const chunk = chunks[shard] as number
      if (chunk < 0) continue
      table.slabs.settle(chunk, this.#chunkRecords[shard] as number, this.#chunkBytes[shard] as number)
    }
  }

  /** Has a table take over a piece of memory, which others may hold parts of as well. */
  #adopt(shard: number, { bytes, words }: RecordBuffer, from: number, to: number): number {
    const { slabs } = this.#tables[shard] as Table
    const chunk = slabs.adopt(bytes.subarray(from << 2, to << 2), words.subarray(from, to))
    this.#chunks[shard] = chunk
    this.#chunkRecords[shard] = 0
    this.#chunkBytes[shard] = 0
    return chunk
  }

  #note(shard: number, mixed: number, address: number): void {
    const end = this.#ends[shard] as number
    let pairs = this.#pairs[shard] as Uint32Array
    if (end === pairs.length) {
      pairs = new Uint32Array(2 * end)
      pairs.set(this.#pairs[shard] as Uint32Array)
      this.#pairs[shard] = pairs
    }
    pairs[end] = mixed
    pairs[end + 1] = address + 1
    this.#ends[shard] = end + 2
  }
}

/** A slot with the record: memory that is too large for addresses in it is not taken over. */
function copied({ slabs }: Table, words: Uint32Array, at: number, size: number): number {
  const address = slabs.allocate(size)
  copyWords(words, at, slabs.chunkWords[chunkOf(address)] as Uint32Array, wordOf(address), size >>> 2)
  return address
}
