// What the tool tells of a store's audit log, as a shell gets it.

import { appendFile, mkdir } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"
import { runTool } from "./run-tool.ts"

test("the entries are told in columns, as JSON lines, and the last ones alone; also beside the owner", async () => {
  const path = join(await temporaryDirectory(), "store")
  const store = await open(path)
  await store.table("t").put("a", 1)
  await store.close()
  await using owner = await open(path)
  const [text, json, last] = await Promise.all([
    runTool(["audit", path]),
    runTool(["audit", path, "--json"]),
    runTool(["audit", path, "--limit", "1"]),
  ])
  expect(owner.status.state).toBe("open")
  expect([text, json, last].map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([
    [0, ""],
    [0, ""],
    [0, ""],
  ])
  const lines = text.stdout.trimEnd().split("\n")
  expect(lines[0]).toMatch(/^20\d\d-[0-9T:.-]+Z {2}recovered {10}pid \d+ on \S+ {2}foundStore false, /)
  expect(lines[2]).toMatch(/^20\S+Z {2}closed {13}pid \d+ on \S+$/)
  const entries = json.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly kind: string })
  expect(entries.slice(0, 3).map(({ kind }) => kind)).toEqual(["recovered", "opened", "closed"])
  expect(last.stdout.trimEnd().split("\n")).toHaveLength(1)
})

test("a line that is none is counted, and nothing in it reaches the terminal as a command", async () => {
  const path = join(await temporaryDirectory(), "store")
  await (await open(path)).close()
  await appendFile(join(path, "audit.log"), '{"torn\n{"time":"t","kind":"\\u001b[2J","owner":"o"}\n')
  const { stdout, exitCode } = await runTool(["audit", path])
  expect(exitCode).toBe(0)
  expect(stdout).toContain("1 line cannot be read\n")
  expect(stdout).toContain("t  ?[2J")
  expect(stdout).not.toContain("\u001B")
})

test("a store without one says so, and a path without a store is refused", async () => {
  const directory = await temporaryDirectory()
  const path = join(directory, "store")
  await (await open(path, { audit: false })).close()
  expect(await runTool(["audit", path])).toEqual({ exitCode: 0, stderr: "", stdout: "the store has no audit log\n" })
  expect(await runTool(["audit", join(directory, "nothing")])).toMatchObject({ exitCode: 1, stdout: "" })
  await mkdir(join(directory, "other", "src"), { recursive: true })
  const other = await runTool(["audit", join(directory, "other")])
  expect(other.stderr).toContain("is not an Orrery store")
})
