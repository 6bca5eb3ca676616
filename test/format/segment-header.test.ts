// The header of a segment: a round trip, and each rule that makes it valid.

import { describe, expect, test } from "vitest"
import { writeU32 } from "../../src/format/integers.ts"
import { decodeSegmentHeader, encodeSegmentHeader, SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { UnsupportedFormat } from "../../src/model/errors.ts"
import { crc32 } from "../../src/simulation/checksum.ts"

const HEADER = {
  storeId: Uint8Array.from({ length: 16 }, (_, at) => at + 1),
  segment: 4_000_000_000,
  segmentSize: 16 * 1024 * 1024,
  createdMs: 1_767_225_600_123,
}
const EXPECTED = { file: "wal-4000000000", storeId: HEADER.storeId, segment: HEADER.segment }

/** The bytes with one word changed and the checksum made right again. */
function resealed(at: number, value: number): Uint8Array {
  const bytes = encodeSegmentHeader(HEADER, crc32)
  writeU32(bytes, at, value)
  writeU32(bytes, 4, crc32(bytes.subarray(8), 0))
  return bytes
}

describe("a segment header", () => {
  test("is read as it was written, also out of a longer piece of a file", () => {
    const bytes = encodeSegmentHeader(HEADER, crc32)
    expect(bytes).toHaveLength(SEGMENT_HEADER_SIZE)
    expect(decodeSegmentHeader(bytes, EXPECTED, crc32)).toEqual(HEADER)
    const longer = new Uint8Array(200).fill(7)
    longer.set(bytes)
    expect(decodeSegmentHeader(longer, EXPECTED, crc32)).toEqual(HEADER)
  })

  test("with any one bit turned over is not valid", () => {
    const bytes = encodeSegmentHeader(HEADER, crc32)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
      expect(decodeSegmentHeader(flipped, EXPECTED, crc32), `bit ${bit}`).toBeTypeOf("string")
    }
  })

  test("cut short, or of zeros, is not valid", () => {
    const bytes = encodeSegmentHeader(HEADER, crc32)
    for (let size = 0; size < SEGMENT_HEADER_SIZE; size++) {
      expect(decodeSegmentHeader(bytes.slice(0, size), EXPECTED, crc32)).toBe("the segment header is cut short")
    }
    expect(decodeSegmentHeader(new Uint8Array(64), EXPECTED, crc32)).toBe("this is no segment header")
  })

  test("of another store, or under the name of another segment, is not valid", () => {
    const bytes = encodeSegmentHeader(HEADER, crc32)
    const other = HEADER.storeId.slice()
    other[15] = 0
    expect(decodeSegmentHeader(bytes, { ...EXPECTED, storeId: other }, crc32)).toBe(
      "the segment belongs to another store",
    )
    expect(decodeSegmentHeader(bytes, { ...EXPECTED, segment: 5 }, crc32)).toBe("the header says segment 4000000000")
  })

  test("of a newer format or with unknown flags is refused, and says which", () => {
    for (const version of [2, 3, 0xffff_ffff]) {
      expect(() => decodeSegmentHeader(resealed(8, version), EXPECTED, crc32)).toThrow(UnsupportedFormat)
      expect(() => decodeSegmentHeader(resealed(8, version), EXPECTED, crc32)).toThrow(`format version ${version}`)
    }
    for (let bit = 0; bit < 32; bit++) {
      expect(() => decodeSegmentHeader(resealed(12, (1 << bit) >>> 0), EXPECTED, crc32)).toThrow(UnsupportedFormat)
    }
  })
})
