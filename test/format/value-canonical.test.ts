// The canonical form: one for each value, whatever shapes a store has learnt and however they are numbered.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { CanonicalWriter } from "../../src/format/value-canonical.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { TAG_REFERENCE, TAG_REGEXP } from "../../src/format/value-tags.ts"
import { merkleValueDigest } from "../../src/index.ts"
import { nodeSha256 } from "../../src/platform/node/node-platform.ts"

/** Where a value of that tag ends which has zeros behind it, or what is wrong with that. */
function endOf(tag: number, read: (bytes: Buffer, end: number) => unknown): number | "unknown" | "damaged" {
  for (let size = 1; size < 16; size++) {
    const bytes = Buffer.alloc(size)
    bytes[0] = tag
    try {
      read(bytes, size)
      return size
    } catch (error) {
      if (String(error).includes("unknown tag")) return "unknown"
    }
  }
  return "damaged"
}

/** The canonical form of a value that is written by a store which has seen the others before. */
function canonicalAfter(seen: readonly unknown[], value: unknown): { readonly form: string; readonly encoded: string } {
  const shapes = new ShapeRegistry()
  const encoder = new ValueEncoder(shapes)
  const bytes = Buffer.alloc(1 << 20)
  for (const other of seen) encoder.encode(other, bytes, 0)
  const end = encoder.encode(value, bytes, 5)
  const form = new CanonicalWriter(shapes, nodeSha256).write(2, bytes, 5, end)
  return { form: Buffer.from(form).toString("hex"), encoded: bytes.toString("hex", 5, end) }
}

const sharing = { x: 1 }
const circular: Record<string, unknown> = { a: 1 }
circular["self"] = circular
const SAMPLES: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  127,
  128,
  -1,
  -300,
  70_000,
  2 ** 40,
  0.5,
  0.1,
  Number.NaN,
  5n,
  -(2n ** 90n),
  "",
  "short",
  "Zoë",
  "東京".repeat(40),
  "x".repeat(300),
  "\ud800",
  [],
  [1, [2, [3]]],
  // oxlint-disable-next-line no-sparse-arrays
  [1, , 3],
  Array.from({ length: 40 }, (_, n) => n),
  {},
  { a: 1 },
  { a: 1, b: 2 },
  { b: 2, a: 1 },
  { a: { b: { c: [{ d: 1 }, { d: 2 }] } }, e: {} },
  { a: undefined },
  { ["n".repeat(400)]: 1, ключ: 2, "": 3 },
  Object.assign(Object.create(null) as object, { a: 1 }),
  new Map<unknown, unknown>([
    ["k", { a: 1 }],
    [{ a: 1 }, 2],
  ]),
  new Set([{ a: 1 }, 2]),
  new Date(5),
  new Date(Number.NaN),
  /x+/giu,
  new Uint8Array([1, 2, 3]),
  new Float64Array([1.5]),
  new ArrayBuffer(3),
  Object(1),
  Object("text"),
  [sharing, sharing],
  [{ x: 1 }, { x: 1 }],
  circular,
]

describe("the canonical form of a value", () => {
  test.each(SAMPLES.map((value, index) => ({ value, index })))("is one, learnt or not: sample $index", ({ value }) => {
    const fresh = canonicalAfter([], value)
    const learnt = canonicalAfter([{ z: 1 }, { z: 2 }, { z: 3 }, value, value, value], value)
    expect(learnt.form).toBe(fresh.form)
    const other = canonicalAfter([value, value, value], value)
    expect(other.form).toBe(fresh.form)
    expect(fresh.form.startsWith("02")).toBe(true)
  })

  test("is tried on values that are encoded in different ways", () => {
    const different = SAMPLES.filter((value) => {
      return canonicalAfter([], value).encoded !== canonicalAfter([value, value], value).encoded
    })
    expect(different.length).toBeGreaterThanOrEqual(9)
  })

  test("is another one for another value, the order of fields and shared parts among what counts", () => {
    const forms = SAMPLES.map((value) => canonicalAfter([], value).form)
    expect(new Set(forms).size).toBe(SAMPLES.length)
    expect(new Set(SAMPLES.map(merkleValueDigest)).size).toBe(SAMPLES.length)
  })

  test("is equal exactly where a value is, for values of any kind", () => {
    const value = fc.object({ maxDepth: 3, withDate: true, withMap: true, withSet: true, withBigInt: true })
    fc.assert(
      fc.property(value, value, (left, right) => {
        const same = canonicalAfter([], left).encoded === canonicalAfter([], right).encoded
        expect(canonicalAfter([left, left], left).form === canonicalAfter([right], right).form).toBe(same)
        expect(canonicalAfter([right, left, left, right], left).form).toBe(canonicalAfter([], left).form)
      }),
      { seed: 3, numRuns: 300 },
    )
  })

  test("of many small objects with long names stays small", () => {
    const name = "n".repeat(2_000)
    const list = Array.from({ length: 500 }, (_, n) => ({ [name]: n }))
    expect(canonicalAfter([], list).form.length / 2).toBeLessThan(500 * 40)
  })

  test("is refused for bytes that are no value", () => {
    const encoder = new ValueEncoder(new ShapeRegistry())
    const bytes = Buffer.alloc(4096)
    // Without objects, whose shapes another registry does not know.
    const samples = SAMPLES.filter((sample) => typeof sample !== "object").slice(0, 40)
    const end = encoder.encode(samples, bytes, 0)
    const writer = new CanonicalWriter(new ShapeRegistry(), nodeSha256)
    for (let cut = 0; cut < end; cut++) expect(() => writer.write(2, bytes, 0, cut)).toThrow(/not an encoded value/)
    expect(() => writer.write(2, bytes, 0, end + 1)).toThrow(/bytes behind the value/)
    expect(() => writer.write(2, Buffer.from([0xd0, 9, 1]), 0, 3)).toThrow(/shape 9, which is not defined/)
    expect(() => writer.write(2, Buffer.from([0xff]), 0, 1)).toThrow(/unknown tag/)
    expect(() => writer.write(2, Buffer.alloc(1000, 0xc1), 0, 1000)).toThrow(/containers inside each other/)
  })
})

test("the reader and the canonical writer know the same tags, and end their values at the same byte", () => {
  const decoder = new ValueDecoder(new ShapeRegistry())
  const writer = new CanonicalWriter(new ShapeRegistry(), nodeSha256)
  const tags = Array.from({ length: 256 }, (_, tag) => tag)
  const differing = tags.filter((tag) => {
    const read = endOf(tag, (bytes, end) => decoder.decode(bytes, 0, end))
    return read !== endOf(tag, (bytes, end) => writer.write(2, bytes, 0, end))
  })
  // Zeros are numbers, where the source of an expression is text, and lead a reference to an object that is not there.
  expect(differing).toEqual([TAG_REGEXP, TAG_REFERENCE])
})
