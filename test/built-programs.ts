// Bundles the programs that tests start, once a run, as scripts/build.ts bundles the package: one file each, and what they
// share beside them. Nothing of it stays.

import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { build } from "rolldown"
import type { TestProject } from "vitest/node"
import { bundledName, programs } from "./programs.ts"

const root = join(import.meta.dirname, "..")

export async function setup({ config }: TestProject): Promise<(() => void) | undefined> {
  // Once a run. A mutant is put into sources as they are loaded (test/mutants/mutate-processes.ts), and what is bundled is
  // not loaded again where a source changes under a run that watches.
  const isMutated = (process.env["ORRERY_MUTANT"] ?? "") !== ""
  if (process.env["ORRERY_PROGRAMS"] !== undefined || isMutated || config.watch) return undefined
  const directory = mkdtempSync(join(tmpdir(), "orrery-programs-"))
  const folder = join(directory, "dist")
  await build({
    input: Object.fromEntries(programs.map((program) => [basename(bundledName(program), ".js"), join(root, program)])),
    platform: "node",
    output: { dir: folder, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
    logLevel: "warn",
  })
  // Says that these are modules, and to the command line tool its version.
  copyFileSync(join(root, "package.json"), join(directory, "package.json"))
  process.env["ORRERY_PROGRAMS"] = folder
  return () => rmSync(directory, { recursive: true, force: true })
}
