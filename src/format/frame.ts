// The layout of a frame: the unit that is written, synced, checked and recovered whole. Normative text:
// docs/file-format.md, 'Frame'. Written by the file log and read by the segment reader; nobody else knows the bytes.
//
//   0       4         8            12                16        24          32      40           44     48       52
//   +-------+---------+------------+-----------------+---------+-----------+-------+------------+------+--------+---
//   | magic | checksum| payloadSize| previousChecksum| firstLsn| durableLsn| timeMs| commitCount| epoch| segment| ..
//   +-------+---------+------------+-----------------+---------+-----------+-------+------------+------+--------+---
//   52       56     57                60            64
//   +--------+------+-----------------+-------------+---------------
//   | offset | kind | zeros           | recordCount | payload ...
//   +--------+------+-----------------+-------------+---------------
//
// The checksum covers everything behind it, continued from the store's seed: a frame of another store, another segment
// or another place never passes. Zeros never pass: the magic is not zero.

import type { Checksum } from "../model/checksum.ts"
import { FRAME_PAYLOAD_SIZE_MAX, LSN_MAX } from "../model/limits.ts"
import { readU32, readU64, writeU32, writeU64 } from "./integers.ts"

export const FRAME_HEADER_SIZE = 64
/** "ORRF" */
export const FRAME_MAGIC = 0x4652524f

/** Holds commits. */
export const FRAME_COMMITS = 1
/** Begins an epoch: takes one LSN, which may lie further on than the next one. Payload: the owner's name in UTF-8. */
export const FRAME_EPOCH = 2
/** Ends a segment. Takes no LSN; firstLsn is the next one; recordCount is the count of frames before it. */
export const FRAME_SEAL = 3

export interface FrameHeader {
  readonly kind: number
  readonly checksum: number
  readonly payloadSize: number
  readonly previousChecksum: number
  readonly firstLsn: number
  /** How far the log was known to be on stable storage when this frame was written. */
  readonly durableLsn: number
  readonly timeMs: number
  readonly commitCount: number
  readonly recordCount: number
  readonly epoch: number
  readonly segment: number
  readonly offset: number
}

/** Where a frame must stand, and under which seed. */
export interface FramePlace {
  readonly checksumSeed: number
  readonly segment: number
  readonly checksum: Checksum
}

/** Size of a frame with its header. */
export function frameSize(payloadSize: number): number {
  return FRAME_HEADER_SIZE + payloadSize
}

/** Fills in the header at `at` for the payload behind it, and returns the checksum. */
export function sealFrame(
  bytes: Uint8Array,
  at: number,
  header: Omit<FrameHeader, "checksum">,
  place: FramePlace,
): number {
  writeU32(bytes, at, FRAME_MAGIC)
  writeU32(bytes, at + 8, header.payloadSize)
  writeU32(bytes, at + 12, header.previousChecksum)
  writeU64(bytes, at + 16, header.firstLsn)
  writeU64(bytes, at + 24, header.durableLsn)
  writeU64(bytes, at + 32, header.timeMs)
  writeU32(bytes, at + 40, header.commitCount)
  writeU32(bytes, at + 44, header.epoch)
  writeU32(bytes, at + 48, header.segment)
  writeU32(bytes, at + 52, header.offset)
  writeU32(bytes, at + 56, header.kind)
  writeU32(bytes, at + 60, header.recordCount)
  const checksum = frameChecksum(bytes, at, header.payloadSize, place)
  writeU32(bytes, at + 4, checksum)
  return checksum
}

/**
 * The header at `at`, if the bytes that follow can be a frame of this segment standing at `offset`: right magic, place
 * and bounds. The checksum is not looked at: see `isFrameIntact`.
 */
export function readFrameHeader(
  bytes: Uint8Array,
  at: number,
  place: FramePlace,
  offset: number,
): FrameHeader | undefined {
  if (at + FRAME_HEADER_SIZE > bytes.length || readU32(bytes, at) !== FRAME_MAGIC) return undefined
  const header: FrameHeader = {
    checksum: readU32(bytes, at + 4),
    payloadSize: readU32(bytes, at + 8),
    previousChecksum: readU32(bytes, at + 12),
    firstLsn: readU64(bytes, at + 16),
    durableLsn: readU64(bytes, at + 24),
    timeMs: readU64(bytes, at + 32),
    commitCount: readU32(bytes, at + 40),
    epoch: readU32(bytes, at + 44),
    segment: readU32(bytes, at + 48),
    offset: readU32(bytes, at + 52),
    kind: readU32(bytes, at + 56),
    recordCount: readU32(bytes, at + 60),
  }
  const possible =
    header.kind >= FRAME_COMMITS &&
    header.kind <= FRAME_SEAL &&
    header.segment === place.segment &&
    header.offset === offset &&
    header.payloadSize <= FRAME_PAYLOAD_SIZE_MAX &&
    (header.payloadSize & 7) === 0 &&
    header.firstLsn + header.commitCount <= LSN_MAX
  return possible ? header : undefined
}

/** Whether header and payload, which must lie in `bytes` whole, are what was written. */
export function isFrameIntact(bytes: Uint8Array, at: number, header: FrameHeader, place: FramePlace): boolean {
  return frameChecksum(bytes, at, header.payloadSize, place) === header.checksum
}

/** The last LSN of a frame; for a seal, the last one before it. */
export function lastLsnOf(header: Pick<FrameHeader, "firstLsn" | "commitCount">): number {
  return header.firstLsn + header.commitCount - 1
}

function frameChecksum(bytes: Uint8Array, at: number, payloadSize: number, place: FramePlace): number {
  return place.checksum(bytes.subarray(at + 8, at + FRAME_HEADER_SIZE + payloadSize), place.checksumSeed)
}
