// Takes a checkpoint of a store apart into blocks and records, and puts it together again under right checksums: with
// blocks in another order, counts that lie, records that do not belong there. What only a defect of its writer makes.

import {
  BLOCK_END,
  BLOCK_HEADER_SIZE,
  BLOCK_RECORDS,
  readBlockHeader,
  sealBlock,
} from "../../src/format/checkpoint-block.ts"
import type { BlockHeader, BlockPlace } from "../../src/format/checkpoint-block.ts"
import { checkpointFile } from "../../src/format/file-names.ts"
import { recordSize } from "../../src/format/record.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { DIRECTORY, manifestIn } from "../recovery/reference-store.ts"

export interface Block {
  readonly kind: number
  readonly tableId: number
  readonly recordCount: number
  readonly throughLsn: number
  readonly payload: Buffer
}

type Files = ReadonlyMap<string, Uint8Array>

/** The blocks of a checkpoint in their order, each with memory of its own. */
export function blocksOf(files: Files, number: number): Block[] {
  const bytes = files.get(`${DIRECTORY}/${checkpointFile(number)}`) ?? new Uint8Array(0)
  const blocks: Block[] = []
  for (let at = 0; at < bytes.length;) {
    const { kind, tableId, recordCount, throughLsn, payloadSize } = headerAt(bytes, at, placeOf(files, number))
    const start = at + BLOCK_HEADER_SIZE
    at = start + payloadSize
    blocks.push({ kind, tableId, recordCount, throughLsn, payload: Buffer.from(bytes.slice(start, at)) })
  }
  return blocks
}

/** The files with these blocks as that checkpoint, each numbered and sealed as it stands. */
export function withBlocks(files: Files, number: number, blocks: readonly Block[]): Map<string, Uint8Array> {
  const sealed = blocks.map(({ payload, ...header }, index) => {
    const block = Buffer.concat([Buffer.alloc(BLOCK_HEADER_SIZE), payload])
    sealBlock(block, 0, { ...header, index, payloadSize: payload.length }, placeOf(files, number))
    return block
  })
  return new Map(files).set(`${DIRECTORY}/${checkpointFile(number)}`, new Uint8Array(Buffer.concat(sealed)))
}

/** The records in a payload, each with its padding and memory of its own. */
export function recordsIn({ payload }: Block): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at < payload.length;) {
    const end = at + recordSize(payload.readUInt16LE(at + 8), payload.readUInt32LE(at + 4))
    records.push(Buffer.from(payload.subarray(at, end)))
    at = end
  }
  return records
}

/** The block with these records instead, rightly counted. */
export function holding(block: Block, records: readonly Buffer[]): Block {
  const recordCount = block.kind === BLOCK_RECORDS ? records.length : block.recordCount
  return { ...block, recordCount, payload: Buffer.concat(records) }
}

/** The blocks with an end that counts what they hold. */
export function counted(blocks: readonly Block[]): Block[] {
  const count = blocks.reduce((sum, { kind, recordCount }) => sum + (kind === BLOCK_RECORDS ? recordCount : 0), 0)
  return blocks.map((block) => {
    if (block.kind !== BLOCK_END) return block
    const payload = Buffer.from(block.payload)
    payload.writeBigUInt64LE(BigInt(count), 0)
    return { ...block, payload }
  })
}

function headerAt(bytes: Uint8Array, at: number, place: BlockPlace): BlockHeader {
  const header = readBlockHeader(bytes, at, place)
  if (header === undefined) throw new Error(`there is no block at byte ${at}`)
  return header
}

function placeOf(files: Files, checkpoint: number): BlockPlace {
  return { checkpoint, checksumSeed: manifestIn(files).checksumSeed, checksum: crc32 }
}
