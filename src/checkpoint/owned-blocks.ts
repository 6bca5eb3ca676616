// Reads a checkpoint into memory that whoever gets its blocks may keep: tables take it over as it is. A few large pieces
// of memory, because every allocation of its kind brings the next garbage collection nearer; a piece goes when nobody
// holds a block of it any more. What comes next is read while a block is worked on. Same face as a FileWindow.

import type { FileHandle } from "../platform/file-system.ts"
import { readFully } from "../platform/transfer.ts"

/** Bytes of a piece of memory; more only for a block that is larger. */
const PIECE_SIZE = 256 * 1024 * 1024
/** Bytes read at a time. */
const READ_SIZE = 1024 * 1024

export class OwnedBlocks {
  bytes: Buffer = Buffer.alloc(0)
  words: Uint32Array = new Uint32Array(0)
  /** The file offset of the first byte, a multiple of 8. */
  offset = 0
  filled = 0
  readonly size: number
  readonly #handle: FileHandle
  readonly #pieceSize: number
  /** The read under way, if there is one: how many bytes come to the filled ones. */
  #reading: Promise<number> | undefined

  /** `pieceSize`: of the memory, for tests. */
  constructor(handle: FileHandle, size: number, pieceSize: number = PIECE_SIZE) {
    this.#handle = handle
    this.size = size
    this.#pieceSize = pieceSize
  }

  /**
   * Brings `size` bytes of the file from `offset` on into memory: forward only. False where the file does not have that
   * many. Fails with what reading fails with.
   */
  async load(offset: number, size: number): Promise<boolean> {
    if (offset + size > this.size) return false
    if (offset + size > this.offset + this.bytes.length) await this.#beginPiece(offset, size)
    while (offset + size > this.offset + this.filled) {
      const count = await (this.#reading ?? this.#readMore())
      this.#reading = undefined
      if (count === 0) return false
      this.filled += count
    }
    // While the caller works on this block.
    if (this.#reading === undefined && this.filled < this.bytes.length) this.#reading = this.#readMore()
    return true
  }

  /** Waits for what is being read: then the file may be closed. */
  async settle(): Promise<void> {
    await this.#reading?.catch(() => undefined)
  }

  async #beginPiece(offset: number, size: number): Promise<void> {
    await this.settle()
    this.#reading = undefined
    this.bytes = Buffer.allocUnsafeSlow(Math.min(Math.max(size, this.#pieceSize), this.size - offset))
    this.words = new Uint32Array(this.bytes.buffer, 0, this.bytes.length >>> 2)
    this.offset = offset
    this.filled = 0
  }

  #readMore(): Promise<number> {
    const target = this.bytes.subarray(this.filled, this.filled + READ_SIZE)
    const reading = readFully(this.#handle, target, this.offset + this.filled)
    // It may never be asked for.
    reading.catch(() => undefined)
    return reading
  }
}
