// A frame passes if and only if it is what was written, where it was written, for the store it was written for.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  FRAME_COMMITS,
  FRAME_EPOCH,
  FRAME_HEADER_SIZE,
  FRAME_SEAL,
  frameSize,
  isFrameIntact,
  lastLsnOf,
  readFrameHeader,
  sealFrame,
} from "../../src/format/frame.ts"
import type { FrameHeader, FramePlace } from "../../src/format/frame.ts"
import { writeU32 } from "../../src/format/integers.ts"
import { FRAME_PAYLOAD_SIZE_MAX, LSN_MAX } from "../../src/model/limits.ts"
import { crc32 } from "../../src/simulation/checksum.ts"

const PLACE: FramePlace = { checksumSeed: 0xdeadbeef, segment: 7, checksum: crc32 }

const HEADER: Omit<FrameHeader, "checksum"> = {
  kind: FRAME_COMMITS,
  payloadSize: 24,
  previousChecksum: 0x12345678,
  firstLsn: 1_000,
  durableLsn: 990,
  timeMs: 1_767_225_600_123,
  commitCount: 3,
  recordCount: 4,
  epoch: 2,
  segment: 7,
  offset: 4_096,
}

function frameOf(header: Omit<FrameHeader, "checksum"> = HEADER, place: FramePlace = PLACE): Uint8Array {
  const bytes = new Uint8Array(frameSize(header.payloadSize))
  for (let at = FRAME_HEADER_SIZE; at < bytes.length; at++) bytes[at] = at * 7
  sealFrame(bytes, 0, header, place)
  return bytes
}

function passes(bytes: Uint8Array, offset: number = HEADER.offset, place: FramePlace = PLACE, at = 0): boolean {
  const header = readFrameHeader(bytes, at, place, offset)
  if (header === undefined || at + frameSize(header.payloadSize) > bytes.length) return false
  return isFrameIntact(bytes, at, header, place)
}

describe("a frame", () => {
  test("is read as it was written", () => {
    const u32 = fc.nat({ max: 0xffff_ffff })
    const u48 = fc.nat({ max: 2 ** 47 })
    fc.assert(
      fc.property(
        fc.record({
          kind: fc.constantFrom(FRAME_COMMITS, FRAME_EPOCH, FRAME_SEAL),
          payloadSize: fc.nat(40).map((words) => words * 8),
          previousChecksum: u32,
          firstLsn: u48,
          durableLsn: u48,
          timeMs: u48,
          commitCount: u32,
          recordCount: u32,
          epoch: u32,
          segment: u32,
          offset: u32,
        }),
        u32,
        fc.nat(5),
        (header, checksumSeed, words) => {
          const place = { checksumSeed, segment: header.segment, checksum: crc32 }
          const at = words * 8
          const bytes = new Uint8Array(at + frameSize(header.payloadSize) + 16).fill(0xee)
          const checksum = sealFrame(bytes, at, header, place)
          const read = readFrameHeader(bytes, at, place, header.offset)
          expect(read).toEqual({ ...header, checksum })
          expect(passes(bytes, header.offset, place, at)).toBe(true)
          expect(bytes.subarray(0, at).every((byte) => byte === 0xee)).toBe(true)
          expect(bytes.subarray(at + 64).every((byte) => byte === 0xee)).toBe(true)
        },
      ),
    )
  })

  test("with any one bit turned over does not pass", () => {
    const bytes = frameOf()
    expect(passes(bytes)).toBe(true)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
      expect(passes(flipped), `bit ${bit}`).toBe(false)
    }
  })

  test("of another store, segment or place does not pass", () => {
    const bytes = frameOf()
    expect(passes(bytes, HEADER.offset, { ...PLACE, checksumSeed: 0xdeadbeee })).toBe(false)
    expect(passes(bytes, HEADER.offset, { ...PLACE, segment: 8 })).toBe(false)
    for (const offset of [0, 64, 4_088, 4_104, 8_192]) expect(passes(bytes, offset)).toBe(false)
    // Nor does it when whoever moved it changed the words that say where it stands.
    const moved = bytes.slice()
    writeU32(moved, 48, 8)
    expect(passes(moved, HEADER.offset, { ...PLACE, segment: 8 })).toBe(false)
    const shifted = bytes.slice()
    writeU32(shifted, 52, 8_192)
    expect(passes(shifted, 8_192)).toBe(false)
  })

  test("is not made of zeros, of ones, or of nothing, whatever the seed", () => {
    for (const checksumSeed of [0, 1, 0xffff_ffff]) {
      for (const segment of [0, 1]) {
        for (const fill of [0, 0xff, 0xa5]) {
          for (let size = 0; size <= 192; size += 8) {
            const bytes = new Uint8Array(size).fill(fill)
            expect(passes(bytes, 0, { checksumSeed, segment, checksum: crc32 })).toBe(false)
          }
        }
      }
    }
  })

  test("cut short anywhere does not pass", () => {
    const bytes = frameOf()
    for (let size = 0; size < bytes.length; size++) expect(passes(bytes.slice(0, size)), `${size} bytes`).toBe(false)
  })

  test("with its payload lost, and zeros or another frame's in its place, does not pass", () => {
    const bytes = frameOf()
    expect(passes(Uint8Array.from(bytes, (byte, at) => (at < FRAME_HEADER_SIZE ? byte : 0)))).toBe(false)
    expect(passes(Uint8Array.from(bytes, (byte, at) => (at < FRAME_HEADER_SIZE ? byte : byte ^ 1)))).toBe(false)
  })

  test("has bounds that a right checksum does not lift", () => {
    const refused: Partial<FrameHeader>[] = [
      { kind: 0 },
      { kind: 4 },
      { kind: 0x100 + FRAME_COMMITS },
      { firstLsn: LSN_MAX, commitCount: 1 },
      { firstLsn: LSN_MAX - 2 },
      { payloadSize: 20 },
    ]
    for (const changes of refused) {
      const header = { ...HEADER, ...changes }
      expect(passes(frameOf(header)), JSON.stringify(changes)).toBe(false)
    }
    expect(passes(frameOf({ ...HEADER, firstLsn: LSN_MAX - 3 }))).toBe(true)
    const huge = frameOf()
    writeU32(huge, 8, FRAME_PAYLOAD_SIZE_MAX + 8)
    expect(readFrameHeader(huge, 0, PLACE, HEADER.offset)).toBeUndefined()
  })

  test("ends at its last commit; a seal ends before its first", () => {
    expect(lastLsnOf({ firstLsn: 10, commitCount: 3 })).toBe(12)
    expect(lastLsnOf({ firstLsn: 10, commitCount: 0 })).toBe(9)
  })
})
