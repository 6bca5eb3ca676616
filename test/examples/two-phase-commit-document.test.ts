// The example of docs/two-phase-commit.md runs as it stands there, as a program of its own.

import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { root } from "../../scripts/run.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

test("the example says how it stands before the decision and behind it", async () => {
  const document = await readFile(join(root, "docs/two-phase-commit.md"), "utf8")
  const code = /```js\n(.*?)```/s.exec(document)?.[1] ?? ""
  const directory = await temporaryDirectory()
  const file = join(directory, "example.ts")
  await writeFile(file, code.replace('"orrery-db"', JSON.stringify(pathToFileURL(programPath("src/index.ts")).href)))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  expect(stdout).toBe("100 1 { outcome: 'in doubt' }\n70 30 committed\n")
})
