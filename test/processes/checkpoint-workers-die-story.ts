// A process that writes without a pause while checkpoints are made by workers that die: the first argument is JSON, a list
// of lists of fates, one list for each checkpoint, one fate for each worker that is started for it. "after <ms>" ends the
// worker from here; the others are those of worker-fate.ts, which is loaded ahead. Prints what it found as JSON.

import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { open } from "../../src/index.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import { verifyStore } from "../../src/recovery/verify.ts"

const plan = JSON.parse(process.argv[2] ?? "[[]]") as string[][]
const RECORD_COUNT = 40_000
const TEXT = "x".repeat(80)

// A worker that hangs is given up after two minutes; here sooner, since it is waited for.
const setIntervalInFull = globalThis.setInterval
const sooner = (look: () => void, ms: number): NodeJS.Timeout => setIntervalInFull(look, ms === 30_000 ? 1000 : ms)
globalThis.setInterval = sooner as typeof globalThis.setInterval

let fates: string[] = []
let endLast = (): Promise<unknown> => Promise.resolve()
let workers = 0
let running = 0
let together = 0

/** The environment of the next worker. */
function prepareFate(): void {
  const next = fates[0] ?? ""
  process.env["ORRERY_WORKER_FATE"] = next.startsWith("after") ? "" : next
}
process.on("worker", (worker) => {
  workers++
  together = Math.max(together, ++running)
  worker.once("exit", () => running--)
  endLast = () => worker.terminate()
  const fate = fates.shift() ?? ""
  if (fate.startsWith("after")) setTimeout(() => void worker.terminate(), Number(fate.split(" ")[1]))
  prepareFate()
})

const directory = mkdtempSync(join(tmpdir(), "orrery-workers-"))
const options = { checkpoint: false, keep: { checkpoints: 1 } } as const
const expected = new Map<string, number>()
const leftovers: string[] = []
let concurrent = 0
try {
  const store = await open(directory, { ...options, checkpoint: { logBytes: 2 ** 40 } })
  const table = store.table<{ n: number; text: string }>("t")
  let n = 0
  const write = async (count: number): Promise<void> => {
    const entries = Array.from({ length: count }, () => [`k${(n * 7) % RECORD_COUNT}`, { n: n++, text: TEXT }] as const)
    for (const [key, { n: value }] of entries) expected.set(key, value)
    await table.putMany(entries)
  }
  while (n < RECORD_COUNT) await write(1000)
  for (const round of plan) {
    // One that is kept has met its fate, or has none.
    if (round.length > 0) await endLast()
    fates = [...round]
    prepareFate()
    await write(100)
    let isMade = false
    const checkpoint = store.checkpoint().finally(() => {
      isMade = true
    })
    while (!isMade) {
      await write(20)
      concurrent += 20
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await checkpoint
    const files = readdirSync(directory)
    const kept = files.filter((name) => /^checkpoint-\d+$/.test(name))
    if (files.includes("checkpoint.new") || kept.length !== 1) leftovers.push(files.join(" "))
  }
  const { workersLost: lost, failures, made } = store.metrics().checkpoint
  await store.close()
  const { verdict } = await verifyStore(nodePlatform, directory)
  const again = await open(directory, options)
  const found = again.table<{ n: number; text: string }>("t")
  let wrong = found.size === expected.size ? 0 : 1
  for (const [key, value] of expected) if (found.get(key)?.n !== value) wrong++
  await again.close()
  console.log(JSON.stringify({ workers, together, lost, failures, made, concurrent, wrong, leftovers, verdict }))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
