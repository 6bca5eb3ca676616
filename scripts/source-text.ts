// Reads TypeScript source as far as the tidy checks need it: blanks comments, replaces strings by their number, and
// lists the modules that a file names. Not a parser: it knows comments, the three kinds of strings and regular
// expressions, which is enough to tell code from text about code.

/** A source file, split into code and strings. */
export interface SourceText {
  /** The code without comments; every string is `"<number>"`, the number being its place in `strings`. */
  readonly code: string
  readonly strings: readonly string[]
}

/** A module that a file names in an import, an export, an import() or a URL relative to itself. */
export interface ImportedModule {
  readonly specifier: string
  readonly line: number
}

// Before these a slash starts a regular expression; after anything else it divides.
const regexMayFollow = /(^|[(,=:[!&|?{};+\-*%<>~^\n]|\b(return|typeof|case|in|of|void|do|else))$/

/** Splits a file into code and strings. Line numbers stay as they were. */
export function readSource(text: string): SourceText {
  const strings: string[] = []
  // Depths of the braces at which a template literal goes on.
  const templateDepths: number[] = []
  let code = ""
  let depth = 0
  let at = 0

  const keep = (end: number): void => {
    const content = text.slice(at, end)
    code += `"${strings.length}"${content.replace(/[^\n]/g, "")}`
    strings.push(content)
  }
  const readTemplate = (): void => {
    let end = at
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end)) end += text[end] === "\\" ? 2 : 1
    keep(end)
    if (text[end] === "$") {
      templateDepths.push(depth)
      depth += 1
      code += "+("
      at = end + 2
    } else {
      at = end + 1
    }
  }

  while (at < text.length) {
    const character = text[at] as string
    if (text.startsWith("//", at)) {
      const end = text.indexOf("\n", at)
      at = end === -1 ? text.length : end
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2)
      const stop = end === -1 ? text.length : end + 2
      code += ` ${text.slice(at, stop).replace(/[^\n]/g, "")}`
      at = stop
    } else if (character === '"' || character === "'") {
      at += 1
      let end = at
      while (end < text.length && text[end] !== character) end += text[end] === "\\" ? 2 : 1
      keep(end)
      at = end + 1
    } else if (character === "`") {
      at += 1
      readTemplate()
    } else if (character === "}" && templateDepths.at(-1) === depth - 1) {
      templateDepths.pop()
      depth -= 1
      code += ")+"
      at += 1
      readTemplate()
    } else if (character === "/" && regexMayFollow.test(code.trimEnd().slice(-12))) {
      at += 1
      let end = at
      let isClass = false
      while (end < text.length && text[end] !== "\n" && (isClass || text[end] !== "/")) {
        if (text[end] === "[") isClass = true
        if (text[end] === "]") isClass = false
        end += text[end] === "\\" ? 2 : 1
      }
      keep(end)
      at = end + 1
    } else {
      if (character === "{") depth += 1
      if (character === "}") depth -= 1
      code += character
      at += 1
    }
  }
  return { code, strings }
}

const namedModule =
  /\bfrom\s*"(\d+)"|\bimport\s*"(\d+)"|\b(?:import|require)\s*\(\s*"(\d+)"|\bnew\s+URL\s*\(\s*"(\d+)"\s*,\s*import\.meta\.url/g

/** Every module that the file names, in order. */
export function importsOf(source: SourceText): readonly ImportedModule[] {
  return [...source.code.matchAll(namedModule)].map((match) => ({
    specifier: source.strings[Number(match[1] ?? match[2] ?? match[3] ?? match[4])] ?? "",
    line: lineAt(source.code, match.index),
  }))
}

/** The line of a position, counted from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length
}
