// Checkpoints in which somebody changed a byte, and made the checksums right again.

import { BLOCK_HEADER_SIZE, BLOCK_RECORDS, readBlockHeader, sealBlock } from "../../src/format/checkpoint-block.ts"
import type { BlockHeader } from "../../src/format/checkpoint-block.ts"
import { checkpointFile } from "../../src/format/file-names.ts"
import { recordSize } from "../../src/format/record.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { DIRECTORY, manifestIn } from "../recovery/reference-store.ts"

export type Files = ReadonlyMap<string, Uint8Array>

/** `change` is told every record's number, and where its value ends. */
export function tampered(
  files: Files,
  number: number,
  change: (bytes: Buffer, record: number, end: number) => void,
): Files {
  const name = `${DIRECTORY}/${checkpointFile(number)}`
  const bytes = Buffer.from(files.get(name) ?? new Uint8Array(0))
  const place = { checkpoint: number, checksumSeed: manifestIn(files).checksumSeed, checksum: crc32 }
  let record = 0
  for (let at = 0; at < bytes.length;) {
    const header = readBlockHeader(bytes, at, place) as BlockHeader
    const end = at + BLOCK_HEADER_SIZE + header.payloadSize
    if (header.kind === BLOCK_RECORDS) {
      for (let position = at + BLOCK_HEADER_SIZE; position < end; record++) {
        const keySize = bytes.readUInt16LE(position + 8)
        const valueSize = bytes.readUInt32LE(position + 4)
        change(bytes, record, position + 16 + keySize + valueSize)
        position += recordSize(keySize, valueSize)
      }
    }
    sealBlock(bytes, at, header, place)
    at = end
  }
  return new Map(files).set(name, bytes)
}
