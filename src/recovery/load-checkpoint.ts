// Phase 2 of 5. Before: select-checkpoint. Next: scan-log.
// Brings up the state that the selected checkpoint holds. This format version has no checkpoints: the fold starts from
// the empty state, before the first LSN of the log.

import type { RecoveryStart } from "./select-checkpoint.ts"

export interface LoadedState {
  /** The log is replayed from the LSN behind this one. */
  readonly throughLsn: number
}

export async function loadCheckpoint(start: RecoveryStart): Promise<LoadedState> {
  return { throughLsn: start.firstLsn - 1 }
}
