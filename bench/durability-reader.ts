// The process that opens what a crash has left, and says what is missing. A process of its own: native stores may take it
// down with them. Reads a line of JSON for each question, and answers with one.

import { createInterface } from "node:readline"
import { durabilityStores, keyOf, storedAt } from "./durability-stores.ts"

interface Question {
  readonly store: string
  readonly directory: string
  readonly acknowledged: readonly number[]
}

async function lostOf({ store: name, directory, acknowledged }: Question): Promise<number> {
  const store = await durabilityStores[name]?.open(directory)
  if (store === undefined) throw new TypeError(`there is no store "${name}"`)
  let lost = 0
  for (const n of acknowledged) if ((await store.get(keyOf(n)))?.text !== storedAt(n).text) lost++
  await store.close()
  return lost
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await lostOf(JSON.parse(line) as Question).then(
    (lost) => ({ lost }),
    (error: unknown) => ({ problem: error instanceof Error ? error.message.split("\n")[0] : String(error) }),
  )
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
