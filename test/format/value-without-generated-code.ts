// Run by value-compile.test.ts in a process of its own that forbids generated code: everything must work all the same.
// Prints one line of JSON: what was found.

import { readFileSync } from "node:fs"
import { compile } from "../../src/format/value-compile.ts"
import { differenceOf } from "./same-value.ts"
import { goldenShapes, goldenValues } from "./value-golden-values.ts"
import { ValueScene } from "./value-scene.ts"

const golden = JSON.parse(readFileSync(new URL("../golden/values/v1.json", import.meta.url), "utf8")) as Readonly<
  Record<string, string>
>

const scene = new ValueScene()
for (const [id, fields] of goldenShapes) scene.shapes.define(id, fields)
const differences: string[] = []
for (const [name, value] of Object.entries(goldenValues)) {
  // Often enough that functions would have been generated.
  for (let time = 0; time < 20; time++) {
    const bytes = scene.encode(value)
    if (bytes.toString("hex") !== golden[name]) differences.push(`${name}: other bytes`)
    const difference = differenceOf(scene.decode(bytes), value)
    if (difference !== undefined) differences.push(`${name}: ${difference}`)
  }
}
console.log(JSON.stringify({ isForbidden: compile({}, "return 1") === undefined, differences }))
