// Makes a checkpoint out of the one before and the log behind it. Reads files only, never the tables of the running
// store; both inputs and the output are in the order of the mixed hashes, so it is one merge, whatever the size of the
// state. In memory it holds one block of each, and what a bounded part of the log changes.

import { BLOCK_DEFINITIONS } from "../format/checkpoint-block.ts"
import type { SealedSegment } from "../format/checkpoint-block.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import { recordSize } from "../format/record.ts"
import { Catalogue } from "../table/catalogue.ts"
import { mixHash } from "../table/index-segment.ts"
import { OrderedScan } from "../table/ordered-scan.ts"
import { chunkOf, wordOf } from "../table/slabs.ts"
import { CheckpointReader } from "./checkpoint-reader.ts"
import type { CheckpointBlock } from "./checkpoint-reader.ts"
import type { CheckpointDirectory, CheckpointInfo } from "./checkpoint-files.ts"
import { CheckpointWriter } from "./checkpoint-writer.ts"
import { LogDelta, TableDelta } from "./log-delta.ts"
import { defineAll } from "./state-loader.ts"

/** Bytes of the log that one checkpoint takes at most, because what they change is held in memory. */
export const DELTA_SIZE_MAX: number = 256 * 1024 * 1024

export interface FoldInput {
  /** Where the base is, and what is made as well if there is no target. */
  readonly directory: CheckpointDirectory
  /** Where the new one is written, as that directory's own. Its records must have the same key hashes. */
  readonly target?: CheckpointDirectory
  /** The number that the checkpoint takes. */
  readonly number: number
  /** The checkpoint to start from; undefined: the empty state. */
  readonly base: number | undefined
  /** Frames behind an LSN, in order: the log, as far as it is durable. */
  readonly readLog: (after: number) => AsyncIterable<LogFrame>
  /** Segments of the log that are sealed and synced, oldest first. */
  readonly sealed?: readonly SealedSegment[]
  readonly createdMs: number
  /**
   * The commit that it ends with, which may lie inside a frame, and need not be there: it is made also where the log
   * holds nothing behind the base. Default: everything that is read, if there is anything.
   */
  readonly throughLsn?: number
  /** The Merkle root of the state behind its LSN; written if the checkpoint ends there. */
  readonly root?: MerkleRoot | undefined
  /** Whether nothing is written: what is returned is what would have been. Default false. */
  readonly isMeasured?: boolean
  /** Bytes of the log after which it stops; infinite where it is the tables that are read. Default: DELTA_SIZE_MAX. */
  readonly deltaSizeMax?: number
  /**
   * Called between two blocks and two frames, with the bytes written so far: gives others their turn, and throws where
   * the work should end.
   */
  readonly pace: (writtenBytes?: number) => Promise<void> | void
}

/** Returns the new checkpoint; undefined where the log holds nothing behind the base. Fails with: Corruption, StorageFailed. */
export async function foldCheckpoint(input: FoldInput): Promise<CheckpointInfo | undefined> {
  const { directory, base } = input
  const reader = base === undefined ? undefined : await CheckpointReader.open(directory, base)
  let taken: LogDelta | undefined
  try {
    const catalogue = new Catalogue()
    let block = await reader?.next()
    for (; reader !== undefined && block?.kind === BLOCK_DEFINITIONS; block = await reader.next()) {
      defineAll(block, catalogue, reader)
    }
    const delta = (taken = new LogDelta(catalogue, reader?.throughLsn ?? 0))
    let isCut = false
    for await (const frame of input.readLog(delta.lastLsn)) {
      delta.apply(frame, input.throughLsn)
      await input.pace()
      isCut = delta.logBytes >= (input.deltaSizeMax ?? DELTA_SIZE_MAX)
      if (isCut) break
    }
    const throughLsn = isCut ? delta.lastLsn : (input.throughLsn ?? delta.lastLsn)
    if (delta.lastLsn === (reader?.throughLsn ?? 0) && input.throughLsn === undefined) return undefined
    const { number, createdMs, isMeasured = false, target = directory } = input
    const writer = isMeasured
      ? await CheckpointWriter.measuring(target, number, throughLsn, createdMs)
      : await CheckpointWriter.create(target, number, throughLsn, createdMs)
    try {
      await writer.writeSealed((input.sealed ?? []).filter(({ lastLsn }) => lastLsn <= delta.lastLsn))
      const root = throughLsn === reader?.throughLsn ? reader.root : input.root
      if (root?.lsn === throughLsn) await writer.writeRoot(root)
      await writer.writeDefinitions(catalogue)
      await new Merge(input, writer, delta, reader, block).run()
      return await writer.finish(input.pace)
    } catch (error) {
      await writer.abandon()
      throw error
    }
  } finally {
    taken?.release()
    await reader?.close()
  }
}

