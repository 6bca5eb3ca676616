// What tests of views share: a store with a view in it, what its rows are, and when it has taken in everything.

import type { Store, View } from "../../src/index.ts"
import type { ConsumerScene } from "./consumer-scene.ts"

type Row = readonly [string, unknown]

/** A view "v" whose rows are the records of the table "t". Where the store has it, another version builds it anew. */
export function copyingView(store: Store, version = 1): View<unknown> {
  return store.view("v", { from: "t", version, map: ({ key, value }) => [[key, value] as Row] })
}

/** The same, and it fails at what is below 0. */
export function failingView(store: Store): View<number> {
  return store.view("v", {
    from: store.table<number>("t"),
    map: ({ key, value }) => {
      if (value < 0) throw new RangeError("negative")
      return [[key, value]]
    },
  })
}

export function rowsOf(store: Store, table: string): Record<string, unknown> {
  return Object.fromEntries([...store.table(table).entries()].sort(([left], [right]) => (left < right ? -1 : 1)))
}

/** So many records, for `putMany`. */
export function records<Value>(count: number, valueOf: (n: number) => Value): (readonly [string, Value])[] {
  return Array.from({ length: count }, (_, n) => [`k${n}`, valueOf(n)] as const)
}

/** Until the views have taken in everything. */
export async function caughtUp(scene: ConsumerScene, ...views: readonly Pick<View, "state" | "lag">[]): Promise<void> {
  await scene.done(scene.store.flush())
  await scene.until(
    () => views.every(({ state, lag }) => state === "ready" && lag === 0),
    () => JSON.stringify(scene.store.views()),
  )
}
