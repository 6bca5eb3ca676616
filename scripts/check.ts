// Everything that must hold before a commit, apart from the tests. `npm run check` runs all steps and names those that
// failed; `npm run check -- lint types` runs the steps named.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { outputOf, run } from "./run.ts"

// In this order: publint, attw and the smoke test look at what the build leaves.
const steps: Readonly<Record<string, () => void>> = {
  lint: () => run("oxlint", []),
  format: () => run("oxfmt", ["--check", "."]),
  types: () => run("tsc", ["-p", "tsconfig.json"]),
  docs: () => run("node", ["scripts/check-docs.ts"]),
  knip: () => run("knip", ["--no-progress"]),
  build: () => run("node", ["scripts/build.ts"]),
  publint: () => withPackage((tarball) => run("publint", ["run", tarball, "--strict"])),
  attw: () => withPackage((tarball) => run("attw", [tarball, "--profile", "esm-only"])),
  smoke: () => run("node", ["scripts/smoke.ts"]),
}

function withPackage(look: (tarball: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "orrery-package-"))
  try {
    const output = outputOf("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder])
    look(join(folder, output.trim().split("\n").at(-1) ?? ""))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(steps)
const failed: string[] = []
for (const name of chosen) {
  const startedMs = performance.now()
  console.log(`\n== ${name}`)
  try {
    const step = steps[name]
    if (step === undefined)
      throw new Error(`there is no step "${name}"; the steps are ${Object.keys(steps).join(", ")}`)
    step()
    console.log(`== ${name}: good, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  } catch (error) {
    console.error(`== ${name}: failed: ${error instanceof Error ? error.message : String(error)}`)
    failed.push(name)
  }
}
console.log(failed.length === 0 ? `\ncheck: all good (${chosen.join(", ")})` : `\ncheck: failed: ${failed.join(", ")}`)
process.exitCode = failed.length === 0 ? 0 : 1
