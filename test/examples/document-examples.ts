// The examples of a document as programs: each runs as it stands there, in a process and a directory of its own.

import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { root } from "../../scripts/run.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

export function examplesOf(document: string): readonly string[] {
  const text = readFileSync(join(root, document), "utf8")
  return [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "")
}

/** Runs an example, and returns what it printed. */
export async function outputOf(code: string): Promise<string> {
  const directory = await temporaryDirectory()
  const file = join(directory, "example.ts")
  await writeFile(file, code.replace('"orrery-db"', JSON.stringify(pathToFileURL(programPath("src/index.ts")).href)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  return stdout
}
