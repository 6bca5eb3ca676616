// The examples of docs/transactions.md run as they stand there, each as a program of its own.

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const document = await readFile(join(root, "docs/transactions.md"), "utf8")
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
  ["of a transaction", 0, "90 3 30\n"],
  ["of conditional writes", 1, "it is at version 3 by now\n"],
  ["of a snapshot", 2, "2 { city: 'London' } { city: 'Paris' }\n"],
])("the example %s says what it should", async (_what, index, output) => {
  expect(await run(examples[index] ?? "")).toBe(output)
})
