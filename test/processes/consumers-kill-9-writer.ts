// The victim: writes numbers, a few dozen in flight, while a consumer counts each of them and a view adds them up. Runs until
// it is killed, or for a minute.

import { open } from "../../src/index.ts"
import { acknowledge, opened, opening } from "../../src/testing/process-protocol.ts"
import { keepUp } from "./consumers-kill-9-scene.ts"

const [path, startText] = process.argv.slice(2) as [string, string]
opening()
const store = await open(path, { segmentBytes: 256 * 1024, checkpoint: { logBytes: 64 * 1024 } })
opened()
const numbers = store.table<number>("numbers")
keepUp(store)
const FLYING = 24
const endMs = Date.now() + 60_000

let next = Number(startText)
async function writer(): Promise<void> {
  while (Date.now() < endMs) {
    const n = next++
    await numbers.put(String(n), n)
    if (n % 10 === 0) acknowledge(n)
  }
}

await Promise.all(Array.from({ length: FLYING }, writer))
await store.close()
