// Looks at records that were read, without entering them into an index: whether they are whole and in order, how many
// each shard has, and where ranges of their mixed hashes begin. A sixth of the time that entering them takes, while they
// are in the processor's cache from being checked.

import { recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { shardOf } from "../physics/placement.ts"
import { DeferredRecords } from "./deferred-records.ts"
import { mixHash } from "./index-segment.ts"
import type { Table } from "./table.ts"

/** Ranges whose beginnings are noted, as a power of two: the most that records are entered in. */
const DEPTH_MAX = 14
/** Records of a range, about: entering them takes half a millisecond, and a few in a process that has just begun. */
const RANGE_COUNT = 4096

/** What may be wrong with records that were read. */
export const DOES_NOT_FIT = "a record that does not fit its block"
export const OUT_OF_ORDER = "records out of order"

export class RecordSurvey {
  readonly #memories: RecordBuffer[] = []
  /** See DeferredRecords: of the finest ranges. */
  readonly #bounds = new Uint32Array(2 * (2 ** DEPTH_MAX + 1))
  /** Ranges whose beginning is known. */
  #known = 0
  #before = 0
  #count = 0
  readonly #counts: Float64Array
  readonly #bytes: Float64Array

  readonly #rangeCount: number

  /** `rangeCount`: records that are entered at a time, about; for tests. */
  constructor(shardCount: number, rangeCount: number = RANGE_COUNT) {
    this.#rangeCount = rangeCount
    this.#counts = new Float64Array(shardCount)
    this.#bytes = new Float64Array(shardCount)
  }

  /**
   * Takes the next memory, full of records of one table; it must not change any more. Returns how many they are, or what
   * is wrong with them: then the survey is of no use.
   */
  take(memory: RecordBuffer): number | string {
    const { words } = memory
    const to = words.length
    const counts = this.#counts
    const bytes = this.#bytes
    const shardCount = counts.length
    let before = this.#before
    let count = 0
    for (let at = 0; at < to; count++) {
      const hash = words[at] as number
      const mixed = mixHash(hash)
      const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
      if (at + (size >>> 2) > to) return DOES_NOT_FIT
      if (mixed < before) return OUT_OF_ORDER
      if (mixed >>> (32 - DEPTH_MAX) >= this.#known) this.#note(mixed >>> (32 - DEPTH_MAX), at)
      const shard = shardOf(hash, shardCount)
      counts[shard] = (counts[shard] as number) + 1
      bytes[shard] = (bytes[shard] as number) + size
      before = mixed
      at += size >>> 2
    }
    this.#before = before
    this.#count += count
    this.#memories.push(memory)
    return count
  }

  /** Lets the tables of the shards, which are empty, have the records. The next ones are of another table. */
  finish(tables: readonly Table[]): void {
    this.#note(2 ** DEPTH_MAX, 0)
    let depth = 0
    while (depth < DEPTH_MAX && this.#count > this.#rangeCount * 2 ** depth) depth++
    const bounds = new Uint32Array(2 * (2 ** depth + 1))
    const step = 2 ** (DEPTH_MAX - depth)
    for (let range = 0; range <= 2 ** depth; range++) {
      bounds[2 * range] = this.#bounds[2 * range * step] as number
      bounds[2 * range + 1] = this.#bounds[2 * range * step + 1] as number
    }
    const records = new DeferredRecords(tables, this.#memories.splice(0), depth, bounds)
    for (const [shard, table] of tables.entries()) {
      table.defer(depth, records, this.#counts[shard] as number, this.#bytes[shard] as number)
    }
    // So few are entered sooner than somebody asks for them.
    if (depth === 0) records.enterAll()
    this.#counts.fill(0)
    this.#bytes.fill(0)
    this.#count = 0
    this.#before = 0
    this.#known = 0
  }

  /** Ranges up to and with this one, where they are not known, begin at a word of the memory that is looked at. */
  #note(range: number, word: number): void {
    for (; this.#known <= range; this.#known++) {
      this.#bounds[2 * this.#known] = this.#memories.length
      this.#bounds[2 * this.#known + 1] = word
    }
  }
}
