// Transactions: what they cost beside plain puts, against stores that commit one by one, when they meet at few keys; and
// what a snapshot that stays open costs those who write.

import type { Store, TableHandle } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { loadPeer } from "./peers/peer-list.ts"
import { figure, formatMegabytes, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf, runCallers, warmCountFor } from "./workload.ts"
import type { UserRecord } from "./workload.ts"

const SHARED_KEYS = 10

export const scenarios: Scenarios = { transact, beside }

type Operate = (index: number) => Promise<unknown>

/** `mode`: how a transaction is written; `batch`: operations in it; `count`: operations in all. */
async function transact(input: ScenarioInput): Promise<Measured> {
  const { directory, count, callers, batch, peer } = input
  if (peer !== "orrery") return putSingly(input)
  const orrery = await openOrrery(directory, { checkpoint: false })
  const operate = operationOf(orrery.store, orrery.users, input)
  await runCallers(callers, Math.ceil(warmCountFor(count) / batch), operate, new Latencies())
  const before = orrery.store.metrics().transactions
  const measured = await timed(callers, Math.ceil(count / batch), batch, operate)
  const after = orrery.store.metrics().transactions
  expectEqual("transactions that failed", after.failed, 0)
  const counters = orrery.store.table<number>("counters")
  if (input.mode.includes("keys")) {
    const sum = [...counters.values()].reduce((total, n) => total + n, 0)
    expectEqual("the sum of the counters", sum, after.committed)
  }
  await orrery.close()
  const retriedShare = (after.retried - before.retried) / Math.max(1, after.committed - before.committed)
  return { numbers: { ...measured, retriedShare } }
}

function operationOf(store: Store, users: TableHandle<UserRecord>, { mode, batch }: ScenarioInput): Operate {
  const counters = store.table<number>("counters")
  // Above all keys that any other way of this scenario has.
  let next = 0
  switch (mode) {
    case "put":
      return () => users.put(keyOf(next), recordOf(next++))
    case "synchronous":
      return () =>
        store.transact((tx) => {
          for (let n = 0; n < batch; n++) tx.put(users, keyOf(next), recordOf(next++))
        })
    case "asynchronous":
      return () =>
        store.transact(async (tx) => {
          await Promise.resolve()
          for (let n = 0; n < batch; n++) tx.put(users, keyOf(next), recordOf(next++))
        })
    case "batch":
      return () =>
        store.batch((writes) => {
          for (let n = 0; n < batch; n++) writes.put(users, keyOf(next), recordOf(next++))
        })
    default: {
      // Counters that are read, thought about, and written: of each caller its own, or some that all share.
      const isShared = mode.startsWith("shared")
      const isSynchronous = mode.endsWith("synchronously")
      return (index) => {
        const key = isShared ? `shared ${index % SHARED_KEYS}` : `own ${index}`
        if (isSynchronous) return store.transact((tx) => tx.put(counters, key, (tx.get(counters, key) ?? 0) + 1))
        return store.transact(
          async (tx) => {
            const n = tx.get(counters, key) ?? 0
            await Promise.resolve()
            tx.put(counters, key, n + 1)
          },
          { retries: 1_000 },
        )
      }
    }
  }
}

async function putSingly({ directory, count, callers, peer: name }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const store = await peer.open(directory)
  let next = 0
  const put: Operate = () => store.put(keyOf(next), recordOf(next++))
  await runCallers(callers, Math.ceil(count / 20), put, new Latencies())
  const measured = await timed(callers, count, 1, put)
  expectEqual(`records in ${peer.title}`, await store.count(), next)
  await store.close()
  return { numbers: { ...measured, retriedShare: 0 }, texts: { note: peer.note ?? "" } }
}

/** W1 with a snapshot open all along, or without; `mode` also says whether the keys are new or are overwritten. */
async function beside({ directory, count, callers, mode }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory, { checkpoint: false, snapshots: { bytes: 2 ** 40 } })
  let next = 0
  const put: Operate = () => orrery.put(keyOf(next), recordOf(next++))
  await runCallers(callers, count, put, new Latencies())
  if (mode.startsWith("overwritten")) next = 0
  const snapshot = mode.endsWith("snapshot") ? orrery.store.snapshot() : undefined
  const measured = await timed(callers, count, 1, put)
  const { versionBytes } = orrery.store.metrics().tables
  if (snapshot !== undefined) expectEqual("records in the snapshot", snapshot.table("users").size, count)
  const closeStartMs = performance.now()
  snapshot?.close()
  const closeMs = performance.now() - closeStartMs
  await orrery.close()
  return { numbers: { ...measured, retriedShare: 0, versionBytes, closeMs } }
}

async function timed(callers: number, count: number, batch: number, operate: Operate): Promise<Record<string, number>> {
  const latencies = new Latencies()
  const watch = new PauseWatch()
  const startMs = performance.now()
  await runCallers(callers, count, operate, latencies)
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  const operations = count * batch
  return {
    operationsPerSecond: (operations / elapsedMs) * 1000,
    cpuNsPerOperation: ((pauses["threadCpuMs"] ?? Number.NaN) * 1e6) / operations,
    ...latencies.summary(),
    ...pauses,
  }
}

