// Reads a checkpoint block by block: in constant memory, or each in memory of its own, for whoever keeps it. Guarantees: a block is given out if and only if it is whole,
// belongs to this checkpoint of this store and stands where it was written; the end is told only behind the end block,
// and only if everything that it counts was there. Anything else is Corruption.

import {
  BLOCK_DEFINITIONS,
  BLOCK_END,
  BLOCK_HEAD,
  BLOCK_HEADER_SIZE,
  BLOCK_LOG,
  BLOCK_RECORDS,
  BLOCK_ROOT,
  HEAD_PAYLOAD_SIZE,
  END_PAYLOAD_SIZE,
  isBlockIntact,
  readBlockHeader,
  readRoot,
  readSealedSegments,
} from "../format/checkpoint-block.ts"
import type { BlockHeader, BlockPlace, SealedSegment } from "../format/checkpoint-block.ts"
import { checkpointFile } from "../format/file-names.ts"
import { readU64 } from "../format/integers.ts"
import type { RecordBuffer } from "../format/record.ts"
import { Corruption } from "../model/errors.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { FileWindow, WINDOW_SIZE } from "../platform/file-window.ts"
import { storageFailed } from "../platform/system-error.ts"
import type { CheckpointDirectory, CheckpointInfo } from "./checkpoint-files.ts"
import { OwnedBlocks, READ_SIZE } from "./owned-blocks.ts"

/** Definitions or records. Bytes are valid until the next call of `next`, or for ever where the block is owned. */
export interface CheckpointBlock {
  readonly kind: typeof BLOCK_DEFINITIONS | typeof BLOCK_RECORDS
  readonly tableId: number
  readonly recordCount: number
  readonly buffer: RecordBuffer
  /** The payload in `buffer.bytes`. */
  readonly start: number
  readonly end: number
}

export class CheckpointReader {
  readonly number: number
  readonly throughLsn: number
  readonly createdMs: number
  readonly sizeBytes: number
  readonly #file: string
  readonly #handles: readonly FileHandle[]
  readonly #place: BlockPlace
  readonly #window: FileWindow | OwnedBlocks
  #offset: number
  #index = 1
  #records = 0
  #tableId = 0
  #sealed: readonly SealedSegment[] = []
  #root: MerkleRoot | undefined
  #isBehindStart = false

  private constructor(
    file: string,
    handles: readonly FileHandle[],
    place: BlockPlace,
    window: FileWindow | OwnedBlocks,
    head: { readonly throughLsn: number; readonly createdMs: number },
  ) {
    this.number = place.checkpoint
    this.throughLsn = head.throughLsn
    this.createdMs = head.createdMs
    this.sizeBytes = window.size
    this.#file = file
    this.#handles = handles
    this.#place = place
    this.#window = window
    this.#offset = BLOCK_HEADER_SIZE + HEAD_PAYLOAD_SIZE
  }

  /**
   * Opens a checkpoint and checks its head. `file`: its name, where it does not have its own yet. `blocks`: whether each
   * block gets memory of its own, or all share one piece. Fails with: Corruption, StorageFailed.
   */
  static async open(
    directory: CheckpointDirectory,
    number: number,
    file: string = checkpointFile(number),
    blocks: "owned" | "shared" = "shared",
  ): Promise<CheckpointReader> {
    const { fileSystem, path, checksum, checksumSeed, storeId } = directory
    const handles: FileHandle[] = []
    const add = async (): Promise<FileHandle> => {
      const handle = await fileSystem.open(fileSystem.join(path, file), "read")
      handles.push(handle)
      return handle
    }
    try {
      const handle = await add()
      const size = await handle.size()
      // One more pays where there is something to read ahead.
      if (blocks === "owned" && size > READ_SIZE) await add()
      const place = { checkpoint: number, checksumSeed, checksum }
      const window =
        blocks === "owned"
          ? new OwnedBlocks(handles, size)
          : new FileWindow(handle, size, Math.min(WINDOW_SIZE, Math.max(size, BLOCK_HEADER_SIZE)))
      const isWhole = await window.load(0, BLOCK_HEADER_SIZE + HEAD_PAYLOAD_SIZE)
      const header = isWhole ? readBlockHeader(window.bytes, 0, place) : undefined
      const isHead = header?.kind === BLOCK_HEAD && header.index === 0 && header.payloadSize === HEAD_PAYLOAD_SIZE
      if (header === undefined || !isHead || !isBlockIntact(window.bytes, 0, header, place)) {
        throw new Corruption(file, 0, 0, "the checkpoint has no valid head")
      }
      if (!window.bytes.subarray(BLOCK_HEADER_SIZE, BLOCK_HEADER_SIZE + 16).equals(storeId)) {
        throw new Corruption(file, 0, header.throughLsn, "the checkpoint belongs to another store")
      }
      const createdMs = readU64(window.bytes, BLOCK_HEADER_SIZE + 16)
      return new CheckpointReader(file, handles, place, window, { throughLsn: header.throughLsn, createdMs })
    } catch (error) {
      await closeAll(handles)
      throw storageFailed(handles.length === 0 ? "open" : "read", file, error)
    }
  }

