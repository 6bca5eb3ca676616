// Writes a checkpoint: blocks in order, then sync, then all of it read back and checked, and only then its name. So a
// crash leaves either the checkpoint, whole and durable, or `checkpoint.new`, which nobody reads.
//
// One that only measures writes nothing, and tells what it would have written: the same blocks of the same sizes.
//
// Synchronous but for the flush of a full block: whoever adds records asks `hasRoom` first.

import {
  BLOCK_DEFINITIONS,
  BLOCK_END,
  BLOCK_HEAD,
  BLOCK_HEADER_SIZE,
  BLOCK_LOG,
  BLOCK_RECORDS,
  BLOCK_ROOT,
  END_PAYLOAD_SIZE,
  HEAD_PAYLOAD_SIZE,
  SEALED_SEGMENT_COUNT_MAX,
  sealBlock,
  writeRoot,
  writeSealedSegments,
} from "../format/checkpoint-block.ts"
import type { BlockPlace, SealedSegment } from "../format/checkpoint-block.ts"
import { CHECKPOINT_NEW_FILE, checkpointFile } from "../format/file-names.ts"
import { writeU64 } from "../format/integers.ts"
import { allocateRecordBuffer } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import { SHAPE_COUNT_MAX } from "../model/limits.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import { writeFully } from "../platform/transfer.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { copyWords } from "../table/word-copy.ts"
import { removeUnfinished } from "./checkpoint-files.ts"
import type { CheckpointDirectory, CheckpointInfo } from "./checkpoint-files.ts"
import { verifyCheckpoint } from "./checkpoint-reader.ts"

/** Bytes of a block: a millisecond's work for who fills it. */
export const BLOCK_SIZE: number = 128 * 1024

export class CheckpointWriter {
  readonly #directory: CheckpointDirectory
  /** Undefined: it only measures. */
  readonly #handle: FileHandle | undefined
  readonly #place: BlockPlace
  readonly #throughLsn: number
  readonly #createdMs: number
  #buffer: RecordBuffer = allocateRecordBuffer(BLOCK_SIZE)
  #position = BLOCK_HEADER_SIZE
  #kind = BLOCK_DEFINITIONS
  #tableId = 0
  #blockRecords = 0
  #records = 0
  #index = 0
  #offset = 0

  private constructor(
    directory: CheckpointDirectory,
    handle: FileHandle | undefined,
    number: number,
    throughLsn: number,
    createdMs: number,
  ) {
    this.#directory = directory
    this.#handle = handle
    this.#place = { checkpoint: number, checksumSeed: directory.checksumSeed, checksum: directory.checksum }
    this.#throughLsn = throughLsn
    this.#createdMs = createdMs
  }

  /** Measures checkpoint `number`, of the state behind `throughLsn`. */
  static async measuring(
    directory: CheckpointDirectory,
    number: number,
    throughLsn: number,
    createdMs: number,
  ): Promise<CheckpointWriter> {
    const writer = new CheckpointWriter(directory, undefined, number, throughLsn, createdMs)
    await writer.#begin()
    return writer
  }

  /** Begins checkpoint `number`, of the state behind `throughLsn`. Fails with: StorageFailed. */
  static async create(
    directory: CheckpointDirectory,
    number: number,
    throughLsn: number,
    createdMs: number,
  ): Promise<CheckpointWriter> {
    await removeUnfinished(directory)
    const { fileSystem, path } = directory
    let handle: FileHandle | undefined
    try {
      handle = await fileSystem.open(fileSystem.join(path, CHECKPOINT_NEW_FILE), "create")
      const writer = new CheckpointWriter(directory, handle, number, throughLsn, createdMs)
      await writer.#begin()
      return writer
    } catch (error) {
      await handle?.close().catch(() => undefined)
      throw storageFailed("write", CHECKPOINT_NEW_FILE, error)
    }
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#offset
  }

  /**
   * Writes which segments of the log are sealed: the next recovery need not read them. Comes before all else. Fails with:
   * StorageFailed.
   */
  async writeSealed(segments: readonly SealedSegment[]): Promise<void> {
    if (segments.length === 0) return
    const told = segments.slice(0, SEALED_SEGMENT_COUNT_MAX)
    this.#position = writeSealedSegments(this.#buffer.bytes, this.#position, told)
    try {
      await this.#write(BLOCK_LOG)
    } catch (error) {
      throw storageFailed("write", CHECKPOINT_NEW_FILE, error)
    }
  }

  /** Writes the Merkle root of what it will hold. Comes behind the segments, before all else. Fails with: StorageFailed. */
  async writeRoot(root: MerkleRoot): Promise<void> {
    this.#position = writeRoot(this.#buffer.bytes, this.#position, root)
    try {
      await this.#write(BLOCK_ROOT)
    } catch (error) {
      throw storageFailed("write", CHECKPOINT_NEW_FILE, error)
    }
  }

