// What the victim and its judge both keep up: a consumer that counts every number once, and a view that adds them up.

import type { Consumer, Store, View } from "../../src/index.ts"

export const GROUPS = 7

export function keepUp(store: Store): { readonly consumer: Consumer; readonly view: View<number> } {
  const numbers = store.table<number>("numbers")
  const counts = store.table<number>("counts")
  const consumer = store.consume<number>(
    "counter",
    (commits, tx) => {
      for (const { changes } of commits) for (const { key } of changes) tx.update(counts, key, (n) => (n ?? 0) + 1)
    },
    { table: numbers, from: "beginning", batch: { commits: 20 } },
  )
  const view = store.view("sums", {
    from: numbers,
    groupBy: ({ value }) => String(value % GROUPS),
    initial: 0,
    add: (sum: number, n) => sum + n,
    remove: (sum: number, n) => sum - n,
  })
  return { consumer, view }
}
