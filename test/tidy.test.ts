// Keeps the tree as layers.ts and the conventions say, and proves for each rule that it can fail.

import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { layers } from "../layers.ts"
import { deadLinksOf, errorCodesOf, errorHeadingFaultsOf } from "../scripts/docs.ts"
import { lintConfig } from "../scripts/lint-config.ts"
import { readDocuments, readSources } from "../scripts/project-files.ts"
import { root } from "../scripts/run.ts"
import { importsOf, readSource } from "../scripts/source-text.ts"
import { violationsOf } from "../scripts/tidy.ts"

const head = "// What this file is.\n"

/** The violations of one file with the text below its head comment. */
function violationsIn(path: string, text: string): readonly string[] {
  return violationsOf(new Map([[path, head + text]]))
}

describe("the tree", () => {
  test("the sources of src are there to be checked", () => {
    expect(readSources().size).toBeGreaterThan(10)
  })

  test("no file of src breaks a rule", () => {
    expect(violationsOf(readSources())).toEqual([])
  })

  test("the committed lint rules are those that layers.ts generates", () => {
    expect(readFileSync(join(root, ".oxlintrc.json"), "utf8"), "run: node scripts/lint-config.ts").toBe(lintConfig())
  })

  test("every error code has one heading in docs/errors.md", () => {
    const codes = errorCodesOf(readSources().values())
    expect(codes.length).toBeGreaterThan(10)
    expect(errorHeadingFaultsOf(codes, readDocuments().get("docs/errors.md") ?? "")).toEqual([])
  })

  test("every link in the documents leads to a file and a heading that exist", () => {
    expect(deadLinksOf(readDocuments(), (path) => existsSync(join(root, path)))).toEqual([])
  })
})

describe("the layers", () => {
  test("no folder may import one that stands higher", () => {
    const ranks = new Map(layers.map((layer) => [layer.folder, layer.rank]))
    const upward = layers.flatMap((layer) =>
      layer.mayImport
        .filter((folder) => (ranks.get(folder) ?? Infinity) > layer.rank)
        .map((folder) => `${layer.folder} -> ${folder}`),
    )
    expect(upward).toEqual([])
  })

  test("only streams may use rxjs, only actors, store and the tool effect, and nobody the effect barrel", () => {
    const users = (name: string): readonly string[] =>
      layers.filter((layer) => layer.packages.some((allowed) => allowed.startsWith(name))).map((layer) => layer.folder)
    expect(users("rxjs")).toEqual(["streams"])
    expect(users("effect")).toEqual(["actors", "store", "cli"])
    expect(layers.filter((layer) => layer.packages.includes("effect"))).toEqual([])
  })
})

