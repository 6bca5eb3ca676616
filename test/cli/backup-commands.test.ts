// Backup, restore and the dry run of compact, as a shell meets them: real processes on real directories.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { runTool } from "./run-tool.ts"

const work = mkdtempSync(join(tmpdir(), "orrery-backup-"))
afterAll(() => rmSync(work, { recursive: true, force: true }))

async function storeWith(name: string, keys: readonly string[]): Promise<{ path: string; lsns: number[] }> {
  const path = join(work, name)
  const store = await open(path)
  const lsns: number[] = []
  for (const key of keys) lsns.push((await store.table("t").put(key, { key })).lsn)
  await store.close()
  return { path, lsns }
}

async function keysIn(path: string): Promise<string[]> {
  await using past = await open(path, { readOnly: true })
  return [...past.table("t").keys()].sort()
}

/** Names and bytes of what holds data. */
function dataIn(path: string): readonly string[] {
  return readdirSync(path)
    .filter((name) => /^(wal|checkpoint|manifest|spare)/.test(name))
    .map((name) => `${name} ${readFileSync(join(path, name)).toString("base64")}`)
}

test.concurrent("a store that another process has open is backed up, and the backup restored to an LSN", async () => {
  const path = join(work, "open")
  const backup = join(work, "open-backup")
  await using store = await open(path)
  await store.table("t").put("a", 1)
  const { stdout: first } = await runTool(["backup", path, backup, "--keep-days", "7", "--json"])
  const { lsn } = JSON.parse(first) as { lsn: number }
  await store.table("t").put("b", 2)
  const second = await runTool(["backup", path, backup, "--keep-days", "7"])
  expect(second).toMatchObject({ exitCode: 0, stderr: "" })
  expect(second.stdout).toMatch(/ holds LSN \d+: 2 records, \d+ B\n\d+ B copied; 0\.\d s\nrestorable: LSN 2, 3\n$/)
  const into = join(work, "open-restored")
  const restored = await runTool(["restore", backup, "--into", into, "--to", String(lsn), "--json"])
  expect(restored).toMatchObject({ exitCode: 0, stderr: "" })
  expect(JSON.parse(restored.stdout)).toMatchObject({ path: into, lsn, records: 1 })
  expect(await keysIn(into)).toEqual(["a"])
  const locked = await runTool(["restore", backup, "--into", path, "--force"])
  expect(locked.exitCode).toBe(3)
  expect(locked.stderr).toContain(`is open already, by pid ${process.pid} on `)
})

test.concurrent("a restore goes over a store only with --force, and over what is none never", async () => {
  const { path, lsns } = await storeWith("forced", ["a", "b", "c"])
  const before = dataIn(path)
  const refused = await runTool(["restore", path, "--into", path, "--to", String(lsns[1])])
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" })
  expect(refused.stderr).toMatch(/^orrery: cannot open .*: it holds a store\nremedy: .+\n$/)
  expect(dataIn(path)).toEqual(before)
  const done = await runTool(["restore", path, "--into", path, "--to", String(lsns[1]), "--force"])
  expect(done).toMatchObject({ exitCode: 0, stderr: "" })
  expect(done.stdout).toMatch(/ holds LSN 3 of \d{4}-.*Z: 2 records, \d+ B\nread back and good; /)
  expect(await keysIn(path)).toEqual(["a", "b"])
  const file = join(work, "a-file")
  writeFileSync(file, "mine")
  expect(await runTool(["restore", path, "--into", file, "--force"])).toMatchObject({ exitCode: 1, stdout: "" })
  expect(readFileSync(file, "utf8")).toBe("mine")
})

test.concurrent("a restore to a time gives what was committed by then, and a wrong moment is told", async () => {
  const { path } = await storeWith("timed", ["a"])
  await new Promise((resolve) => setImmediate(resolve))
  const time = new Date(Date.now() + 1).toISOString()
  await runTool(["put", path, "t", "b", "1"])
  const into = join(work, "timed-restored")
  expect(await runTool(["restore", path, "--into", into, "--to", time])).toMatchObject({ exitCode: 0, stderr: "" })
  expect(await keysIn(into)).toEqual(["a"])
  const wrong = await runTool(["restore", path, "--into", into, "--to", "yesterday"])
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" })
  expect(wrong.stderr).toContain('"yesterday" is neither an LSN nor a time')
  expect(await runTool(["restore", path])).toMatchObject({ exitCode: 2, stdout: "" })
})

test.concurrent("a dry run of compact says what compact then does, and changes nothing", async () => {
  const { path } = await storeWith("dry", ["a", "b", "c", "a"])
  await runTool(["checkpoint", path])
  await runTool(["put", path, "t", "d", '"x"'])
  // As a killed owner leaves it: with a tail to repair.
  const names = readdirSync(path)
    .filter((name) => name.startsWith("wal-"))
    .sort()
  const last = join(path, names.at(-1) ?? "")
  writeFileSync(last, readFileSync(last).subarray(0, -64))
  const twin = `${path}-twin`
  cpSync(path, twin, { recursive: true })
  const before = dataIn(path)
  const dry = await runTool(["compact", path, "--dry-run", "--json"])
  expect(dry).toMatchObject({ exitCode: 0, stderr: "" })
  expect(dataIn(path)).toEqual(before)
  const words = await runTool(["compact", path, "--dry-run"])
  expect(dataIn(path)).toEqual(before)
  const planned = JSON.parse(dry.stdout) as { checkpoint: Record<string, unknown>; afterBytes: number }
  const real = await runTool(["compact", path, "--json"])
  const did = JSON.parse(real.stdout) as { checkpoint: Record<string, unknown>; afterBytes: number }
  const { files, ...numbers } = planned.checkpoint
  const { durationMs: _, ...report } = did.checkpoint
  expect(numbers).toEqual(report)
  expect(files).toContain("wal-0000000001")
  expect({ ...planned, checkpoint: 0 }).toEqual({ dryRun: true, ...did, checkpoint: 0 })
  const told = (await runTool(["compact", twin])).stdout.replace(/, \d+\.\d s\n/, "\n")
  expect(words.stdout.replace(/nothing was changed.*\n/, "")).toBe(told)
})
