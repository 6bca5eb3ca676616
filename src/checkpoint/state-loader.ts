// Brings the state of a checkpoint into empty tables. The same state comes out whatever number of shards wrote it.

import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import { KIND_DEFINE_TABLE } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import { decodeShapeFields } from "../format/shape-registry.ts"
import { Corruption } from "../model/errors.ts"
import { checkpointFile } from "../format/file-names.ts"
import { shardOf } from "../physics/placement.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { TableLoader } from "../table/table-loader.ts"
import { CheckpointReader } from "./checkpoint-reader.ts"
import type { CheckpointBlock } from "./checkpoint-reader.ts"
import type { CheckpointDirectory, CheckpointInfo } from "./checkpoint-files.ts"

/** Bytes of a record in a checkpoint, about: to guess from the size of the file how many there are. */
const RECORD_SIZE_GUESS = 80

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
): Promise<CheckpointInfo> {
  const reader = await CheckpointReader.open(directory, number)
  try {
    const loader = new StateLoader(reader, catalogue, shards)
    let doneBytes = 0
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      if (block.kind === BLOCK_DEFINITIONS) defineAll(block, catalogue)
      else loader.take(block)
      doneBytes += block.end - block.start
      onBytes(doneBytes, reader.sizeBytes)
    }
    loader.endTable()
    return reader.info
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
  load(number: number, onBytes: (doneBytes: number, totalBytes: number) => void): Promise<CheckpointInfo>
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

/** Takes the definitions of a block into the catalogue. */
export function defineAll(block: CheckpointBlock, catalogue: Catalogue): void {
  const walk = new RecordWalk(block.buffer)
  walk.reset(block.buffer, block.start, block.end, 0)
  while (walk.next()) {
    if (walk.kind === KIND_DEFINE_TABLE) catalogue.define(walk.tableId, walk.keyText())
    else catalogue.shapes.define(walk.tableId, decodeShapeFields(block.buffer.bytes, walk.keyEnd, walk.valueEnd))
  }
}

class StateLoader {
  readonly #reader: CheckpointReader
  readonly #catalogue: Catalogue
  readonly #shards: readonly (ShardTables | undefined)[]
  #tableId = 0
  #loaders: (TableLoader | undefined)[] = []

  constructor(reader: CheckpointReader, catalogue: Catalogue, shards: readonly (ShardTables | undefined)[]) {
    this.#reader = reader
    this.#catalogue = catalogue
    this.#shards = shards
  }

  take({ tableId, recordCount, buffer, start, end }: CheckpointBlock): void {
    if (tableId !== this.#tableId) this.#beginTable(tableId)
    const { words } = buffer
    const loaders = this.#loaders
    let count = 0
    let at = start >>> 2
    const endWord = end >>> 2
    while (at < endWord) {
      const keySize = (words[at + 2] as number) & 0xffff
      const size = ((16 + keySize + (words[at + 1] as number) + 7) & ~7) >>> 2
      if (at + size > endWord) throw this.#damaged("a record that does not fit its block")
      const loader = loaders[shardOf(words[at] as number, loaders.length)]
      if (loader !== undefined && !loader.add(words, at)) throw this.#damaged("records out of order")
      at += size
      count++
    }
    if (count !== recordCount) throw this.#damaged(`${count} records where the block says ${recordCount}`)
  }

  endTable(): void {
    for (const loader of this.#loaders) loader?.finish()
    this.#loaders = []
  }

  #beginTable(tableId: number): void {
    this.endTable()
    if (this.#catalogue.byId(tableId) === undefined) throw this.#damaged(`the table ${tableId}, which is not defined`)
    this.#tableId = tableId
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
