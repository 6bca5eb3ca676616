// The bytes of a simulated file: what its fingerprints say of them.

import { expect, test } from "vitest"
import { FileContent, nextOwner, PAGE_SIZE } from "../../src/simulation/file-content.ts"

function fileOf(bytes: Uint8Array): FileContent {
  const file = new FileContent(nextOwner())
  file.resize(bytes.length)
  file.write(bytes, 0)
  return file
}

const bytes = Uint8Array.from({ length: PAGE_SIZE + 700 }, (_, index) => (index * 31 + 7) & 0xff)
/** Before, at and behind the edges of words, sectors and pages. */
const sizes = [0, 1, 8, 509, 511, 512, 513, 1024, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, PAGE_SIZE + 520]

test("the fingerprint of a beginning does not depend on what stands behind it", () => {
  for (const size of sizes) {
    const expected = fileOf(bytes.slice(0, size)).fingerprint()
    expect(fileOf(bytes).fingerprintTo(size), `of ${size} bytes`).toEqual(expected)
    const other = bytes.slice()
    for (let index = size; index < other.length; index++) other[index] = 0xa5
    expect(fileOf(other).fingerprintTo(size), `of ${size} bytes before garbage`).toEqual(expected)
  }
})

test("the fingerprint of a beginning changes with every byte of it", () => {
  for (const size of sizes) {
    const expected = fileOf(bytes).fingerprintTo(size)
    for (let index = Math.max(0, size - 9); index < size; index++) {
      const file = fileOf(bytes)
      file.flipBit(index, 3)
      expect(file.fingerprintTo(size), `byte ${index} of ${size}`).not.toEqual(expected)
    }
  }
})
