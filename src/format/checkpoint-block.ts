// The layout of a checkpoint file: blocks, each under a checksum of its own. Normative text: docs/file-format.md,
// 'Checkpoint'. Written by the checkpoint writer and read by the checkpoint reader; nobody else knows the bytes.
//
//   head, log?, root?, definitions ..., records ..., end
//
//   0       4         8      12           16          20      24        28           32          40         64
//   +-------+---------+------+------------+-----------+-------+---------+------------+-----------+----------+--------
//   | magic | checksum| kind | payloadSize| checkpoint| index | tableId | recordCount| throughLsn| zeros    | payload
//   +-------+---------+------+------------+-----------+-------+---------+------------+-----------+----------+--------
//
// The checksum covers everything behind it, continued from the store's seed; number and index under it say that the
// block stands where it was written. Records are as a table keeps them (format/record.ts), each table's together, in the
// order of their mixed hashes: reading them in order builds the index without a search.

import type { Checksum } from "../model/checksum.ts"
import { VALUE_SIZE_MAX } from "../model/limits.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import { readU32, readU64, writeU32, writeU64 } from "./integers.ts"

export const BLOCK_HEADER_SIZE = 64
/** "ORRC" */
const BLOCK_MAGIC = 0x4352524f

/** The first block. Payload: the store's id (16 bytes), u64 wall clock in milliseconds. */
export const BLOCK_HEAD = 1
/** Payload: 'define table' and 'define shape' records. */
export const BLOCK_DEFINITIONS = 2
/** Payload: records of one table. */
export const BLOCK_RECORDS = 3
/** The last block. Payload: u64 records in all. Its index is the count of blocks before it. */
export const BLOCK_END = 4
/** Behind the head, or nowhere. Payload: the log's sealed segments, SEALED_SEGMENT_SIZE bytes each. */
export const BLOCK_LOG = 5
/** Behind those, or nowhere. Payload: the Merkle root of the records (32 bytes), u64 records under it. */
export const BLOCK_ROOT = 6

/** Largest payload: one record of the largest key and value. */
export const BLOCK_PAYLOAD_SIZE_MAX: number = VALUE_SIZE_MAX + 64 * 1024
export const HEAD_PAYLOAD_SIZE = 24
export const END_PAYLOAD_SIZE = 8
export const ROOT_PAYLOAD_SIZE = 40
/** u32 segment, u32 end offset, u64 first LSN, u64 last LSN. */
const SEALED_SEGMENT_SIZE = 24
/** Segments that a block tells of, at most: the oldest ones, 64 GiB of log. */
export const SEALED_SEGMENT_COUNT_MAX = 4096

export interface BlockHeader {
  readonly kind: number
  readonly payloadSize: number
  /** From 0 on. */
  readonly index: number
  /** Of the records; 0 in other blocks. */
  readonly tableId: number
  readonly recordCount: number
  /** The state is that behind this commit. */
  readonly throughLsn: number
}

/** A segment of the log that was full, sealed and synced when the checkpoint was made. */
export interface SealedSegment {
  readonly segment: number
  readonly firstLsn: number
  readonly lastLsn: number
  /** Where its frames end, the seal included. */
  readonly endOffset: number
}

/** Which checkpoint a block belongs to, and how it is checked. */
export interface BlockPlace {
  readonly checkpoint: number
  readonly checksumSeed: number
  readonly checksum: Checksum
}

/** Fills in the header at `at` for the payload behind it. */
export function sealBlock(bytes: Uint8Array, at: number, header: BlockHeader, place: BlockPlace): void {
  bytes.fill(0, at + 40, at + BLOCK_HEADER_SIZE)
  writeU32(bytes, at, BLOCK_MAGIC)
  writeU32(bytes, at + 8, header.kind)
  writeU32(bytes, at + 12, header.payloadSize)
  writeU32(bytes, at + 16, place.checkpoint)
  writeU32(bytes, at + 20, header.index)
  writeU32(bytes, at + 24, header.tableId)
  writeU32(bytes, at + 28, header.recordCount)
  writeU64(bytes, at + 32, header.throughLsn)
  writeU32(bytes, at + 4, blockChecksum(bytes, at, header.payloadSize, place))
}

/** The header at `at`, if a block of this checkpoint can stand there. The checksum is not looked at: see `isBlockIntact`. */
export function readBlockHeader(bytes: Uint8Array, at: number, place: BlockPlace): BlockHeader | undefined {
  if (at + BLOCK_HEADER_SIZE > bytes.length || readU32(bytes, at) !== BLOCK_MAGIC) return undefined
  const header: BlockHeader = {
    kind: readU32(bytes, at + 8),
    payloadSize: readU32(bytes, at + 12),
    index: readU32(bytes, at + 20),
    tableId: readU32(bytes, at + 24),
    recordCount: readU32(bytes, at + 28),
    throughLsn: readU64(bytes, at + 32),
  }
  const possible =
    readU32(bytes, at + 16) === place.checkpoint &&
    header.kind >= BLOCK_HEAD &&
    header.kind <= BLOCK_ROOT &&
    header.payloadSize <= BLOCK_PAYLOAD_SIZE_MAX &&
    (header.payloadSize & 7) === 0
  return possible ? header : undefined
}

/** Whether header and payload, which must lie in `bytes` whole, are what was written. */
export function isBlockIntact(bytes: Uint8Array, at: number, header: BlockHeader, place: BlockPlace): boolean {
  return blockChecksum(bytes, at, header.payloadSize, place) === readU32(bytes, at + 4)
}

/** Writes the payload of a log block. Returns its end. */
export function writeSealedSegments(bytes: Uint8Array, start: number, segments: readonly SealedSegment[]): number {
  let at = start
  for (const { segment, endOffset, firstLsn, lastLsn } of segments) {
    writeU32(bytes, at, segment)
    writeU32(bytes, at + 4, endOffset)
    writeU64(bytes, at + 8, firstLsn)
    writeU64(bytes, at + 16, lastLsn)
    at += SEALED_SEGMENT_SIZE
  }
  return at
}

/** The payload of a log block; undefined where it is none. */
export function readSealedSegments(bytes: Uint8Array, start: number, end: number): SealedSegment[] | undefined {
  if ((end - start) % SEALED_SEGMENT_SIZE !== 0) return undefined
  const segments: SealedSegment[] = []
  for (let at = start; at < end; at += SEALED_SEGMENT_SIZE) {
    segments.push({
      segment: readU32(bytes, at),
      endOffset: readU32(bytes, at + 4),
      firstLsn: readU64(bytes, at + 8),
      lastLsn: readU64(bytes, at + 16),
    })
  }
  return segments
}

/** Writes the payload of a root block. Returns its end. */
export function writeRoot(bytes: Buffer, start: number, { root, records }: MerkleRoot): number {
  bytes.write(root, start, "hex")
  writeU64(bytes, start + 32, records)
  return start + ROOT_PAYLOAD_SIZE
}

/** The root of a root block, for the state behind `lsn`; undefined where it is none. */
export function readRoot(bytes: Buffer, start: number, end: number, lsn: number): MerkleRoot | undefined {
  if (end - start !== ROOT_PAYLOAD_SIZE) return undefined
  return { lsn, root: bytes.toString("hex", start, start + 32), records: readU64(bytes, start + 32) }
}

function blockChecksum(bytes: Uint8Array, at: number, payloadSize: number, place: BlockPlace): number {
  return place.checksum(bytes.subarray(at + 8, at + BLOCK_HEADER_SIZE + payloadSize), place.checksumSeed)
}
