// A window that slides over a file, forward only: what is read in order is read in few large pieces, in constant memory.
// It grows only for a piece that is larger than it.

import type { FileHandle } from "./file-system.ts"
import { readFully } from "./transfer.ts"

export const WINDOW_SIZE: number = 1024 * 1024

export class FileWindow {
  /** The bytes of the window, of which `filled` are the file's; replaced when it grows. */
  bytes: Buffer
  /** The same memory as 32-bit words. */
  words: Uint32Array
  /** The file offset of the window's first byte, a multiple of 8. */
  offset = 0
  filled = 0
  readonly #handle: FileHandle
  /** Bytes of the file that may be read. */
  readonly size: number

  constructor(handle: FileHandle, size: number, windowSize: number) {
    this.#handle = handle
    this.size = size
    const memory = new ArrayBuffer((windowSize + 7) & ~7)
    this.bytes = Buffer.from(memory)
    this.words = new Uint32Array(memory)
  }

  /**
   * Brings the `size` bytes of the file from `offset` on into the window. False where the file does not have that many.
   * What was read before lies elsewhere afterwards. Fails with what reading fails with.
   */
  async load(offset: number, size: number): Promise<boolean> {
    const end = this.offset + this.filled
    if (offset >= this.offset && offset + size <= end) return true
    if (offset + size > this.size) return false
    const start = offset & ~7
    const kept = start >= this.offset && start < end ? end - start : 0
    const needed = offset + size - start
    const old = this.bytes
    const from = start - this.offset
    if (needed > old.length) this.#grow(Math.min(needed * 2, needed + WINDOW_SIZE))
    if (kept > 0) old.copy(this.bytes, 0, from, from + kept)
    this.offset = start
    this.filled = kept
    const target = this.bytes.subarray(kept, Math.min(this.bytes.length, this.size - start))
    this.filled += await readFully(this.#handle, target, start + kept)
    return needed <= this.filled
  }

  #grow(size: number): void {
    const memory = new ArrayBuffer((size + 7) & ~7)
    this.bytes = Buffer.from(memory)
    this.words = new Uint32Array(memory)
  }
}