class Merge {
  readonly #input: FoldInput
  readonly #writer: CheckpointWriter
  readonly #delta: LogDelta
  readonly #reader: CheckpointReader | undefined
  /** The block of the base that comes next. */
  #block: CheckpointBlock | undefined

  constructor(
    input: FoldInput,
    writer: CheckpointWriter,
    delta: LogDelta,
    reader: CheckpointReader | undefined,
    block: CheckpointBlock | undefined,
  ) {
    this.#input = input
    this.#writer = writer
    this.#delta = delta
    this.#reader = reader
    this.#block = block
  }

  async run(): Promise<void> {
    let tableId = 0
    for (;;) {
      const next = this.#nextTable(tableId)
      if (next === undefined) return
      tableId = next
      await this.#writer.beginTable(tableId)
      await this.#mergeTable(tableId, this.#delta.tables[tableId] ?? new TableDelta())
    }
  }

  /** The smallest number above `tableId` of a table with records in either input. */
  #nextTable(tableId: number): number | undefined {
    const inDelta = this.#delta.tables.findIndex((table, id) => id > tableId && table !== undefined)
    const inBase = this.#block?.tableId
    if (inDelta < 0) return inBase
    return inBase === undefined ? inDelta : Math.min(inDelta, inBase)
  }

  async #mergeTable(tableId: number, delta: TableDelta): Promise<void> {
    const { table } = delta.put
    const scan = new OrderedScan(table.index)
    const { chunkWords } = table.slabs
    const isUntouched = table.count === 0 && delta.deleted.count === 0
    while (this.#block?.tableId === tableId) {
      const { buffer, start, end } = this.#block
      const { words } = buffer
      for (let at = start >>> 2; at < end >>> 2;) {
        const size = wordCountOf(words, at)
        const mixed = mixHash(words[at] as number)
        for (; scan.mixed < mixed; scan.next()) {
          // An await for every record would cost more than the record.
          const full = this.#add(chunkWords[chunkOf(scan.address)] as Uint32Array, wordOf(scan.address))
          if (full !== undefined) await full
        }
        if (isUntouched || !delta.covers(words, at)) {
          const full = this.#add(words, at)
          if (full !== undefined) await full
        }
        at += size
      }
      this.#block = await this.#reader?.next()
      await this.#input.pace(this.#writer.sizeBytes)
    }
    for (; !scan.isAtEnd; scan.next()) {
      const full = this.#add(chunkWords[chunkOf(scan.address)] as Uint32Array, wordOf(scan.address))
      if (full !== undefined) await full
    }
  }

  /** Adds a record: at once, or when the promise that it returns has resolved, because the block was full. */
  #add(words: Uint32Array, at: number): Promise<void> | undefined {
    const size = wordCountOf(words, at)
    if (!this.#writer.hasRoom(size)) return this.#addBehindFlush(words, at, size)
    this.#writer.add(words, at, size)
    return undefined
  }

  async #addBehindFlush(words: Uint32Array, at: number, size: number): Promise<void> {
    await this.#writer.flush()
    await this.#input.pace(this.#writer.sizeBytes)
    this.#writer.add(words, at, size)
  }
}

function wordCountOf(words: Uint32Array, at: number): number {
  return recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number) >>> 2
}
