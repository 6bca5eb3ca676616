// Phase 3 of 5. Before: load-checkpoint. Next: repair-tail.
// Reads every frame once, changes nothing, and finds the end of the log. Guarantees: what it calls the end is either
// what the last owner sealed, or a tail that no acknowledged synced commit can lie behind; everything else is refused.
//
// Torn or damaged? Where no valid frame follows, the rest of the log is searched for intact frames:
// - none: the tail was never finished. Cut it.
// - one that says the log was durable past the bad place when it was written, a seal, or one in a later segment (a
//   segment is begun only behind a synced seal): acknowledged data is gone. Refuse.
// - others: written without a sync behind a frame that never reached the disk. Nothing synced is lost. Cut them.
//
// Segments that the loaded checkpoint knows as sealed are not read: the state has what they hold, and the log behind them
// says that their seals were durable. Whoever reads history checks them then; so does verify.

import type { SealedSegment } from "../format/checkpoint-block.ts"
import { FRAME_SEAL, lastLsnOf } from "../format/frame.ts"
import type { FrameHeader } from "../format/frame.ts"
import { segmentFile } from "../format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { markFrame } from "../wal/log-directory.ts"
import type { LogDirectory, SegmentExtent } from "../wal/log-directory.ts"
import { SegmentReader } from "../wal/segment-reader.ts"
import type { StopReason } from "../wal/segment-reader.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

export interface ScanResult {
  /** Segments that hold frames, oldest first. */
  readonly extents: readonly SegmentExtent[]
  /** The last segment with frames, if it has no seal: the tail to cut and seal. */
  readonly tail: TailToRepair | undefined
  /** The number for the next segment. */
  readonly nextSegment: number
  readonly lastLsn: number
  readonly epoch: number
  /** Of the last frame. */
  readonly checksum: number
  /** Segments, frames and bytes that were read. */
  readonly segmentCount: number
  readonly frameCount: number
  readonly sizeBytes: number
  readonly stop: ScanStop
  /** Intact frames behind the end: written behind one that never reached the disk, and not synced. They are cut. */
  readonly cutFrameCount: number
  /** The seal at the end of the log, which may so far be in memory only. Undefined where there is a tail, or no frame. */
  readonly unproven: UnprovenRange | undefined
}

/**
 * Bytes that nothing behind them says to be durable. They may come from the page cache of a machine whose disk refused
 * them: after a failed sync the kernel keeps such pages and calls them clean, also for the next process. The frames of a
 * tail are all taken to be so.
 */
export interface UnprovenRange {
  readonly segment: number
  readonly start: number
  readonly end: number
}

/** `untrusted`: the frame looks whole, but its sync failed, so what was read may be memory that never reaches the disk. */
export type ScanStop = StopReason | "untrusted"

export interface TailToRepair {
  readonly segment: number
  /** Where its last valid frame ends. */
  readonly offset: number
  readonly fileSize: number
  readonly frameCount: number
  /** Whether something that is not zeros begins there. */
  readonly isTorn: boolean
}

/** Changed only by scanSegment. */
interface ScanState {
  extents: SegmentExtent[]
  lastLsn: number
  epoch: number
  checksum: number | undefined
  frameCount: number
  sizeBytes: number
  /** Intact frames behind the end, which are cut with it. */
  cutFrameCount: number
  /** The seal read last, if no frame stands behind it. */
  seal: UnprovenRange | undefined
}

interface SegmentScan {
  readonly frameCount: number
  readonly offset: number
  readonly fileSize: number
  readonly isSealed: boolean
  readonly stop: ScanStop
}

/**
 * `sealed`: segments that need not be read, as the loaded checkpoint tells them. `trustedLsn`: what a failed owner in this
 * process knew to be durable. Frames behind it are not believed, because the page cache may give back what the disk
 * refused. Undefined after a restart of the process.
 * Fails with: Corruption, StorageFailed, UnsupportedFormat.
 */
export async function scanLog(
  directory: LogDirectory,
  start: RecoveryStart,
  sealed: readonly SealedSegment[],
  trustedLsn: number | undefined,
  onBytes: (doneBytes: number) => void,
): Promise<ScanResult> {
  const known = knownSegments(start, sealed)
  const scan = await scanBehind(directory, start, known, trustedLsn ?? Number.POSITIVE_INFINITY, onBytes)
  if (scan.frameCount > 0 || known.length === 0) return scan
  // Frames stood behind those segments when the checkpoint was made: what became of them, the whole log must tell.
  probe("the log is read from its beginning after all")
  return scanBehind(directory, start, [], trustedLsn ?? Number.POSITIVE_INFINITY, onBytes)
}

/** The segments at the beginning of this log that `sealed` tells of; none where it tells of another log's. */
function knownSegments({ segments, firstLsn }: RecoveryStart, sealed: readonly SealedSegment[]): SealedSegment[] {
  const first = sealed.findIndex(({ segment }) => segment === segments[0])
  if (first < 0 || (sealed[first] as SealedSegment).firstLsn < firstLsn) return []
  const known = sealed.slice(first)
  const end = known.findIndex(({ segment }, index) => segment !== segments[index])
  return end < 0 ? known : known.slice(0, end)
}

