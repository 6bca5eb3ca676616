// Index keys as bytes: their order, and what is given back.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { INDEX_KEY_SIZE_MAX } from "../../src/model/limits.ts"
import { behindPrefix, decodeIndexKey, encodeIndexKey, indexKeyFault } from "../../src/table/index-key.ts"

function encoded(key: unknown): Buffer {
  const bytes = Buffer.alloc(INDEX_KEY_SIZE_MAX)
  const end = encodeIndexKey(key, bytes, 0)
  expect(end, String(key)).toBeGreaterThan(0)
  return bytes.subarray(0, end)
}

const text = fc.string({
  unit: fc.oneof(fc.constantFrom("\0", "\u0001", "\u0002", "\u007f"), fc.constantFrom("é", "𐀀", "\uffff")),
  maxLength: 8,
})
const kinds = [
  fc.boolean(),
  fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constantFrom(0, -0, Infinity, -Infinity, 5e-324)),
  fc.oneof(fc.bigInt(), fc.bigInt({ min: -300n, max: 300n })),
  fc.date({ noInvalidDate: true }),
  fc.oneof(text, fc.string(), fc.string({ unit: "binary" })),
] as const

/** By code points, as bytes of UTF-8 are. */
function compareKeys(left: unknown, right: unknown): number {
  if (typeof left === "string" && typeof right === "string")
    return Buffer.compare(Buffer.from(left), Buffer.from(right))
  if (left instanceof Date && right instanceof Date) return Math.sign(left.getTime() - right.getTime())
  return (left as number) < (right as number) ? -1 : (left as number) > (right as number) ? 1 : 0
}

describe("the bytes of index keys", () => {
  test.each(kinds.map((kind, rank) => [rank, kind] as const))(
    "are in the order of the keys, kind %i",
    (_rank, kind) => {
      fc.assert(
        fc.property(kind as fc.Arbitrary<unknown>, kind as fc.Arbitrary<unknown>, (left, right) => {
          expect(Math.sign(Buffer.compare(encoded(left), encoded(right)))).toBe(compareKeys(left, right))
        }),
        { numRuns: 500 },
      )
    },
  )

  test("give the key back, -0 as 0", () => {
    fc.assert(
      fc.property(fc.oneof(...(kinds as readonly fc.Arbitrary<unknown>[])), (key) => {
        const bytes = encoded(key)
        expect(decodeIndexKey(bytes, 0, bytes.length)).toEqual(Object.is(key, -0) ? 0 : key)
      }),
      { numRuns: 1_000 },
    )
  })

  test("put booleans before numbers, bigints, dates and strings", () => {
    const ascending = [false, true, -Infinity, 1e300, -5n, 5n, new Date(-1), new Date(1), "", "a"]
    expect(
      ascending
        .map(encoded)
        .toSorted((left, right) => Buffer.compare(left, right))
        .map((bytes) => decodeIndexKey(bytes, 0, bytes.length)),
    ).toEqual(ascending)
  })

  test("are the beginning of no other key's, so what stands behind them does not disturb the order", () => {
    const any = fc.oneof(...(kinds as readonly fc.Arbitrary<unknown>[]))
    fc.assert(
      fc.property(any, any, fc.uint8Array({ maxLength: 5 }), (left, right, rest) => {
        const [first, second] = [encoded(left), encoded(right)]
        if (first.equals(second)) return
        const behind = Buffer.concat([first, rest])
        expect(Buffer.compare(behind, second)).toBe(Buffer.compare(first, second))
        expect(Buffer.compare(behind, behindPrefix(first))).toBe(-1)
        expect(Buffer.compare(behindPrefix(first), second) <= 0).toBe(Buffer.compare(first, second) < 0)
      }),
      { numRuns: 1_000 },
    )
  })

  test("do not exist for what has no place in the order, and it is said why", () => {
    const faults: readonly (readonly [unknown, string])[] = [
      [Number.NaN, "NaN"],
      [new Date(Number.NaN), "invalid Date"],
      ["\ud800", "lone surrogate"],
      ["x".repeat(INDEX_KEY_SIZE_MAX - 1), "more than 1024 bytes"],
      ["\0".repeat(INDEX_KEY_SIZE_MAX / 2), "more than 1024 bytes"],
      [1n << 9_000n, "more than 1024 bytes"],
      [null, "null"],
      [{}, "type object"],
      [["a"], "array"],
    ]
    for (const [key, fault] of faults) {
      expect(encodeIndexKey(key, Buffer.alloc(INDEX_KEY_SIZE_MAX), 0)).toBe(-1)
      expect(indexKeyFault(key)).toContain(fault)
    }
  })

  test("go up to their limit", () => {
    for (const key of ["x".repeat(INDEX_KEY_SIZE_MAX - 2), "é".repeat(INDEX_KEY_SIZE_MAX / 2 - 1)]) {
      const bytes = encoded(key)
      expect(decodeIndexKey(bytes, 0, bytes.length)).toBe(key)
    }
  })
})
