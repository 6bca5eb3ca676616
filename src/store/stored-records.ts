// Looks up many keys of a table at once, as they are in the present: a look at one of them waits for several lines of memory,
// and of many together the processor fetches them at the same time (Table.findAll).
//
// What was found holds on the turn on which it was looked for, as long as nothing is written to the table and nothing else
// is looked for here.

import { allocateRecordBuffer, recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import { invariant } from "../model/invariant.ts"
import { KEY_SIZE_MAX } from "../model/limits.ts"
import { shardOf } from "../physics/placement.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Table } from "../table/table.ts"
import type { ReadableState } from "./reader.ts"

/** Keys that are looked for together at most. */
export const LOOK_COUNT_MAX = 256
/** Room for keys of usual sizes; larger ones have theirs made. */
const SIZE_FIRST: number = LOOK_COUNT_MAX * 64
/** Of no address. */
const NOWHERE = -1

/** The keys of a look that belong to one shard. */
interface Share {
  /** Where their records lie in the scratch buffer, and where their keys stand among those that are looked for. */
  readonly offsets: Uint32Array
  readonly places: Uint32Array
  readonly addresses: Float64Array
  count: number
}

export class StoredRecords {
  readonly #state: ReadableState
  readonly #decoder: ValueDecoder
  readonly #keys: RecordWriter
  readonly #shares: Share[] = []
  #scratch: RecordBuffer = allocateRecordBuffer(SIZE_FIRST)
  /** By key: the table's part, its generation at the look, and the address in it. */
  readonly #tables: (Table | undefined)[] = new Array<Table | undefined>(LOOK_COUNT_MAX).fill(undefined)
  readonly #generations = new Float64Array(LOOK_COUNT_MAX)
  readonly #addresses = new Float64Array(LOOK_COUNT_MAX)

  constructor(state: ReadableState) {
    this.#state = state
    this.#decoder = new ValueDecoder(state.catalogue.shapes)
    this.#keys = new RecordWriter(state.manifest.hashSecret, new ValueEncoder(new ShapeRegistry()))
  }

  /** Looks for the keys. Requires: no more than LOOK_COUNT_MAX. Fails with: Restarting, KeyRefused, LimitExceeded. */
  look(entry: TableEntry, keys: readonly string[]): void {
    invariant(keys.length <= LOOK_COUNT_MAX, "as many keys are looked for as there is room for")
    const { shards } = this.#state
    while (this.#shares.length < shards.length) this.#shares.push(newShare())
    // A look that has failed leaves something here.
    for (const share of this.#shares) share.count = 0
    let end = 0
    for (let place = 0; place < keys.length; place++) {
      const offset = end
      end = this.#write(offset, keys[place] as string)
      const share = this.#shares[shardOf(this.#keys.hash, shards.length)] as Share
      share.offsets[share.count] = offset
      share.places[share.count++] = place
    }
    for (let shard = 0; shard < shards.length; shard++) this.#find(shard, entry)
    if (this.#scratch.bytes.length > SIZE_FIRST) this.#scratch = allocateRecordBuffer(SIZE_FIRST)
  }

  /** Lets go of what was found: it would keep the memory of a shard that has died. */
  forget(): void {
    this.#tables.fill(undefined)
    this.#addresses.fill(NOWHERE)
  }

  has(place: number): boolean {
    return (this.#addresses[place] as number) !== NOWHERE
  }

  /** Undefined where there is none. */
  value(place: number): unknown {
    if (!this.has(place)) return undefined
    const table = this.#tables[place] as Table
    invariant(table.generation === this.#generations[place], "what was looked for is read before the table changes")
    const address = this.#addresses[place] as number
    return this.#decoder.decode(table.bytesAt(address), table.valueStart(address), table.valueEnd(address))
  }

  /** Writes the key as records have it. Returns where the next one begins. */
  #write(at: number, key: string): number {
    let end = this.#keys.delete(this.#scratch, at, 0, 0, key)
    if (end >= 0) return end
    const larger = allocateRecordBuffer(this.#scratch.bytes.length * 2 + recordSize(KEY_SIZE_MAX, 0))
    this.#scratch.bytes.copy(larger.bytes, 0, 0, at)
    this.#scratch = larger
    end = this.#keys.delete(larger, at, 0, 0, key)
    return end
  }

  #find(shard: number, entry: TableEntry): void {
    const share = this.#shares[shard] as Share
    const { count, offsets, places, addresses } = share
    if (count === 0) return
    const partition = this.#state.shards[shard]?.require().partition(entry.id)
    if (partition !== undefined && partition.pending > 0) partition.drain(this.#state.requireBuffer())
    const table = partition?.table
    if (table === undefined) addresses.fill(NOWHERE, 0, count)
    else table.findAll(this.#scratch.words, offsets, count, addresses)
    for (let index = 0; index < count; index++) {
      const place = places[index] as number
      this.#tables[place] = table
      this.#generations[place] = table?.generation ?? 0
      this.#addresses[place] = addresses[index] as number
    }
  }
}

function newShare(): Share {
  return {
    offsets: new Uint32Array(LOOK_COUNT_MAX),
    places: new Uint32Array(LOOK_COUNT_MAX),
    addresses: new Float64Array(LOOK_COUNT_MAX),
    count: 0,
  }
}
