// A process that makes a large checkpoint while its workers meet the fate that the first argument says, opens the store
// again, and prints what it found as JSON.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { open } from "../../src/index.ts"

const RECORD_COUNT = 60_000
const TEXT = "x".repeat(80)

const plot = process.argv[2] ?? "work"
let workers = 0
let ended = 0
process.on("worker", (worker) => {
  workers++
  worker.once("exit", () => ended++)
  if (plot === "die always" || (plot === "die once" && workers === 1)) void worker.terminate()
})

const directory = mkdtempSync(join(tmpdir(), "orrery-worker-"))
try {
  const store = await open(directory, { checkpoint: { worker: plot !== "none" } })
  const table = store.table<{ n: number; text: string }>("t")
  for (let n = 0; n < RECORD_COUNT; n += 1000) {
    await table.putMany(Array.from({ length: 1000 }, (_, i) => [`k${n + i}`, { n: n + i, text: TEXT }] as const))
  }
  const checkpoint = store.checkpoint()
  if (plot === "close") {
    // Not before the worker is there.
    while (workers === 0) await new Promise((resolve) => setImmediate(resolve))
    const [outcome] = await Promise.allSettled([checkpoint, store.close()])
    if (outcome.status === "fulfilled") throw new Error("the checkpoint was made before the store was closed")
  } else await checkpoint
  if (plot === "twice") {
    await table.put("k0", { n: 0, text: TEXT })
    await store.checkpoint()
    if (ended > 0) throw new Error("the worker was ended between two checkpoints")
  }
  const { workersLost: lost, failures } = store.metrics().checkpoint
  await store.close()
  const endedByClose = ended
  const again = await open(directory)
  const found = again.table<{ n: number; text: string }>("t")
  let wrong = 0
  for (let n = 0; n < RECORD_COUNT; n++) if (found.get(`k${n}`)?.n !== n) wrong++
  const records = found.size
  const { checkpoint: used } = again.recovery
  await again.close()
  console.log(JSON.stringify({ workers, ended: endedByClose, lost, records, wrong, failures, checkpoint: used ?? 0 }))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
