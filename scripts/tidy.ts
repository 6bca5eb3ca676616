// The rules for files that a linter cannot see: who imports whom, what files are called, how long they are, and what
// they must not contain. Pure functions over texts, so that the rules themselves can be tested with texts that break
// them. test/tidy.test.ts runs them over src.

import { posix } from "node:path"
import { layerOf, mayUsePackage, type Layer } from "../layers.ts"
import { importsOf, lineAt, readSource, type ImportedModule, type SourceText } from "./source-text.ts"

/** Texts by path below src, with forward slashes: "model/lsn.ts". */
export type SourceTree = ReadonlyMap<string, string>

export const LINE_COUNT_MAX = 400

const forbiddenNames = new Set(["utils", "util", "common", "helpers", "helper", "types", "core", "index", "misc"])
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*$/

interface Ban {
  readonly what: string
  readonly pattern: RegExp
}

// Time and randomness are capabilities. A name after a dot is somebody's method and no global.
const ambient: readonly Ban[] = [
  { what: "Date.now", pattern: /\bDate\s*\.\s*now\b/g },
  { what: "new Date() of now", pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?![\s(]))/g },
  { what: "Math.random", pattern: /\bMath\s*\.\s*random\b/g },
  { what: "performance.now", pattern: /\bperformance\s*\.\s*now\b/g },
  { what: "process.hrtime", pattern: /\bprocess\s*\.\s*hrtime\b/g },
  { what: "setTimeout", pattern: /(?<![.\w])(?:globalThis\s*\.\s*)?setTimeout\b/g },
  { what: "setInterval", pattern: /(?<![.\w])(?:globalThis\s*\.\s*)?setInterval\b/g },
]
// The package promises Node 22, which does not know it, and its bundler leaves it as it is.
const unknownToNode22: readonly Ban[] = [{ what: "using", pattern: /(?<![.\w])using\s+[A-Za-z_$][\w$]*\s*(?:=|:)/g }]

const looseTypes: readonly Ban[] = [
  { what: "as any", pattern: /\bas\s+any\b/g },
  { what: ": any", pattern: /:\s*any\b(?!\s*[(.])/g },
  { what: "a default export", pattern: /\bexport\s+default\b|\bas\s+default\b/g },
]
const marks: readonly Ban[] = [
  { what: "an open mark", pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g },
  { what: "a switched-off check", pattern: /@ts-(?:ignore|expect-error|nocheck)|(?:oxlint|eslint)-disable/g },
]

/** Every broken rule in the tree, one line each: "src/<file>:<line> rule: what". Empty when all is tidy. */
export function violationsOf(tree: SourceTree): readonly string[] {
  const violations: string[] = []
  const edges = new Map<string, readonly string[]>()
  for (const [path, text] of tree) {
    const source = readSource(text)
    const modules = importsOf(source)
    const layer = layerOf(path)
    violations.push(...nameViolations(path), ...contentViolations(path, text, source))
    if (layer === undefined) violations.push(`src/${path} layers: this folder is not in layers.ts`)
    else violations.push(...modules.flatMap((module) => importViolations(path, layer, module)))
    edges.set(
      path,
      modules.filter(({ specifier }) => specifier.startsWith(".")).map(({ specifier }) => targetOf(path, specifier)),
    )
  }
  return [...violations, ...cyclesOf(edges).map((cycle) => `src/${cycle[0] ?? ""} cycle: ${cycle.join(" -> ")}`)]
}

function nameViolations(path: string): readonly string[] {
  const parts = path.replace(/(\.worker|\.d)?\.ts$/, "").split("/")
  return parts.flatMap((part) => {
    if (path === "index.ts") return []
    if (forbiddenNames.has(part)) return [`src/${path} name: "${part}" says nothing about what is inside`]
    return kebabCase.test(part) ? [] : [`src/${path} name: "${part}" is not kebab-case`]
  })
}

function contentViolations(path: string, text: string, source: SourceText): readonly string[] {
  const violations: string[] = []
  const lineCount = text.split("\n").length - (text.endsWith("\n") ? 1 : 0)
  if (lineCount > LINE_COUNT_MAX)
    violations.push(`src/${path} length: ${lineCount} lines, at most ${LINE_COUNT_MAX}; split it`)
  if (!/^(?:#![^\n]*\n)?\/[/*]/.test(text)) violations.push(`src/${path} head comment: the file must open with one`)
  if (path.includes("/") && isBarrel(source))
    violations.push(`src/${path} barrel: it only re-exports; import the files`)
  if (!path.startsWith("platform/node/")) violations.push(...bannedIn(path, "capability", source.code, ambient))
  violations.push(...bannedIn(path, "syntax", source.code, unknownToNode22))
  violations.push(...bannedIn(path, "types", source.code, looseTypes), ...bannedIn(path, "marks", text, marks))
  return violations
}

function bannedIn(path: string, rule: string, text: string, bans: readonly Ban[]): readonly string[] {
  return bans.flatMap(({ what, pattern }) =>
    [...text.matchAll(pattern)].map(
      (match) => `src/${path}:${lineAt(text, match.index)} ${rule}: ${what} is not allowed`,
    ),
  )
}

const reExport = /\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*"\d+";?/g

function isBarrel(source: SourceText): boolean {
  return source.code.includes("export") && source.code.replace(reExport, "").trim() === ""
}

function importViolations(path: string, layer: Layer, module: ImportedModule): readonly string[] {
  const { specifier, line } = module
  const place = `src/${path}:${line}`
  const folderName = layer.folder === "" ? "src itself" : layer.folder
  if (!specifier.startsWith(".")) {
    if (mayUsePackage(layer, specifier)) return []
    return [`${place} packages: ${folderName} must not import "${specifier}"`]
  }
  const violations: string[] = []
  if (!specifier.endsWith(".ts")) violations.push(`${place} extension: "${specifier}" must end in .ts`)
  const target = targetOf(path, specifier)
  const targetLayer = target.startsWith("..") ? undefined : layerOf(target)
  if (targetLayer === undefined) violations.push(`${place} layers: "${specifier}" is outside the layers of src`)
  else if (targetLayer !== layer && !layer.mayImport.includes(targetLayer.folder))
    violations.push(`${place} layers: ${folderName} must not import ${targetLayer.folder || "a door"} ("${specifier}")`)
  return violations
}

function targetOf(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier))
}

/** Import cycles, each once, as the files on it; found by depth-first search. */
function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const cycles: (readonly string[])[] = []
  const finished = new Set<string>()
  const trail: string[] = []
  const visit = (path: string): void => {
    const start = trail.indexOf(path)
    if (start !== -1) {
      cycles.push([...trail.slice(start), path])
      return
    }
    if (finished.has(path)) return
    trail.push(path)
    for (const target of edges.get(path) ?? []) visit(target)
    trail.pop()
    finished.add(path)
  }
  for (const path of edges.keys()) visit(path)
  return cycles
}
