// The checksum of the simulation against that of zlib.

import { crc32 as zlibCrc32 } from "node:zlib"
import { describe, expect, test } from "vitest"
import { crc32 } from "../../src/simulation/checksum.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"

describe("the simulation's CRC-32", () => {
  test("of the digits 1 to 9 is the check value of the standard", () => {
    expect(crc32(new TextEncoder().encode("123456789"), 0)).toBe(0xcbf43926)
  })

  test("equals zlib's for every length up to 300 and many seeds", () => {
    const random = new SimulatedRandom(1)
    for (let length = 0; length <= 300; length++) {
      const bytes = new Uint8Array(length)
      random.fill(bytes)
      for (const seed of [0, 1, 0xffffffff, random.nextUint32()])
        expect(crc32(bytes, seed)).toBe(zlibCrc32(bytes, seed))
    }
  })

  test("equals zlib's for views that start anywhere in their memory", () => {
    const bytes = new Uint8Array(10_000)
    new SimulatedRandom(2).fill(bytes)
    for (let start = 0; start < 16; start++) {
      const view = bytes.subarray(start, 9000 + start * 3)
      expect(crc32(view, 7)).toBe(zlibCrc32(view, 7))
    }
  })

  test("is continued from the sum of the bytes before", () => {
    const bytes = new TextEncoder().encode("an orrery is a clockwork of planets")
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut), 0))).toBe(zlibCrc32(bytes, 0))
    }
  })
})
