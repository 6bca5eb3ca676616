// What recovery did, in numbers. A store that opened with nothing loaded says so: it never reports success over data
// that it did not read.

import type { MerkleVerdict } from "../model/merkle.ts"

export type RecoveryPhase = "select-checkpoint" | "load-checkpoint" | "scan-log" | "repair-tail" | "replay-log"

export const RECOVERY_PHASES: readonly RecoveryPhase[] = [
  "select-checkpoint",
  "load-checkpoint",
  "scan-log",
  "repair-tail",
  "replay-log",
]

export interface RecoveryProgress {
  /** "compare-root" comes behind recovery, where the option `merkle` asks for it. */
  readonly phase: RecoveryPhase | "compare-root"
  /** Bytes of the log, or of checkpoint and log, that the phase has gone through, and will have to. */
  readonly doneBytes: number
  readonly totalBytes: number
}

/** Prepared transactions as recovery found them. */
export interface TransactionCounts {
  /** They wait for their decision: `store.inDoubt()`. */
  readonly transactionsInDoubt: number
  /** Decisions that are still remembered. */
  readonly transactionsCommitted: number
  readonly transactionsAborted: number
}

export interface RecoveryReport extends TransactionCounts {
  /** False for a directory that was made by this very open. */
  readonly foundStore: boolean
  /** How long each phase took, in milliseconds. */
  readonly phaseMs: Readonly<Record<RecoveryPhase, number>>
  readonly durationMs: number
  /** The checkpoint that recovery started from, the last commit in it, and its records; undefined and 0 for none. */
  readonly checkpoint: number | undefined
  readonly checkpointLsn: number
  readonly checkpointRecords: number
  /** Segments and frames that were checked. */
  readonly segments: number
  readonly frames: number
  /** Commits and records that were replayed. */
  readonly commits: number
  readonly records: number
  /** Bytes of the log that were checked. */
  readonly logBytes: number
  /** The last LSN that was recovered. */
  readonly lastLsn: number
  /** The epoch that had ended. */
  readonly epoch: number
  /** Whether the last owner closed the store in order. */
  readonly wasSealed: boolean
  /** Bytes behind the last valid frame that were no zeros and were cut off: a torn tail. */
  readonly cutBytes: number
  /** Frames that were begun and never finished, and were cut off: partial writes. */
  readonly tornFrames: number
  /** Whole frames behind those, never synced, so never acknowledged as `synced`, that were rolled back by the cut. */
  readonly rolledBackFrames: number
  /** Frames and checkpoints that did not match their checksums, and were cut off or passed over. */
  readonly checksumFailures: number
  /** Files that were removed: what an interrupted checkpoint or compaction had left. */
  readonly removedFiles: number
  /** What stopped the scan, in words. */
  readonly tail: string
  /** What came of comparing the state with a Merkle root that was written down. */
  readonly merkle: MerkleVerdict
  /** Damaged manifest copies and the like, which did not stop recovery. */
  readonly warnings: readonly string[]
}

/** Measures phases into a report. */
export class RecoveryMeter {
  readonly phaseMs: Record<RecoveryPhase, number> = {
    "select-checkpoint": 0,
    "load-checkpoint": 0,
    "scan-log": 0,
    "repair-tail": 0,
    "replay-log": 0,
  }
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  async phase<T>(phase: RecoveryPhase, run: () => Promise<T>): Promise<T> {
    const startMs = this.#nowMs()
    try {
      return await run()
    } finally {
      this.phaseMs[phase] = this.#nowMs() - startMs
    }
  }
}
