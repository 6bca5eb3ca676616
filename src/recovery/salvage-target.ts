// Writes a state into a directory as a new store: own id, own secrets, a log of a few large commits, closed in order. The
// manifest comes last: until then the directory is no store, and a crash leaves one that `open` refuses, not a part of a
// store that looks whole.

import { freshManifest } from "../checkpoint/fresh-manifest.ts"
import { replaceManifest } from "../checkpoint/manifest-file.ts"
import { LOCK_FILE, meaningOf } from "../format/file-names.ts"
import { FRAME_HEADER_SIZE } from "../format/frame.ts"
import { hashKeyBytes } from "../format/key-hash.ts"
import type { HashSecret } from "../format/key-hash.ts"
import { allocateRecordBuffer, FLAG_CONTINUES, KIND_PUT, RECORD_HEADER_SIZE, recordSize } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import { CannotOpen, StoreLocked } from "../model/errors.ts"
import { SEGMENT_SIZE_DEFAULT, SHAPE_COUNT_MAX } from "../model/limits.ts"
import type { DirectoryLock } from "../platform/file-system.ts"
import type { Platform } from "../platform/platform.ts"
import { chunkOf, wordOf } from "../table/slabs.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { Table } from "../table/table.ts"
import { copyWords } from "../table/word-copy.ts"
import { FileLog } from "../wal/file-log.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { attempt } from "./examine-directory.ts"

/** Bytes of a commit after which it is appended. */
const COMMIT_SIZE = 256 * 1024

export interface WrittenState {
  readonly tables: number
  readonly records: number
  /** Bytes of all records, definitions included. */
  readonly bytes: number
}

/**
 * Takes the directory for a new store. Fails with: CannotOpen where it is not empty or cannot be made, StoreLocked,
 * StorageFailed.
 */
export async function prepareTarget(platform: Platform, path: string): Promise<TargetWriter> {
  const { fileSystem } = platform
  const stat = await attempt(path, "read", () => fileSystem.stat(path))
  const names = stat?.kind === "directory" ? await attempt(path, "read", () => fileSystem.list(path)) : []
  if ((stat !== undefined && stat.kind !== "directory") || names.some((name) => meaningOf(name)?.kind !== "lock")) {
    throw new CannotOpen(path, "it is not empty", "Choose an empty directory, or a path that does not exist yet")
  }
  await attempt(path, "make", () => fileSystem.makeDirectory(path))
  const lock = await attempt(path, "lock", () => fileSystem.lock(path, LOCK_FILE))
  if ("heldBy" in lock) throw new StoreLocked(path, lock.heldBy)
  return new TargetWriter(platform, path, lock)
}

export class TargetWriter {
  readonly #platform: Platform
  readonly #path: string
  readonly #lock: DirectoryLock

  /** Made by prepareTarget. */
  constructor(platform: Platform, path: string, lock: DirectoryLock) {
    this.#platform = platform
    this.#path = path
    this.#lock = lock
  }

