// The examples of docs/ttl.md run as they stand there.

import { expect, test } from "vitest"
import { examplesOf, outputOf } from "./document-examples.ts"

const examples = examplesOf("docs/ttl.md")

test("there are two examples", () => {
  expect(examples).toHaveLength(2)
})

test.each([
  ["of sessions", 0, "undefined\nput s1\nput s2\ndelete s2\n{ user: 'ada' } true\n"],
  ["of counters", 1, "[ 1, 2, 3 ] true\n"],
])("the example %s says what it should", async (_what, index, output) => {
  expect(await outputOf(examples[index] ?? "")).toBe(output)
})