function variantsOf(total: number): Variant[] {
  const variant = (name: string, input: Partial<ScenarioInput>, scenario = "transact"): Variant => ({
    name,
    scenario,
    input: { count: total, callers: 128, ...input },
  })
  return [
    variant("puts", { mode: "put" }),
    variant("transactions of 1, synchronous", { mode: "synchronous" }),
    variant("transactions of 1, asynchronous", { mode: "asynchronous" }),
    variant("lmdb, puts", { peer: "lmdb" }),
    variant("SQLite, transactions of 1", { peer: "sqlite", count: total / 50 }),
    variant("batches of 50", { mode: "batch", batch: 50, count: total * 2 }),
    variant("transactions of 50, synchronous", { mode: "synchronous", batch: 50, count: total * 2 }),
    variant("transactions of 50, asynchronous", { mode: "asynchronous", batch: 50, count: total * 2 }),
    variant("counters of their own, asynchronous, 20 callers", { mode: "own keys", callers: 20, count: total / 10 }),
    variant("10 shared counters, asynchronous, 20 callers", { mode: "shared keys", callers: 20, count: total / 10 }),
    variant("10 shared counters, synchronous, 20 callers", {
      mode: "shared keys, synchronously",
      callers: 20,
      count: total / 10,
    }),
    variant("W1, new keys", { mode: "new", callers: 1000 }, "beside"),
    variant("W1, new keys, a snapshot open", { mode: "new, snapshot", callers: 1000 }, "beside"),
    variant("W1, overwritten keys", { mode: "overwritten", callers: 1000 }, "beside"),
    variant("W1, overwritten keys, a snapshot open", { mode: "overwritten, snapshot", callers: 1000 }, "beside"),
  ]
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const versionBytes = series.median("versionBytes")
  return [
    series.name,
    spread(series.values("operationsPerSecond"), formatRate),
    `${series.median("cpuNsPerOperation").toFixed(0)} ns`,
    formatMs(series.median("p50Ms")),
    formatMs(series.median("p99Ms")),
    series.median("retriedShare").toFixed(2),
    versionBytes > 0 ? formatMegabytes(versionBytes) : "–",
    versionBytes > 0 ? formatMs(series.median("closeMs")) : "–",
  ]
}

async function run(context: Context): Promise<Report> {
  const total = context.isQuick ? 20_000 : 200_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const all = await interleave(context, "transactions", variantsOf(total), rounds, ({ numbers }) =>
    formatRate(numbers["operationsPerSecond"] ?? 0),
  )
  const rates = (upper: string, lower: string): number[] => {
    const named = (name: string): Series | undefined => all.find((series) => series.name === name)
    return ratiosOf(named(upper), named(lower), "operationsPerSecond")
  }
  const shared = "10 shared counters, asynchronous, 20 callers"
  return {
    title: "Transactions and snapshots",
    setting: `${total.toLocaleString("en")} operations (fewer where every one is synced alone), 128 callers where nothing else is said, synced, ${rounds} rounds.`,
    tables: [
      {
        header: [
          "way",
          "operations/s: median [lowest … highest]",
          "processor an operation",
          "p50",
          "p99",
          "run anew",
          "versions",
          "closing",
        ],
        rows: all.map(lineOf),
      },
    ],
    figures: [
      figure(
        "transactions of 1, synchronous, against lmdb",
        { atLeast: 2 },
        rates("transactions of 1, synchronous", "lmdb, puts"),
      ),
      figure(
        "the same against SQLite, a transaction each",
        { atLeast: 5 },
        rates("transactions of 1, synchronous", "SQLite, transactions of 1"),
      ),
      figure(
        "transactions of 1, synchronous, against plain puts",
        { atLeast: 1 },
        rates("transactions of 1, synchronous", "puts"),
      ),
      figure(
        "operations in transactions of 50, synchronous, against plain puts",
        { atLeast: 1 },
        rates("transactions of 50, synchronous", "puts"),
      ),
      figure(
        "transactions of 50, synchronous, against batches of 50",
        { atLeast: 1 },
        rates("transactions of 50, synchronous", "batches of 50"),
      ),
      figure(
        "10 shared counters against counters of their own",
        { atLeast: 0.1 },
        rates(shared, "counters of their own, asynchronous, 20 callers"),
      ),
      figure(
        "W1 with a snapshot open, new keys",
        { atLeast: 0.85 },
        rates("W1, new keys, a snapshot open", "W1, new keys"),
      ),
      figure(
        "W1 with a snapshot open, all keys overwritten",
        { atLeast: 0.85 },
        rates("W1, overwritten keys, a snapshot open", "W1, overwritten keys"),
      ),
    ],
    notes: [
      ...notesOf(all),
      "'Run anew' is the share of tries that met others: 0.5 is one more try for every second transaction.",
    ],
  }
}

export const row: Row = {
  name: "transactions",
  title: "Transactions beside puts, against lmdb and SQLite; snapshots beside writers",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 120),
  hasQuickSize: true,
  run,
}
