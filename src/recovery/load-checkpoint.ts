// Phase 2 of 5. Before: select-checkpoint. Next: scan-log.
// Brings up the newest checkpoint that is good and that the log goes on from; a damaged one is passed over with a warning,
// as long as the one before and its log are there. Where the log begins with the first commit, none is needed.

import { removeCheckpoint } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import type { LoadedCheckpoint } from "../checkpoint/state-loader.ts"
import type { SealedSegment } from "../format/checkpoint-block.ts"
import { checkpointFile, segmentFile } from "../format/file-names.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

/** Where the state is brought up: empty tables, and a way to make them empty again. */
export interface StateTarget {
  load(number: number, onBytes: (doneBytes: number, totalBytes: number) => void): Promise<LoadedCheckpoint>
  clear(): void
}

export interface LoadedState {
  /** Undefined: the empty state. */
  readonly checkpoint: CheckpointInfo | undefined
  /** The log is replayed from the LSN behind this one. */
  readonly throughLsn: number
  /** Segments of the log that the checkpoint says were sealed before it, oldest first. */
  readonly sealed: readonly SealedSegment[]
  /** Damaged checkpoints, one line each. */
  readonly warnings: readonly string[]
}

/** Fails with: Corruption when the log's beginning is in no good checkpoint, StorageFailed. */
export async function loadCheckpoint(
  directory: LogDirectory,
  start: RecoveryStart,
  target: StateTarget | undefined,
  onBytes: (doneBytes: number, totalBytes: number) => void,
): Promise<LoadedState> {
  if (target === undefined) return { checkpoint: undefined, throughLsn: start.firstLsn - 1, sealed: [], warnings: [] }
  const warnings: string[] = []
  for (const number of start.checkpoints) {
    try {
      const place = await placeOf(directory, number, start)
      if (place === "ahead") {
        probe("the checkpoint of an unfinished backup is removed")
        await removeCheckpoint(directory, number)
      }
      if (place !== "usable") continue
      const { info, sealed } = await target.load(number, onBytes)
      return { checkpoint: info, throughLsn: info.throughLsn, sealed, warnings }
    } catch (error) {
      if (!(error instanceof Corruption)) throw error
      probe("a damaged checkpoint is passed over")
      warnings.push(`${checkpointFile(number)}: ${error.found}`)
      target.clear()
    }
  }
  if (start.firstLsn > 1) {
    const reason = `the log begins at LSN ${start.firstLsn}, and no good checkpoint reaches so far`
    throw new Corruption(segmentFile(start.segments[0]), 0, 0, [reason, ...warnings].join("; "))
  }
  return { checkpoint: undefined, throughLsn: 0, sealed: [], warnings }
}

/**
 * Where a checkpoint stands to the log. `behind`: commits between the two were let go, it was about to be removed.
 * `ahead`: nothing was written since the log began at its end, so what reaches further was copied here by a backup that
 * did not come to its end.
 */
async function placeOf(
  directory: LogDirectory,
  number: number,
  { firstLsn, isUnused }: RecoveryStart,
): Promise<"behind" | "usable" | "ahead"> {
  if (firstLsn === 1 && !isUnused) return "usable"
  const reader = await CheckpointReader.open(directory, number)
  await reader.close()
  if (reader.throughLsn + 1 < firstLsn) return "behind"
  return isUnused && reader.throughLsn + 1 > firstLsn ? "ahead" : "usable"
}
