// docs/testing.md says what is true: its first program runs, fails in the way that is shown, and passes when it is mended
// as shown; its table of fault classes names the tests that there are.

import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

const root = join(import.meta.dirname, "../..")
const guide = readFileSync(join(root, "docs/testing.md"), "utf8")
const blocks = [...guide.matchAll(/^```(\w+)\n([^]*?)^```/gm)].map((match) => ({
  kind: match[1],
  text: match[2] ?? "",
}))
const [program = "", mended = ""] = blocks.filter(({ kind }) => kind === "js").map(({ text }) => text)
const [output = ""] = blocks.filter(({ kind }) => kind === "text").map(({ text }) => text)

/** Without what differs from run to run: seeds and what comes of them. */
function lasting(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim().replace(/\(seed \d+\)/, ""))
    .filter((line) => line !== "" && !/orrery-crash-|ORRERY_CRASH_REPLAY|crash\.replay/.test(line))
}

describe("the first ten minutes", () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "orrery-guide-test-"))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  function run(text: string): { readonly status: number | null; readonly stdout: string } {
    const door = pathToFileURL(join(root, "src/testing.ts")).href
    const file = join(directory, "crash.test.mjs")
    writeFileSync(file, text.replace('"orrery-db/testing"', JSON.stringify(door)))
    // Else node:test thinks that it runs below another one, and reports in another form.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    return spawnSync(process.execPath, ["--test", file], { encoding: "utf8", env: { ...env, TMPDIR: directory } })
  }
  const withAdd = (text: string): string => program.replace(/^ {2}async add[^]*?^ {2}\}\n/m, text)

  test("the program fails as it is shown", () => {
    const { status, stdout } = run(program)
    expect(status).toBe(1)
    const printed = lasting(stdout)
    for (const line of lasting(output)) expect(printed).toContain(line)
  })

  test("with the first fix alone it fails in the second way", () => {
    const { status, stdout } = run(program.replace("(this.list))", "(this.list), { flush: true })"))
    expect(status).toBe(1)
    expect(stdout).toContain("after a crash the check fails: tea was added, and is lost")
    expect(stdout).toContain('lost: rename "notes.json.new" to "notes.json"')
  })

  test("mended it passes, and without the line that is named it fails in the third way", () => {
    expect(withAdd(mended)).not.toBe(program)
    expect(run(withAdd(mended)).status).toBe(0)
    const { status, stdout } = run(withAdd(mended).replace("concurrency: 1,", ""))
    expect(status).toBe(1)
    expect(stdout).toContain("history")
  })
})

describe("the table of fault classes", () => {
  const files = new Map(
    globSync("test/**/*.test.ts", { cwd: root }).map((path) => [path, readFileSync(join(root, path), "utf8")]),
  )
  const rows = [...guide.matchAll(/^\| fault (\d+) \|.*$/gm)]

  test("has the forty classes, each once and in order", () => {
    expect(rows.map((row) => Number(row[1]))).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
  })

  test("names for each class the files with tests of that name, all of them and no others", () => {
    for (const [row, number] of rows) {
      const linked = [...row.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map((link) => link[1] ?? "")
      const named = new RegExp(`["'\`]fault ${number}:`)
      const found = [...files].flatMap(([path, text]) => (named.test(text) ? [path] : []))
      expect(linked.toSorted(), `fault ${number}`).toEqual(found.toSorted())
      expect(linked.length, `fault ${number}`).toBeGreaterThan(0)
      expect(linked.every((path) => existsSync(join(root, path)))).toBe(true)
    }
  })
})
