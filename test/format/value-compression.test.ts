import { describe, expect, test } from "vitest"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { CanonicalWriter } from "../../src/format/value-canonical.ts"
import { COMPRESS_NEVER, sizeInside, ValueCompressor } from "../../src/format/value-compression.ts"
import { ValueDamaged } from "../../src/format/value-damaged.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { CompressionUnavailable } from "../../src/model/compression-errors.ts"
import { VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import { nodeCompression } from "../../src/platform/node/node-compression.ts"
import { nodeSha256 } from "../../src/platform/node/node-platform.ts"
import { compressed, framed } from "./compressed-value.ts"
import { assertSame } from "./same-value.ts"
import { thrownBy, ValueScene } from "./value-scene.ts"

const scene = new ValueScene()
const document = {
  title: "a title",
  lines: Array.from({ length: 40 }, (_, n) => ({ n, text: `line ${n} of a text that goes on and on` })),
}
const plain = scene.encode(document)
const decoder = new ValueDecoder(shapesOf(scene))

/** The same shapes, for a reader that has a compression. */
function shapesOf({ shapes }: ValueScene): ShapeRegistry {
  const copy = new ShapeRegistry(nodeCompression)
  for (let id = 0; id < shapes.count; id++) copy.define(id, shapes.fieldsOf(id) ?? [])
  return copy
}

/** Between other bytes, as in a table. */
function decode(bytes: Uint8Array, by: ValueDecoder = decoder): unknown {
  const source = Buffer.concat([Buffer.alloc(3, 0xfe), bytes, Buffer.alloc(7, 1)])
  return by.decode(source, 3, 3 + bytes.length)
}

/** A compression that makes so many bytes of everything. */
function compressionTo(size: number): ValueCompressor {
  return new ValueCompressor({ compress: () => new Uint8Array(size), decompress: () => undefined })
}

describe("a compressed value", () => {
  test("begins with its mark, the method and the size of the value inside, and comes back", () => {
    const bytes = compressed(plain)
    expect(bytes.length).toBeLessThan(plain.length / 2)
    expect([bytes[0], bytes[1], bytes.readUInt32LE(2)]).toEqual([0xfe, 1, plain.length])
    expect(sizeInside(bytes, 0, bytes.length)).toBe(plain.length)
    assertSame(decode(bytes), document)
  })

  test("may hold references", () => {
    const shared = { text: "the same ".repeat(50) }
    const value = [shared, shared, [shared]]
    const bytes = scene.encode(value)
    expect(bytes[0]).toBe(0xfd)
    const read = decode(compressed(bytes), new ValueDecoder(shapesOf(scene))) as unknown[]
    assertSame(read, value)
    expect(read[0]).toBe(read[1])
  })

  test("is made where that saves an eighth, and counted; else the value stays as it is, and that is counted", () => {
    const target = Buffer.alloc(803, 5)
    const enough = compressionTo(694)
    expect(enough.compress(target, 3, 803)).toBe(703)
    expect(enough.counters).toEqual({ compressed: 1, incompressible: 0, bytesBefore: 800, bytesAfter: 700 })
    const untouched = Buffer.alloc(803, 5)
    const tooLittle = compressionTo(695)
    expect(tooLittle.compress(untouched, 3, 803)).toBe(803)
    expect(untouched).toEqual(Buffer.alloc(803, 5))
    expect(tooLittle.counters).toEqual({ compressed: 0, incompressible: 1, bytesBefore: 0, bytesAfter: 0 })
  })

  test("has the canonical form of the value inside", () => {
    const form = (bytes: Buffer): string =>
      Buffer.from(new CanonicalWriter(shapesOf(scene), nodeSha256).write(2, bytes, 0, bytes.length)).toString("hex")
    expect(form(compressed(plain))).toBe(form(plain))
  })

  test("is no damage to a reader without a compression, and cannot be read by it", () => {
    const bytes = compressed(plain)
    expect(thrownBy(() => decode(bytes, scene.decoder))).toBeInstanceOf(CompressionUnavailable)
    const canonical = new CanonicalWriter(scene.shapes, nodeSha256)
    expect(thrownBy(() => canonical.write(2, bytes, 0, bytes.length))).toBeInstanceOf(CompressionUnavailable)
  })

  test("a size that no value has never asks for compression", () => {
    expect(COMPRESS_NEVER).toBeGreaterThan(VALUE_SIZE_MAX)
  })
})

describe("damage", () => {
  /** The value, or undefined where the bytes are none. Whatever else is thrown comes out. */
  const read = (bytes: Uint8Array): unknown => {
    try {
      return decode(bytes)
    } catch (error) {
      if (error instanceof ValueDamaged) return undefined
      throw error
    }
  }

  test("every byte, changed in any of its bits, is found, or changes nothing", () => {
    const bytes = compressed(plain)
    let found = 0
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [0, 3, 7]) {
        const damaged = Buffer.from(bytes)
        damaged[at] = (damaged[at] as number) ^ (1 << bit)
        const value = read(damaged)
        if (value === undefined) found++
        else assertSame(value, document)
      }
    }
    expect(found).toBeGreaterThan(2.9 * bytes.length)
  })

  test("a value that is cut anywhere is damaged, and so is one with bytes behind it", () => {
    const bytes = compressed(plain)
    for (let size = 1; size < bytes.length; size++) expect(read(bytes.subarray(0, size)), String(size)).toBe(undefined)
    for (const more of [[0], [0, 0, 0, 0], bytes.subarray(6)]) {
      expect(read(Buffer.concat([bytes, Buffer.from(more)]))).toBe(undefined)
    }
  })

  test.each([
    ["one more than it is", plain.length + 1],
    ["one less", plain.length - 1],
    ["none", 0],
    ["that of the largest value", VALUE_SIZE_MAX],
    ["more than a value has", VALUE_SIZE_MAX + 1],
    ["the largest number", 0xffff_ffff],
  ])("a size that lies is found: %s", (_, size) => {
    expect(thrownBy(() => decode(framed(nodeCompression.compress(plain), size)))).toBeInstanceOf(ValueDamaged)
  })

  test("an unknown method, a mark inside a value, and one inside another are damage", () => {
    const frame = nodeCompression.compress(plain)
    for (const method of [0, 2, 255]) expect(read(framed(frame, plain.length, method))).toBe(undefined)
    expect(read(Buffer.concat([Buffer.from([0xc1]), compressed(plain)]))).toBe(undefined)
    const twice = compressed(Buffer.concat([compressed(plain), Buffer.alloc(4_000)]))
    expect(thrownBy(() => decode(twice))).toMatchObject({ found: "a compressed value inside a compressed one" })
  })

  test("of the value inside is told with the place of the compressed one", () => {
    const inside = Buffer.concat([Buffer.from([0xff]), plain.subarray(1)])
    expect(thrownBy(() => decode(compressed(inside)))).toMatchObject({
      _tag: "ValueDamaged",
      offset: 3,
      summary: expect.stringMatching(/ inside the compressed value at byte 3$/) as string,
    })
  })
})
