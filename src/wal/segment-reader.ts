// Reads the frames of one segment in order, in constant memory: a window that slides over the file, and grows only for
// a frame that is larger than it. A frame is given out if and only if docs/file-format.md, 'Valid frame', says so.
//
// Where no valid frame follows, `next` returns undefined and `stop` says why. What that means (the end, a torn tail,
// damage) is for the caller: it takes the whole log to tell.

import {
  FRAME_EPOCH,
  FRAME_HEADER_SIZE,
  FRAME_MAGIC,
  FRAME_SEAL,
  isFrameIntact,
  lastLsnOf,
  readFrameHeader,
} from "../format/frame.ts"
import type { FrameHeader, FramePlace } from "../format/frame.ts"
import { segmentFile } from "../format/file-names.ts"
import { readU32, writeU32 } from "../format/integers.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { RecordBuffer } from "../format/record.ts"
import { decodeSegmentHeader, SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Corruption } from "../model/errors.ts"
import { lsnOf } from "../model/lsn.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import { FileWindow, WINDOW_SIZE } from "../platform/file-window.ts"
import { readFully } from "../platform/transfer.ts"
import type { LogDirectory } from "./log-directory.ts"

/** Where reading starts, and what the first frame must follow; undefined parts are not checked. */
export interface ReadStart {
  readonly offset: number
  readonly previousChecksum: number | undefined
  readonly lastLsn: number | undefined
  readonly epoch: number
}

/** Bytes are valid until the next call of `next`. */
export interface SegmentFrame {
  readonly header: FrameHeader
  readonly buffer: RecordBuffer
  /** The payload in `buffer.bytes`. */
  readonly start: number
  readonly end: number
}

/** A frame of commits, as folds take it. */
export function logFrameOf({ header, buffer, start, end }: SegmentFrame): LogFrame {
  return {
    firstLsn: lsnOf(header.firstLsn),
    lastLsn: lsnOf(lastLsnOf(header)),
    timeMs: header.timeMs,
    epoch: header.epoch,
    recordCount: header.recordCount,
    buffer,
    start,
    end,
    place: header,
  }
}

/** Why no further frame was given out. */
export type StopReason = "end" | "zeros" | "no-frame" | "checksum" | "chain"

export class SegmentReader {
  readonly file: string
  readonly size: number
  /** Where the next frame would start. */
  offset: number
  stop: StopReason = "end"
  #previousChecksum: number | undefined
  #lastLsn: number | undefined
  #epoch: number
  readonly #handle: FileHandle
  readonly #place: FramePlace
  readonly #window: FileWindow

  private constructor(
    file: string,
    handle: FileHandle,
    size: number,
    place: FramePlace,
    start: ReadStart,
    window: FileWindow,
  ) {
    this.file = file
    this.#handle = handle
    this.size = size
    this.#place = place
    this.offset = start.offset
    this.#previousChecksum = start.previousChecksum
    this.#lastLsn = start.lastLsn
    this.#epoch = start.epoch
    this.#window = window
  }

  /**
   * Opens the segment and checks its header; one that is bad is Corruption, or told to `onBadHeader` where that is given:
   * frames vouch for themselves. Fails with: StorageFailed, Corruption, UnsupportedFormat.
   */
  static async open(
    directory: LogDirectory,
    segment: number,
    start: ReadStart,
    onBadHeader?: (found: string) => void,
  ): Promise<SegmentReader> {
    const file = segmentFile(segment)
    const handle = await directory.fileSystem
      .open(directory.fileSystem.join(directory.path, file), "read")
      .catch((error: unknown) => Promise.reject(storageFailed("open", file, error)))
    try {
      const size = await handle.size()
      const window = new FileWindow(handle, size, Math.min(WINDOW_SIZE, Math.max(size, FRAME_HEADER_SIZE)))
      const head = await readHead(handle, window, start.offset)
      const header = decodeSegmentHeader(head, { file, storeId: directory.storeId, segment }, directory.checksum)
      if (typeof header === "string") {
        if (onBadHeader === undefined) throw new Corruption(file, 0, start.lastLsn ?? 0, header)
        onBadHeader(header)
      }
      const place = { checksumSeed: directory.checksumSeed, segment, checksum: directory.checksum }
      return new SegmentReader(file, handle, size, place, start, window)
    } catch (error) {
      await handle.close()
      throw storageFailed("read", file, error)
    }
  }

