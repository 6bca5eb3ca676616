import { expect, test } from "vitest"
import { readUtf8 } from "../../src/format/value-text.ts"

test("texts of every length around the short ones are read as UTF-8, wherever they stand and whatever stands around them", () => {
  for (let length = 0; length < 40; length++) {
    for (const unit of ["a", "\0", "\x7f", "\x80", "ÿ", "ж", "€", "😀"]) {
      for (const at of [0, length - 1]) {
        const text = `${"k".repeat(Math.max(0, at))}${length === 0 ? "" : unit}${"z".repeat(Math.max(0, length - 1 - at))}`
        const bytes = Buffer.from(`ж${text}ж`)
        expect(readUtf8(bytes, 2, bytes.length - 4)).toBe(text)
      }
    }
  }
})

test("bytes that are no UTF-8 are read as Buffer reads them", () => {
  for (const bytes of [[0xff], [0x61, 0xc3], [0x80, 0x61]]) {
    expect(readUtf8(Buffer.from(bytes), 0, bytes.length)).toBe(Buffer.from(bytes).toString())
  }
})