  /** Writes what the catalogue defines. Comes before all records. Fails with: StorageFailed. */
  async writeDefinitions(catalogue: Catalogue): Promise<void> {
    const records = new RecordWriter({ low: 0, high: 0 }, new ValueEncoder(new ShapeRegistry()))
    for (const name of catalogue.names()) {
      const { id } = catalogue.entry(name)
      await this.#addDefinition((buffer, at) => records.defineTable(buffer, at, 0, id, name))
    }
    for (let id = 0; id < SHAPE_COUNT_MAX; id++) {
      const fields = catalogue.shapes.fieldsOf(id)
      if (fields !== undefined)
        await this.#addDefinition((buffer, at) => records.defineShape(buffer, at, 0, id, fields))
    }
    await this.flush()
    this.#kind = BLOCK_RECORDS
  }

  /** From now on records are this table's. Tables come in the order of their numbers. Fails with: StorageFailed. */
  async beginTable(tableId: number): Promise<void> {
    await this.flush()
    this.#tableId = tableId
  }

  /** Whether a record of that many words may be added without a flush. */
  hasRoom(wordCount: number): boolean {
    return this.#position + (wordCount << 2) <= BLOCK_SIZE
  }

  /** Adds a record as a table keeps it. Requires: `hasRoom`, or a flush just before. */
  add(words: Uint32Array, at: number, wordCount: number): void {
    if (!this.hasRoom(wordCount)) this.#makeRoomFor(wordCount)
    copyWords(words, at, this.#buffer.words, this.#position >>> 2, wordCount)
    this.#position += wordCount << 2
    this.#blockRecords++
  }

  /** Writes the block that fills, if there is anything in it. Fails with: StorageFailed. */
  async flush(): Promise<void> {
    if (this.#position === BLOCK_HEADER_SIZE) return
    try {
      await this.#write(this.#kind)
    } catch (error) {
      throw storageFailed("write", CHECKPOINT_NEW_FILE, error)
    }
    if (this.#buffer.bytes.length > BLOCK_SIZE) this.#buffer = allocateRecordBuffer(BLOCK_SIZE)
  }

  /**
   * Ends it, proves it and names it. `pace` is called between two blocks that are read back.
   * Fails with: StorageFailed, Corruption when it does not read back, what `pace` throws.
   */
  async finish(pace: () => Promise<void> | void): Promise<CheckpointInfo> {
    const { fileSystem, path } = this.#directory
    const { checkpoint } = this.#place
    try {
      await this.flush()
      this.#tableId = 0
      writeU64(this.#buffer.bytes, BLOCK_HEADER_SIZE, this.#records)
      this.#position += END_PAYLOAD_SIZE
      await this.#write(BLOCK_END)
      if (this.#handle === undefined) return this.#measured
      await this.#handle.dataSync()
      await this.#handle.close()
      const info = await verifyCheckpoint(this.#directory, checkpoint, CHECKPOINT_NEW_FILE, pace)
      await fileSystem.rename(
        fileSystem.join(path, CHECKPOINT_NEW_FILE),
        fileSystem.join(path, checkpointFile(checkpoint)),
      )
      await fileSystem.syncDirectory(path)
      return info
    } catch (error) {
      await this.#handle?.close().catch(() => undefined)
      // What `pace` threw is not the disk's.
      throw storageFailed("write", checkpointFile(checkpoint), error)
    }
  }

  /** Gives it up. What was written goes with the next attempt, or the next open, at the latest. */
  async abandon(): Promise<void> {
    if (this.#handle === undefined) return
    await this.#handle.close().catch(() => undefined)
    await removeUnfinished(this.#directory).catch(() => undefined)
  }

  async #begin(): Promise<void> {
    const { bytes } = this.#buffer
    bytes.set(this.#directory.storeId, BLOCK_HEADER_SIZE)
    writeU64(bytes, BLOCK_HEADER_SIZE + 16, this.#createdMs)
    this.#position += HEAD_PAYLOAD_SIZE
    await this.#write(BLOCK_HEAD)
  }

  get #measured(): CheckpointInfo {
    const number = this.#place.checkpoint
    const createdMs = this.#createdMs
    return { number, throughLsn: this.#throughLsn, records: this.#records, sizeBytes: this.#offset, createdMs }
  }

  async #addDefinition(write: (buffer: RecordBuffer, at: number) => number): Promise<void> {
    let end = write(this.#buffer, this.#position)
    if (end < 0) {
      await this.flush()
      end = write(this.#buffer, this.#position)
    }
    this.#position = end
  }

  #makeRoomFor(wordCount: number): void {
    this.#buffer = allocateRecordBuffer(BLOCK_HEADER_SIZE + (wordCount << 2))
  }

  async #write(kind: number): Promise<void> {
    const { bytes } = this.#buffer
    const header = {
      kind,
      payloadSize: this.#position - BLOCK_HEADER_SIZE,
      index: this.#index,
      tableId: this.#tableId,
      recordCount: this.#blockRecords,
      throughLsn: this.#throughLsn,
    }
    if (this.#handle !== undefined) {
      sealBlock(bytes, 0, header, this.#place)
      await writeFully(this.#handle, bytes.subarray(0, this.#position), this.#offset, false)
    }
    this.#offset += this.#position
    this.#records += this.#blockRecords
    this.#index++
    this.#blockRecords = 0
    this.#position = BLOCK_HEADER_SIZE
  }
}
