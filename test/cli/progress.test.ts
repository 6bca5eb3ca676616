// What people read of numbers.

import { expect, test } from "vitest"
import { countOf, durationText, progressLine, sizeText } from "../../src/cli/progress.ts"

test("a bar shows share, rate and what is left where the total is known", () => {
  const line = progressLine("load", 3 * 1024 * 1024, 12 * 1024 * 1024, 2_000, "10 records")
  expect(line).toBe("load  [######..................]  25%  3.0 MiB  1.5 MiB/s  10 records  6.0 s left")
})

test("without a total there is no share, and nothing is said of the end", () => {
  expect(progressLine("load", 2048, 0, 1_000, "")).toBe("load  2.0 KiB  2.0 KiB/s")
})

test("more than was expected is no more than all of it", () => {
  expect(progressLine("opening", 20, 10, 1_000, "")).toContain("100%")
})

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [5 * 2 ** 40, "5.0 TiB"],
])("%i bytes are %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text)
})

test.each([
  [340, "0.3 s"],
  [42_000, "42 s"],
  [125_000, "2 min 05 s"],
])("%i milliseconds are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

test("one is not many", () => {
  expect([countOf(1, "record"), countOf(1234, "record")]).toEqual(["1 record", "1,234 records"])
})
