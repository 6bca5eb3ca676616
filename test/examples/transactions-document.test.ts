// The examples of docs/transactions.md run as they stand there, each as a program of its own.

import { expect, test } from "vitest"
import { examplesOf, outputOf } from "./document-examples.ts"

const examples = examplesOf("docs/transactions.md")

test("there are three examples", () => {
  expect(examples).toHaveLength(3)
})

test.each([
  ["of a transaction", 0, "90 3 30\n"],
  ["of conditional writes", 1, "it is at version 3 by now\n"],
  ["of a snapshot", 2, "2 { city: 'London' } { city: 'Paris' }\n"],
])("the example %s says what it should", async (_what, index, output) => {
  expect(await outputOf(examples[index] ?? "")).toBe(output)
})
