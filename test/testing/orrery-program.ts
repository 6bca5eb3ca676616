// A program that puts 100 records into a store, one after the other, and says of each when it was acknowledged. Its second
// argument is the durability.

import { open } from "../../src/index.ts"
import type { Durability } from "../../src/index.ts"
import { acknowledge, opened } from "../../src/testing/process-protocol.ts"

const [directory, durability] = process.argv.slice(2) as [string, Durability]
const store = await open(directory, { durability })
const table = store.table<{ n: number; pad: string }>("lines")
opened()
for (let n = 0; n < 100; n++) {
  await table.put(String(n), { n, pad: "x".repeat(n * 3) })
  acknowledge(n)
}
await store.close()
