// The package as a user gets it: packed, installed into an empty project, imported, required, and used on a real
// directory. Requires: dist is built.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { outputOf, run } from "./run.ts"

const directPackageCountMax = 3

const esmProgram = `
import assert from "node:assert/strict"
import { open } from "orrery-db"

const directory = process.argv[2]
const store = await open(directory)
const users = store.table("users")
await users.put("ada", { name: "Ada" })
assert.deepEqual(users.get("ada"), { name: "Ada" })
await store.close()

const reopened = await open(directory)
assert.deepEqual(reopened.table("users").get("ada"), { name: "Ada" })
await reopened.close()
`
const commonjsProgram = `
const assert = require("node:assert/strict")
const { open } = require("orrery-db")
require("orrery-db/effect")
require("orrery-db/observability")
require("orrery-db/testing")

async function main() {
  const store = await open(process.argv[2])
  assert.deepEqual(store.table("users").get("ada"), { name: "Ada" })
  await store.close()
}
main()
`

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
}

const work = mkdtempSync(join(tmpdir(), "orrery-smoke-"))
try {
  smoke(work)
} finally {
  rmSync(work, { recursive: true, force: true })
}

function smoke(folder: string): void {
  const packed = outputOf("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder])
  const tarball = join(folder, packed.trim().split("\n").at(-1) ?? "")
  const project = join(folder, "project")
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), '{ "name": "empty-project", "private": true }\n')
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", tarball], project)

  const installed = installedPackages(join(project, "node_modules"))
  const scripted = installed.filter(([, manifest]) =>
    ["preinstall", "install", "postinstall"].some((script) => manifest.scripts?.[script] !== undefined),
  )
  const direct = Object.keys(installed.find(([name]) => name === "orrery-db")?.[1].dependencies ?? {})
  console.log(`installed: ${installed.length} packages: ${installed.map(([name]) => name).join(", ")}`)
  console.log(`of these, orrery-db and what it asks for: ${direct.length + 1} (at most ${directPackageCountMax})`)
  if (direct.length + 1 > directPackageCountMax) throw new Error(`too many dependencies: ${direct.join(", ")}`)
  // Packages that only optional dependencies bring may carry one; npm blocks it unless the user approves.
  if (scripted.some(([name]) => name === "orrery-db" || direct.includes(name)))
    throw new Error(`install scripts: ${scripted.map(([name]) => name).join(", ")}`)
  if (scripted.length > 0) console.log(`with an install script: ${scripted.map(([name]) => name).join(", ")}`)

  const directory = join(folder, "data")
  writeFileSync(join(project, "use.mjs"), esmProgram)
  writeFileSync(join(project, "use.cjs"), commonjsProgram)
  run(process.execPath, ["use.mjs", directory], project)
  console.log("import: open, put, get, close, open, get: good")
  run(process.execPath, ["use.cjs", directory], project)
  console.log("require: open, get, close: good")
}

function installedPackages(folder: string): readonly (readonly [string, Manifest])[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .flatMap((entry) =>
      entry.name.startsWith("@")
        ? readdirSync(join(folder, entry.name)).map((name) => `${entry.name}/${name}`)
        : [entry.name],
    )
    .map((name) => [name, JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8")) as Manifest] as const)
}
