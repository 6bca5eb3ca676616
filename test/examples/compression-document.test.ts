// The example of docs/compression.md runs as it stands there.

import { expect, test } from "vitest"
import { examplesOf, outputOf } from "./document-examples.ts"

test("the example says what it should", async () => {
  const examples = examplesOf("docs/compression.md")
  expect(examples).toHaveLength(1)
  expect(await outputOf(examples[0] ?? "")).toBe("1 true true\ntrue\n")
})
