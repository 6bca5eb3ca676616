// The examples of docs/live-queries.md run as they stand there, each as a program of its own.

import { expect, test } from "vitest"
import { examplesOf, outputOf } from "./document-examples.ts"

const examples = examplesOf("docs/live-queries.md")

test("there are four examples", () => {
  expect(examples).toHaveLength(4)
})

test.each([
  ["of a ranked table", 0, ["Ada, Eve", "enter ada 0", "enter eve 1", "leave eve 1", "enter bob 0", "Bob, Ada"]],
  [
    "over an index",
    1,
    ["[ 'hamburg', 'berlin' ] [ 'berlin', 'hamburg' ]", "[ 'berlin' ] [ 'berlin', 'lyon', 'hamburg' ]"],
  ],
  [
    "of aggregates",
    2,
    ["5.3 5 Map(2) { 'north' => 2, 'south' => 1 }", "0.30000000000000004 0.2 Map(1) { 'north' => 2 }"],
  ],
  [
    "of a key and a join",
    3,
    ["{ name: 'Ada' } [ { key: 'o1', value: 'Ada: 12' } ]", "{ name: 'Ava' } [ { key: 'o1', value: 'Ava: 12' } ]"],
  ],
])("the example %s says what it should", async (_what, index, lines) => {
  expect((await outputOf(examples[index] ?? "")).trimEnd().split("\n")).toEqual(lines)
})
