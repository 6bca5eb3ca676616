// Reads: synchronous, no mailbox, no allocation but the result. What is noted for the key's part of a shard is applied
// first, so every read sees every earlier write.

import type { Manifest } from "../format/manifest.ts"
import { allocateRecordBuffer, RECORD_HEADER_SIZE } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import type { OrreryError } from "../model/errors.ts"
import { KEY_SIZE_MAX } from "../model/limits.ts"
import { shardOf } from "../physics/placement.ts"
import type { MetadataFlow } from "../streams/metadata-flow.ts"
import type { Catalogue, TableEntry } from "../table/catalogue.ts"
import type { Partition, ShardTables } from "../table/shard-tables.ts"

/** What a reader needs of its state. */
export interface ReadableState {
  readonly catalogue: Catalogue
  readonly manifest: Manifest
  readonly shards: readonly { readonly name: string; require(): ShardTables }[]
  /** The buffer that notes point into. Requires: there are notes. */
  requireBuffer(): RecordBuffer
  /** Why a shard is not there. */
  unavailable(actor: string): OrreryError
}

export class Reader {
  gets = 0
  hits = 0
  readonly #state: ReadableState
  readonly #decoder: ValueDecoder
  readonly #keys: RecordWriter
  /** Where reads are sampled; of a state of the past nowhere. */
  readonly #metadata: MetadataFlow | undefined
  readonly #scratch = allocateRecordBuffer(KEY_SIZE_MAX + RECORD_HEADER_SIZE)
  #address = -1

  constructor(state: ReadableState, metadata?: MetadataFlow) {
    this.#state = state
    this.#metadata = metadata
    this.#decoder = new ValueDecoder(state.catalogue.shapes)
    this.#keys = new RecordWriter(state.manifest.hashSecret, new ValueEncoder(new ShapeRegistry()))
  }

  get(entry: TableEntry, key: string): unknown {
    this.gets++
    const partition = this.#locate(entry, key)
    if (partition === undefined) return undefined
    this.hits++
    const { table } = partition
    const address = this.#address
    return this.#decoder.decode(table.bytesAt(address), table.valueStart(address), table.valueEnd(address))
  }

  has(entry: TableEntry, key: string): boolean {
    return this.#locate(entry, key) !== undefined
  }

  /** Records of a table over all shards. Fails with: Restarting. */
  size(entry: TableEntry): number {
    let count = 0
    for (const shard of this.#state.shards) {
      const partition = shard.require().partition(entry.id)
      if (partition !== undefined) count += this.#drained(partition).table.count
    }
    return count
  }

  /**
   * Walks the keys of a table, in no order. A key that is there all along is met exactly once, whatever is written
   * meanwhile; one that comes or goes may be met or not.
   */
  *keys(entry: TableEntry): Generator<string, undefined> {
    for (const shard of this.#state.shards) {
      const partition = shard.require().partition(entry.id)
      if (partition === undefined) continue
      const cursor = this.#drained(partition).table.cursor()
      while (cursor.next()) {
        yield* cursor.keys
        // The shard may have been restarted while its keys were looked at, and its cursor with it.
        if (shard.require().partition(entry.id) !== partition) throw this.#state.unavailable(shard.name)
        this.#drained(partition)
      }
    }
    return undefined
  }

  #locate(entry: TableEntry, key: string): Partition | undefined {
    const size = this.#keys.keyInto(this.#scratch, key)
    const { hash } = this.#keys
    const { shards } = this.#state
    const shard = shards[shardOf(hash, shards.length)]
    const partition = shard?.require().partition(entry.id)
    let address = -1
    if (partition !== undefined) {
      if (partition.pending > 0) partition.drain(this.#state.requireBuffer())
      address = partition.table.find(hash, this.#scratch.words, 0, size)
    }
    this.#address = address
    const metadata = this.#metadata
    if (metadata !== undefined && metadata.sampler.isOn && --metadata.sampler.countdown <= 0) {
      metadata.takeRead(entry.id, address >= 0, key, hash)
    }
    return address < 0 ? undefined : partition
  }

  #drained(partition: Partition): Partition {
    if (partition.pending > 0) partition.drain(this.#state.requireBuffer())
    return partition
  }
}
