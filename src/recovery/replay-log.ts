// Phase 5 of 5. Before: repair-tail.
// Folds the log into the tables: the same frames in the same order as the scan found them, checked again as they are
// read. Streams; memory does not depend on the length of the log.

import type { LogFrame } from "../format/log-frame.ts"
import type { LogDirectory, LogEnd } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import type { LoadedState } from "./load-checkpoint.ts"

/** Takes frames in log order: the one fold of the log into state. */
export interface Fold {
  apply(frame: LogFrame): void
}

export interface ReplayCounts {
  readonly commits: number
  readonly records: number
}

/** Fails with: Corruption, StorageFailed, and what the fold throws. */
export async function replayLog(
  directory: LogDirectory,
  end: LogEnd,
  loaded: LoadedState,
  fold: Fold,
  onBytes: (doneBytes: number) => void,
): Promise<ReplayCounts> {
  let commits = 0
  let records = 0
  let bytes = 0
  const start = { lsn: end.startLsn }
  for await (const frame of readLog(directory, end.segments, start, new Map(), loaded.throughLsn, end.lastLsn)) {
    fold.apply(frame)
    commits += frame.lastLsn - frame.firstLsn + 1
    records += frame.recordCount
    bytes += frame.end - frame.start
    onBytes(bytes)
  }
  return { commits, records }
}
