// The example of docs/metadata.md runs as it stands there.

import { expect, test } from "vitest"
import { examplesOf, outputOf } from "./document-examples.ts"

test("the example finds the hottest key", async () => {
  const examples = examplesOf("docs/metadata.md")
  expect(examples).toHaveLength(1)
  expect(await outputOf(examples[0] ?? "")).toBe("users user:7 users true\n")
})
