// Appends frames to one segment: fills in their headers, writes, syncs, seals. Knows nothing of the segments around it.
//
// After any failure the writer is of no more use: what is on the disk is unknown, and a failed sync must not be retried
// on the same file (the kernel may have marked the lost pages clean).

import { FRAME_COMMITS, FRAME_EPOCH, FRAME_HEADER_SIZE, FRAME_SEAL, frameSize, sealFrame } from "../format/frame.ts"
import type { FramePlace } from "../format/frame.ts"
import { segmentFile } from "../format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { invariant } from "../model/invariant.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import { writeFully } from "../platform/transfer.ts"
import type { FrameDraft } from "./log.ts"
import type { LogDirectory } from "./log-directory.ts"
import type { PreparedSegment } from "./segment-files.ts"

/** What a frame continues. Changed only by the file log. */
export interface LogTail {
  epoch: number
  lastLsn: number
  durableLsn: number
  /** Of the last frame. */
  checksum: number
}

export class SegmentWriter {
  readonly segment: number
  readonly size: number
  /** Where the next frame goes. */
  offset: number = SEGMENT_HEADER_SIZE
  frameCount = 0
  /** Whether bytes were written since the last sync of the whole file. */
  isDirty = false
  readonly #handle: FileHandle
  readonly #place: FramePlace

  constructor(directory: LogDirectory, prepared: PreparedSegment) {
    this.segment = prepared.segment
    this.size = prepared.size
    this.#handle = prepared.handle
    this.#place = { checksumSeed: directory.checksumSeed, segment: prepared.segment, checksum: directory.checksum }
  }

  /** Whether a frame of this payload fits, and the seal behind it. */
  hasRoom(payloadSize: number): boolean {
    return this.offset + frameSize(payloadSize) + FRAME_HEADER_SIZE <= this.size
  }

  /** Writes a frame of commits, and syncs it if the draft asks. */
  async append(draft: FrameDraft, tail: LogTail): Promise<void> {
    const at = draft.start - FRAME_HEADER_SIZE
    invariant(at >= 0 && (draft.start & 7) === 0 && (draft.end & 7) === 0, "I4: a frame is aligned to 8 bytes")
    const checksum = sealFrame(
      draft.buffer.bytes,
      at,
      {
        kind: FRAME_COMMITS,
        payloadSize: draft.end - draft.start,
        previousChecksum: tail.checksum,
        firstLsn: tail.lastLsn + 1,
        durableLsn: tail.durableLsn,
        timeMs: draft.timeMs,
        commitCount: draft.commitCount,
        recordCount: draft.recordCount,
        epoch: tail.epoch,
        segment: this.segment,
        offset: this.offset,
      },
      this.#place,
    )
    await this.#write(draft.buffer.bytes.subarray(at, draft.end), draft.sync)
    tail.checksum = checksum
    tail.lastLsn += draft.commitCount
    if (draft.sync) tail.durableLsn = tail.lastLsn
  }

  /** Begins the epoch `tail.epoch` with the LSN `firstLsn`, synced. */
  async appendEpoch(owner: string, firstLsn: number, timeMs: number, tail: LogTail): Promise<void> {
    await this.#appendMark(FRAME_EPOCH, Buffer.from(owner), firstLsn, 1, timeMs, tail)
    tail.lastLsn = firstLsn
    tail.durableLsn = firstLsn
  }

  /** Ends the segment, synced with all that is in it. */
  async seal(timeMs: number, tail: LogTail): Promise<void> {
    await this.sync()
    tail.durableLsn = tail.lastLsn
    await this.#appendMark(FRAME_SEAL, Buffer.alloc(0), tail.lastLsn + 1, 0, timeMs, tail)
  }

  /** Puts everything written on stable storage. */
  async sync(): Promise<void> {
    if (!this.isDirty) return
    await this.#handle.dataSync()
    this.isDirty = false
  }

  /** Cuts what was preallocated behind the last frame. */
  async trim(): Promise<void> {
    await this.#handle.truncate(this.offset)
    await this.#handle.dataSync()
  }

  async close(): Promise<void> {
    try {
      await this.#handle.close()
    } catch (error) {
      throw storageFailed("close", segmentFile(this.segment), error)
    }
  }

  async #appendMark(
    kind: number,
    payload: Buffer,
    firstLsn: number,
    commitCount: number,
    timeMs: number,
    tail: LogTail,
  ): Promise<void> {
    const bytes = new Uint8Array(frameSize((payload.length + 7) & ~7))
    bytes.set(payload, FRAME_HEADER_SIZE)
    const checksum = sealFrame(
      bytes,
      0,
      {
        kind,
        payloadSize: bytes.length - FRAME_HEADER_SIZE,
        previousChecksum: tail.checksum,
        firstLsn,
        durableLsn: tail.durableLsn,
        timeMs,
        commitCount,
        recordCount: this.frameCount,
        epoch: tail.epoch,
        segment: this.segment,
        offset: this.offset,
      },
      this.#place,
    )
    await this.#write(bytes, true)
    tail.checksum = checksum
  }

  /** O_DSYNC covers only the bytes of its own call: with earlier bytes unsynced, write first and sync the whole file. */
  async #write(bytes: Uint8Array, sync: boolean): Promise<void> {
    const through = sync && !this.isDirty
    if (!through) this.isDirty = true
    await writeFully(this.#handle, bytes, this.offset, through)
    this.offset += bytes.length
    this.frameCount++
    if (sync && !through) await this.sync()
  }
}
