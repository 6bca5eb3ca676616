// Reads a checkpoint into memory that whoever gets its blocks may keep: tables take it over as it is. A few large pieces
// of memory, because every allocation of its kind brings the next garbage collection nearer; a piece goes when nobody
// holds a block of it any more. What comes next is read while a block is worked on, two reads at a time: most of a read is
// the kernel finding pages for fresh memory, which two threads do in half the time. Same face as a FileWindow.

import type { FileHandle } from "../platform/file-system.ts"
import { readFully } from "../platform/transfer.ts"

/** Bytes of a piece of memory; more only for a block that is larger. */
const PIECE_SIZE = 256 * 1024 * 1024
/** Bytes read at a time. */
export const READ_SIZE: number = 1024 * 1024

export class OwnedBlocks {
  bytes: Buffer = Buffer.alloc(0)
  words: Uint32Array = new Uint32Array(0)
  /** The file offset of the first byte, a multiple of 8. */
  offset = 0
  filled = 0
  readonly size: number
  /** Each for one read at a time. */
  readonly #handles: readonly FileHandle[]
  readonly #pieceSize: number
  /** The reads under way, in the order of the file: what was asked for, and how many bytes there are. */
  readonly #reads: { readonly asked: number; readonly count: Promise<number> }[] = []
  /** Bytes of the piece that are read or being read. */
  #requested = 0
  #readCount = 0

  /** `handles`: of the same file. `pieceSize`: of the memory, for tests. */
  constructor(handles: readonly FileHandle[], size: number, pieceSize: number = PIECE_SIZE) {
    this.#handles = handles
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
    this.#readAhead()
    while (offset + size > this.offset + this.filled) {
      const read = this.#reads[0]
      if (read === undefined) return false
      const count = await read.count
      this.#reads.shift()
      this.filled += count
      // The file is shorter than it was.
      if (count < read.asked) return offset + size <= this.offset + this.filled
      this.#readAhead()
    }
    return true
  }

  /** Waits for what is being read: then the file may be closed. */
  async settle(): Promise<void> {
    await Promise.all(this.#reads.map(({ count }) => count.catch(() => 0)))
  }

  async #beginPiece(offset: number, size: number): Promise<void> {
    await this.settle()
    this.#reads.length = 0
    this.#requested = 0
    this.bytes = Buffer.allocUnsafeSlow(Math.min(Math.max(size, this.#pieceSize), this.size - offset))
    this.words = new Uint32Array(this.bytes.buffer, 0, this.bytes.length >>> 2)
    this.offset = offset
    this.filled = 0
  }

  #readAhead(): void {
    while (this.#reads.length < this.#handles.length && this.#requested < this.bytes.length) {
      const target = this.bytes.subarray(this.#requested, this.#requested + READ_SIZE)
      // Reads end in turns, so the handle's last one has ended.
      const handle = this.#handles[this.#readCount++ % this.#handles.length] as FileHandle
      const count = readFully(handle, target, this.offset + this.#requested)
      // It may never be asked for.
      count.catch(() => undefined)
      this.#reads.push({ asked: target.length, count })
      this.#requested += target.length
    }
  }
}
