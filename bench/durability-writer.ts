// The process that writes, to be killed: opens a store in a directory and puts records one after the other, each awaited,
// and says of each when it was acknowledged. Arguments: directory, store, number of the first record, how many.

import { acknowledge, opened, opening } from "../src/testing/process-protocol.ts"
import { durabilityStores, keyOf, storedAt } from "./durability-stores.ts"

const [directory = "", name = "", first = "0", count = "0"] = process.argv.slice(2)
const RUN_MS_MAX = 20_000
opening()
const store = await durabilityStores[name]?.open(directory)
if (store === undefined) throw new TypeError(`there is no store "${name}"`)
opened()
const endMs = performance.now() + RUN_MS_MAX
for (let n = Number(first); n < Number(first) + Number(count) && performance.now() < endMs; n++) {
  await store.put(keyOf(n), storedAt(n))
  acknowledge(n)
}
// Told to stop there, a process is killed as it stands: what closing would write is no part of an awaited write.
process.exit(0)
