// Puts a thousand records without waiting, and closes the store when it is told to end.

import { open } from "../../src/index.ts"

const store = await open(process.argv[2] as string)
const table = store.table<number>("t")
process.on("SIGTERM", () => {
  void store.close().then(() => process.exit(0))
})
for (let n = 0; n < 1_000; n++) void table.put(`k${n}`, n)
process.send?.("written")
// Bounded: without the signal it ends by itself.
setTimeout(() => process.exit(1), 300_000)
