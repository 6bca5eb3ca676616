// Brings the state of a checkpoint into empty tables. The same state comes out whatever number of shards wrote it.

import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import type { SealedSegment } from "../format/checkpoint-block.ts"
import { recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { Corruption } from "../model/errors.ts"
import { checkpointFile } from "../format/file-names.ts"
import { shardOf } from "../physics/placement.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { takeDefinitions } from "../table/definitions.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { mixHash } from "../table/index-segment.ts"
import { PACKED_SIZE_MAX } from "../table/slabs.ts"
import { TableLoader } from "../table/table-loader.ts"
import { CheckpointReader } from "./checkpoint-reader.ts"
import type { CheckpointBlock } from "./checkpoint-reader.ts"
import type { CheckpointDirectory, CheckpointInfo } from "./checkpoint-files.ts"

/** Bytes of a record in a checkpoint, about: to guess from the size of the file how many there are. */
const RECORD_SIZE_GUESS = 80

/** What was loaded, and the segments of the log that the checkpoint says were sealed before it. */
export interface LoadedCheckpoint {
  readonly info: CheckpointInfo
  readonly sealed: readonly SealedSegment[]
}

/**
 * Loads checkpoint `number` into the shards; those that are undefined are left out. `onBytes` is told how far it has
 * come. After a failure the shards hold a part, and are of no use. Fails with: Corruption, StorageFailed.
 */
export async function loadState(
  directory: CheckpointDirectory,
  number: number,
  catalogue: Catalogue,
  shards: readonly (ShardTables | undefined)[],
  onBytes: (doneBytes: number, totalBytes: number) => void = () => undefined,
): Promise<LoadedCheckpoint> {
  // A shard that is loaded alone would keep the others' records with its own.
  const blocks = shards.includes(undefined) ? "shared" : "owned"
  const reader = await CheckpointReader.open(directory, number, checkpointFile(number), blocks)
  try {
    const loader = new StateLoader(reader, catalogue, shards, blocks === "owned")
    let doneBytes = 0
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      if (block.kind === BLOCK_DEFINITIONS) defineAll(block, catalogue, reader)
      else loader.take(block)
      doneBytes += block.end - block.start
      onBytes(doneBytes, reader.sizeBytes)
    }
    loader.endTable()
    return { info: reader.info, sealed: reader.sealed }
  } finally {
    await reader.close()
  }
}

/** The same tables as recovery fills them: see recovery/load-checkpoint.ts. */
export function stateTarget(
  directory: CheckpointDirectory,
  catalogue: Catalogue,
  shards: readonly ShardTables[],
): {
  load(number: number, onBytes: (doneBytes: number, totalBytes: number) => void): Promise<LoadedCheckpoint>
  clear(): void
} {
  return {
    load: (number, onBytes) => loadState(directory, number, catalogue, shards, onBytes),
    clear: () => {
      catalogue.reset()
      for (const shard of shards) shard.clear()
    },
  }
}

/** Takes the definitions of a block into the catalogue. Fails with: Corruption where they contradict what is known. */
export function defineAll(
  { buffer, start, end }: CheckpointBlock,
  catalogue: Catalogue,
  { number, throughLsn }: CheckpointReader,
): void {
  const problem = takeDefinitions(catalogue, buffer, start, end)
  if (problem !== undefined) throw new Corruption(checkpointFile(number), 0, throughLsn, problem)
}

class StateLoader {
  readonly #reader: CheckpointReader
  readonly #catalogue: Catalogue
  readonly #shards: readonly (ShardTables | undefined)[]
  /** Whether tables may take over the memory of blocks. */
  readonly #adopts: boolean
  #tableId = 0
  /** Of the last record. */
  #mixed = 0
  #loaders: (TableLoader | undefined)[] = []

  constructor(
    reader: CheckpointReader,
    catalogue: Catalogue,
    shards: readonly (ShardTables | undefined)[],
    adopts: boolean,
  ) {
    this.#reader = reader
    this.#catalogue = catalogue
    this.#shards = shards
    this.#adopts = adopts
  }

  take(block: CheckpointBlock): void {
    const { tableId, recordCount, buffer, start, end } = block
    if (tableId !== this.#tableId) this.#beginTable(tableId)
    const memory = this.#adopts && end - start <= PACKED_SIZE_MAX ? payloadOf(block) : undefined
    const count =
      memory === undefined
        ? this.#load(buffer, start >>> 2, end >>> 2, false)
        : this.#load(memory, 0, memory.words.length, true)
    for (const loader of this.#loaders) loader?.settle()
    if (count !== recordCount) throw this.#damaged(`${count} records where the block says ${recordCount}`)
  }

  /** Takes the records between two words, each into its shard. Returns how many. */
  #load(memory: RecordBuffer, from: number, to: number, isAdopted: boolean): number {
    const { words } = memory
    const loaders = this.#loaders
    let before = this.#mixed
    let count = 0
    for (let at = from; at < to; count++) {
      const hash = words[at] as number
      const mixed = mixHash(hash)
      const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
      if (at + (size >>> 2) > to) throw this.#damaged("a record that does not fit its block")
      if (mixed < before) throw this.#damaged("records out of order")
      const loader = loaders[shardOf(hash, loaders.length)]
      if (isAdopted) loader?.adopt(memory, at, mixed, size)
      else loader?.add(words, at, mixed)
      before = mixed
      at += size >>> 2
    }
    this.#mixed = before
    return count
  }

  endTable(): void {
    for (const loader of this.#loaders) loader?.finish()
    this.#loaders = []
  }

  #beginTable(tableId: number): void {
    this.endTable()
    if (this.#catalogue.byId(tableId) === undefined) throw this.#damaged(`the table ${tableId}, which is not defined`)
    this.#tableId = tableId
    this.#mixed = 0
    const expected = this.#reader.sizeBytes / RECORD_SIZE_GUESS / this.#shards.length
    this.#loaders = this.#shards.map((shard) =>
      shard === undefined ? undefined : new TableLoader(shard.ensure(tableId).table, expected),
    )
  }

  #damaged(what: string): Corruption {
    const { number, throughLsn } = this.#reader
    return new Corruption(checkpointFile(number), 0, throughLsn, what)
  }
}

/** The payload alone, as records. */
function payloadOf({ buffer, start, end }: CheckpointBlock): RecordBuffer {
  return { bytes: buffer.bytes.subarray(start, end), words: buffer.words.subarray(start >>> 2, end >>> 2) }
}
