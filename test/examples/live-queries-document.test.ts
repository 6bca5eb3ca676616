// The examples of docs/live-queries.md run as they stand there, each as a program of its own.

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const document = await readFile(join(root, "docs/live-queries.md"), "utf8")
const examples = [...document.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "")

async function run(code: string): Promise<string> {
  const directory = await temporaryDirectory()
  const file = join(directory, "example.ts")
  await writeFile(file, code.replace('"orrery-db"', JSON.stringify(pathToFileURL(join(root, "src/index.ts")).href)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  return stdout
}

test("there are three examples", () => {
  expect(examples).toHaveLength(3)
})

test.each([
  ["of a ranked table", 0, ["Ada, Eve", "enter ada 0", "enter eve 1", "leave eve 1", "enter bob 0", "Bob, Ada"]],
  [
    "of aggregates",
    1,
    ["5.3 5 Map(2) { 'north' => 2, 'south' => 1 }", "0.30000000000000004 0.2 Map(1) { 'north' => 2 }"],
  ],
  [
    "of a key and a join",
    2,
    ["{ name: 'Ada' } [ { key: 'o1', value: 'Ada: 12' } ]", "{ name: 'Ava' } [ { key: 'o1', value: 'Ava: 12' } ]"],
  ],
])("the example %s says what it should", async (_what, index, lines) => {
  expect((await run(examples[index] ?? "")).trimEnd().split("\n")).toEqual(lines)
})
