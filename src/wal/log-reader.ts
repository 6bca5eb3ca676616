// Reads frames of commits out of the log's files, from a position to a position, beside a running writer. Only bytes
// that the writer has told of are looked at, so a half-written frame is never met; what does not check out is damage.

import { FRAME_COMMITS, lastLsnOf } from "../format/frame.ts"
import { segmentFile } from "../format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Corruption, CursorExpired } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { markBefore } from "./log-directory.ts"
import type { LogDirectory, SegmentExtent } from "./log-directory.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { logFrameOf, SegmentReader } from "./segment-reader.ts"

/**
 * Frames that hold an LSN greater than `after` and at most `to`, oldest first. `extents` is the writer's own list: it
 * may grow and lose its head while this runs; `start` is its first LSN. `pins` counts the readers of a segment, so that a retired one is not
 * written over under them.
 */
export async function* readLog(
  directory: LogDirectory,
  extents: readonly SegmentExtent[],
  start: { readonly lsn: number },
  pins: Map<number, number>,
  after: number,
  to: number,
): AsyncGenerator<LogFrame, undefined> {
  let position = after
  while (position < to) {
    if (position + 1 < start.lsn) throw new CursorExpired(position, start.lsn)
    const extent = extents.find((candidate) => candidate.lastLsn > position)
    if (extent === undefined) return
    // As far as the writer has told by now. What it appends meanwhile is read in another round: the reader's window may
    // hold what stood there before.
    const { endOffset, lastLsn } = extent
    pins.set(extent.segment, (pins.get(extent.segment) ?? 0) + 1)
    try {
      for await (const frame of readSegment(directory, extent, endOffset, position, to)) {
        position = frame.lastLsn
        yield frame
      }
      position = Math.max(position, Math.min(lastLsn, to))
    } finally {
      // Every reader takes back what it has added, and no more.
      const count = (pins.get(extent.segment) as number) - 1
      if (count === 0) pins.delete(extent.segment)
      else pins.set(extent.segment, count)
    }
  }
}

async function* readSegment(
  directory: LogDirectory,
  extent: SegmentExtent,
  endOffset: number,
  after: number,
  to: number,
): AsyncGenerator<LogFrame, undefined> {
  const mark = markBefore(extent, after)
  if (mark !== undefined && mark.offset > SEGMENT_HEADER_SIZE) probe("reading starts inside a segment")
  const reader = await SegmentReader.open(directory, extent.segment, {
    offset: mark?.offset ?? SEGMENT_HEADER_SIZE,
    previousChecksum: undefined,
    lastLsn: undefined,
    epoch: 0,
  })
  try {
    while (reader.offset < endOffset) {
      const frame = await reader.next(endOffset)
      if (frame === undefined) {
        throw new Corruption(segmentFile(extent.segment), reader.offset, after, `no valid frame (${reader.stop})`)
      }
      const { header } = frame
      if (header.firstLsn > to) return
      if (header.kind !== FRAME_COMMITS || lastLsnOf(header) <= after) continue
      yield logFrameOf(frame)
    }
  } finally {
    await reader.close()
  }
}
