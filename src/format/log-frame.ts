// A frame of commits, read back from the log or about to leave for it: what folds and feeds work on; and the error for
// one that contradicts what is known, which names the place where there is one.

import { Corruption } from "../model/errors.ts"
import { InvariantViolation } from "../model/invariant.ts"
import type { Lsn } from "../model/lsn.ts"
import { segmentFile } from "./file-names.ts"
import { FRAME_HEADER_SIZE } from "./frame.ts"
import type { RecordBuffer } from "./record.ts"

/** The bytes are valid until the next frame is asked for. */
export interface LogFrame {
  readonly firstLsn: Lsn
  readonly lastLsn: Lsn
  readonly timeMs: number
  readonly epoch: number
  readonly recordCount: number
  readonly buffer: RecordBuffer
  /** Where the records start and end in `buffer.bytes`; multiples of 8. */
  readonly start: number
  readonly end: number
  /** Where the frame was read, its header first; undefined for one that comes from memory. */
  readonly place?: FramePosition | undefined
}

/** A segment, and an offset in it in bytes. */
export interface FramePosition {
  readonly segment: number
  readonly offset: number
}

/**
 * The error for records that make no sense, though their checksum is right: damage where they were read from a file, and
 * a defect of this engine where it has just made them. `at`: where in the buffer.
 */
export function contradiction(frame: LogFrame, at: number, found: string): Corruption | InvariantViolation {
  const { place, firstLsn } = frame
  if (place === undefined) return new InvariantViolation(`I8: a frame holds ${found}`)
  const offset = place.offset + FRAME_HEADER_SIZE + at - frame.start
  return new Corruption(segmentFile(place.segment), offset, firstLsn - 1, found)
}
