// Reads at an LSN, as a snapshot or a transaction wants them, and the versions of keys: synchronous, like every read.

import type { Engine } from "../actors/engine.ts"
import { allocateRecordBuffer, RECORD_HEADER_SIZE } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import { KEY_SIZE_MAX } from "../model/limits.ts"
import { shardOf } from "../physics/placement.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import { OrderedScan } from "../table/ordered-scan.ts"
import type { Partition } from "../table/shard-tables.ts"
import { VersionCursor } from "../table/version-cursor.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"

/** Where is read. Without a snapshot: the present. */
export interface ReadView {
  readonly snapshot: OpenSnapshot | undefined
  /** The snapshot's LSN; infinity for the present. */
  readonly lsn: number
}

/** A value, and the commit that wrote it. */
export interface Versioned<Value> {
  /** Undefined where there is none. */
  readonly value: Value | undefined
  /** 0 where there is none. */
  readonly version: number
}

export const PRESENT: ReadView = { snapshot: undefined, lsn: Number.POSITIVE_INFINITY }

export class VersionReader {
  readonly #engine: Engine
  readonly #registry: SnapshotRegistry
  readonly #decoder: ValueDecoder
  readonly #keys: RecordWriter
  readonly #scratch = allocateRecordBuffer(KEY_SIZE_MAX + RECORD_HEADER_SIZE)
  #address = -1

  constructor(engine: Engine, registry: SnapshotRegistry) {
    this.#engine = engine
    this.#registry = registry
    this.#decoder = new ValueDecoder(engine.catalogue.shapes)
    this.#keys = new RecordWriter(engine.manifest.hashSecret, new ValueEncoder(new ShapeRegistry()))
  }

  get(entry: TableEntry, key: string, view: ReadView): unknown {
    const partition = this.#locate(entry, key, view)
    this.#sample(entry, key, partition !== undefined)
    return partition === undefined ? undefined : this.#value(partition)
  }

  has(entry: TableEntry, key: string, view: ReadView): boolean {
    return this.#locate(entry, key, view) !== undefined
  }

  /** The commit that wrote what the key holds; 0 where it holds nothing. */
  versionOf(entry: TableEntry, key: string, view: ReadView): number {
    return this.#locate(entry, key, view)?.table.lsnAt(this.#address) ?? 0
  }

  getVersioned(entry: TableEntry, key: string, view: ReadView = PRESENT): Versioned<unknown> {
    const partition = this.#locate(entry, key, view)
    this.#sample(entry, key, partition !== undefined)
    if (partition === undefined) return { value: undefined, version: 0 }
    return { value: this.#value(partition), version: partition.table.lsnAt(this.#address) }
  }

  size(entry: TableEntry, view: ReadView): number {
    const { snapshot } = view
    let count = 0
    for (let index = 0; index < this.#engine.shards.length; index++) {
      const table = this.#partition(index, entry, view)?.table
      if (table === undefined) continue
      const { versions } = table
      const isPresent = snapshot === undefined || versions === undefined
      count += isPresent ? table.count : this.#registry.retention.countAt(versions, table.count, snapshot)
    }
    return count
  }

  /** The keys of a table, in no order. `view` may turn from the present into a snapshot of it during the walk. */
  *keys(entry: TableEntry, view: ReadView): Generator<string, undefined> {
    for (let index = 0; index < this.#engine.shards.length; index++) {
      const partition = this.#partition(index, entry, view)
      if (partition === undefined) continue
      const cursor = new VersionCursor(partition.table, view)
      while (cursor.next()) {
        yield* cursor.keys
        // The shard may have been built anew while its keys were looked at.
        if (this.#partition(index, entry, view) !== partition) throw this.#engine.unavailable(`shard-${index}`)
      }
    }
    return undefined
  }

  /** Whether anything of the table was changed behind the snapshot. */
  hasChanged(entry: TableEntry, snapshot: OpenSnapshot): boolean {
    const view = { snapshot, lsn: snapshot.lsn }
    for (let index = 0; index < this.#engine.shards.length; index++) {
      const versions = this.#partition(index, entry, view)?.table.versions
      if (versions !== undefined && this.#registry.retention.hasChanged(versions, snapshot)) return true
    }
    return false
  }

  /** Records that the snapshot has, and that were overwritten or deleted since, as they were. To be read on one turn. */
  *changedSince(entry: TableEntry, view: ReadView): Generator<[string, unknown], undefined> {
    for (let index = 0; index < this.#engine.shards.length; index++) {
      const partition = this.#partition(index, entry, view)
      const versions = partition?.table.versions
      if (partition === undefined || versions === undefined) continue
      for (const scan = new OrderedScan(versions.index); !scan.isAtEnd; scan.next()) {
        const row = scan.address
        if (versions.holdsAt(row, view.lsn)) {
          yield [versions.keyOf(row), this.#value(partition, versions.addressOf(row))]
        }
      }
    }
    return undefined
  }

  #sample(entry: TableEntry, key: string, isHit: boolean): void {
    const { metadata } = this.#engine
    if (!metadata.sampler.isOn || --metadata.sampler.countdown > 0) return
    metadata.takeRead(entry.id, isHit, key, this.#keys.hash)
  }

  #value({ table }: Partition, address: number = this.#address): unknown {
    return this.#decoder.decode(table.bytesAt(address), table.valueStart(address), table.valueEnd(address))
  }

  #locate(entry: TableEntry, key: string, view: ReadView): Partition | undefined {
    const size = this.#keys.keyInto(this.#scratch, key)
    const { hash } = this.#keys
    const { words } = this.#scratch
    const partition = this.#partition(shardOf(hash, this.#engine.shards.length), entry, view)
    if (partition === undefined) return undefined
    const { table } = partition
    const { lsn } = view
    this.#address = lsn === Infinity ? table.find(hash, words, 0, size) : table.findAt(hash, words, 0, size, lsn)
    return this.#address < 0 ? undefined : partition
  }

  /** The table's part in a shard, with what is noted applied. */
  #partition(index: number, entry: TableEntry, { snapshot }: ReadView): Partition | undefined {
    const shard = this.#engine.shards[index]
    const tables = snapshot === undefined ? shard?.require() : this.#registry.require(index, snapshot)
    const partition = tables?.partition(entry.id)
    if (partition !== undefined && partition.pending > 0) partition.drain(this.#engine.requireBuffer())
    return partition
  }
}
