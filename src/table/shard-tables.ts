// The state of one shard: its part of every table, and the mailbox in front of each part.
//
// A record is not applied when it is written but noted, and the notes are worked off in runs: with 16 index probes in
// flight at a time the cache misses overlap (a quarter of the cost of a put). Reads work off the notes of their part
// first, so nobody can tell. Notes point into a record buffer that its owner reuses: he calls `drain` before that.

import { RECORD_TABLE } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { invariant } from "../model/invariant.ts"
import type { Retention } from "./retention.ts"
import { Table } from "./table.ts"

const NOTE_COUNT_MAX = 256

/** One table's part in one shard. */
export class Partition {
  readonly table: Table = new Table()
  readonly #offsets = new Uint32Array(NOTE_COUNT_MAX)
  readonly #lsns = new Float64Array(NOTE_COUNT_MAX)
  /** Records noted and not applied yet. */
  pending = 0

  /** Notes a record of `buffer`. Returns whether it is the first one since the last drain. */
  note(buffer: RecordBuffer, offset: number, lsn: number): boolean {
    const index = this.pending
    this.#offsets[index] = offset
    this.#lsns[index] = lsn
    this.pending = index + 1
    if (index + 1 === NOTE_COUNT_MAX) this.drain(buffer)
    return index === 0
  }

  /** Applies what is noted. `buffer` is the one that all of it was noted in. */
  drain(buffer: RecordBuffer): void {
    const count = this.pending
    if (count === 0) return
    this.pending = 0
    this.table.applyAll(buffer, this.#offsets, this.#lsns, 0, count)
  }
}

export class ShardTables {
  readonly #partitions: (Partition | undefined)[] = []
  /** Parts with notes. */
  readonly #noted: Partition[] = []
  #retention: Retention | undefined
  appliedCount = 0

  /** Takes the record at `offset`, a put or a delete. */
  apply(buffer: RecordBuffer, offset: number, lsn: number): void {
    const tableId = buffer.words[(offset + RECORD_TABLE) >>> 2] as number
    const partition = this.#partitions[tableId] ?? this.#add(tableId)
    this.appliedCount++
    if (partition.note(buffer, offset, lsn)) this.#noted.push(partition)
  }

  /** Applies everything that is noted. */
  drain(buffer: RecordBuffer): void {
    const noted = this.#noted
    for (let index = 0; index < noted.length; index++) (noted[index] as Partition).drain(buffer)
    noted.length = 0
  }

  /** The table's part in this shard, if it has one. Notes in it may be pending. */
  partition(tableId: number): Partition | undefined {
    return this.#partitions[tableId]
  }

  /** The table's part, made if there is none. */
  ensure(tableId: number): Partition {
    return this.#partitions[tableId] ?? this.#add(tableId)
  }

  /** Whether tables have records that are not in their indexes yet. */
  get isDeferred(): boolean {
    return this.#partitions.some((partition) => partition?.table.index.isDeferred === true)
  }

  /** Enters some of the records that its tables have put off (DeferredRecords). False where there are none. */
  enterNext(): boolean {
    return this.#partitions.some((partition) => partition?.table.index.enterNext() === true)
  }

  /** From now on its tables keep what snapshots need, as the retention says. */
  retain(retention: Retention): void {
    this.#retention = retention
    for (const partition of this.#partitions) partition?.table.retain(retention)
  }

  /** Forgets everything. */
  clear(): void {
    this.#partitions.length = 0
    this.#noted.length = 0
    this.appliedCount = 0
  }

  get partitions(): readonly (Partition | undefined)[] {
    return this.#partitions
  }

  #add(tableId: number): Partition {
    invariant(tableId > 0, "I8: a record names a defined table")
    while (this.#partitions.length <= tableId) this.#partitions.push(undefined)
    const partition = new Partition()
    if (this.#retention !== undefined) partition.table.retain(this.#retention)
    this.#partitions[tableId] = partition
    return partition
  }
}
