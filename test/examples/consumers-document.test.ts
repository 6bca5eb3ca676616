// The examples of docs/consumers.md and docs/views.md run as they stand there, each as a program of its own.

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

async function examplesOf(document: string): Promise<string[]> {
  const text = await readFile(join(root, document), "utf8")
  return [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "")
}

async function run(code: string): Promise<string> {
  const directory = await temporaryDirectory()
  const file = join(directory, "example.ts")
  await writeFile(file, code.replace('"orrery-db"', JSON.stringify(pathToFileURL(programPath("src/index.ts")).href)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  return stdout
}

test.each([
  ["docs/consumers.md", ["billing 25 1\n", "2 no such address ada\n{ replayed: 1, failed: 0 } 0\n"]],
  ["docs/views.md", ["{ sum: 77, count: 2 } 2\n", "[ 'machines/1' ]\n"]],
])("the examples of %s say what they should", async (document, outputs) => {
  const examples = await examplesOf(document)
  expect(await Promise.all(examples.map(run))).toEqual(outputs)
})
