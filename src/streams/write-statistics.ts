// Counts what is written, by table and shard, from the frames of the log: nothing is done on the way of a put. Samples the
// writes as well, on the same walk.

import type { LogFrame } from "../format/log-frame.ts"
import {
  KIND_DELETE,
  KIND_PUT,
  RECORD_HEADER_SIZE,
  RECORD_KEY_SIZE,
  RECORD_TABLE,
  RECORD_VALUE_SIZE,
  recordSize,
} from "../format/record.ts"
import { shardOf } from "../physics/placement.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { AccessSampler } from "./access-sampler.ts"
import type { WriteSum } from "./metadata-batch.ts"

/** Numbers of a table's part in a shard: puts, deletes, bytes. */
const NUMBER_COUNT = 3

export class WriteStatistics {
  readonly #catalogue: Catalogue
  readonly #shardCount: number
  readonly #sampler: AccessSampler
  /** By table id, then by shard. */
  #numbers: (Float64Array | undefined)[] = []
  #commitCount = 0
  /** Writes until the next sample. */
  #countdown: number

  constructor(catalogue: Catalogue, shardCount: number, sampler: AccessSampler) {
    this.#catalogue = catalogue
    this.#shardCount = shardCount
    this.#sampler = sampler
    this.#countdown = sampler.distance()
  }

  /** Takes a frame that was written. Its bytes are looked at during the call only. */
  note({ buffer, start, end, firstLsn, lastLsn }: LogFrame, timeMs: number): void {
    this.#commitCount += lastLsn - firstLsn + 1
    const { words } = buffer
    const shardCount = this.#shardCount
    let numbersOf = -1
    let numbers: Float64Array = new Float64Array(0)
    // The walk of record-walk.ts, with each word read once: this loop is what metadata costs the writers.
    for (let at = start, size = 0; at < end; at += size) {
      const word = at >>> 2
      const head = words[word + (RECORD_KEY_SIZE >>> 2)] as number
      const keySize = head & 0xffff
      size = recordSize(keySize, words[word + (RECORD_VALUE_SIZE >>> 2)] as number)
      const kind = (head >>> 16) & 0xff
      if (kind !== KIND_PUT && kind !== KIND_DELETE) continue
      const tableId = words[word + (RECORD_TABLE >>> 2)] as number
      if (tableId !== numbersOf) {
        numbers = this.#numbersOf(tableId)
        numbersOf = tableId
      }
      const shard = shardOf(words[word] as number, shardCount)
      const index = shard * NUMBER_COUNT
      numbers[index + kind - KIND_PUT] = (numbers[index + kind - KIND_PUT] as number) + 1
      numbers[index + 2] = (numbers[index + 2] as number) + size
      if (--this.#countdown > 0) continue
      this.#countdown = this.#sampler.distance()
      if (this.#catalogue.byId(tableId)?.isSystem === true) continue
      const key = buffer.bytes.utf8Slice(at + RECORD_HEADER_SIZE, at + RECORD_HEADER_SIZE + keySize)
      this.#sampler.add(tableId, kind === KIND_PUT ? 2 : 3, key, words[word] as number, shard, timeMs)
    }
  }

  /** Takes the sums out, those of users' tables. */
  drain(): { readonly sums: readonly WriteSum[]; readonly commits: number } {
    const sums: WriteSum[] = []
    this.#numbers.forEach((numbers, tableId) => {
      const entry = this.#catalogue.byId(tableId)
      if (numbers === undefined || entry === undefined || entry.isSystem) return
      for (let shard = 0; shard < this.#shardCount; shard++) {
        const [puts, deletes, bytes] = numbers.subarray(shard * NUMBER_COUNT) as unknown as [number, number, number]
        if (bytes > 0) sums.push({ table: entry.name, shard, puts, deletes, bytes })
      }
    })
    const commits = this.#commitCount
    this.clear()
    return { sums, commits }
  }

  clear(): void {
    this.#numbers = []
    this.#commitCount = 0
  }

  #numbersOf(tableId: number): Float64Array {
    return (this.#numbers[tableId] ??= new Float64Array(this.#shardCount * NUMBER_COUNT))
  }
}