describe("the rules", () => {
  test("a file that keeps every rule has no violation", () => {
    const text = 'import { lsnOf } from "../model/lsn.ts"\n\nexport const first: number = lsnOf(1)\n'
    expect(violationsIn("wal/segment-reader.ts", text)).toEqual([])
  })

  test.each([
    [
      "a forbidden folder",
      "wal/a.ts",
      'import { Slab } from "../table/slab.ts"',
      "src/wal/a.ts:2 layers: wal must not",
    ],
    [
      "a type of a forbidden folder",
      "model/a.ts",
      'import type { Log } from "../wal/log.ts"',
      "layers: model must not",
    ],
    ["a re-export from a forbidden folder", "model/a.ts", 'export { a } from "../wal/log.ts"\na()', "layers: model"],
    ["a lazy import of a forbidden folder", "model/a.ts", 'await import("../wal/log.ts")', "layers: model must not"],
    [
      "a worker from a forbidden folder",
      "wal/a.ts",
      'new URL("../table/w.ts", import.meta.url)',
      "layers: wal must not",
    ],
    ["a door", "store/a.ts", 'import { open } from "../index.ts"', "layers: store must not import a door"],
    [
      "the real platform in the engine",
      "wal/a.ts",
      'import "../platform/node/files.ts"',
      "must not import platform/node",
    ],
    ["a file outside src", "model/a.ts", 'import { layers } from "../../layers.ts"', "outside the layers of src"],
    ["a folder that the table lacks", "extras/a.ts", "export {}", "src/extras/a.ts layers: this folder is not in"],
    [
      "node: outside the platform",
      "wal/a.ts",
      'import { open } from "node:fs/promises"',
      'must not import "node:fs/pro',
    ],
    ["the effect barrel", "store/a.ts", 'import { Effect } from "effect"', 'packages: store must not import "effect"'],
    [
      "effect outside actors and store",
      "wal/a.ts",
      'import * as Effect from "effect/Effect"',
      "packages: wal must not",
    ],
    ["rxjs outside streams", "store/a.ts", 'import { Observable } from "rxjs"', "packages: store must not import"],
    ["any other package", "model/a.ts", 'import lodash from "lodash"', 'packages: model must not import "lodash"'],
    ["an import without ending", "model/a.ts", 'import { Lsn } from "./lsn"', 'extension: "./lsn" must end in .ts'],
    ["a barrel", "model/a.ts", 'export * from "./lsn.ts"\nexport { k } from "./key.ts"', "src/model/a.ts barrel"],
    ["a default export", "model/a.ts", "export default 1", "types: a default export"],
    ["a name that says nothing", "model/utils.ts", "export const a = 1", 'src/model/utils.ts name: "utils"'],
    ["an index below src", "model/index.ts", "export const a = 1", 'src/model/index.ts name: "index"'],
    ["a name in camelCase", "model/fileNames.ts", "export const a = 1", "is not kebab-case"],
    ["a long file", "model/a.ts", "\n".repeat(400), "src/model/a.ts length: 401 lines, at most 400"],
    ["Date.now", "wal/a.ts", "const a = Date.now()", "src/wal/a.ts:2 capability: Date.now"],
    ["new Date()", "wal/a.ts", "const a = new Date()", "capability: new Date() of now"],
    ["Math.random", "wal/a.ts", "const a = Math.random()", "capability: Math.random"],
    ["performance.now", "wal/a.ts", "const a = performance.now()", "capability: performance.now"],
    ["setTimeout", "wal/a.ts", "setTimeout(go, 1)", "capability: setTimeout"],
    ["setInterval", "wal/a.ts", "globalThis.setInterval(go, 1)", "capability: setInterval"],
    ["a mark", "wal/a.ts", `// ${"TO"}DO later`, "src/wal/a.ts:2 marks"],
    ["a switched-off check", "wal/a.ts", `// @ts-${"ignore"}`, "src/wal/a.ts:2 marks"],
    ["using", "wal/a.ts", "using handle = open()", "src/wal/a.ts:2 syntax: using"],
    ["await using", "wal/a.ts", "await using store: Store = open()", "syntax: using"],
    ["as any", "wal/a.ts", "go(a as any)", "types: as any"],
    [": any", "wal/a.ts", "function go(a: any): void {}", "types: : any"],
  ])("%s is found", (_what, path, text, expected) => {
    expect(violationsIn(path, text).join("\n")).toContain(expected)
  })

  test("a missing head comment is found", () => {
    expect(violationsOf(new Map([["model/a.ts", "export const a = 1\n"]]))).toEqual([
      "src/model/a.ts head comment: the file must open with one",
    ])
  })

  test("a cycle through three files is found once", () => {
    const tree = new Map([
      ["model/a.ts", `${head}import "./b.ts"\n`],
      ["model/b.ts", `${head}import "./c.ts"\n`],
      ["model/c.ts", `${head}import type { A } from "./a.ts"\n`],
    ])
    expect(violationsOf(tree)).toEqual(["src/model/a.ts cycle: model/a.ts -> model/b.ts -> model/c.ts -> model/a.ts"])
  })

  test.each([
    ["the platform may read the time", "platform/node/clock.ts", "const a = Date.now() + performance.now()"],
    ["the platform may use node:", "platform/node/files.ts", 'import { open } from "node:fs/promises"'],
    ["a method may be called setTimeout", "wal/a.ts", "clock.setTimeout(go, 1)"],
    ["a date of a given time is allowed", "wal/a.ts", "const a = new Date(timeMs)"],
    ["a comment may name what code must not", "wal/a.ts", "// Not Date.now(), nor as any.\n/* import 'node:fs' */"],
    ["a string may name what code must not", "wal/a.ts", 'const a = "Math.random() as any" + `from "node:fs"`'],
    ["a door may re-export", "index.ts", 'export { open } from "./store/open.ts"'],
    ["streams may use rxjs", "streams/a.ts", 'import { Observable } from "rxjs/internal/Observable"'],
    ["actors may use a deep effect module", "actors/a.ts", 'import * as Effect from "effect/Effect"'],
  ])("%s", (_what, path, text) => {
    expect(violationsIn(path, text)).toEqual([])
  })
})

describe("reading source", () => {
  test("code after templates, regular expressions and escaped quotes is still read as code", () => {
    const text = [
      "const a = `x ${f({ b: `}` })} // not a comment`",
      'const b = /["/]\\/"/.test(c) ? d / e : "\\""',
      'import { g } from "./g.ts"',
      "const h = 1 / 2 // import './no.ts'",
      'export type { I } from "./i.ts"',
    ].join("\n")
    expect(importsOf(readSource(text))).toEqual([
      { specifier: "./g.ts", line: 3 },
      { specifier: "./i.ts", line: 5 },
    ])
  })
})

describe("the rules for documents", () => {
  const documents = new Map([
    ["README.md", "# Top\n[a](docs/a.md#one-two) [b](docs/a.md#three) [c](docs/none.md) [d](#top) `[e](no.md)`"],
    ["docs/a.md", "## One, two\n```\n[f](no.md)\n```\n[g](../README.md) [h](https://example.org)"],
  ])

  test("a link to a missing file or heading is found, and nothing else", () => {
    expect(deadLinksOf(documents, (path) => documents.has(path))).toEqual([
      "README.md: docs/a.md#three leads to no heading",
      "README.md: docs/none.md leads to no file",
    ])
  })

  test("a code without a heading and a heading without a code are found", () => {
    const codes = errorCodesOf(['override readonly code = "ORRERY_A"', 'readonly code = "ORRERY_B"'])
    expect(errorHeadingFaultsOf(codes, "## ORRERY_B\n\n## ORRERY_C\n\n## ORRERY_B\n")).toEqual([
      "docs/errors.md: no heading for ORRERY_A",
      "docs/errors.md: no error has ORRERY_C",
      "docs/errors.md: ORRERY_B has two headings",
    ])
  })
})
