// Lines out of bytes: whatever the pieces are that they come in.

import fc from "fast-check"
import { expect, test } from "vitest"
import { textLines } from "../../src/cli/text-lines.ts"

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Uint8Array, undefined> {
  let start = 0
  for (const cut of cuts.map((cut) => cut % (bytes.length + 1)).sort((left, right) => left - right)) {
    yield bytes.subarray(start, Math.max(cut, start))
    start = Math.max(cut, start)
  }
  yield bytes.subarray(start)
}

test("lines are the same in whatever pieces they come, with the number and the end of each", async () => {
  const line = fc.string({ unit: fc.constantFrom("a", "ü", "東", "{", " "), maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat()), fc.boolean(), async (texts, cuts, hasEnd) => {
      const bytes = Buffer.from(texts.join("\n") + (hasEnd ? "\n" : ""))
      const lines = []
      for await (const found of textLines(pieces(bytes, cuts))) lines.push(found)
      const expected = texts.map((text, index) => [text.trim(), index + 1] as const).filter(([text]) => text !== "")
      expect(lines.map(({ text, number }) => [text, number])).toEqual(expected)
      for (const { endBytes, number } of lines) {
        const size = Buffer.byteLength(texts.slice(0, number).join("\n")) + 1
        expect(endBytes).toBe(Math.min(size, bytes.length))
      }
    }),
  )
})
