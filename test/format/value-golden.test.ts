// The bytes of the format, kept in test/golden/values/v1.json. A line is never edited: stores hold these bytes. A new kind
// of value adds a line; another encoding of an old one is another format version, with a file of its own.

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { assertSame } from "./same-value.ts"
import { goldenShapes, goldenValues } from "./value-golden-values.ts"
import { ValueScene } from "./value-scene.ts"

const golden = JSON.parse(readFileSync(new URL("../golden/values/v1.json", import.meta.url), "utf8")) as Readonly<
  Record<string, string>
>

/** The shapes that the golden bytes refer to, as a log would have defined them. */
function goldenScene(): ValueScene {
  const scene = new ValueScene()
  for (const [id, fields] of goldenShapes) scene.shapes.define(id, fields)
  return scene
}

describe("golden bytes", () => {
  test("there are bytes for every value, and a value for all bytes", () => {
    expect(Object.keys(golden)).toEqual(Object.keys(goldenValues))
  })

  test.each(Object.entries(goldenValues))("%s is written as in version 1", (name, value) => {
    expect(goldenScene().encode(value).toString("hex")).toBe(golden[name])
  })

  test.each(Object.entries(goldenValues))("%s is read from the bytes of version 1", (name, value) => {
    const bytes = Buffer.from(golden[name] as string, "hex")
    assertSame(goldenScene().decode(bytes), value)
  })
})
