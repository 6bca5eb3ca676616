// The state of a store at a moment, from its files alone: takes no lock, changes nothing, and may run beside the owner.
// Exact to the commit, as far back as the oldest checkpoint that is kept, or the first commit if the log is whole.
//
// A moment by the clock is turned into a place in the log first. Clocks jump: a commit counts as made no earlier than any
// commit before it, so that what was at a moment is always a prefix of the log.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { Fold } from "../checkpoint/fold.ts"
import { stateTarget } from "../checkpoint/state-loader.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import type { Manifest } from "../format/manifest.ts"
import { CannotOpen, Corruption, HistoryExpired } from "../model/errors.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { LogDirectory, SegmentExtent } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import type { ReadStart } from "../wal/segment-reader.ts"
import { scanLog } from "./scan-log.ts"
import type { ScanResult } from "./scan-log.ts"
import { listStart } from "./select-checkpoint.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

/** Which state: behind a commit, or at a time of the wall clock, in milliseconds. Undefined: the newest. */
export type Moment = { readonly lsn: number } | { readonly timeMs: number } | undefined

export interface PastState {
  /** The last commit in the state; 0 for the empty one. */
  readonly lsn: number
  /** The checkpoint that it was read from. */
  readonly checkpoint: CheckpointInfo | undefined
  /** The log as it was when it was read, and where it goes on. */
  readonly extents: readonly SegmentExtent[]
  readonly oldestLsn: number
  readonly next: { readonly segment: number; readonly start: ReadStart }
}

/** Fills the catalogue and the shards, which are empty. Fails with: HistoryExpired, CannotOpen, Corruption, StorageFailed. */
export async function readPast(
  directory: LogDirectory,
  manifest: Manifest,
  moment: Moment,
  catalogue: Catalogue,
  shards: readonly ShardTables[],
): Promise<PastState> {
  const start = await listStart(directory, manifest)
  const scan = await scanLog(directory, start, undefined, () => undefined)
  const oldest = await oldestOf(directory, start)
  const lsn = await placeOf(directory, start, scan, moment, oldest)
  if (lsn > scan.lastLsn) {
    const reason = `LSN ${lsn} is not written yet; the last one is ${scan.lastLsn}`
    throw new CannotOpen(directory.path, reason, "Ask for an LSN that was acknowledged")
  }
  if (lsn < oldest.lsn) throw new HistoryExpired(lsn, oldest.lsn)
  const checkpoint = await loadBefore(directory, start, lsn, catalogue, shards)
  const fold = new Fold(catalogue, shards)
  const after = checkpoint?.throughLsn ?? 0
  for await (const frame of readLog(directory, scan.extents, { lsn: start.firstLsn }, new Map(), after, lsn)) {
    fold.apply(frame, lsn)
  }
  return { lsn, checkpoint, extents: scan.extents, oldestLsn: start.firstLsn, next: endOf(start, scan) }
}

/** The place behind the last frame: in the segment that it stands in, or behind its seal in the next one. */
function endOf(
  start: RecoveryStart,
  { tail, checksum, epoch, lastLsn, nextSegment, frameCount }: ScanResult,
): PastState["next"] {
  const follows = { previousChecksum: frameCount > 0 ? checksum : undefined, lastLsn, epoch }
  if (tail !== undefined) return { segment: tail.segment, start: { ...follows, offset: tail.offset } }
  const segment = frameCount > 0 ? nextSegment : (start.segments[0] ?? nextSegment)
  return { segment, start: { ...follows, offset: SEGMENT_HEADER_SIZE } }
}

/** The oldest state that can be read, and a time at which it was the newest. */
interface OldestState {
  readonly lsn: number
  readonly timeMs: number
}

/** The place in the log that a moment stands for. */
async function placeOf(
  directory: LogDirectory,
  start: RecoveryStart,
  scan: ScanResult,
  moment: Moment,
  oldest: OldestState,
): Promise<number> {
  if (moment === undefined) return scan.lastLsn
  if ("lsn" in moment) return moment.lsn
  const { timeMs } = moment
  let lsn = start.firstLsn - 1
  const range = { lsn: start.firstLsn }
  for await (const frame of readLog(directory, scan.extents, range, new Map(), lsn, scan.lastLsn)) {
    // The first commit that is later ends it, whatever the clock said afterwards.
    if (frame.timeMs > timeMs) break
    lsn = frame.lastLsn
  }
  // When the commits before the log were made is not known any more.
  const isBeforeLog = lsn === start.firstLsn - 1 && timeMs < oldest.timeMs
  return isBeforeLog ? Math.min(lsn, oldest.lsn - 1) : lsn
}

async function oldestOf(directory: LogDirectory, start: RecoveryStart): Promise<OldestState> {
  if (start.firstLsn === 1) return { lsn: 0, timeMs: Number.NEGATIVE_INFINITY }
  for (const number of start.checkpoints.toReversed()) {
    const head = await headOf(directory, number)
    if (head !== undefined && head.throughLsn + 1 >= start.firstLsn) {
      return { lsn: head.throughLsn, timeMs: head.createdMs }
    }
  }
  return { lsn: Number.POSITIVE_INFINITY, timeMs: Number.POSITIVE_INFINITY }
}

/** Loads the newest good checkpoint that reaches no further than `lsn`. */
async function loadBefore(
  directory: LogDirectory,
  start: RecoveryStart,
  lsn: number,
  catalogue: Catalogue,
  shards: readonly ShardTables[],
): Promise<CheckpointInfo | undefined> {
  const target = stateTarget(directory, catalogue, shards)
  for (const number of start.checkpoints) {
    const throughLsn = (await headOf(directory, number))?.throughLsn
    if (throughLsn === undefined || throughLsn > lsn || throughLsn + 1 < start.firstLsn) continue
    try {
      return await target.load(number, () => undefined)
    } catch (error) {
      if (!(error instanceof Corruption)) throw error
      target.clear()
    }
  }
  if (start.firstLsn > 1) throw new HistoryExpired(lsn, Number.POSITIVE_INFINITY)
  return undefined
}