  /** The next block, or undefined behind the last one. Fails with: Corruption, StorageFailed. */
  async next(): Promise<CheckpointBlock | undefined> {
    const header = await this.#load()
    const at = this.#offset - this.#window.offset
    this.#offset += BLOCK_HEADER_SIZE + header.payloadSize
    const { kind, tableId, recordCount } = header
    if (kind === BLOCK_END) {
      this.#checkEnd(header, at)
      return undefined
    }
    this.#index++
    if (kind === BLOCK_LOG) {
      this.#readLogBlock(at + BLOCK_HEADER_SIZE, header.payloadSize)
      return this.next()
    }
    if (kind === BLOCK_ROOT) {
      this.#readRootBlock(at + BLOCK_HEADER_SIZE, header.payloadSize)
      return this.next()
    }
    if (kind !== BLOCK_DEFINITIONS && kind !== BLOCK_RECORDS) throw this.#damaged("a second head")
    this.#isBehindStart = true
    if (kind === BLOCK_RECORDS) {
      this.#records += recordCount
      if (tableId < Math.max(this.#tableId, 1)) throw this.#damaged("tables out of order")
      this.#tableId = tableId
    } else if (this.#tableId > 0) throw this.#damaged("definitions behind records")
    const start = at + BLOCK_HEADER_SIZE
    return { kind, tableId, recordCount, buffer: this.#window, start, end: start + header.payloadSize }
  }

  /** What is known once `next` has come to the end. */
  get info(): CheckpointInfo {
    const { number, throughLsn, sizeBytes, createdMs } = this
    return { number, throughLsn, records: this.#records, sizeBytes, createdMs }
  }

  /** The log's segments that were sealed when it was made; none where it does not say. Known when a block was read. */
  get sealed(): readonly SealedSegment[] {
    return this.#sealed
  }

  /** The Merkle root that was written with it; undefined where there is none. Known when a block was read. */
  get root(): MerkleRoot | undefined {
    return this.#root
  }

  async close(): Promise<void> {
    try {
      if (this.#window instanceof OwnedBlocks) await this.#window.settle()
      await closeAll(this.#handles)
    } catch (error) {
      throw storageFailed("close", this.#file, error)
    }
  }

  async #load(): Promise<BlockHeader> {
    const window = this.#window
    try {
      const hasHeader = await window.load(this.#offset, BLOCK_HEADER_SIZE)
      const header = hasHeader ? readBlockHeader(window.bytes, this.#offset - window.offset, this.#place) : undefined
      const isThere =
        header !== undefined &&
        header.index === this.#index &&
        header.throughLsn === this.throughLsn &&
        (await window.load(this.#offset, BLOCK_HEADER_SIZE + header.payloadSize))
      if (!isThere || !isBlockIntact(window.bytes, this.#offset - window.offset, header, this.#place)) {
        throw this.#damaged("no valid block")
      }
      return header
    } catch (error) {
      throw storageFailed("read", this.#file, error)
    }
  }

  #readLogBlock(at: number, size: number): void {
    const sealed = this.#index === 2 ? readSealedSegments(this.#window.bytes, at, at + size) : undefined
    if (sealed === undefined) throw this.#damaged("a misplaced list of segments")
    this.#sealed = sealed
  }

  #readRootBlock(at: number, size: number): void {
    const isInPlace = !this.#isBehindStart && this.#root === undefined
    const root = isInPlace ? readRoot(this.#window.bytes, at, at + size, this.throughLsn) : undefined
    if (root === undefined) throw this.#damaged("a misplaced Merkle root")
    this.#root = root
  }

  #checkEnd(header: BlockHeader, at: number): void {
    const records = readU64(this.#window.bytes, at + BLOCK_HEADER_SIZE)
    const isRight = header.payloadSize === END_PAYLOAD_SIZE && records === this.#records
    if (!isRight || this.#offset !== this.#window.size) throw this.#damaged("an end that does not fit what was read")
  }

  #damaged(what: string): Corruption {
    return new Corruption(this.#file, this.#offset, this.throughLsn, `${what} in block ${this.#index}`)
  }
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  for (const handle of handles) await handle.close()
}

/**
 * Reads the whole checkpoint. `file` as for `open`; `pace` is called between two blocks.
 * Fails with: Corruption, StorageFailed, what `pace` throws.
 */
export async function verifyCheckpoint(
  directory: CheckpointDirectory,
  number: number,
  file?: string,
  pace: () => Promise<void> | void = () => undefined,
): Promise<CheckpointInfo> {
  const reader = await CheckpointReader.open(directory, number, file)
  try {
    while ((await reader.next()) !== undefined) await pace()
    return reader.info
  } finally {
    await reader.close()
  }
}

/** What the head of a checkpoint says, without a count of its records; undefined where it is damaged. Fails with: StorageFailed. */
export async function headOf(directory: CheckpointDirectory, number: number): Promise<CheckpointInfo | undefined> {
  try {
    const reader = await CheckpointReader.open(directory, number)
    await reader.close()
    return reader.info
  } catch (error) {
    if (error instanceof Corruption) return undefined
    throw error
  }
}
