// What the package costs before it does anything: the time to import it in a cold process, and what installing it brings.

import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Context, Row } from "./harness.ts"
import { figure, formatMs } from "./report.ts"
import type { Figure, Report, Table } from "./report.ts"
import { medianOf, spread } from "./statistics.ts"

const root = join(import.meta.dirname, "..")
const RUN_COUNT = 11

const programs: Readonly<Record<string, string>> = {
  "node alone": "0",
  "import('effect/Effect')": "import('effect/Effect')",
  "import('rxjs')": "import('rxjs')",
  "import('orrery-db')": "import('orrery-db')",
  // The first open loads what the import leaves out; an empty store in a new directory.
  "import, open and close": `import('orrery-db').then(async ({ open }) => {
    const { mkdtempSync, rmSync } = require("node:fs")
    const directory = mkdtempSync(require("node:path").join(require("node:os").tmpdir(), "orrery-import-"))
    await (await open(directory)).close()
    rmSync(directory, { recursive: true })
  })`,
}

/** Builds dist when a source is newer. */
function build(context: Context): string | undefined {
  const door = join(root, "dist", "index.js")
  if (existsSync(door) && newestMs(join(root, "src")) < statSync(door).mtimeMs) return undefined
  context.progress("import: building dist")
  const { status, stderr } = spawnSync(process.execPath, [join(root, "scripts", "build.ts")], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  })
  return status === 0 ? undefined : `the build failed: ${stderr.trim().split("\n")[0] ?? ""}`
}

function newestMs(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  )
}

/** Milliseconds of whole processes, by program; the programs take turns. */
function timeProcesses(): Map<string, number[]> {
  const times = new Map<string, number[]>(Object.keys(programs).map((name) => [name, []]))
  for (let turn = 0; turn <= RUN_COUNT; turn++) {
    for (const [name, program] of Object.entries(programs)) {
      const startMs = performance.now()
      const { status, stderr } = spawnSync(process.execPath, ["-e", program], { cwd: root, encoding: "utf8" })
      const elapsedMs = performance.now() - startMs
      if (status !== 0) throw new Error(`node -e "${program}" ended with ${String(status)}: ${stderr}`)
      // The first turn brings the files into the page cache.
      if (turn > 0) times.get(name)?.push(elapsedMs)
    }
  }
  return times
}

function importTable(times: ReadonlyMap<string, number[]>): { readonly table: Table; readonly figure: Figure } {
  const baseline = times.get("node alone") ?? []
  const excess = (name: string): number[] =>
    (times.get(name) ?? []).map((ms, turn) => ms - (baseline[turn] ?? medianOf(baseline)))
  return {
    table: {
      header: ["process", "from start to end", "beyond node alone"],
      rows: [...times].map(([name, values]) => [
        name,
        spread(values, formatMs),
        name === "node alone" ? "–" : spread(excess(name), formatMs),
      ]),
    },
    figure: figure("package import", { atMost: 120, unit: " ms" }, excess("import('orrery-db')"), 0),
  }
}

interface Installed {
  readonly packages: readonly string[]
  readonly scripted: readonly string[]
  readonly bytes: number
  readonly packedBytes: number
}

/** Packs the package and installs it into an empty project, without running scripts. Throws where npm cannot. */
function install(directory: string): Installed {
  const project = join(directory, "project")
  mkdirSync(project, { recursive: true })
  const packed = npm(["pack", "--ignore-scripts", "--silent", "--pack-destination", directory], root)
  const tarball = join(directory, packed.trim().split("\n").at(-1) ?? "")
  writeFileSync(join(project, "package.json"), '{ "name": "empty-project", "private": true }\n')
  npm(
    ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", tarball],
    project,
  )
  const modules = join(project, "node_modules")
  const manifests = readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name === "package.json")
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => /node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+[\\/]package\.json$/.test(path))
    .map((path) => JSON.parse(readFileSync(path, "utf8")) as Manifest)
  const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return {
    packages: manifests.map(({ name }) => name).sort(),
    scripted: manifests.filter(hasInstallScript).map(({ name }) => name),
    bytes: files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0),
    packedBytes: statSync(tarball).size,
  }
}

interface Manifest {
  readonly name: string
  readonly scripts?: Readonly<Record<string, string>>
}

function hasInstallScript({ scripts }: Manifest): boolean {
  return ["preinstall", "install", "postinstall"].some((name) => scripts?.[name] !== undefined)
}

function npm(commandArguments: readonly string[], folder: string): string {
  const { status, stdout, stderr, error } = spawnSync("npm", commandArguments, {
    cwd: folder,
    encoding: "utf8",
    shell: process.platform === "win32",
  })
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error(`npm ${commandArguments[0] ?? ""} failed: ${stderr.trim().split("\n").at(-1) ?? ""}`)
  return stdout
}

function directDependencies(): string[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  return Object.keys(dependencies)
}

async function run(context: Context): Promise<Report> {
  const title = "Import and installation"
  const problem = build(context)
  if (problem !== undefined) return { title, setting: problem, tables: [], figures: [], notes: [] }
  context.progress(`import: ${RUN_COUNT} turns of ${Object.keys(programs).length} processes`)
  const imported = importTable(timeProcesses())
  const direct = directDependencies()
  const figures = [
    imported.figure,
    figure(
      "packages that are asked for: orrery-db and its dependencies",
      { atMost: 3, unit: "" },
      [direct.length + 1],
      0,
    ),
  ]
  const notes: string[] = []
  context.progress("import: installing into an empty project")
  try {
    const { packages, scripted, bytes, packedBytes } = install(context.directory)
    notes.push(
      `An installation holds ${packages.length} packages (${packages.join(", ")}), ${(bytes / 1e6).toFixed(1)} MB; the package itself is ${(packedBytes / 1e3).toFixed(0)} kB packed.`,
      scripted.length === 0 ? "No package has an install script." : `With an install script: ${scripted.join(", ")}.`,
    )
  } catch (error) {
    notes.push(`Installing is not available: ${error instanceof Error ? error.message : String(error)}`)
  }
  return {
    title,
    setting: `dist, ${RUN_COUNT} cold processes each, in turn; files in the page cache, no compile cache.`,
    tables: [imported.table],
    figures,
    notes,
  }
}

export const row: Row = {
  name: "import",
  title: "Import time in cold processes, size of an installation",
  estimateSeconds: () => 20,
  hasQuickSize: true,
  run,
}
