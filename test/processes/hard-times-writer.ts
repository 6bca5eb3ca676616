// Writes numbered records and tells its parent what was acknowledged, while its process goes through hard times: "leak"
// keeps taking memory until there is none, "stall" lets the event loop stand still again and again.

import { writeSync } from "node:fs"
import { open } from "../../src/index.ts"

const [path, plot] = process.argv.slice(2) as [string, "leak" | "stall"]
const COUNT = 4_000
const store = await open(path, { segmentBytes: 256 * 1024 })
const table = store.table<{ n: number; pad: string }>("numbers")
const leaked: unknown[] = []
const endMs = Date.now() + 60_000

for (let n = 0; plot === "leak" ? Date.now() < endMs : n < COUNT; n += 20) {
  const flying = Array.from({ length: 20 }, (_, index) => table.put(String(n + index), { n: n + index, pad: "x" }))
  if (plot === "leak") for (let index = 0; index < 20_000; index++) leaked.push({ n, index })
  else if (n % 400 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  await Promise.all(flying)
  // At once and synchronously: what dies with the process was not told.
  writeSync(1, `${n + 19}\n`)
}
if (plot === "stall") {
  const { actors, flush } = store.metrics()
  await store.close()
  writeSync(
    1,
    `${JSON.stringify({ restarts: actors.restarts, recoveries: actors.recoveries, flushes: flush.flushes })}\n`,
  )
}
