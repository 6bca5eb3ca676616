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
import { DOES_NOT_FIT, OUT_OF_ORDER, RecordSurvey } from "../table/record-survey.ts"
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
 * Loads checkpoint `number` into the shards; those that are undefined are left out. Where none is, the records are
 * looked at, and entered into indexes when they are wanted (DeferredRecords). `onBytes` is told how far it has come.
 * After a failure the shards hold a part, and are of no use. Fails with: Corruption, StorageFailed.
 */
export async function loadState(
  directory: CheckpointDirectory,
  number: number,
  catalogue: Catalogue,
  shards: readonly (ShardTables | undefined)[],
  onBytes: (doneBytes: number, totalBytes: number) => void = () => undefined,
): Promise<LoadedCheckpoint> {
  const whole = shards.filter((shard) => shard !== undefined)
  // A shard that is loaded alone would keep the others' records with its own.
  const isAdopted = whole.length === shards.length
  const reader = await CheckpointReader.open(directory, number, checkpointFile(number), isAdopted ? "owned" : "shared")
  try {
    const taker = isAdopted ? new Adopter(whole) : new Copier(shards, reader.sizeBytes)
    const loader = new StateLoader(reader, catalogue, taker)
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

/** Takes blocks of records, those of each table together. */
interface RecordTaker {
  beginTable(tableId: number): void
  /** Returns how many records there are, or what is wrong with them. */
  take(block: CheckpointBlock): number | string
  endTable(): void
}

/** Checks blocks against what the checkpoint has said before. */
class StateLoader {
  readonly #reader: CheckpointReader
  readonly #catalogue: Catalogue
  readonly #taker: RecordTaker
  #tableId = 0

  constructor(reader: CheckpointReader, catalogue: Catalogue, taker: RecordTaker) {
    this.#reader = reader
    this.#catalogue = catalogue
    this.#taker = taker
  }

  take(block: CheckpointBlock): void {
    const { tableId, recordCount } = block
    if (tableId !== this.#tableId) {
      this.endTable()
      if (this.#catalogue.byId(tableId) === undefined) throw this.#damaged(`the table ${tableId}, which is not defined`)
      this.#tableId = tableId
      this.#taker.beginTable(tableId)
    }
    const count = this.#taker.take(block)
    if (typeof count === "string") throw this.#damaged(count)
    if (count !== recordCount) throw this.#damaged(`${count} records where the block says ${recordCount}`)
  }

  endTable(): void {
    if (this.#tableId > 0) this.#taker.endTable()
  }

  #damaged(what: string): Corruption {
    const { number, throughLsn } = this.#reader
    return new Corruption(checkpointFile(number), 0, throughLsn, what)
  }
}

/** Lets all shards have the blocks as they are: they are entered into indexes later. Requires: blocks are owned. */
class Adopter implements RecordTaker {
  readonly #shards: readonly ShardTables[]
  readonly #survey: RecordSurvey
  #tableId = 0

  constructor(shards: readonly ShardTables[]) {
    this.#shards = shards
    this.#survey = new RecordSurvey(shards.length)
  }

  beginTable(tableId: number): void {
    this.#tableId = tableId
  }

  take(block: CheckpointBlock): number | string {
    return this.#survey.take(payloadOf(block))
  }

  endTable(): void {
    this.#survey.finish(this.#shards.map((shard) => shard.ensure(this.#tableId).table))
  }
}

/** Copies the records of some shards out of blocks, and leaves the others'. */
class Copier implements RecordTaker {
  readonly #shards: readonly (ShardTables | undefined)[]
  /** About how many records come for each shard. */
  readonly #expected: number
  #loaders: (TableLoader | undefined)[] = []
  /** Of the last record. */
  #mixed = 0

  constructor(shards: readonly (ShardTables | undefined)[], sizeBytes: number) {
    this.#shards = shards
    this.#expected = sizeBytes / RECORD_SIZE_GUESS / shards.length
  }

  beginTable(tableId: number): void {
    this.#mixed = 0
    this.#loaders = this.#shards.map((shard) =>
      shard === undefined ? undefined : new TableLoader(shard.ensure(tableId).table, this.#expected),
    )
  }

  take({ buffer: { words }, start, end }: CheckpointBlock): number | string {
    const loaders = this.#loaders
    const to = end >>> 2
    let before = this.#mixed
    let count = 0
    for (let at = start >>> 2; at < to; count++) {
      const hash = words[at] as number
      const mixed = mixHash(hash)
      const next = at + (recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number) >>> 2)
      if (next > to) return DOES_NOT_FIT
      if (mixed < before) return OUT_OF_ORDER
      loaders[shardOf(hash, loaders.length)]?.add(words, at, mixed)
      before = mixed
      at = next
    }
    this.#mixed = before
    return count
  }

  endTable(): void {
    for (const loader of this.#loaders) loader?.finish()
  }
}

/** The payload alone, as records. */
function payloadOf({ buffer, start, end }: CheckpointBlock): RecordBuffer {
  return { bytes: buffer.bytes.subarray(start, end), words: buffer.words.subarray(start >>> 2, end >>> 2) }
}
