// What is told of checkpoints: of one, and of all since the store was opened.

/** What one checkpoint did. */
export interface CheckpointReport {
  readonly number: number
  /** The state in it is that behind this commit. */
  readonly lsn: number
  readonly records: number
  readonly sizeBytes: number
  readonly durationMs: number
  /** Bytes of segments and older checkpoints that the disk has back. Segments kept for reuse are not among them. */
  readonly returnedBytes: number
  /** Where the log begins now. */
  readonly oldestLsn: number
}

export interface CheckpointMetrics {
  /** Checkpoints that are there. */
  readonly kept: number
  /** Made since the store was opened. */
  readonly made: number
  readonly failures: number
  /** Worker threads that ended without an answer; their work was done again. */
  readonly workersLost: number
  readonly lastLsn: number
  readonly lastRecords: number
  readonly lastSizeBytes: number
  readonly lastDurationMs: number
  /** When the last one was begun, by the wall clock; 0 for none. */
  readonly lastMs: number
  /** Bytes of checkpoints written since the store was opened. */
  readonly writtenBytes: number
  readonly returnedBytes: number
  /** Milliseconds since the last one was begun; since the store was made where there is none. */
  readonly ageMs: number
  /** Bytes of the log that recovery would replay, and the commits in them; good to a few hundred KiB. */
  readonly replayBytes: number
  readonly replayCommits: number
  /** Part of the last checkpoint and the log behind it that a new checkpoint would do without; 0 while not known. */
  readonly redundancy: number
}
