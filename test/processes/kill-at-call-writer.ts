// The victim: a run that makes the same calls of the file system every time. Opens, commits one after the other, with two
// checkpoints and several segments on the way, and closes.

import { open } from "../../src/index.ts"
import { acknowledge, opened, opening } from "../../src/testing/process-protocol.ts"
import { changesOf, COMMITS } from "./kill-at-call-scene.ts"

const CHECKPOINT_EVERY = 5

opening()
const store = await open(process.argv[2] as string, { segmentBytes: 4096, checkpoint: false, shards: 2 })
opened()
const records = store.table<string>("records")
const state = store.table<number>("state")
const first = (state.get("last") ?? -1) + 1
for (let n = first; n < first + COMMITS; n++) {
  await store.batch((batch) => {
    batch.put(state, "last", n)
    for (const [key, value] of changesOf(n)) {
      if (value === undefined) batch.delete(records, key)
      else batch.put(records, key, value)
    }
  })
  acknowledge(n)
  if (n % CHECKPOINT_EVERY === CHECKPOINT_EVERY - 1) await store.checkpoint()
}
await store.close()
