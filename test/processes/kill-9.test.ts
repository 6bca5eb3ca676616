// Faults 1, 2 and 24 on real processes: kill -9 at any instant loses nothing that was acknowledged, and frees the store.

import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, onTestFinished, test } from "vitest"
import { open } from "../../src/index.ts"
import { crash } from "../../src/testing.ts"
import { memoryDirectory } from "../../src/testing/system-trace.ts"
import { measureFigures } from "../figures.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"
import { expectPrefix } from "./numbered-records.ts"

/** Cycles in the default run; ORRERY_KILL_CYCLES asks for more. */
const CYCLES = Number(process.env["ORRERY_KILL_CYCLES"] ?? 500)
const SEED = Number(process.env["ORRERY_SEED"] ?? 9)
/** Then another store is begun: all that one has ever acknowledged is looked for after each kill. */
const CYCLES_A_STORE = 10
/** Stores that are written and killed side by side: most of a cycle is waiting, for a process and for its syncs. */
const LANES = 6
/** One store in so many is on the disk, the others in memory: a kill takes nothing from the system, wherever it has it. */
const ON_DISK_EVERY = 4
/** How long a writer may write. In memory it acknowledges five times as much in that time. */
const WRITING_MS_MAX = { onDisk: 30, inMemory: 10 }

const entry = pathToFileURL(programPath("test/processes/kill-9-writer.ts"))

/** Only a process that ends by itself leaves its compiled code to the others. */
async function compileWriter(directory: string): Promise<void> {
  const child = fork(entry, [join(directory, "first"), "0", "synced", "200"], { execArgv: [], stdio: "ignore" })
  expect(await once(child, "exit")).toEqual([0, null])
}

interface Counts {
  cycles: number
  "while opening": number
  "torn tails cut": number
  acknowledged: number
}

/** Kills the writers of one store, one after the other, and looks at what each has left. */
async function killAgainAndAgain(
  directory: string,
  seed: number,
  cycles: number,
  maxMs: number,
  counts: Counts,
): Promise<void> {
  let start = 0
  const report = await crash.kill9({
    entry,
    // In every second store checkpoints are made all the time.
    args: ({ cycle }) => [
      String(start),
      cycle % 3 === 2 ? "written" : "synced",
      "60000",
      seed % 2 === 0 ? "60000" : "0",
    ],
    directory,
    cycles,
    seed,
    maxMs,
    verify: async (found) => {
      const { end, cutBytes } = await expectPrefix(directory, found.acknowledged, start)
      if (cutBytes > 0) counts["torn tails cut"]++
      start = end
    },
  })
  expect(report).toMatchObject({ cycles, endedByThemselves: 0, killedBeforeOpen: 0 })
  counts.cycles += cycles
  counts["while opening"] += report.killedDuringOpen
  counts.acknowledged += report.acknowledged
}

test(`fault 1: ${CYCLES} writers killed with kill -9 lose no acknowledged write`, async () => {
  const tell = measureFigures("kill -9 cycles", SEED)
  const directory = await temporaryDirectory()
  const memory = await mkdtemp(join(memoryDirectory(), "orrery-kill-9-"))
  onTestFinished(() => rm(memory, { recursive: true, force: true }))
  await compileWriter(directory)
  const counts: Counts = { cycles: 0, "while opening": 0, "torn tails cut": 0, acknowledged: 0 }
  let begun = 0
  async function lane(): Promise<void> {
    while (begun < CYCLES) {
      const first = begun
      const cycles = Math.min(CYCLES_A_STORE, CYCLES - first)
      begun += cycles
      const number = first / CYCLES_A_STORE
      const where = number % ON_DISK_EVERY === 0 ? "onDisk" : "inMemory"
      const path = join(where === "onDisk" ? directory : memory, `store-${first}`)
      await killAgainAndAgain(path, SEED + number, cycles, WRITING_MS_MAX[where], counts)
      await rm(path, { recursive: true })
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  expect(counts.cycles).toBe(CYCLES)
  expect(counts.acknowledged).toBeGreaterThan(CYCLES * 10)
  tell({ ...counts, lost: 0 })
}, 3_600_000)

test("fault 38: a program that closes its store on SIGTERM drains, seals and exits with 0", async () => {
  const path = join(await temporaryDirectory(), "store")
  const child = fork(new URL("sigterm-writer.ts", import.meta.url), [path], { execArgv: [] })
  const exited = once(child, "exit")
  await once(child, "message")
  child.kill("SIGTERM")
  expect(await exited).toEqual([0, null])
  const store = await open(path)
  expect(store.recovery).toMatchObject({ wasSealed: true, cutBytes: 0 })
  expect(store.table("t").size).toBe(1_000)
  await store.close()
})
