// A frame of commits, read back from the log or about to leave for it: what folds and feeds work on.

import type { Lsn } from "../model/lsn.ts"
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
}
