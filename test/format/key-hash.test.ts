// The key hash against a plain HalfSipHash, which in turn is checked against the published vectors of its authors.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { hashAsciiKey, hashKeyBytes } from "../../src/format/key-hash.ts"
import type { HashSecret } from "../../src/format/key-hash.ts"

/** HalfSipHash with 32 bits of output, as its description has it: state words, rounds, nothing unrolled. */
function halfSipHash(compressionRounds: number, endRounds: number, key: HashSecret, message: Uint8Array): number {
  const add = (a: number, b: number): number => (a + b) >>> 0
  const rotate = (value: number, bits: number): number => ((value << bits) | (value >>> (32 - bits))) >>> 0
  const xor = (a: number, b: number): number => (a ^ b) >>> 0
  let [v0, v1, v2, v3] = [key.low, key.high, xor(0x6c796765, key.low), xor(0x74656462, key.high)]
  const round = (): void => {
    v0 = add(v0, v1)
    v1 = xor(rotate(v1, 5), v0)
    v0 = rotate(v0, 16)
    v2 = add(v2, v3)
    v3 = xor(rotate(v3, 8), v2)
    v0 = add(v0, v3)
    v3 = xor(rotate(v3, 7), v0)
    v2 = add(v2, v1)
    v1 = xor(rotate(v1, 13), v2)
    v2 = rotate(v2, 16)
  }
  const padded = new Uint8Array(((message.length >>> 2) + 1) * 4)
  padded.set(message)
  padded[padded.length - 1] = message.length & 0xff
  const view = new DataView(padded.buffer)
  for (let at = 0; at < padded.length; at += 4) {
    const word = view.getUint32(at, true)
    v3 = xor(v3, word)
    for (let n = 0; n < compressionRounds; n++) round()
    v0 = xor(v0, word)
  }
  v2 = xor(v2, 0xff)
  for (let n = 0; n < endRounds; n++) round()
  return xor(v1, v3)
}

const secrets = fc.record({ low: fc.nat({ max: 0xffff_ffff }), high: fc.nat({ max: 0xffff_ffff }) })

test("the plain implementation gives the vectors that the authors published for HalfSipHash-2-4", () => {
  const key = { low: 0x03020100, high: 0x07060504 }
  const vectors = [0x5b9f35a9, 0xb85a4727, 0x03a662fa, 0x04e7fe8a, 0x89466e2a]
  vectors.forEach((expected, size) => {
    expect(
      halfSipHash(
        2,
        4,
        key,
        Uint8Array.from({ length: size }, (_, at) => at),
      ),
    ).toBe(expected)
  })
})

describe("the key hash", () => {
  test("is HalfSipHash-1-3 of the bytes", () => {
    fc.assert(
      fc.property(secrets, fc.uint8Array({ maxLength: 300 }), fc.nat(9), (secret, bytes, start) => {
        const shifted = Buffer.concat([Buffer.alloc(start, 0xee), bytes, Buffer.alloc(3, 0xdd)])
        expect(hashKeyBytes(secret, shifted, start, start + bytes.length)).toBe(halfSipHash(1, 3, secret, bytes))
      }),
      { numRuns: 500 },
    )
  })

  test("of an ASCII string is that of its bytes, which it leaves behind with zeros up to the word", () => {
    const ascii = fc.string({ unit: "binary-ascii", maxLength: 300 })
    fc.assert(
      fc.property(secrets, ascii, fc.nat(3), (secret, key, wordAt) => {
        const words = new Uint32Array(90).fill(0xeeee_eeee)
        const bytes = Buffer.from(key, "latin1")
        expect(hashAsciiKey(secret, key, words, wordAt)).toBe(hashKeyBytes(secret, bytes, 0, bytes.length))
        const written = Buffer.from(words.buffer, wordAt * 4, ((bytes.length >>> 2) + 1) * 4)
        expect(written.subarray(0, bytes.length)).toEqual(bytes)
        expect(written.subarray(bytes.length).every((byte) => byte === 0)).toBe(true)
        expect(words.subarray(0, wordAt).every((word) => word === 0xeeee_eeee)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test("refuses a string with one character beyond ASCII, wherever it stands", () => {
    const secret = { low: 1, high: 2 }
    const words = new Uint32Array(16)
    for (let size = 1; size <= 12; size++) {
      for (let at = 0; at < size; at++) {
        for (const character of ["\u0080", "é", "ÿ", "\u0100", "\u2028", "\ud800", "\uffff"]) {
          const key = "a".repeat(at) + character + "a".repeat(size - at - 1)
          expect(hashAsciiKey(secret, key, words, 0)).toBe(-1)
        }
      }
    }
    expect(hashAsciiKey(secret, "\u007f\u0000", words, 0)).toBeGreaterThanOrEqual(0)
  })

  test("of lengths that differ by zeros differs, and so does that of another secret", () => {
    const secret = { low: 5, high: 6 }
    const hashes = Array.from({ length: 300 }, (_, size) => hashKeyBytes(secret, Buffer.alloc(size), 0, size))
    expect(new Set(hashes).size).toBe(300)
    const bytes = Buffer.from("key")
    const others = Array.from({ length: 200 }, (_, n) => hashKeyBytes({ low: n, high: 6 }, bytes, 0, 3))
    expect(new Set(others).size).toBe(200)
  })
})