async function scanBehind(
  directory: LogDirectory,
  start: RecoveryStart,
  known: readonly SealedSegment[],
  trusted: number,
  onBytes: (doneBytes: number) => void,
): Promise<ScanResult> {
  const state: ScanState = {
    extents: known.map((segment) => ({ ...segment, marks: [] })),
    lastLsn: known.at(-1)?.lastLsn ?? start.firstLsn - 1,
    epoch: 0,
    // The chain starts at the first frame of the log; otherwise its predecessor is gone, or not looked at.
    checksum: start.firstLsn === 1 && known.length === 0 ? 0 : undefined,
    frameCount: 0,
    sizeBytes: 0,
    cutFrameCount: 0,
    seal: undefined,
  }
  const segments = start.segments.slice(known.length)
  let tail: TailToRepair | undefined
  let nextSegment = start.segments[0]
  let stop: ScanStop = "end"
  for (const [index, segment] of segments.entries()) {
    const scan = await scanSegment(directory, segment, state, trusted, onBytes)
    stop = scan.stop
    nextSegment = scan.frameCount > 0 || scan.isSealed ? segment + 1 : segment
    if (scan.isSealed) continue
    if (stop !== "untrusted") {
      await refuseLaterFrames(directory, segments.slice(index + 1), segment, scan.offset, state.lastLsn)
    }
    if (scan.frameCount > 0) {
      const { offset, fileSize, frameCount } = scan
      tail = { segment, offset, fileSize, frameCount, isTorn: stop !== "end" && stop !== "zeros" }
    }
    break
  }
  return {
    extents: state.extents,
    tail,
    nextSegment,
    lastLsn: state.lastLsn,
    epoch: state.epoch,
    checksum: state.checksum ?? 0,
    segmentCount: segments.length,
    frameCount: state.frameCount,
    sizeBytes: state.sizeBytes,
    stop,
    cutFrameCount: state.cutFrameCount,
    unproven: tail === undefined ? state.seal : undefined,
  }
}

async function scanSegment(
  directory: LogDirectory,
  segment: number,
  state: ScanState,
  trusted: number,
  onBytes: (doneBytes: number) => void,
): Promise<SegmentScan> {
  const file = segmentFile(segment)
  const reader = await SegmentReader.open(directory, segment, {
    offset: SEGMENT_HEADER_SIZE,
    previousChecksum: state.checksum,
    lastLsn: state.lastLsn,
    epoch: state.epoch,
  })
  let extent: SegmentExtent | undefined
  let frameCount = 0
  try {
    for (;;) {
      const offset = reader.offset
      const frame = await reader.next()
      if (frame === undefined) break
      const { header } = frame
      if (lastLsnOf(header) > trusted) {
        probe("an unsynced frame is not trusted after a failed sync")
        state.sizeBytes += offset
        return { frameCount, offset, fileSize: reader.size, isSealed: false, stop: "untrusted" }
      }
      state.checksum = header.checksum
      if (header.kind === FRAME_SEAL) {
        refuseWrongSeal(file, offset, header, frameCount, state.lastLsn)
        if (extent !== undefined) extent.endOffset = reader.offset
        // A seal is written behind a sync of everything before it: only the seal itself is in doubt.
        state.seal = { segment, start: offset, end: reader.offset }
        state.sizeBytes += reader.offset
        onBytes(state.sizeBytes)
        return { frameCount, offset: reader.offset, fileSize: reader.size, isSealed: true, stop: "end" }
      }
      frameCount++
      state.frameCount++
      state.lastLsn = lastLsnOf(header)
      state.epoch = header.epoch
      if (extent === undefined) {
        extent = { segment, firstLsn: header.firstLsn, lastLsn: 0, endOffset: 0, marks: [] }
        state.extents.push(extent)
      }
      extent.lastLsn = state.lastLsn
      extent.endOffset = reader.offset
      markFrame(extent, header.firstLsn, offset)
      state.seal = undefined
      if ((state.frameCount & 63) === 0) onBytes(state.sizeBytes + reader.offset)
    }
    const { stop, offset } = reader
    state.cutFrameCount += await refuseDurableBehind(reader, file, offset, state.lastLsn)
    state.sizeBytes += offset
    onBytes(state.sizeBytes)
    return { frameCount, offset, fileSize: reader.size, isSealed: false, stop }
  } finally {
    await reader.close()
  }
}

function refuseWrongSeal(file: string, offset: number, seal: FrameHeader, frameCount: number, lastLsn: number): void {
  if (seal.recordCount === frameCount) return
  throw new Corruption(file, offset, lastLsn, `the seal counts ${seal.recordCount} frames, there are ${frameCount}`)
}

/** Looks for intact frames behind the place where the chain of valid ones ends. Returns how many may be cut. */
async function refuseDurableBehind(
  reader: SegmentReader,
  file: string,
  offset: number,
  lastLsn: number,
): Promise<number> {
  let from = offset
  for (let count = 0; ; count++) {
    const found = await reader.findIntact(from)
    if (found === undefined) return count
    if (found.kind === FRAME_SEAL || found.durableLsn > lastLsn) {
      throw new Corruption(
        file,
        offset,
        lastLsn,
        `no valid frame (${reader.stop}), but an intact one at byte ${found.offset} says the log was durable to LSN ${found.durableLsn}`,
      )
    }
    probe("unsynced frames behind a hole are cut")
    from = found.offset + 8
  }
}

/** A segment gets frames only when the one before it is sealed and synced. */
async function refuseLaterFrames(
  directory: LogDirectory,
  later: readonly number[],
  segment: number,
  offset: number,
  lastLsn: number,
): Promise<void> {
  for (const other of later) {
    const reader = await SegmentReader.open(directory, other, {
      offset: SEGMENT_HEADER_SIZE,
      previousChecksum: undefined,
      lastLsn: undefined,
      epoch: 0,
    })
    try {
      const found = await reader.findIntact(SEGMENT_HEADER_SIZE)
      if (found === undefined) {
        probe("a prepared segment lies behind the tail")
        continue
      }
      const message = `the log ends here without a seal, but ${segmentFile(other)} holds LSN ${found.firstLsn}`
      throw new Corruption(segmentFile(segment), offset, lastLsn, message)
    } finally {
      await reader.close()
    }
  }
}
