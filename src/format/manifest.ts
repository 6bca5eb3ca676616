// The manifest: who the store is and where its log starts. 96 bytes, kept in two copies that are replaced one after
// the other, so that one of them is whole at any instant. Normative text: docs/file-format.md, 'Manifest'.
//
//   0       4         8              12     16          24               40            44         52
//   +-------+---------+--------------+------+-----------+----------------+-------------+----------+-----
//   | magic | checksum| formatVersion| flags| generation| store id (16 B)| checksumSeed| hash low, high | ..
//   +-------+---------+--------------+------+-----------+----------------+-------------+----------+-----
//   52             56       60         68          72                          80
//   +--------------+--------+----------+-----------+---------------------------+----------+
//   | firstSegment | zeros  | firstLsn | zeros     | createdMs                 | zeros    |
//   +--------------+--------+----------+-----------+---------------------------+----------+

import type { Checksum } from "../model/checksum.ts"
import { UnsupportedFormat } from "../model/errors.ts"
import { readU32, readU64, writeU32, writeU64 } from "./integers.ts"
import type { HashSecret } from "./key-hash.ts"

/** The format that this code writes. Older ones stay readable, newer ones are refused. */
export const FORMAT_VERSION = 1
export const MANIFEST_SIZE = 96
/** The log does not begin with the first commit: what was before it is in checkpoints. */
const FLAG_TRUNCATED = 1
/** "ORRM" */
const MANIFEST_MAGIC = 0x4d52524f

export interface Manifest {
  /** Rises with every change; the copy with the higher one counts. */
  readonly generation: number
  readonly storeId: Uint8Array
  /** Where the checksums of frames start from: a secret, so that no stored value can pass for a frame. */
  readonly checksumSeed: number
  /** Key of the key hash: a secret, so that nobody can choose keys that collide. */
  readonly hashSecret: HashSecret
  /** The oldest segment of the log, and the first LSN in it. What lies before has been let go on purpose. */
  readonly firstSegment: number
  readonly firstLsn: number
  readonly createdMs: number
}

export function encodeManifest(manifest: Manifest, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(MANIFEST_SIZE)
  writeU32(bytes, 0, MANIFEST_MAGIC)
  writeU32(bytes, 8, FORMAT_VERSION)
  // So that code which knows no checkpoints refuses the store, instead of opening a part of it.
  writeU32(bytes, 12, manifest.firstLsn > 1 ? FLAG_TRUNCATED : 0)
  writeU64(bytes, 16, manifest.generation)
  bytes.set(manifest.storeId, 24)
  writeU32(bytes, 40, manifest.checksumSeed)
  writeU32(bytes, 44, manifest.hashSecret.low)
  writeU32(bytes, 48, manifest.hashSecret.high)
  writeU32(bytes, 52, manifest.firstSegment)
  writeU64(bytes, 60, manifest.firstLsn)
  writeU64(bytes, 72, manifest.createdMs)
  writeU32(bytes, 4, checksum(bytes.subarray(8), 0))
  return bytes
}

/** The manifest, or what is wrong with it. Fails with: UnsupportedFormat, when a newer version wrote it. */
export function decodeManifest(bytes: Uint8Array, file: string, checksum: Checksum): Manifest | string {
  if (bytes.length < 16 || readU32(bytes, 0) !== MANIFEST_MAGIC) return "this is no manifest"
  const formatVersion = readU32(bytes, 8)
  if (readU32(bytes, 4) !== checksum(bytes.subarray(8), 0)) return "the checksum of the manifest does not match"
  if (formatVersion > FORMAT_VERSION)
    throw new UnsupportedFormat(file, `format version ${formatVersion}`, formatVersion)
  const flags = readU32(bytes, 12)
  if ((flags & ~FLAG_TRUNCATED) !== 0)
    throw new UnsupportedFormat(file, `unknown flags 0x${flags.toString(16)}`, formatVersion)
  if (bytes.length !== MANIFEST_SIZE) return `the manifest has ${bytes.length} bytes`
  return {
    generation: readU64(bytes, 16),
    storeId: bytes.slice(24, 40),
    checksumSeed: readU32(bytes, 40),
    hashSecret: { low: readU32(bytes, 44), high: readU32(bytes, 48) },
    firstSegment: readU32(bytes, 52),
    firstLsn: readU64(bytes, 60),
    createdMs: readU64(bytes, 72),
  }
}
