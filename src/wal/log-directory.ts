// What everybody who touches the log's files must know: where they are, whose they are, and how they are checked.

import type { SegmentHeader } from "../format/segment-header.ts"
import type { Checksum } from "../model/checksum.ts"
import type { FileSystem } from "../platform/file-system.ts"

export interface LogDirectory {
  readonly fileSystem: FileSystem
  readonly checksum: Checksum
  readonly path: string
  readonly storeId: SegmentHeader["storeId"]
  readonly checksumSeed: number
}

/** What is known of one segment that holds frames. */
export interface SegmentExtent {
  readonly segment: number
  /** The first LSN in it. */
  readonly firstLsn: number
  /** The last LSN in it. */
  lastLsn: number
  /** Where its frames end, in bytes; the seal counts as a frame. */
  endOffset: number
  /** Frame starts to begin reading at, about every MARK_SPACING bytes, in order. */
  readonly marks: SegmentMark[]
}

export interface SegmentMark {
  /** The first LSN of the frame. */
  readonly lsn: number
  readonly offset: number
}

const MARK_SPACING = 256 * 1024

/** Takes note of a frame's place if the last note lies far enough back. */
export function markFrame(extent: SegmentExtent, lsn: number, offset: number): void {
  const last = extent.marks[extent.marks.length - 1]
  if (last === undefined || offset - last.offset >= MARK_SPACING) extent.marks.push({ lsn, offset })
}

/** The last known frame start at or before the frame that holds the first LSN greater than `after`. */
export function markBefore(extent: SegmentExtent, after: number): SegmentMark | undefined {
  let low = 0
  let high = extent.marks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const mark = extent.marks[middle]
    if (mark !== undefined && mark.lsn <= after + 1) low = middle + 1
    else high = middle
  }
  return extent.marks[low - 1]
}

/** The end of a log: what the next epoch continues from. */
export interface LogEnd {
  /** Segments with frames, oldest first. All of them are sealed. */
  readonly segments: readonly SegmentExtent[]
  /** The first LSN that was not let go by truncation. */
  readonly startLsn: number
  /** The number that the next segment takes. A file of that name, if there is one, holds no frame and is replaced. */
  readonly nextSegment: number
  /** The last LSN in the log, 0 where there is none. */
  readonly lastLsn: number
  /** The last epoch, 0 where there is none. */
  readonly epoch: number
  /** The checksum of the last frame, 0 where there is none. */
  readonly checksum: number
}
