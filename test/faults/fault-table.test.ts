// The table of fault classes in docs/testing.md says where each is tested: all forty, each file that it names has a test of
// that class, and no test of a class is missing from it.

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"

const CLASS_COUNT = 40

/** Per class the files that the document names, and those whose tests name the class. */
function classesOf(): { readonly told: Map<number, string[]>; readonly tested: Map<number, string[]> } {
  const told = new Map<number, string[]>()
  for (const [, number, files = ""] of readFileSync(join(root, "docs/testing.md"), "utf8").matchAll(
    /^\| fault (\d+) \|(.*)\|$/gm,
  )) {
    told.set(Number(number), [...files.matchAll(/\(\.\.\/(test\/[^)]+)\)/g)].map(([, file = ""]) => file).toSorted())
  }
  const tested = new Map<number, string[]>()
  for (const name of readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })) {
    const file = `test/${name.replaceAll("\\", "/")}`
    if (!file.endsWith(".test.ts") || file.endsWith("fault-table.test.ts")) continue
    const numbers = readFileSync(join(root, file), "utf8").matchAll(/["'`]fault (\d+): /g)
    for (const number of new Set([...numbers].map(([, found]) => Number(found))))
      tested.set(number, [...(tested.get(number) ?? []), file].toSorted())
  }
  return { told, tested }
}

test("every fault class has tests, in the files that the document names and in no others", () => {
  const { told, tested } = classesOf()
  expect([...told.keys()]).toEqual(Array.from({ length: CLASS_COUNT }, (_, index) => index + 1))
  for (const [number, files] of told) {
    expect(files.length, `fault ${number}`).toBeGreaterThan(0)
    expect(files, `fault ${number}`).toEqual(tested.get(number))
  }
  expect(tested.size).toBe(CLASS_COUNT)
})
