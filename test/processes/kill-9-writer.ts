// The victim: writes numbered records, a few dozen in flight, batches and large values among them, and says what was
// acknowledged. Runs until it is killed, or for the time that it is given: a minute, if it is not told. Makes a checkpoint
// whenever the log has grown by so many bytes, if that is told too.

import { open } from "../../src/index.ts"
import type { Durability } from "../../src/index.ts"
import { acknowledge, opened, opening } from "../../src/testing/process-protocol.ts"

type Arguments = [path: string, start: string, level: Durability, lifeMs?: string, checkpointBytes?: string]

const [path, startText, level, lifeMs = "60000", checkpointBytes = "0"] = process.argv.slice(2) as Arguments
const start = Number(startText)
opening()
const checkpoint = checkpointBytes === "0" ? {} : { checkpoint: { logBytes: Number(checkpointBytes) } }
const store = await open(path, { segmentBytes: 64 * 1024, durability: level, ...checkpoint })
opened()
const table = store.table<{ n: number; pad: string }>("numbers")
const pairs = store.table<number>("pairs")
const FLYING = 48
const endMs = Date.now() + Number(lifeMs)

let next = start
let acknowledged: number[] = []

async function writer(): Promise<void> {
  while (Date.now() < endMs) {
    const n = next++
    if (n % 10 === 0) {
      await store.batch((batch) => {
        batch.put(table, String(n), { n, pad: "batch" })
        batch.put(pairs, `${n}/left`, n)
        batch.put(pairs, `${n}/right`, n)
      })
    } else await table.put(String(n), { n, pad: "x".repeat(n % 97 === 0 ? 40_000 : n % 200) })
    acknowledged.push(n)
    if (acknowledged.length < 20) continue
    acknowledge(...acknowledged)
    acknowledged = []
  }
}

await Promise.all(Array.from({ length: FLYING }, writer))
await store.close()
