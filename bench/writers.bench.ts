// Small transactions by few and many writers, as an embedded write-ahead log is measured: 1 to 128 writers with 100
// transactions of one insert each, 10 writers with transactions of up to 50 inserts, 20 writers that read and write keys of
// their own or 10 that all share; at every level of durability, beside lmdb and SQLite, which have theirs.

import type { Durability } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery, OrreryStore } from "./peers/orrery.ts"
import type { PeerStore } from "./peers/peer.ts"
import { loadPeer } from "./peers/peer-list.ts"
import { figure, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers } from "./workload.ts"
import type { UserRecord } from "./workload.ts"

const WRITERS = [1, 2, 4, 8, 16, 32, 64, 128]
const SIZES = [1, 5, 10, 20, 50]
const SHARED_KEYS = 10
/** Each is short, so it is done several times, and the median counts. */
const REPEATS = 3
const WARM_COUNT = 2_000

interface Workload {
  readonly name: string
  readonly writers: number
  readonly transactions: number
  /** Inserts in a transaction. */
  readonly size: number
  /** Keys that are read and written instead. */
  readonly keys?: number
}

const WORKLOADS: readonly Workload[] = [
  ...WRITERS.map((writers) => ({
    name: `${writers} writers, 1 insert`,
    writers,
    transactions: writers * 100,
    size: 1,
  })),
  ...SIZES.map((size) => ({ name: `10 writers, ${size} inserts`, writers: 10, transactions: 500, size })),
  { name: "20 writers, own keys", writers: 20, transactions: 1_000, size: 1, keys: 20 },
  { name: "20 writers, 10 shared keys", writers: 20, transactions: 1_000, size: 1, keys: SHARED_KEYS },
]

export const scenarios: Scenarios = { write }

/** `mode`: the engine's level of durability. All workloads, one after the other, in one store. */
async function write({ directory, peer: name, mode }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const durability = mode as Durability
  const store = name === "orrery" ? await openOrrery(directory, { durability }) : await peer.open(directory)
  const numbers: Record<string, number> = {}
  let next = 0
  const insert = (size: number): Promise<unknown> => transactOf(store, size, () => next++)
  // One that commits each by itself, within the call, is as fast for many writers as for one: once is enough.
  const repeats = peer.isAsynchronous ? REPEATS : 1
  await runCallers(128, peer.isAsynchronous ? WARM_COUNT : WARM_COUNT / 20, () => insert(1), new Latencies())
  for (const { name: what, writers, transactions, size, keys } of WORKLOADS) {
    const rates: number[] = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const operate = (index: number): Promise<unknown> =>
        keys === undefined ? insert(size) : rewrite(store, `counter ${index % keys}`)
      const startMs = performance.now()
      await runCallers(writers, transactions, operate, new Latencies())
      rates.push((transactions / (performance.now() - startMs)) * 1000)
    }
    numbers[what] = medianOf(rates)
  }
  expectEqual(`records in ${peer.title}`, await store.count(), next + 20)
  await store.close()
  const level = name === "orrery" ? mode : peer.durability
  return { numbers, texts: { title: peer.title, level, note: peer.note ?? "" } }
}

function transactOf(store: PeerStore, size: number, next: () => number): Promise<unknown> {
  if (store instanceof OrreryStore) {
    const { users } = store
    return store.store.transact((tx) => {
      for (let n = 0; n < size; n++) {
        const id = next()
        tx.put(users, keyOf(id), recordOf(id))
      }
    })
  }
  const entries = Array.from({ length: size }, (): [string, UserRecord] => {
    const id = next()
    return [keyOf(id), recordOf(id)]
  })
  const [first] = entries
  return size === 1 && first !== undefined ? store.put(first[0], first[1]) : store.putMany(entries)
}

function rewrite(store: PeerStore, key: string): Promise<unknown> {
  const changed = (before: UserRecord | undefined): UserRecord => ({ ...recordOf(1), age: (before?.age ?? 0) + 1 })
  if (!(store instanceof OrreryStore)) return store.put(key, changed(store.get(key)))
  const { users } = store
  return store.store.transact((tx) => tx.put(users, key, changed(tx.get(users, key))))
}

const LEVELS: readonly Durability[] = ["synced", "written", "memory"]

function variantsOf(): Variant[] {
  return [
    ...LEVELS.map((mode): Variant => ({ name: `orrery, ${mode}`, scenario: "write", input: { mode } })),
    { name: "lmdb", scenario: "write", input: { peer: "lmdb" } },
    { name: "SQLite", scenario: "write", input: { peer: "sqlite" } },
  ]
}

async function run(context: Context): Promise<Report> {
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const all = await interleave(context, "writers", variantsOf(), rounds, ({ numbers }) =>
    formatRate(numbers["128 writers, 1 insert"] ?? 0),
  )
  const named = (name: string): Series | undefined => all.find((series) => series.name === name)
  const own = named("orrery, synced")
  const within = (upper: string, lower: string): number[] => {
    const below = own?.values(lower) ?? []
    return (own?.values(upper) ?? []).map((rate, round) => rate / (below[round] ?? Number.NaN))
  }
  const cell = (series: Series, name: string): string =>
    series.isMeasured ? spread(series.values(name), formatRate) : series.status
  return {
    title: "Writers of small transactions",
    setting: `Transactions a second, each awaited by its writer, the median of ${REPEATS} repeats (SQLite: one); ${rounds} rounds.`,
    tables: [
      {
        header: ["workload", ...all.map(({ name }) => name)],
        rows: [
          ["acknowledged", ...all.map((series) => (series.isMeasured ? series.text("level") : series.status))],
          ...WORKLOADS.map(({ name }) => [name, ...all.map((series) => cell(series, name))]),
        ],
      },
    ],
    figures: [
      figure("128 writers against 1, synced", { atLeast: 9.1 }, within("128 writers, 1 insert", "1 writers, 1 insert")),
      figure("64 writers against 1, synced", { atLeast: 5 }, within("64 writers, 1 insert", "1 writers, 1 insert")),
      figure(
        "128 writers, synced, against lmdb",
        { atLeast: 1 },
        ratiosOf(own, named("lmdb"), "128 writers, 1 insert"),
      ),
      figure(
        "128 writers, synced, against SQLite",
        { atLeast: 5 },
        ratiosOf(own, named("SQLite"), "128 writers, 1 insert"),
      ),
      figure(
        "transactions of 50 by 10 writers, synced, against lmdb",
        { atLeast: 1 },
        ratiosOf(own, named("lmdb"), "10 writers, 50 inserts"),
      ),
      figure(
        "10 shared keys against own keys, synced",
        { atLeast: 0.8 },
        within("20 writers, 10 shared keys", "20 writers, own keys"),
      ),
    ],
    notes: [
      ...notesOf(all),
      "Where keys are read and written the peers do a get and a put, of which lmdb makes no transaction.",
    ],
  }
}

export const row: Row = {
  name: "writers",
  title: "Small transactions by 1 to 128 writers, at every level, against lmdb and SQLite",
  estimateSeconds: (isQuick) => (isQuick ? 15 : 45),
  hasQuickSize: true,
  run,
}
