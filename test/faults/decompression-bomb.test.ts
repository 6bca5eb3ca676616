// Bytes that promise far more than they are. What they may cost is the size of the largest value, whatever they promise.

import { expect, test } from "vitest"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueDamaged } from "../../src/format/value-damaged.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import { nodeCompression } from "../../src/platform/node/node-compression.ts"
import { framed } from "../format/compressed-value.ts"
import { thrownBy } from "../format/value-scene.ts"

const MEBIBYTE = 1024 * 1024
const BLOCK_SIZE = 128 * 1024
const decoder = new ValueDecoder(new ShapeRegistry(nodeCompression))

/** A frame of blocks that repeat one byte: four bytes for 128 KiB. Made by hand, because making it must take no memory. */
function repeating(size: number): Buffer {
  const count = size / BLOCK_SIZE
  const frame = Buffer.alloc(6 + 4 * count)
  // The magic number, no flags, a window of 128 KiB.
  frame.set([0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3])
  for (let block = 0; block < count; block++) {
    const isLast = block === count - 1 ? 1 : 0
    frame.writeUIntLE(isLast | (1 << 1) | (BLOCK_SIZE << 3), 6 + 4 * block, 3)
  }
  return frame
}

/** By how much the most memory that the process ever held has grown, in bytes. */
function grownBy(work: () => void): number {
  const before = process.resourceUsage().maxRSS
  work()
  return (process.resourceUsage().maxRSS - before) * 1024
}

test("fault 31: a frame of 512 MiB in 16 KiB is damage, whatever size it tells, and takes no more than one value", () => {
  // The same frame over 16 MiB is right: it is for its size alone that the other is refused.
  const right = repeating(VALUE_SIZE_MAX)
  expect(nodeCompression.decompress(right, VALUE_SIZE_MAX)).toHaveLength(VALUE_SIZE_MAX)
  const bomb = repeating(512 * MEBIBYTE)
  expect(bomb.length).toBeLessThan(17 * 1024)
  const grown = grownBy(() => {
    for (const size of [1, 100, 64 * 1024, MEBIBYTE, VALUE_SIZE_MAX, VALUE_SIZE_MAX + 1, 512 * MEBIBYTE]) {
      const bytes = framed(bomb, size)
      expect(thrownBy(() => decoder.decode(bytes, 0, bytes.length))).toBeInstanceOf(ValueDamaged)
    }
  })
  expect(grown).toBeLessThan(8 * VALUE_SIZE_MAX)
})

test("fault 31: a size of 16 MiB over a few bytes takes no memory of that size", () => {
  const small = framed(nodeCompression.compress(Buffer.alloc(2_000, "text ")), VALUE_SIZE_MAX)
  const before = process.memoryUsage().arrayBuffers
  for (let n = 0; n < 8; n++) {
    expect(thrownBy(() => decoder.decode(small, 0, small.length))).toBeInstanceOf(ValueDamaged)
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(VALUE_SIZE_MAX)
})
