// Bytes of compressed values, kept in test/golden/values/compressed-v1.json: a line is never edited, stores hold them. They
// are only read: what a compressor makes of a value depends on its version, and any of it is right that gives the value.

import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { nodeCompression } from "../../src/platform/node/node-compression.ts"
import { assertSame } from "./same-value.ts"

const golden = JSON.parse(
  readFileSync(new URL("../golden/values/compressed-v1.json", import.meta.url), "utf8"),
) as Readonly<Record<string, string>>

const shared = { text: "shared ".repeat(20) }
const values: Readonly<Record<string, unknown>> = {
  "a text": "orrery ".repeat(100),
  "objects of a shape": Array.from({ length: 30 }, (_, n) => ({ id: n, name: `name ${n}` })),
  references: [shared, shared],
}

test("there are bytes for every value, and a value for all bytes", () => {
  expect(Object.keys(golden)).toEqual(Object.keys(values))
})

test.each(Object.entries(values))("%s is read from the compressed bytes of version 1", (name, value) => {
  const shapes = new ShapeRegistry(nodeCompression)
  shapes.define(0, ["id", "name"])
  shapes.define(1, ["text"])
  const bytes = Buffer.from(golden[name] as string, "hex")
  expect(bytes[0]).toBe(0xfe)
  assertSame(new ValueDecoder(shapes).decode(bytes, 0, bytes.length), value)
})