  /** The next frame before `limit` (default: the end of the file), or undefined where no valid one follows. */
  async next(limit: number = this.size): Promise<SegmentFrame | undefined> {
    if (this.offset + FRAME_HEADER_SIZE > limit) return this.#stopAt("end")
    if (!(await this.#load(this.offset, FRAME_HEADER_SIZE))) return this.#stopAt("end")
    const header = readFrameHeader(this.#window.bytes, this.offset - this.#window.offset, this.#place, this.offset)
    if (header === undefined) return this.#stopAt(this.#isZeroHeader() ? "zeros" : "no-frame")
    const size = FRAME_HEADER_SIZE + header.payloadSize
    if (this.offset + size > limit) return this.#stopAt("no-frame")
    if (!(await this.#load(this.offset, size))) return this.#stopAt("no-frame")
    const at = this.offset - this.#window.offset
    if (!isFrameIntact(this.#window.bytes, at, header, this.#place)) return this.#stopAt("checksum")
    if (!this.#follows(header)) return this.#stopAt("chain")
    this.#previousChecksum = header.checksum
    this.#lastLsn = header.firstLsn + header.commitCount - 1
    this.#epoch = header.epoch
    this.offset += size
    return { header, buffer: this.#window, start: at + FRAME_HEADER_SIZE, end: at + size }
  }

  /**
   * The first intact frame at or after `from`, whatever it follows: what a scan past a bad frame looks for. Frames lie
   * at multiples of 8.
   */
  async findIntact(from: number): Promise<FrameHeader | undefined> {
    const magic = new Uint8Array(4)
    writeU32(magic, 0, FRAME_MAGIC)
    let position = from
    while (await this.#load(position, FRAME_HEADER_SIZE)) {
      const filled = this.#window.bytes.subarray(0, this.#window.filled)
      const at = filled.indexOf(magic, position - this.#window.offset)
      // The last bytes of the window may hold the first bytes of the magic: look at them again with more behind.
      if (at < 0 || at + FRAME_HEADER_SIZE > this.#window.filled) {
        const next = (this.#window.offset + (at < 0 ? this.#window.filled - 3 : at)) & ~7
        position = Math.max(next, position + 8)
        continue
      }
      position = this.#window.offset + at
      if ((position & 7) === 0) {
        const header = readFrameHeader(this.#window.bytes, at, this.#place, position)
        if (header !== undefined && (await this.#load(position, FRAME_HEADER_SIZE + header.payloadSize))) {
          if (isFrameIntact(this.#window.bytes, position - this.#window.offset, header, this.#place)) return header
        }
      }
      position = (position & ~7) + 8
    }
    return undefined
  }

  /** Goes on with an intact frame that `findIntact` gave, whatever it follows. */
  resumeAt(offset: number): void {
    this.offset = offset
    this.#previousChecksum = undefined
    this.#lastLsn = undefined
    this.#epoch = 0
  }

  async close(): Promise<void> {
    try {
      await this.#handle.close()
    } catch (error) {
      throw storageFailed("close", this.file, error)
    }
  }

  #stopAt(reason: StopReason): undefined {
    this.stop = reason
    return undefined
  }

  #follows(header: FrameHeader): boolean {
    const knowsPrevious = this.#previousChecksum !== undefined
    if (knowsPrevious && header.previousChecksum !== this.#previousChecksum) return false
    if (header.kind === FRAME_EPOCH) {
      return header.epoch > this.#epoch && (this.#lastLsn === undefined || header.firstLsn > this.#lastLsn)
    }
    // Behind a truncation the epoch began in a segment that is gone.
    if (knowsPrevious && header.epoch !== this.#epoch) return false
    if (header.kind === FRAME_SEAL ? header.commitCount !== 0 : header.commitCount === 0) return false
    return this.#lastLsn === undefined || header.firstLsn === this.#lastLsn + 1
  }

  #isZeroHeader(): boolean {
    const at = this.offset - this.#window.offset
    for (let index = 0; index < FRAME_HEADER_SIZE; index += 4) {
      if (readU32(this.#window.bytes, at + index) !== 0) return false
    }
    return true
  }

  async #load(offset: number, size: number): Promise<boolean> {
    try {
      return await this.#window.load(offset, size)
    } catch (error) {
      throw storageFailed("read", this.file, error)
    }
  }
}

/** The bytes of the header: with the first frames, in one call, where reading starts there. Fewer of a file that is cut. */
async function readHead(handle: FileHandle, window: FileWindow, startOffset: number): Promise<Uint8Array> {
  if (startOffset < WINDOW_SIZE && (await window.load(0, SEGMENT_HEADER_SIZE))) {
    return window.bytes.subarray(0, SEGMENT_HEADER_SIZE)
  }
  const head = new Uint8Array(SEGMENT_HEADER_SIZE)
  return head.subarray(0, await readFully(handle, head, 0))
}
