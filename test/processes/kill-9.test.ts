// Faults 1, 2 and 24 on real processes: kill -9 at any instant loses nothing that was acknowledged, and frees the store.

import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { crash } from "../../src/testing.ts"
import { measureFigures } from "../figures.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

/** Cycles in the default run; ORRERY_KILL_CYCLES asks for more. */
const CYCLES = Number(process.env["ORRERY_KILL_CYCLES"] ?? 150)
const SEED = Number(process.env["ORRERY_SEED"] ?? 9)
/** Stores that are written and killed side by side. */
const LANES = 3

const entry = new URL("kill-9-writer.ts", import.meta.url)

/** To start takes most of a cycle. Only a process that ends by itself leaves its compiled code to the others. */
async function compileWriter(directory: string): Promise<void> {
  const child = fork(entry, [join(directory, "first"), "0", "synced", "200"], { execArgv: [], stdio: "ignore" })
  expect(await once(child, "exit")).toEqual([0, null])
}

/** Kills the writers of one store, one after the other, and looks at what each has left. */
async function killAgainAndAgain(directory: string, lane: number, cycles: number): Promise<Record<string, number>> {
  let start = 0
  let torn = 0
  const report = await crash.kill9({
    entry,
    args: ({ cycle }) => [String(start), cycle % 3 === 2 ? "written" : "synced"],
    directory,
    cycles,
    seed: SEED + lane,
    maxMs: 40,
    verify: async (found) => {
      await using store = await open(directory)
      if (store.recovery.cutBytes > 0) torn++
      const table = store.table<{ n: number; pad: string }>("numbers")
      expect(found.acknowledged.filter((n) => table.get(String(n))?.n !== n)).toEqual([])
      // A prefix of the log: this writer's records are there up to one, and none after it.
      let end = start
      while (table.has(String(end))) end++
      expect([...table.keys()].filter((key) => Number(key) >= end)).toEqual([])
      const pairs = store.table<number>("pairs")
      for (let n = Math.ceil(start / 10) * 10; n < end; n += 10) {
        expect([pairs.get(`${n}/left`), pairs.get(`${n}/right`)], `batch ${n}`).toEqual([n, n])
      }
      start = end
    },
  })
  expect(report).toMatchObject({ cycles, endedByThemselves: 0, killedBeforeOpen: 0 })
  const { acknowledged, killedDuringOpen } = report
  return { cycles, "while opening": killedDuringOpen, "torn tails cut": torn, acknowledged, lost: 0 }
}

test(`fault 1: ${CYCLES} writers killed with kill -9 lose no acknowledged write`, async () => {
  const tell = measureFigures("kill -9 cycles", SEED)
  const directory = await temporaryDirectory()
  await compileWriter(directory)
  const cycles = Math.ceil(CYCLES / LANES)
  const lanes = await Promise.all(
    Array.from({ length: LANES }, (_, lane) => killAgainAndAgain(join(directory, `store-${lane}`), lane, cycles)),
  )
  const total: Record<string, number> = {}
  for (const counts of lanes) {
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
  }
  expect(total["acknowledged"]).toBeGreaterThan(CYCLES * 10)
  tell(total)
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
