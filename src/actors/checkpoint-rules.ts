// When a checkpoint is made by itself, and how much log may gather until then. Pure: what is, is given.

/** When a checkpoint is made by itself, and what is kept. */
export interface CheckpointRules {
  /** Bytes of the log that recovery would replay. */
  readonly logBytes: number
  /** Commits that recovery would replay. */
  readonly commits: number
  /** Milliseconds since the last one, if anything was written; 0: never for that reason. */
  readonly intervalMs: number
  /** From this redundancy on `logBytes` are enough, however large the state was; 1: never for that reason. */
  readonly redundancy: number
  /** Whether one is made when the store is closed, if anything was written since the last. */
  readonly onClose: boolean
  /** Newest checkpoints that are kept, with the log behind the oldest of them. */
  readonly keepCount: number
  /** Milliseconds back to which every state stays readable, if that takes more. */
  readonly historyMs: number
  /** Bytes of log that stay readable, if that takes more. */
  readonly historyBytes: number
}

/** A larger state is not waited for any longer: recovery would take too long. */
const LOG_BYTES_AWAITED_MAX = 256 * 1024 * 1024

/** Segments behind the last checkpoint, at which it counts how little they hold. Far more than full ones ever are. */
const SEGMENT_COUNT_AWAITED_MAX = 128

/**
 * Whether the log behind the last checkpoint lies in so many small segments that one is due, however little they hold: each
 * owner begins a segment, so a store that is opened and closed again and again would have ever more of them to read.
 */
export function isCrowded(segmentCount: number, logBytes: number, segmentBytes: number): boolean {
  return segmentCount >= SEGMENT_COUNT_AWAITED_MAX && logBytes < (segmentCount * segmentBytes) / 4
}

/** Whether none is made by itself while the store is open. */
export function isByHand({ logBytes, commits, intervalMs }: CheckpointRules): boolean {
  return logBytes === Number.MAX_SAFE_INTEGER && commits === Number.MAX_SAFE_INTEGER && intervalMs === 0
}

/** Log that gathers while a checkpoint is made, at which it is hurried on. */
const GATHERED_BYTES_MAX = 32 * 1024 * 1024

/**
 * Whether a checkpoint that is being made should take all of a processor: where nobody writes meanwhile, or where so much
 * is written that it would come too late. Else it leaves most of the processor to those who write.
 */
export function isHurried(isIdle: boolean, gatheredBytes: number, { logBytes }: CheckpointRules): boolean {
  return isIdle || gatheredBytes >= Math.min(logBytes / 2, GATHERED_BYTES_MAX)
}

/**
 * The part of what recovery would read that a checkpoint of the present would do without: 0 for a state that was just
 * written, towards 1 where little of much is left.
 */
export function redundancyOf(liveBytes: number, checkpointBytes: number, logBytes: number): number {
  const total = checkpointBytes + logBytes
  return total === 0 ? 0 : Math.max(0, 1 - liveBytes / total)
}

/**
 * Bytes of log at which a checkpoint is due. Not before the log is as long as the state: so checkpoints write no more
 * than the log does. `redundancy` is asked for only where it matters; undefined: not known.
 */
export function dueBytes(
  rules: CheckpointRules,
  checkpointBytes: number,
  logBytes: number,
  redundancy: () => number | undefined,
): number {
  const awaited = Math.max(rules.logBytes, Math.min(checkpointBytes, LOG_BYTES_AWAITED_MAX))
  if (logBytes < rules.logBytes || logBytes >= awaited) return awaited
  return rules.redundancy < 1 && (redundancy() ?? 0) >= rules.redundancy ? rules.logBytes : awaited
}
