// `crash.trace` on real programs: a missing sync is found, a correct program passes, and Orrery keeps what it acknowledged.

import { spawnSync } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, onTestFinished, test } from "vitest"
import { open } from "../../src/index.ts"
import { crash, ProcessCrashFound } from "../../src/testing.ts"
import type { TraceCheck, TraceOptions, TraceReport } from "../../src/testing.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const INSTALL_MS_MAX = 60_000
const why = crash.trace.available() === undefined ? undefined : afterInstalling()
if (why !== undefined) console.log(`skipped: ${why}`)

const lineProgram = fileURLToPath(new URL("line-program.ts", import.meta.url))
const orreryProgram = fileURLToPath(new URL("orrery-program.ts", import.meta.url))

/** Tries to get strace where that is allowed: as root, where there is apt. */
function afterInstalling(): string | undefined {
  if (process.platform === "linux" && process.getuid?.() === 0) {
    spawnSync("apt-get", ["install", "-y", "strace"], { stdio: "ignore", timeout: INSTALL_MS_MAX })
  }
  return crash.trace.available()
}

function checkLines({ directory, acknowledged }: TraceCheck): void {
  if (acknowledged.length === 0) return
  const lines = new Set(readFileSync(join(directory, "lines"), "utf8").split("\n"))
  const lost = acknowledged.filter((n) => !lines.has(`line ${n as number}.`))
  if (lost.length > 0) throw new Error(`${lost.length} lines are lost`)
}

function tracing(fault: string, options: Partial<TraceOptions> = {}): Promise<TraceReport> {
  const command = (directory: string): string[] => [process.execPath, lineProgram, directory, fault, "12"]
  return crash.trace({ command, verify: checkLines, seed: 3, ...options })
}

async function failureOf(run: Promise<unknown>): Promise<ProcessCrashFound> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ProcessCrashFound)
  return error as ProcessCrashFound
}

describe.skipIf(why !== undefined)("a traced program", () => {
  test("that syncs before it acknowledges loses nothing in any state", async () => {
    const inFlight = new Set<number>()
    const report = await tracing("correct", {
      verify: (check) => {
        checkLines(check)
        inFlight.add(check.inFlight.length)
      },
    })
    expect(report).toMatchObject({ acknowledged: 12, syncs: 13, notes: [], seed: 3 })
    expect(report.states).toBeGreaterThan(50)
    // One line at a time, or none between two.
    expect([...inFlight].toSorted((left, right) => left - right)).toEqual([0, 1])
  })

  test("that never syncs is found, and the state is kept with the trace", async () => {
    const artifacts = await temporaryDirectory()
    const found = await failureOf(tracing("unsynced", { artifacts }))
    expect(found.message).toMatch(/^after a crash the check fails: .*\(seed 3\)\n\d+ acknowledged, \d+ last\nstate /)
    expect(found.directory).toBe(join(artifacts, "orrery-crash-3", "disk"))
    expect(() => checkLines({ directory: found.directory, acknowledged: found.acknowledged, inFlight: [] })).toThrow()
    expect(readFileSync(join(artifacts, "orrery-crash-3", "strace.txt"), "utf8")).toContain("write(")
    expect(readFileSync(join(artifacts, "orrery-crash-3", "message.txt"), "utf8")).toBe(`${found.message}\n`)
  })

  test("that never syncs its directory loses the file by POSIX, and keeps it on a file system with a journal", async () => {
    const artifacts = await temporaryDirectory()
    const found = await failureOf(tracing("nameless", { artifacts }))
    expect(found.message).toContain("ENOENT")
    await expect(tracing("nameless", { artifacts, persistence: "ext4" })).resolves.toMatchObject({ acknowledged: 12 })
    await expect(tracing("nameless", { artifacts, persistence: "xfs" })).resolves.toMatchObject({ acknowledged: 12 })
  })

  test("that fails is no crash that was found", async () => {
    const command = [process.execPath, "-e", "throw new Error('I cannot')"]
    await expect(tracing("", { command })).rejects.toThrow(/the program ended with 1: [^]*I cannot/)
  })

  test("ends with its test", async () => {
    const stop = new AbortController()
    const command = [process.execPath, "-e", "setInterval(() => {}, 1e6)"]
    const run = tracing("", { command, signal: stop.signal })
    queueMicrotask(() => stop.abort(new Error("enough")))
    await expect(run).rejects.toThrow("enough")
  })
})

interface Line {
  readonly n: number
}

async function checkOrrery({ directory, acknowledged }: TraceCheck): Promise<void> {
  await using store = await open(directory)
  const table = store.table<Line>("lines")
  const lost = acknowledged.filter((n) => table.get(String(n as number))?.n !== n)
  if (lost.length > 0) throw new Error(`${lost.length} of ${acknowledged.length} are lost`)
}

function tracingOrrery(durability: string, states: number): Promise<TraceReport> {
  const command = (directory: string): string[] => [process.execPath, orreryProgram, directory, durability]
  return crash.trace({ command, verify: checkOrrery, states, seed: 11 })
}

describe.skipIf(why !== undefined)("Orrery, 100 records put one after the other", () => {
  test("loses nothing acknowledged in 1,000 crash states and more", async () => {
    const report = await tracingOrrery("synced", 2_700)
    expect(report).toMatchObject({ acknowledged: 100, notes: [] })
    expect(report.states).toBeGreaterThanOrEqual(1_000)
    console.log(`${report.states} states in ${Math.round(report.elapsedMs)} ms, ${report.syncs} syncs`)
  })

  test("loses what was acknowledged at the level memory, which shows that the states can tell", async () => {
    const found = await failureOf(tracingOrrery("memory", 300))
    onTestFinished(() => rmSync(join(found.directory, ".."), { recursive: true, force: true }))
    expect(found.message).toMatch(/\d+ of \d+ are lost/)
  })
})
