// Killing real processes: what is lost is found, what is kept is not complained of, and what the kit tells of itself holds.

import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { crash, ProcessCrashFound } from "../../src/testing.ts"
import type { KillNineOptions, KillReport } from "../../src/testing.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const entry = new URL("line-program.ts", import.meta.url)

function checkLines({ directory, acknowledged }: { directory: string; acknowledged: readonly unknown[] }): void {
  const lines = new Set(readFileSync(join(directory, "lines"), "utf8").split("\n"))
  const lost = acknowledged.filter((n) => !lines.has(`line ${n as number}.`))
  if (lost.length > 0) throw new Error(`${lost.length} lines are lost`)
}

function killing(fault: string, options: Partial<KillNineOptions> = {}): Promise<KillReport> {
  return crash.kill9({ entry, args: [fault], cycles: 6, seed: 5, maxMs: 20, verify: checkLines, ...options })
}

async function failureOf(run: Promise<unknown>): Promise<ProcessCrashFound> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ProcessCrashFound)
  const found = error as ProcessCrashFound
  onTestFinished(() => rmSync(found.directory, { recursive: true, force: true }))
  return found
}

test("a program that writes before it acknowledges loses nothing, and the report counts the kills", async () => {
  const counts: number[] = []
  const opens: boolean[] = []
  const report = await killing("unsynced", {
    cycles: 8,
    onProgress: ({ cycles }) => counts.push(cycles),
    verify: (check) => {
      checkLines(check)
      opens.push(check.acknowledged.length > 0)
      expect(new Set(check.inFlight).intersection(new Set(check.acknowledged)).size).toBe(0)
    },
  })
  expect(report).toMatchObject({ cycles: 8, seed: 5, endedByThemselves: 0, killedBeforeOpen: 0 })
  expect(report.acknowledged).toBeGreaterThan(8)
  expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(opens[0]).toBe(true)
})

test("some kills come while the program opens, and only then are no acknowledgements there", async () => {
  const counts = [0]
  const report = await killing("slow", {
    cycles: 7,
    verify: ({ acknowledged }) => {
      counts.push(acknowledged.length)
    },
  })
  expect(report.killedDuringOpen).toBeGreaterThan(0)
  expect(report.killedDuringOpen).toBeLessThan(7)
  expect(counts.filter((count, index) => index > 0 && count === counts[index - 1])).toHaveLength(
    report.killedDuringOpen,
  )
})

test("acknowledgements that came before the write are found, and the directory is kept", async () => {
  const found = await failureOf(killing("buffered"))
  expect(found.message).toMatch(/^cycle 0: the check fails: \d+ lines are lost \(seed 5\)/)
  expect(found).toMatchObject({ code: "ORRERY_PROCESS_CRASH_FOUND", seed: 5, crash: "cycle 0" })
  expect(found.cause).toBeInstanceOf(Error)
  expect(found.acknowledged.length).toBeGreaterThan(0)
  expect(readdirSync(found.directory)).toEqual(["lines"])
})

test("a program that does not start again is found, with what it said", async () => {
  const found = await failureOf(killing("broken"))
  expect(found.message).toMatch(/cycle 1: the program ended by itself with 1:[^]*I do not know what/)
})

test("a program that ends before the kill is counted, and a given directory stays", async () => {
  const directory = join(await temporaryDirectory(), "given")
  const report = await killing("correct", {
    args: ["correct", "3"],
    directory,
    cycles: 1,
    minMs: 20_000,
    maxMs: 20_000,
  })
  expect(report).toMatchObject({ endedByThemselves: 1, acknowledged: 3 })
  expect(readFileSync(join(directory, "lines"), "utf8")).toBe("line 1000.\nline 1001.\nline 1002.\n")
})

test("an aborted test ends with the signal's reason, and its program with it", async () => {
  const stop = new AbortController()
  const reason = new Error("enough")
  const directory = await temporaryDirectory()
  const run = killing("correct", {
    directory,
    minMs: 60_000,
    maxMs: 60_000,
    signal: stop.signal,
  })
  const watch = setInterval(() => {
    if (readdirSync(directory).length > 0) stop.abort(reason)
  }, 5)
  await expect(run).rejects.toBe(reason)
  clearInterval(watch)
})

test("options that make no sense are refused", async () => {
  await expect(killing("correct", { cycles: 0 })).rejects.toThrow(TypeError)
  await expect(killing("correct", { minMs: 5, maxMs: 4 })).rejects.toThrow("minMs")
  await expect(killing("correct", { seed: 0.5 })).rejects.toThrow("seed")
})
