// The state of running tables as frames of a log, for a checkpoint that nothing on the disk leads to any more: the one
// before has rotted, and the log behind it begins too late.
//
// The tables go on being written to, so what is read is of no one moment: each record is as it stood at some commit from
// `lsn` on. Whoever folds the log from there on behind these frames has the state of a moment again, because a put or a
// delete says what is there whatever was before ("fuzzy" dumps: Gray and Reuter, Transaction Processing, 1992).

import type { LogFrame } from "../format/log-frame.ts"
import { allocateRecordBuffer, FLAG_CONTINUES, KIND_PUT, recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import { SHAPE_COUNT_MAX } from "../model/limits.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { chunkOf, wordOf } from "../table/slabs.ts"
import type { Slabs } from "../table/slabs.ts"
import { copyWords } from "../table/word-copy.ts"

/** Fields of a record in words. */
const VALUE_SIZE = 1
const KEY_SIZE = 2
const TABLE = 3

export interface LiveState {
  readonly catalogue: Catalogue
  readonly shards: readonly ShardTables[]
  /** The last commit that is applied to all of them. */
  readonly lsn: Lsn
}

/**
 * Definitions first, then the records of each table, some hundreds a frame, each frame as one commit of that LSN. A frame
 * is valid until the next one. `pace` is called between two of them, and throws where the tables are no longer those.
 */
export async function* liveFrames(
  { catalogue, shards, lsn }: LiveState,
  pace: () => Promise<void> | void,
): AsyncGenerator<LogFrame, undefined> {
  const frames = new FrameFiller(lsn)
  frames.define(catalogue)
  yield frames.frame()
  for (const { id } of catalogue.names().map((name) => catalogue.entry(name))) {
    for (const shard of shards) {
      const table = shard.partition(id)?.table
      const cursor = table?.cursor()
      while (table !== undefined && cursor?.next() === true) {
        // Within the turn of the step: addresses hold until the table changes.
        frames.putAll(id, table.slabs, cursor.addresses)
        yield frames.frame()
        await pace()
      }
    }
  }
}

class FrameFiller {
  readonly #lsn: Lsn
  #buffer: RecordBuffer = allocateRecordBuffer(0)
  #position = 0
  #recordCount = 0

  constructor(lsn: Lsn) {
    this.#lsn = lsn
  }

  define(catalogue: Catalogue): void {
    const writer = new RecordWriter({ low: 0, high: 0 }, new ValueEncoder(new ShapeRegistry()))
    const tables = catalogue.names().map((name) => ({ name, id: catalogue.entry(name).id }))
    const shapes = Array.from({ length: SHAPE_COUNT_MAX }, (_, id) => ({ id, fields: catalogue.shapes.fieldsOf(id) }))
    let size = tables.reduce((sum, { name }) => sum + recordSize(Buffer.byteLength(name), 0), 0)
    for (const { fields } of shapes) if (fields !== undefined) size += recordSize(0, sizeOfFields(fields))
    this.#begin(size)
    for (const { name, id } of tables) {
      this.#took(writer.defineTable(this.#buffer, this.#position, this.#flags, id, name))
    }
    for (const { id, fields } of shapes) {
      if (fields !== undefined) this.#took(writer.defineShape(this.#buffer, this.#position, this.#flags, id, fields))
    }
  }

  putAll(tableId: number, { chunkWords }: Slabs, addresses: readonly number[]): void {
    let total = 0
    for (const address of addresses) total += sizeAt(chunkWords[chunkOf(address)] as Uint32Array, wordOf(address))
    this.#begin(total)
    const { words } = this.#buffer
    for (const address of addresses) {
      const source = chunkWords[chunkOf(address)] as Uint32Array
      const from = wordOf(address)
      const size = sizeAt(source, from)
      const word = this.#position >>> 2
      copyWords(source, from, words, word, size >>> 2)
      // In a slab the commit's LSN has the place of these.
      words[word + KEY_SIZE] = ((source[from + KEY_SIZE] as number) & 0xffff) | (KIND_PUT << 16) | (this.#flags << 24)
      words[word + TABLE] = tableId
      this.#took(this.#position + size)
    }
  }

  frame(): LogFrame {
    return {
      firstLsn: this.#lsn,
      lastLsn: this.#lsn,
      timeMs: 0,
      epoch: 0,
      recordCount: this.#recordCount,
      buffer: this.#buffer,
      start: 0,
      end: this.#position,
    }
  }

  #begin(size: number): void {
    if (this.#buffer.bytes.length < size) this.#buffer = allocateRecordBuffer(size)
    this.#position = 0
    this.#recordCount = 0
  }

  #took(end: number): void {
    this.#position = end
    this.#recordCount++
  }

  /** All records of a frame are of one commit. */
  get #flags(): number {
    return this.#recordCount === 0 ? 0 : FLAG_CONTINUES
  }
}

function sizeAt(words: Uint32Array, at: number): number {
  return recordSize((words[at + KEY_SIZE] as number) & 0xffff, words[at + VALUE_SIZE] as number)
}

function sizeOfFields(fields: readonly string[]): number {
  return fields.reduce((sum, field) => sum + 2 + Buffer.byteLength(field), 2)
}
