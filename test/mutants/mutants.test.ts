// The mutants fit the sources as they are: without that, a run of them would prove nothing. The run itself takes minutes:
// npm run test:mutants.

import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { describe, expect, test } from "vitest"
import { mutate } from "./mutant.ts"
import { mutantPlugin } from "./mutant-plugin.ts"
import { chosenMutant, mutants } from "./mutants.ts"

const root = join(import.meta.dirname, "..", "..")

/** The source of a mutant's file. */
function sourceOf(file: string): string {
  return readFileSync(join(root, file), "utf8")
}

const sample = {
  name: "sample",
  file: "src/model/lsn.ts",
  find: "b",
  replace: "$&c",
  story: "A sample.",
  tests: ["test/mutants/mutants.test.ts"],
}

describe("the mutants", () => {
  test("are 25 at least, each with a name of its own", () => {
    expect(mutants.length).toBeGreaterThanOrEqual(25)
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
    for (const { name } of mutants) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
  })

  test.each(mutants.map((mutant) => ({ name: mutant.name, mutant })))("$name fits its source", ({ mutant }) => {
    const source = sourceOf(mutant.file)
    expect(mutate(source, mutant)).not.toBe(source)
    for (const file of mutant.tests) expect(existsSync(join(root, file)), file).toBe(true)
    expect(mutant.tests.length).toBeGreaterThan(0)
    expect(mutant.story).toMatch(/\.$/)
  })
})

describe("a mutant", () => {
  test("replaces what it finds by its own text and nothing else", () => {
    expect(mutate("abd", sample)).toBe("a$&cd")
  })

  test.each(["ad", "abdb"])("is stale in %s", (source) => {
    expect(() => mutate(source, sample)).toThrow(/"sample" is stale/)
  })

  test("is chosen by its name, and only then", () => {
    const [first] = mutants
    expect(chosenMutant({})).toBeUndefined()
    expect(chosenMutant({ ORRERY_MUTANT: "" })).toBeUndefined()
    expect(chosenMutant({ ORRERY_MUTANT: first?.name })).toBe(first)
    expect(() => chosenMutant({ ORRERY_MUTANT: "no-such-mutant" })).toThrow(/no-such-mutant/)
  })

  test("is put into processes that begin with the hook, and only if it is named", () => {
    const folder = mkdtempSync(join(tmpdir(), "orrery-mutants-"))
    const [mutant] = mutants
    const hook = pathToFileURL(join(root, "test/mutants/mutate-processes.ts")).href
    const program = `await import(${JSON.stringify(pathToFileURL(join(root, mutant?.file ?? "")).href)})`
    const seenIn = (name: string): string[] => {
      const seen = join(folder, `seen-${name}`)
      const env = { ...process.env, ORRERY_MUTANT: name, ORRERY_MUTANT_SEEN: seen }
      const options = [`--import=${hook}`, "--input-type=module", "--eval", program]
      expect(spawnSync(process.execPath, options, { env, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" })
      return existsSync(seen) ? readFileSync(seen, "utf8").trim().split("\n") : []
    }
    try {
      expect(seenIn(mutant?.name ?? "")).toEqual([mutant?.name])
      expect(seenIn("")).toEqual([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test("is put into its own file and no other", () => {
    const plugin = mutantPlugin(sample)
    expect(plugin.transform("abd", join(root, "src/model/lsn.ts"))).toBe("a$&cd")
    expect(plugin.transform("abd", `${join(root, "src/model/lsn.ts")}?v=1`)).toBe("a$&cd")
    expect(plugin.transform("abd", join(root, "src/model/change.ts"))).toBeUndefined()
  })
})

test("the document tells of every mutant, its story and its killer", () => {
  const rows = sourceOf("docs/mutants.md").matchAll(/^\| `([a-z0-9-]+)` \| (.+?) \| (test\/.+?) > .+ \|$/gm)
  const told = [...rows].map(([, name, story, file]) => ({ name, story, file }))
  expect(told.map(({ name, story }) => ({ name, story }))).toEqual(mutants.map(({ name, story }) => ({ name, story })))
  mutants.forEach(({ tests }, index) => expect(tests).toContain(told[index]?.file))
})

test("the published package knows nothing of mutants", () => {
  for (const file of ["tsconfig.build.json", "scripts/build.ts"]) expect(sourceOf(file)).not.toContain("mutant")
  for (const { file } of mutants) expect(sourceOf(file)).not.toContain("ORRERY_MUTANT")
})
