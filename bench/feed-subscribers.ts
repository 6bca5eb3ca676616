// The writers and subscribers of the rows of the change feed. Each subscriber looks at the key and the kind of every
// change, as one does that keeps a cache or an index up to date; what it needs of the value is its own affair.

import type { OrreryStore } from "./peers/orrery.ts"
import type { ScenarioInput } from "./scenario.ts"
import { entriesOf, keyOf, recordOf, runCallers } from "./workload.ts"
import type { Latencies } from "./workload.ts"

const PREFIX_COUNT = 100
/** How long after the last put its change may come. */
const LATE_MS_MAX = 60_000

/** What a subscriber has seen. */
export interface Seen {
  changes: number
  keyCharacters: number
}

export async function writeAll(
  orrery: OrreryStore,
  { callers, batch }: ScenarioInput,
  order: Uint32Array,
  latencies: Latencies,
  wrote: () => void = () => undefined,
): Promise<void> {
  if (batch > 1) {
    const write = (index: number): Promise<unknown> =>
      orrery.putMany(entriesOf(order, index * batch, Math.min(order.length, (index + 1) * batch)))
    return runCallers(callers, Math.ceil(order.length / batch), write, latencies)
  }
  const write = (index: number): Promise<unknown> => {
    const n = order[index] as number
    wrote()
    return orrery.put(keyOf(n), recordOf(n))
  }
  return runCallers(callers, order.length, write, latencies)
}

export async function untilSeen(seen: Seen, count: number): Promise<void> {
  const startMs = performance.now()
  while (seen.changes < count) {
    if (performance.now() - startMs > LATE_MS_MAX)
      throw new Error(`${seen.changes} of ${count} changes arrived in time`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export function look(seen: Seen, { kind, key }: { readonly kind: string; readonly key: string }): void {
  if (kind === "put") seen.changes++
  seen.keyCharacters += key.length
}

/** Subscribes, and returns what ends the subscriptions. `count`: keys have as many digits as it. */
export function listen({ store, users }: OrreryStore, mode: string, count: number, seen: Seen): () => void {
  if (mode === "nobody") return () => undefined
  if (mode === "iterator") {
    const stream = store.changes()
    void (async () => {
      for await (const { changes } of stream) for (const change of changes) look(seen, change)
    })()
    return () => stream.close()
  }
  if (mode === "batches") {
    const stream = store.changes()
    void (async () => {
      for await (const commits of stream.batches()) {
        for (const { changes } of commits) for (const change of changes) look(seen, change)
      }
    })()
    return () => stream.close()
  }
  const prefixes =
    mode === "prefixes"
      ? Array.from(
          { length: PREFIX_COUNT },
          (_, index) => keyOf(count).slice(0, "user:1".length) + String(index).padStart(2, "0"),
        )
      : [""]
  const subscriptions = prefixes.map((prefix) =>
    users
      .changes(prefix === "" ? {} : { prefix })
      .observable()
      .subscribe(({ changes }) => {
        for (const change of changes) look(seen, change)
      }),
  )
  return () => subscriptions.forEach((subscription) => subscription.unsubscribe())
}
