// Fault 1, step by step: a run that makes the same calls of the file system every time is killed with kill -9 at each of
// them, before it is made and while the system is at it; once on an empty directory, and once on what such a kill has left,
// where the first calls are those of recovery. By default at one call in so many, with ORRERY_KILL_CALL_STRIDE=1 at every one.

import { spawn } from "node:child_process"
import { once } from "node:events"
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, onTestFinished, test } from "vitest"
import { open } from "../../src/index.ts"
import { ProtocolReader } from "../../src/testing/process-protocol.ts"
import { memoryDirectory } from "../../src/testing/system-trace.ts"
import { measureFigures } from "../figures.ts"
import { programPath } from "../programs.ts"
import { COMMITS, contentBehind } from "./kill-at-call-scene.ts"

const STRIDE = Number(process.env["ORRERY_KILL_CALL_STRIDE"] ?? 31)
const SEED = Number(process.env["ORRERY_SEED"] ?? 1)
const LANES = 3

const program = programPath("test/processes/kill-at-call-writer.ts")
const killer = pathToFileURL(programPath("test/processes/kill-at-call.ts")).href

interface End {
  readonly reader: ProtocolReader
  readonly signal: string | null
  /** The calls that there were, where it came to its end. */
  readonly calls: number
}

/** Runs the victim to its end, or up to that call. */
async function run(directory: string, killAt: string): Promise<End> {
  const env = { ...process.env, ORRERY_KILL_AT: killAt }
  const child = spawn(process.execPath, ["--import", killer, program, directory], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  })
  const reader = new ProtocolReader()
  let output = ""
  child.stdout.on("data", (bytes: Buffer) => {
    reader.take(bytes)
    output += bytes.toString("latin1")
  })
  let complaint = ""
  child.stderr.on("data", (bytes: Buffer) => (complaint += bytes.toString()))
  const [exitCode, signal] = (await once(child, "close")) as [number | null, string | null]
  if (exitCode !== 0 && signal !== "SIGKILL") throw new Error(`at ${killAt}: ended with ${exitCode}: ${complaint}`)
  return { reader, signal, calls: Number(/^calls (\d+)$/m.exec(output)?.[1] ?? 0) }
}

/** Opens what was left: the state is the one behind a commit, and none that was acknowledged is missing. */
async function check(directory: string, acknowledged: readonly unknown[], where: string): Promise<void> {
  const store = await open(directory, { segmentBytes: 4096, checkpoint: false, shards: 2 })
  try {
    const last = store.table<number>("state").get("last") ?? -1
    const told = Math.max(-1, ...acknowledged.map(Number))
    expect(last, `${where}: the last commit that is there`).toBeGreaterThanOrEqual(told)
    // One at a time: only the next can have been on its way.
    expect(last, `${where}: the last commit that is there`).toBeLessThanOrEqual(told + 1)
    const content = new Map(store.table<string>("records").entries())
    expect(content, `${where}: the records behind commit ${last}`).toEqual(contentBehind(last))
  } finally {
    await store.close()
  }
}

interface Scene {
  /** What is in the directory when the run begins; undefined for nothing. */
  readonly before: string | undefined
  readonly acknowledged: readonly unknown[]
}

async function killAtEveryCall(what: string, makeScene: (folder: string) => Promise<Scene>): Promise<void> {
  const tell = measureFigures(what, SEED)
  const folder = await mkdtemp(join(memoryDirectory(), "orrery-kill-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const { before, acknowledged } = await makeScene(folder)
  const begin = async (name: string): Promise<string> => {
    const directory = join(folder, name)
    if (before === undefined) await mkdir(directory)
    else await cp(before, directory, { recursive: true })
    return directory
  }
  const { calls, reader: whole } = await run(await begin("whole"), "never 0")
  expect(whole.acknowledged).toHaveLength(COMMITS)
  expect(calls).toBeGreaterThan(100)
  let killedWhileOpening = 0
  let kills = 0
  let next = 1 + (SEED % STRIDE)
  async function lane(): Promise<void> {
    for (let call = next; call <= calls; call = next) {
      next += STRIDE
      for (const moment of ["before", "after"]) {
        const where = `${moment} call ${call} of ${calls}`
        const directory = await begin(`${moment}-${call}`)
        const { reader, signal } = await run(directory, `${moment} ${call}`)
        // A clock may spare it the last calls of all.
        if (call < calls * 0.9) expect(signal, where).toBe("SIGKILL")
        if (signal !== null) kills++
        if (!reader.isOpened) killedWhileOpening++
        await check(directory, [...acknowledged, ...reader.acknowledged], where)
        await rm(directory, { recursive: true })
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  expect(killedWhileOpening).toBeGreaterThan(0)
  expect(kills).toBeLessThanOrEqual(calls * 2)
  tell({ kills, "while opening": killedWhileOpening, calls, lost: 0 })
}

test("fault 1: a run that is killed at any call of the file system leaves every acknowledged commit", async () => {
  await killAtEveryCall("kills at calls of a run", async () => ({ before: undefined, acknowledged: [] }))
}, 3_600_000)

test("fault 1: so does one that begins with what such a kill has left", async () => {
  await killAtEveryCall("kills at calls of a run behind a kill", async (folder) => {
    const whole = join(folder, "first")
    await mkdir(whole)
    const { calls } = await run(whole, "never 0")
    const before = join(folder, "before")
    await mkdir(before)
    const { reader } = await run(before, `after ${Math.floor(calls * 0.8)}`)
    expect(reader.acknowledged.length).toBeGreaterThan(COMMITS / 2)
    return { before, acknowledged: reader.acknowledged }
  })
}, 3_600_000)
