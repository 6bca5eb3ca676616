// The manifest: a round trip, and each rule that makes it valid.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { writeU32 } from "../../src/format/integers.ts"
import { decodeManifest, encodeManifest, MANIFEST_SIZE } from "../../src/format/manifest.ts"
import type { Manifest } from "../../src/format/manifest.ts"
import { UnsupportedFormat } from "../../src/model/errors.ts"
import { crc32 } from "../../src/simulation/checksum.ts"

const MANIFEST: Manifest = {
  generation: 6,
  storeId: Uint8Array.from({ length: 16 }, (_, at) => at + 1),
  checksumSeed: 0xdeadbeef,
  hashSecret: { low: 0x01020304, high: 0xfffefdfc },
  firstSegment: 3,
  firstLsn: 2 ** 40 + 5,
  createdMs: 1_767_225_600_123,
}

function resealed(at: number, value: number): Uint8Array {
  const bytes = encodeManifest(MANIFEST, crc32)
  writeU32(bytes, at, value)
  writeU32(bytes, 4, crc32(bytes.subarray(8), 0))
  return bytes
}

describe("a manifest", () => {
  test("is read as it was written", () => {
    const u32 = fc.nat({ max: 0xffff_ffff })
    const u53 = fc.maxSafeNat()
    fc.assert(
      fc.property(
        fc.record({
          generation: u53,
          storeId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
          checksumSeed: u32,
          hashSecret: fc.record({ low: u32, high: u32 }),
          firstSegment: u32,
          firstLsn: u53,
          createdMs: u53,
        }),
        (manifest) => {
          const bytes = encodeManifest(manifest, crc32)
          expect(bytes).toHaveLength(MANIFEST_SIZE)
          expect(decodeManifest(bytes, "manifest-0", crc32)).toEqual({
            ...manifest,
            storeId: new Uint8Array(manifest.storeId),
          })
        },
      ),
    )
  })

  test("with any one bit turned over is not valid", () => {
    const bytes = encodeManifest(MANIFEST, crc32)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
      expect(decodeManifest(flipped, "manifest-0", crc32), `bit ${bit}`).toBeTypeOf("string")
    }
  })

  test("of another size is not valid", () => {
    const bytes = encodeManifest(MANIFEST, crc32)
    for (let size = 0; size < MANIFEST_SIZE; size++) {
      expect(decodeManifest(bytes.slice(0, size), "manifest-0", crc32), `${size} bytes`).toBeTypeOf("string")
    }
    expect(decodeManifest(Buffer.concat([bytes, Buffer.alloc(1)]), "manifest-0", crc32)).toBeTypeOf("string")
    const longer = Buffer.concat([bytes, Buffer.alloc(8)])
    writeU32(longer, 4, crc32(longer.subarray(8), 0))
    expect(decodeManifest(longer, "manifest-0", crc32)).toBe("the manifest has 104 bytes")
  })

  test("of zeros is none", () => {
    expect(decodeManifest(new Uint8Array(MANIFEST_SIZE), "manifest-0", crc32)).toBe("this is no manifest")
  })

  test("of a newer format or with unknown flags is refused with the file's name, whatever its size", () => {
    expect(() => decodeManifest(resealed(8, 2), "manifest-1", crc32)).toThrow(UnsupportedFormat)
    expect(() => decodeManifest(resealed(8, 2), "manifest-1", crc32)).toThrow("manifest-1 has format version 2")
    for (let bit = 1; bit < 32; bit++) {
      expect(() => decodeManifest(resealed(12, (1 << bit) >>> 0), "manifest-0", crc32)).toThrow(UnsupportedFormat)
    }
    const longer = Buffer.concat([resealed(8, 2), Buffer.alloc(64)])
    writeU32(longer, 4, crc32(longer.subarray(8), 0))
    expect(() => decodeManifest(longer, "manifest-0", crc32)).toThrow(UnsupportedFormat)
  })
})
