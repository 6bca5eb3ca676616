// Where in a store's files the state of a moment is: a place in the log, and the checkpoints that it can be read from.
// Reads only, takes no lock, and may run beside the owner.
//
// A moment by the clock is turned into a place in the log first. Clocks jump: a commit counts as made no earlier than any
// commit before it, so that what was at a moment is always a prefix of the log.
//
// A backup may keep states from before its log, without the log between them: each of them is there at its own LSN alone,
// and by the clock from the moment that it was taken until the next one was.

import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { checkpointFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { CannotOpen, Corruption, HistoryExpired } from "../model/errors.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import { scanLog } from "./scan-log.ts"
import type { ScanResult } from "./scan-log.ts"
import { listStart } from "./select-checkpoint.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

/** Which state: behind a commit, or at a time of the wall clock, in milliseconds. Undefined: the newest. */
export type Moment = { readonly lsn: number } | { readonly timeMs: number } | undefined

export interface PastPlace {
  /** The last commit in the state; 0 for the empty one. */
  readonly lsn: number
  readonly start: RecoveryStart
  readonly scan: ScanResult
  /** Numbers of the checkpoints that it can be read from, newest first. None, where the log is whole: the empty state. */
  readonly candidates: readonly number[]
  /** The newest checkpoint without a good head: why there may be no candidate. */
  readonly damage: Corruption | undefined
}

interface Head {
  readonly number: number
  readonly throughLsn: number
  readonly createdMs: number
}

/** Fails with: HistoryExpired, CannotOpen for an LSN that is not written yet, Corruption, StorageFailed. */
export async function findPast(directory: LogDirectory, manifest: Manifest, moment: Moment): Promise<PastPlace> {
  const start = await listStart(directory, manifest)
  const scan = await scanLog(directory, start, [], undefined, () => undefined)
  const heads: Head[] = []
  let damage: Corruption | undefined
  for (const number of start.checkpoints) {
    const head = await headOf(directory, number)
    if (head === undefined) damage ??= new Corruption(checkpointFile(number), 0, 0, "it has no valid head")
    else heads.push(head)
  }
  const lsn = await placeOf(directory, start, scan, moment, heads)
  if (lsn > scan.lastLsn) {
    const reason = `LSN ${lsn} is not written yet; the last one is ${scan.lastLsn}`
    throw new CannotOpen(directory.path, reason, "Ask for an LSN that was acknowledged")
  }
  const { firstLsn } = start
  const candidates = heads
    .filter(({ throughLsn }) => throughLsn === lsn || (throughLsn < lsn && throughLsn + 1 >= firstLsn))
    .map(({ number }) => number)
  if (candidates.length === 0 && firstLsn > 1) {
    const later = heads.filter(({ throughLsn }) => throughLsn > lsn).map(({ throughLsn }) => throughLsn)
    // Where no head is good, loading says what is wrong with them.
    const timeMs = moment !== undefined && "timeMs" in moment ? moment.timeMs : undefined
    if (later.length > 0) throw new HistoryExpired(lsn, Math.min(...later), timeMs)
  }
  return { lsn, start, scan, candidates, damage }
}

/** The place in the log that a moment stands for. */
async function placeOf(
  directory: LogDirectory,
  start: RecoveryStart,
  scan: ScanResult,
  moment: Moment,
  heads: readonly Head[],
): Promise<number> {
  if (moment === undefined) return scan.lastLsn
  if ("lsn" in moment) return moment.lsn
  const { timeMs } = moment
  if (start.firstLsn > 1 && start.isUnused) return placeInBackup(scan.lastLsn, timeMs, heads)
  let lsn = start.firstLsn - 1
  const range = { lsn: start.firstLsn }
  for await (const frame of readLog(directory, scan.extents, range, new Map(), lsn, scan.lastLsn)) {
    // The first commit that is later ends it, whatever the clock said afterwards.
    if (frame.timeMs > timeMs) break
    lsn = frame.lastLsn
  }
  if (lsn > start.firstLsn - 1 || start.firstLsn === 1) return lsn
  // When the commits before the log were made is not known any more.
  const oldest = heads.findLast(({ throughLsn }) => throughLsn + 1 >= start.firstLsn)
  return oldest !== undefined && timeMs < oldest.createdMs ? Math.min(lsn, oldest.throughLsn - 1) : lsn
}

/** The newest state that had been taken by then. What a backup that came to no end has copied does not count. */
function placeInBackup(lastLsn: number, timeMs: number, heads: readonly Head[]): number {
  const whole = heads.filter(({ throughLsn }) => throughLsn <= lastLsn)
  const found = whole.find(({ createdMs }) => createdMs <= timeMs) ?? whole.at(-1)
  if (found === undefined) return lastLsn
  return found.createdMs <= timeMs ? found.throughLsn : found.throughLsn - 1
}
