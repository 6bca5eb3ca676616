// A process that opens a store, puts one value, says so, and holds on until it is killed.

import { open } from "../../src/index.ts"

// Without an audit log, which is written behind the work: the directory stays as it is from then on.
const store = await open(process.argv[2] as string, { audit: false })
await store.table("t").put("k", "held")
process.send?.("open")
// Bounded: a holder that nobody kills ends by itself.
setTimeout(() => process.exit(1), 300_000)
