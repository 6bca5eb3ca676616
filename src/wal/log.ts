// The log as the engine sees it: one totally ordered sequence of frames, owned by one epoch at a time. The files of
// this machine are its first implementation (file-log.ts); a replicated log is another, under the same conformance
// suite (test/wal/log-conformance.ts).
//
// Rules that every implementation keeps:
// - One append in flight. A second call before the first has ended is a defect of the caller.
// - `append` is atomic: recovered whole or not at all.
// - Opening a log begins a new epoch, which ends every older owner's: its appends fail with `Fenced`.
// - A failure other than `Fenced` is `LogUnavailable`: the outcome is learnt by opening the log again.

import type { Lsn } from "../model/lsn.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { RecordBuffer } from "../format/record.ts"

/** A frame on its way into the log. The FRAME_HEADER_SIZE bytes before `start` belong to the log, which fills them. */
export interface FrameDraft {
  readonly buffer: RecordBuffer
  /** Where the records start in `buffer.bytes`; a multiple of 8, at least FRAME_HEADER_SIZE. */
  readonly start: number
  /** Where they end; a multiple of 8. */
  readonly end: number
  /** Commits in the frame; their LSNs follow `expected`. At least 1. */
  readonly commitCount: number
  readonly recordCount: number
  /** Wall clock when the frame was closed. */
  readonly timeMs: number
  /** Whether the frame must be on stable storage when `append` resolves. */
  readonly sync: boolean
}

export interface Log {
  /** The epoch that this handle owns. */
  readonly epoch: number
  /** The last LSN appended. */
  readonly endLsn: Lsn
  /** The last LSN known to be on stable storage. */
  readonly durableLsn: Lsn
  /** The oldest LSN that can still be read. */
  readonly oldestLsn: Lsn
  /**
   * Appends one frame after `expected`, which must equal `endLsn`. Resolves when it is written, or synced if asked.
   * A synced append makes everything before it durable too. Fails with: Fenced, LogUnavailable.
   */
  append(frame: FrameDraft, expected: Lsn): Promise<void>
  /** Makes everything appended durable. Not while an append is in flight. Fails with: Fenced, LogUnavailable. */
  sync(): Promise<void>
  /**
   * Frames that hold an LSN greater than `after`, in order, up to and with the one that holds `to` (default: the
   * durable end when the call was made). The first frame may begin before `after`. May run beside appends.
   * Fails with: CursorExpired, Corruption, StorageFailed.
   */
  read(after: Lsn, to?: Lsn): AsyncIterableIterator<LogFrame>
  /** Lets go of whole segments that hold nothing after `upTo`. Returns the bytes given back. */
  truncate(upTo: Lsn): Promise<number>
  /** Seals the log and closes it. No append may be in flight. Safe to call twice. */
  close(): Promise<void>
}
