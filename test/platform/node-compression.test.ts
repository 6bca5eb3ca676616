import { expect, test } from "vitest"
import { VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import { nodeCompression } from "../../src/platform/node/node-compression.ts"

const text = Buffer.from("what is said once is said again ".repeat(300))

test.each([1, 2, 63, 64, 65, 1_000, 1_024, 1_025, 65_535, 65_536, 65_537, 600_000, VALUE_SIZE_MAX])(
  "%i bytes come back",
  (size) => {
    const bytes = Buffer.alloc(size, text)
    const frame = nodeCompression.compress(bytes)
    expect(Buffer.compare(nodeCompression.decompress(frame, size) ?? Buffer.alloc(0), bytes)).toBe(0)
  },
)

// One that comes out in one piece, and one that comes in several.
test.each([9_600, 100_000])("what is no frame, cut, longer, or of another size than %i, gives nothing", (length) => {
  const bytes = Buffer.alloc(length, text)
  const frame = nodeCompression.compress(bytes)
  expect(nodeCompression.decompress(frame, length)).toEqual(bytes)
  for (const size of [1, length - 1, length + 1, VALUE_SIZE_MAX]) {
    expect(nodeCompression.decompress(frame, size)).toBe(undefined)
  }
  const others = [Buffer.alloc(0), text, frame.subarray(0, -1), Buffer.concat([frame, Buffer.from([0])])]
  for (const other of [...others, Buffer.concat([frame, frame])]) {
    expect(nodeCompression.decompress(other, length)).toBe(undefined)
    expect(nodeCompression.decompress(other, 2 * length)).toBe(undefined)
  }
})

/** A frame of one block as it is, which says that it needs a window of that many bytes, as a power of two. */
function frameWithWindow(bytes: Buffer, windowLog: number): Buffer {
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3]
  const block = 1 | (bytes.length << 3)
  return Buffer.concat([Buffer.from([...head, block & 0xff, (block >> 8) & 0xff, block >> 16]), bytes])
}

test("a frame that asks for a larger window than its content needs gives nothing", () => {
  expect(nodeCompression.decompress(frameWithWindow(text, 14), text.length)).toEqual(text)
  for (const windowLog of [15, 24, 27, 31]) {
    expect(nodeCompression.decompress(frameWithWindow(text, windowLog), text.length)).toBe(undefined)
  }
})

test("an error that is not about the bytes comes out", () => {
  expect(() => nodeCompression.decompress("no bytes" as unknown as Uint8Array, 8)).not.toThrow()
  expect(() => nodeCompression.decompress(undefined as unknown as Uint8Array, 8)).toThrow(TypeError)
})
