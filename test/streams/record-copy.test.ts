// Copies whose bytes move between text and slots that they share.

import { expect, test } from "vitest"
import { COPY_SIZE_FULL, CopySlots, RecordCopy } from "../../src/streams/record-copy.ts"

/** More than there are slots. */
const COPY_COUNT = 20

/** Every byte there is, begun at a number, so that no two copies are alike. */
function bytesOf(first: number, size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => (first + index * 7) & 0xff))
}

function filled(slots: CopySlots, bytes: Buffer): RecordCopy {
  const copy = new RecordCopy(slots)
  copy.fill(bytes, [0, bytes.length], bytes.length)
  return copy
}

function contentOf(copy: RecordCopy, size: number): Buffer {
  return Buffer.from(copy.bytes.subarray(0, size))
}

test("many copies share few slots, and each keeps its bytes whoever is read in between", () => {
  const slots = new CopySlots()
  const sizes = Array.from({ length: COPY_COUNT }, (_, n) => (n % 3 === 0 ? COPY_SIZE_FULL : 300 + n))
  const copies = sizes.map((size, n) => filled(slots, bytesOf(n, size)))
  for (let round = 0; round < 5; round++) {
    for (const [n, copy] of copies.entries()) {
      const size = sizes[n] ?? 0
      expect(contentOf(copy, size).equals(bytesOf(n, size)), `copy ${n}, round ${round}`).toBe(true)
    }
  }
  // Read again and again, they have got memory of their own: the last one's is not the first one's.
  expect(new Set(copies.map(({ bytes }) => bytes)).size).toBe(COPY_COUNT)
})

test("those that are read as they are filled share the slots", () => {
  const slots = new CopySlots()
  const buffers = new Set<Buffer>()
  for (let n = 0; n < 100; n++) buffers.add(filled(slots, bytesOf(n, 200)).bytes)
  expect(buffers.size).toBe(8)
})

test("runs are put one behind the other", () => {
  const source = bytesOf(1, 1_000)
  const copy = new RecordCopy(new CopySlots())
  copy.fill(source, [8, 24, 100, 108, 996, 1_000], 28)
  const expected = Buffer.concat([source.subarray(8, 24), source.subarray(100, 108), source.subarray(996)])
  expect(contentOf(copy, 28).equals(expected)).toBe(true)
})

test("what is larger than a slot has memory of its own from the beginning, filled or kept", () => {
  const slots = new CopySlots()
  const large = bytesOf(3, 5 * COPY_SIZE_FULL)
  const copy = filled(slots, large)
  const kept = new RecordCopy(slots)
  kept.keep(large, 16, large.length)
  for (let n = 0; n < COPY_COUNT; n++) filled(slots, bytesOf(n, 100))
  expect(contentOf(copy, large.length).equals(large)).toBe(true)
  expect(contentOf(kept, large.length - 16).equals(large.subarray(16))).toBe(true)
  expect(kept.bytes).toBe(kept.bytes)
})

test("the source may be the very slot that is taken next", () => {
  const slots = new CopySlots()
  const copies = Array.from({ length: 8 }, (_, n) => filled(slots, bytesOf(n, 500)))
  const first = copies[0]?.bytes ?? Buffer.alloc(0)
  const part = new RecordCopy(slots)
  part.fill(first, [100, 400], 300)
  expect(contentOf(part, 300).equals(bytesOf(0, 500).subarray(100, 400))).toBe(true)
  expect(contentOf(copies[0] ?? part, 500).equals(bytesOf(0, 500))).toBe(true)
})
