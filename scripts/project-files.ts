// Reads the project's own texts for the checks: sources below src, and documents.

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, sep } from "node:path"
import { root } from "./run.ts"

/** The TypeScript files below src, by path below src. */
export function readSources(): ReadonlyMap<string, string> {
  return readTree("src", ".ts")
}

/** The Markdown files of the project's folder, docs and examples, by path below the project's folder. */
export function readDocuments(): ReadonlyMap<string, string> {
  const documents = new Map<string, string>()
  for (const name of readdirSync(root).filter((name) => name.endsWith(".md")))
    documents.set(name, readFileSync(join(root, name), "utf8"))
  for (const folder of ["docs", "examples", "bench"])
    for (const [path, text] of readTree(folder, ".md")) documents.set(`${folder}/${path}`, text)
  return documents
}

function readTree(folder: string, ending: string): ReadonlyMap<string, string> {
  const top = join(root, folder)
  if (!existsSync(top)) return new Map()
  const names = readdirSync(top, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(sep).join("/"))
    .filter((name) => name.endsWith(ending) && !name.includes("node_modules/"))
    .sort()
  return new Map(names.map((name) => [name, readFileSync(join(top, name), "utf8")]))
}