  /** Fails with: StorageFailed, LogUnavailable, the signal's reason. */
  async write(catalogue: Catalogue, state: ShardTables, signal: AbortSignal | undefined): Promise<WrittenState> {
    const { fileSystem, checksum, clock } = this.#platform
    const manifest = freshManifest(this.#platform)
    const { storeId, checksumSeed, hashSecret } = manifest
    const directory: LogDirectory = { fileSystem, checksum, path: this.#path, storeId, checksumSeed }
    const end = { segments: [], startLsn: 1, nextSegment: 1, lastLsn: 0, epoch: 0, checksum: 0 }
    const log = await FileLog.begin(directory, end, {
      clock,
      segmentSize: SEGMENT_SIZE_DEFAULT,
      owner: `salvage, ${this.#platform.identity}`,
      lsnMin: 1,
      // Nothing of a log that is just being written is let go.
      saveStart: () => Promise.resolve(),
    })
    let written: WrittenState
    try {
      const commits = new CommitWriter(log, hashSecret, () => clock.wallMs())
      const ids = await commits.define(catalogue)
      for (const [tableId, id] of ids) {
        const table = state.partition(tableId)?.table
        if (table !== undefined) await commits.putAll(table, id, signal)
      }
      await commits.append()
      await log.sync()
      written = { tables: ids.size, records: commits.records, bytes: commits.bytes }
    } finally {
      await log.close()
    }
    signal?.throwIfAborted()
    await replaceManifest(fileSystem, this.#path, checksum, manifest)
    return written
  }

  async release(): Promise<void> {
    await this.#lock.release()
  }
}

/** Gathers records into commits, each in a frame of its own. */
class CommitWriter {
  records = 0
  bytes = 0
  readonly #log: FileLog
  readonly #secret: HashSecret
  readonly #nowMs: () => number
  #buffer: RecordBuffer = allocateRecordBuffer(COMMIT_SIZE)
  #position = FRAME_HEADER_SIZE
  #recordCount = 0

  constructor(log: FileLog, secret: HashSecret, nowMs: () => number) {
    this.#log = log
    this.#secret = secret
    this.#nowMs = nowMs
  }

  /** Writes the definitions. Tables are numbered anew, without gaps; shapes keep their numbers, which values name. */
  async define(catalogue: Catalogue): Promise<Map<number, number>> {
    const writer = new RecordWriter({ low: 0, high: 0 }, new ValueEncoder(new ShapeRegistry()))
    const ids = new Map<number, number>()
    for (const name of catalogue.names()) {
      const id = ids.size + 1
      ids.set(catalogue.entry(name).id, id)
      await this.#room(recordSize(Buffer.byteLength(name), 0))
      this.#took(writer.defineTable(this.#buffer, this.#position, this.#flags, id, name))
    }
    for (let id = 0; id < SHAPE_COUNT_MAX; id++) {
      const fields = catalogue.shapes.fieldsOf(id)
      if (fields === undefined) continue
      await this.#room(
        recordSize(
          0,
          fields.reduce((sum, field) => sum + 2 + Buffer.byteLength(field), 2),
        ),
      )
      this.#took(writer.defineShape(this.#buffer, this.#position, this.#flags, id, fields))
    }
    return ids
  }

  /** Writes every record of a table. The values keep their bytes, the hashes are of this store's secret. */
  async putAll(table: Table, id: number, signal: AbortSignal | undefined): Promise<void> {
    const cursor = table.cursor()
    while (cursor.next()) {
      signal?.throwIfAborted()
      for (const address of cursor.addresses) {
        const source = table.slabs.chunkWords[chunkOf(address)] as Uint32Array
        const from = wordOf(address)
        const keySize = (source[from + 2] as number) & 0xffff
        const size = recordSize(keySize, source[from + 1] as number)
        if (this.#position + size > this.#buffer.bytes.length) await this.#room(size)
        const { words, bytes } = this.#buffer
        const word = this.#position >>> 2
        copyWords(source, from, words, word, size >>> 2)
        const keyStart = this.#position + RECORD_HEADER_SIZE
        words[word] = hashKeyBytes(this.#secret, bytes, keyStart, keyStart + keySize)
        words[word + 2] = keySize | (KIND_PUT << 16) | (this.#flags << 24)
        words[word + 3] = id
        this.records++
        this.#took(this.#position + size)
      }
    }
  }

  /** Appends the commit that fills, if there is anything in it. */
  async append(): Promise<void> {
    if (this.#recordCount === 0) return
    const { endLsn } = this.#log
    await this.#log.append(
      {
        buffer: this.#buffer,
        start: FRAME_HEADER_SIZE,
        end: this.#position,
        commitCount: 1,
        recordCount: this.#recordCount,
        timeMs: this.#nowMs(),
        sync: false,
      },
      endLsn,
    )
    this.bytes += this.#position - FRAME_HEADER_SIZE
    this.#position = FRAME_HEADER_SIZE
    this.#recordCount = 0
    if (this.#buffer.bytes.length > COMMIT_SIZE) this.#buffer = allocateRecordBuffer(COMMIT_SIZE)
  }

  get #flags(): number {
    return this.#recordCount === 0 ? 0 : FLAG_CONTINUES
  }

  #took(end: number): void {
    this.#position = end
    this.#recordCount++
  }

  /** Makes room for a record: by a commit, and for one that is larger than a commit by more memory. */
  async #room(size: number): Promise<void> {
    if (this.#position + size <= this.#buffer.bytes.length) return
    await this.append()
    if (FRAME_HEADER_SIZE + size > this.#buffer.bytes.length)
      this.#buffer = allocateRecordBuffer(FRAME_HEADER_SIZE + size)
  }
}
