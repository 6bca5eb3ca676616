// Faults 1, 2 and 24 on real processes: kill -9 at any instant loses nothing that was acknowledged, and frees the store.

import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Durability } from "../../src/index.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

/** Cycles in the default run; ORRERY_KILL_CYCLES asks for more. */
const CYCLES = Number(process.env["ORRERY_KILL_CYCLES"] ?? 50)

interface Victim {
  readonly process: ChildProcess
  /** Numbers whose acknowledgement arrived. */
  readonly acknowledged: Set<number>
}

/** Runs a writer and kills it after so many acknowledgements and a moment more. */
async function runVictim(
  path: string,
  start: number,
  level: Durability,
  acks: number,
  extraMs: number,
): Promise<Victim> {
  const child = fork(new URL("kill-9-writer.ts", import.meta.url), [path, String(start), level], { execArgv: [] })
  const acknowledged = new Set<number>()
  const exited = once(child, "exit")
  await new Promise<void>((resolve, reject) => {
    child.on("message", (message: unknown) => {
      if (Array.isArray(message)) for (const n of message) acknowledged.add(n as number)
      if (acknowledged.size >= acks) resolve()
    })
    child.on("exit", (code) => reject(new Error(`the writer ended by itself with ${code}`)))
  })
  // The kill comes at no particular moment: the event loop of this process decides.
  if (extraMs > 0) await new Promise((resolve) => setTimeout(resolve, extraMs))
  child.kill("SIGKILL")
  await exited
  return { process: child, acknowledged }
}

test(`${CYCLES} writers killed with kill -9 lose no acknowledged write`, async () => {
  const path = join(await temporaryDirectory(), "store")
  const everAcknowledged = new Set<number>()
  let start = 0
  let torn = 0
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const level = cycle % 3 === 2 ? "written" : "synced"
    const { acknowledged } = await runVictim(path, start, level, 20 + ((cycle * 37) % 400), cycle % 4)
    for (const n of acknowledged) everAcknowledged.add(n)
    const store = await open(path)
    if (store.recovery.cutBytes > 0) torn++
    const table = store.table<{ n: number; pad: string }>("numbers")
    const missing = [...everAcknowledged].filter((n) => table.get(String(n))?.n !== n)
    expect(missing, `cycle ${cycle}, level ${level}`).toEqual([])
    // A prefix of the log: this writer's records are there up to one, and none after it.
    let end = start
    while (table.has(String(end))) end++
    expect([...table.keys()].filter((key) => Number(key) >= end)).toEqual([])
    const pairs = store.table<number>("pairs")
    for (let n = Math.ceil(start / 10) * 10; n < end; n += 10) {
      expect([pairs.get(`${n}/left`), pairs.get(`${n}/right`)], `batch ${n}`).toEqual([n, n])
    }
    start = end
    await store.close()
  }
  expect(everAcknowledged.size).toBeGreaterThan(CYCLES * 20)
  console.log(`${CYCLES} kills, ${everAcknowledged.size} acknowledged writes, none lost, ${torn} torn tails cut`)
}, 240_000)

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
