// The examples of docs/merkle.md run as they stand there, each as a program of its own.

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"
import { merkleValueDigest } from "../../src/index.ts"
import { naiveRoot } from "../merkle/naive-root.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const document = await readFile(join(root, "docs/merkle.md"), "utf8")
const examples = [...document.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "")

async function run(code: string): Promise<readonly string[]> {
  const directory = await temporaryDirectory()
  const file = join(directory, "example.ts")
  await writeFile(file, code.replace('"orrery-db"', JSON.stringify(pathToFileURL(programPath("src/index.ts")).href)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  return stdout.trimEnd().split("\n")
}

test("there are two examples", () => {
  expect(examples).toHaveLength(2)
})

test("the example of roots and proofs says what it should", async () => {
  const expected = naiveRoot([{ table: "users", key: "ada", value: { name: "Ada" } }])
  expect(await run(examples[0] ?? "")).toEqual([
    `${expected} over 1 records, behind LSN 2`,
    "true true",
    "true false",
    "verified",
  ])
})

test("the example of differences says what it should", async () => {
  expect(await run(examples[1] ?? "")).toEqual([`users grace ${merkleValueDigest(2)} undefined`])
})
