// Changes frames of a store's log and seals everything behind them anew, so that every checksum is right and the chain is
// whole: what is wrong then only a defect of the writer has made.

import { FRAME_HEADER_SIZE, sealFrame } from "../../src/format/frame.ts"
import type { FrameHeader } from "../../src/format/frame.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { DIRECTORY, framesIn, manifestIn, segmentsIn } from "./reference-store.ts"
import type { PlacedFrame } from "./reference-store.ts"

type Files = ReadonlyMap<string, Uint8Array>

/** What becomes of a frame: fields of its header, if any; the payload is changed in its place. */
export type FrameChange = (frame: PlacedFrame, payload: Buffer) => Partial<FrameHeader> | undefined

/** The files with every frame changed so. Requires: the log begins with its first commit. */
export function withFrames(files: Files, change: FrameChange): Map<string, Uint8Array> {
  const changed = new Map(files)
  const { checksumSeed } = manifestIn(files)
  let previousChecksum = 0
  for (const segment of segmentsIn(files)) {
    const path = `${DIRECTORY}/${segmentFile(segment)}`
    const bytes = Buffer.from(files.get(path) ?? new Uint8Array(0))
    for (const frame of framesIn(files, segment)) {
      const start = frame.offset + FRAME_HEADER_SIZE
      const header = { ...frame, ...change(frame, bytes.subarray(start, start + frame.payloadSize)), previousChecksum }
      previousChecksum = sealFrame(bytes, frame.offset, header, { checksumSeed, segment, checksum: crc32 })
    }
    changed.set(path, new Uint8Array(bytes))
  }
  return changed
}
