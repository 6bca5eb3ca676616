// The examples of docs/indexes.md run as they stand there, each as a program of its own.

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const document = await readFile(join(root, "docs/indexes.md"), "utf8")
const examples = [...document.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "")

async function run(code: string): Promise<string> {
  const directory = await temporaryDirectory()
  const file = join(directory, "example.ts")
  await writeFile(file, code.replace('"orrery-db"', JSON.stringify(pathToFileURL(programPath("src/index.ts")).href)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  return stdout
}

test.each([
  ["of a table with indexes", 0, "[ 'ada', 'alan' ]\n[ 'emmy', 'alan' ]\n3 53\nada\nada has ada@example.com\n"],
  ["of an index in a transaction and a snapshot", 1, "backup [ 'mail' ] [ 'backup', 'mail' ]\n"],
  ["of an index that is created and dropped", 2, "200 true\n[]\n"],
])("the example %s says what it should", async (_what, index, output) => {
  expect(await run(examples[index] ?? "")).toBe(output)
})
