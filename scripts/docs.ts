// The rules for documents: every relative link leads to a file and a heading that exist, and docs/errors.md has exactly
// one heading for each error code. Pure functions over texts; scripts/check-docs.ts and test/tidy.test.ts run them.

import { posix } from "node:path"

/** Texts by path below the project's folder, with forward slashes: "docs/errors.md". */
export type Documents = ReadonlyMap<string, string>

/** Links that lead nowhere, one line each. `exists` answers for a path below the project's folder. */
export function deadLinksOf(documents: Documents, exists: (path: string) => boolean): readonly string[] {
  const dead: string[] = []
  for (const [path, text] of documents) {
    for (const match of withoutCode(text).matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) {
      const link = match[1] ?? ""
      if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue
      const [file = "", fragment] = link.split("#")
      const target = file === "" ? path : posix.normalize(posix.join(posix.dirname(path), decodeURI(file)))
      if (!exists(target)) dead.push(`${path}: ${link} leads to no file`)
      else if (fragment !== undefined && documents.has(target)) {
        if (!anchorsOf(documents.get(target) ?? "").has(fragment)) dead.push(`${path}: ${link} leads to no heading`)
      }
    }
  }
  return dead
}

/** Error codes that the sources give. */
export function errorCodesOf(sources: Iterable<string>): readonly string[] {
  const codes = [...sources].flatMap((text) =>
    [...text.matchAll(/\bcode = "(ORRERY_[A-Z0-9_]+)"/g)].map((match) => match[1]),
  )
  return [...new Set(codes.filter((code) => code !== undefined))].sort()
}

/** Codes without a heading, headings without a code, and headings given twice, one line each. */
export function errorHeadingFaultsOf(codes: readonly string[], document: string): readonly string[] {
  const headings = [...document.matchAll(/^## (ORRERY_\S+)\s*$/gm)].map((match) => match[1] ?? "")
  return [
    ...codes.filter((code) => !headings.includes(code)).map((code) => `docs/errors.md: no heading for ${code}`),
    ...headings
      .filter((heading) => !codes.includes(heading))
      .map((heading) => `docs/errors.md: no error has ${heading}`),
    ...headings
      .filter((heading, index) => headings.indexOf(heading) !== index)
      .map((heading) => `docs/errors.md: ${heading} has two headings`),
  ]
}

/** The anchors that a page of the text has: its headings in lower case, with hyphens. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  const counts = new Map<string, number>()
  for (const match of withoutCode(text, "keep inline").matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const title = (match[1] ?? "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "")
    const anchor = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-")
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`)
  }
  return anchors
}

function withoutCode(text: string, inline: "keep inline" | "drop inline" = "drop inline"): string {
  const prose = text.replace(/^(```|~~~)[^]*?^\1/gm, "")
  return inline === "keep inline" ? prose : prose.replace(/`[^`\n]*`/g, "")
}
