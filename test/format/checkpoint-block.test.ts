// The block of a checkpoint: its bytes, each bound that makes a header possible, and what its checksum covers.

import { crc32 as zlibCrc32 } from "node:zlib"
import { describe, expect, test } from "vitest"
import {
  BLOCK_DEFINITIONS,
  BLOCK_END,
  BLOCK_LOG,
  BLOCK_ROOT,
  BLOCK_HEAD,
  BLOCK_HEADER_SIZE,
  BLOCK_PAYLOAD_SIZE_MAX,
  BLOCK_RECORDS,
  isBlockIntact,
  readBlockHeader,
  sealBlock,
} from "../../src/format/checkpoint-block.ts"
import type { BlockHeader } from "../../src/format/checkpoint-block.ts"
import { writeU32 } from "../../src/format/integers.ts"
import { recordSize } from "../../src/format/record.ts"
import { KEY_SIZE_MAX, VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import { crc32 } from "../../src/simulation/checksum.ts"

const PLACE = { checkpoint: 7, checksumSeed: 0x89abcdef, checksum: crc32 }
const HEADER: BlockHeader = {
  kind: BLOCK_RECORDS,
  payloadSize: 24,
  index: 0x01020304,
  tableId: 0x0a0b0c0d,
  recordCount: 0xfffefdfc,
  throughLsn: 2 ** 48 - 2,
}
const PAYLOAD = Buffer.from("000102030405060708090a0b0c0d0e0f1011121314151617", "hex")

/** Magic and checksum left out: kind, payloadSize, checkpoint, index, tableId, recordCount, throughLsn, zeros. */
const GOLDEN_FROM_KIND = [
  "03000000 18000000 07000000 04030201",
  "0d0c0b0a fcfdfeff feffffffffff0000",
  "000000000000000000000000000000000000000000000000",
]
  .join("")
  .replaceAll(" ", "")

/** Garbage first, so that what the seal leaves alone is seen. */
function sealed(header: BlockHeader = HEADER, place: typeof PLACE = PLACE): Buffer {
  const bytes = Buffer.alloc(BLOCK_HEADER_SIZE + PAYLOAD.length, 0xa5)
  bytes.set(PAYLOAD, BLOCK_HEADER_SIZE)
  sealBlock(bytes, 0, header, place)
  return bytes
}

/** As a reader does it: the header, the payload whole in the bytes, then the checksum. */
function passes(bytes: Uint8Array, at: number, place: typeof PLACE = PLACE): boolean {
  const header = readBlockHeader(bytes, at, place)
  if (header === undefined || at + BLOCK_HEADER_SIZE + header.payloadSize > bytes.length) return false
  return isBlockIntact(bytes, at, header, place)
}

describe("a block", () => {
  test("has exactly these bytes", () => {
    const behindChecksum = Buffer.concat([Buffer.from(GOLDEN_FROM_KIND, "hex"), PAYLOAD])
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32LE(zlibCrc32(behindChecksum, PLACE.checksumSeed))
    expect(sealed().toString("hex")).toBe(
      Buffer.concat([Buffer.from("ORRC"), checksum, behindChecksum]).toString("hex"),
    )
    expect(checksum.toString("hex")).toBe("589220c5")
  })

  test("numbers its kinds as the format says", () => {
    expect([BLOCK_HEAD, BLOCK_DEFINITIONS, BLOCK_RECORDS, BLOCK_END, BLOCK_LOG, BLOCK_ROOT]).toEqual([1, 2, 3, 4, 5, 6])
  })

  test("is read as it was written, also out of a longer piece of a file", () => {
    const bytes = Buffer.alloc(300, 7)
    bytes.set(sealed(), 104)
    expect(readBlockHeader(bytes, 104, PLACE)).toEqual(HEADER)
    expect(passes(bytes, 104)).toBe(true)
    expect(passes(bytes, 96)).toBe(false)
  })

  test("with any one bit turned over does not pass", () => {
    const bytes = sealed()
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
      expect(passes(flipped, 0), `bit ${bit}`).toBe(false)
    }
  })

  test("cut short at any byte does not pass", () => {
    const bytes = sealed()
    for (let size = 0; size < bytes.length; size++) expect(passes(bytes.subarray(0, size), 0), `${size}`).toBe(false)
  })

  test("of another checkpoint or another store does not pass", () => {
    expect(readBlockHeader(sealed(), 0, { ...PLACE, checkpoint: 8 })).toBeUndefined()
    expect(passes(sealed(), 0, { ...PLACE, checksumSeed: PLACE.checksumSeed ^ 1 })).toBe(false)
  })

  test("is never made of zeros, whatever the seed", () => {
    const zeros = new Uint8Array(4096)
    for (const checksumSeed of [0, 1, 0x89abcdef, 0xffffffff]) {
      for (const checkpoint of [0, 1]) {
        for (let at = 0; at < zeros.length; at += 8)
          expect(readBlockHeader(zeros, at, { ...PLACE, checksumSeed, checkpoint })).toBeUndefined()
      }
    }
  })

  test.each([
    ["kind 0", 8, 0],
    ["a kind that nobody wrote", 8, BLOCK_ROOT + 1],
    ["a payload that is no multiple of 8", 12, 20],
    ["a payload above the bound", 12, BLOCK_PAYLOAD_SIZE_MAX + 8],
    ["the largest size of all", 12, 0xfffffff8],
  ])("has no header with %s", (_, at, value) => {
    const bytes = sealed()
    writeU32(bytes, at, value)
    expect(readBlockHeader(bytes, 0, PLACE)).toBeUndefined()
  })

  test("may have an empty payload, and the largest", () => {
    const bytes = sealed({ ...HEADER, payloadSize: 0 })
    expect(passes(bytes, 0)).toBe(true)
    writeU32(bytes, 12, BLOCK_PAYLOAD_SIZE_MAX)
    expect(readBlockHeader(bytes, 0, PLACE)?.payloadSize).toBe(BLOCK_PAYLOAD_SIZE_MAX)
  })

  test("holds the largest record that a table may have", () => {
    expect(recordSize(KEY_SIZE_MAX, VALUE_SIZE_MAX)).toBeLessThanOrEqual(BLOCK_PAYLOAD_SIZE_MAX)
  })
})
