// The state of a store at a moment, from its files alone: takes no lock, changes nothing, and may run beside the owner.
// Exact to the commit, as far back as the oldest checkpoint that is kept, or the first commit if the log is whole.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { Fold } from "../checkpoint/fold.ts"
import { stateTarget } from "../checkpoint/state-loader.ts"
import { segmentFile } from "../format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import type { Manifest } from "../format/manifest.ts"
import { Corruption } from "../model/errors.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { LogDirectory, SegmentExtent } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import type { ReadStart } from "../wal/segment-reader.ts"
import { findPast } from "./find-past.ts"
import type { Moment, PastPlace } from "./find-past.ts"
import type { ScanResult } from "./scan-log.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

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
  const place = await findPast(directory, manifest, moment)
  const { lsn, start, scan } = place
  const checkpoint = await loadBefore(directory, place, catalogue, shards)
  const fold = new Fold(catalogue, shards)
  const after = checkpoint?.throughLsn ?? 0
  for await (const frame of readLog(directory, scan.extents, { lsn: start.firstLsn }, new Map(), after, lsn)) {
    fold.apply(frame, lsn)
  }
  return { lsn, checkpoint, extents: scan.extents, oldestLsn: start.firstLsn, next: endOf(scan) }
}

/** The place behind the last frame: in the segment that it stands in, or behind its seal in the next one. */
function endOf({ tail, checksum, epoch, lastLsn, nextSegment, frameCount }: ScanResult): PastState["next"] {
  const follows = { previousChecksum: frameCount > 0 ? checksum : undefined, lastLsn, epoch }
  if (tail !== undefined) return { segment: tail.segment, start: { ...follows, offset: tail.offset } }
  return { segment: nextSegment, start: { ...follows, offset: SEGMENT_HEADER_SIZE } }
}

/** Loads the newest good checkpoint that reaches no further than `lsn`. Damage is told as damage, and not as age. */
async function loadBefore(
  directory: LogDirectory,
  { start, candidates, damage: headDamage }: PastPlace,
  catalogue: Catalogue,
  shards: readonly ShardTables[],
): Promise<CheckpointInfo | undefined> {
  const target = stateTarget(directory, catalogue, shards)
  let damage = headDamage
  for (const number of candidates) {
    try {
      return (await target.load(number, () => undefined)).info
    } catch (error) {
      if (!(error instanceof Corruption)) throw error
      damage ??= error
      target.clear()
    }
  }
  if (start.firstLsn === 1) return undefined
  throw damage ?? noBase(start)
}

/** Nothing is damaged that is there, but something must be missing. */
export function noBase({ firstLsn, segments }: RecoveryStart): Corruption {
  const what = `the log begins at LSN ${firstLsn}, and no checkpoint reaches so far`
  return new Corruption(segmentFile(segments[0]), 0, 0, what)
}
