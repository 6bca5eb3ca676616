// Faults 35 and 36 on real processes: a loop that stands still is no failure, and memory that runs out takes no data.

import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const script = programPath("test/processes/hard-times-writer.ts")

async function missingIn(path: string, last: number): Promise<number[]> {
  const store = await open(path)
  const table = store.table<{ n: number }>("numbers")
  const missing = Array.from({ length: last + 1 }, (_, n) => n).filter((n) => table.get(String(n))?.n !== n)
  await store.close()
  return missing
}

test("fault 35: an event loop that stands still causes no time-out, no restart and no recovery", async () => {
  const path = join(await temporaryDirectory(), "store")
  const { stdout, status } = spawnSync(process.execPath, [script, path, "stall"], {
    encoding: "utf8",
    timeout: 300_000,
  })
  expect(status).toBe(0)
  const lines = stdout.trim().split("\n")
  expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ restarts: {}, recoveries: 1 })
  expect(await missingIn(path, 3_999)).toEqual([])
})

test("fault 36: a process that runs out of memory dies, and nothing acknowledged is lost", async () => {
  const path = join(await temporaryDirectory(), "store")
  const flags = ["--max-old-space-size=64", "--no-node-snapshot"]
  const { stdout, status, signal, error } = spawnSync(process.execPath, [...flags, script, path, "leak"], {
    encoding: "utf8",
    timeout: 300_000,
  })
  // V8 aborts the process: it does not hang until it is ended from outside.
  expect(error).toBeUndefined()
  expect(signal ?? status).not.toBe(0)
  const last = Number(stdout.trim().split("\n").at(-1))
  expect(last).toBeGreaterThan(18)
  expect(await missingIn(path, last)).toEqual([])
})
