// The first 64 bytes of a segment file. Normative text: docs/file-format.md, 'Segment'.
//
//   0       4         8              12     16                32        36            40         48
//   +-------+---------+--------------+------+-----------------+---------+-------------+----------+----------+
//   | magic | checksum| formatVersion| flags| store id (16 B) | segment | segmentSize | createdMs| zeros    |
//   +-------+---------+--------------+------+-----------------+---------+-------------+----------+----------+

import type { Checksum } from "../model/checksum.ts"
import { UnsupportedFormat } from "../model/errors.ts"
import { readU32, readU64, writeU32, writeU64 } from "./integers.ts"
import { FORMAT_VERSION } from "./manifest.ts"

export const SEGMENT_HEADER_SIZE = 64
/** "ORRS" */
const SEGMENT_MAGIC = 0x5352524f

export interface SegmentHeader {
  readonly storeId: Uint8Array
  /** Counts from 1, over the life of the store. Also the file's name. */
  readonly segment: number
  /** Bytes that the file was preallocated to. */
  readonly segmentSize: number
  readonly createdMs: number
}

export function encodeSegmentHeader(header: SegmentHeader, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_SIZE)
  writeU32(bytes, 0, SEGMENT_MAGIC)
  writeU32(bytes, 8, FORMAT_VERSION)
  bytes.set(header.storeId, 16)
  writeU32(bytes, 32, header.segment)
  writeU32(bytes, 36, header.segmentSize)
  writeU64(bytes, 40, header.createdMs)
  writeU32(bytes, 4, checksum(bytes.subarray(8), 0))
  return bytes
}

/** The header, or what is wrong with it. Fails with: UnsupportedFormat. */
export function decodeSegmentHeader(
  bytes: Uint8Array,
  expected: { readonly file: string; readonly storeId: Uint8Array; readonly segment: number },
  checksum: Checksum,
): SegmentHeader | string {
  if (bytes.length < SEGMENT_HEADER_SIZE) return "the segment header is cut short"
  if (readU32(bytes, 0) !== SEGMENT_MAGIC) return "this is no segment header"
  if (readU32(bytes, 4) !== checksum(bytes.subarray(8, SEGMENT_HEADER_SIZE), 0)) {
    return "the checksum of the segment header does not match"
  }
  const formatVersion = readU32(bytes, 8)
  const flags = readU32(bytes, 12)
  if (formatVersion > FORMAT_VERSION) {
    throw new UnsupportedFormat(expected.file, `format version ${formatVersion}`, formatVersion)
  }
  if (flags !== 0) throw new UnsupportedFormat(expected.file, `unknown flags 0x${flags.toString(16)}`, formatVersion)
  const header: SegmentHeader = {
    storeId: bytes.slice(16, 32),
    segment: readU32(bytes, 32),
    segmentSize: readU32(bytes, 36),
    createdMs: readU64(bytes, 40),
  }
  if (Buffer.compare(header.storeId, expected.storeId) !== 0) return "the segment belongs to another store"
  if (header.segment !== expected.segment) return `the header says segment ${header.segment}`
  return header
}
