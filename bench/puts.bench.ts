// Synced puts: W1 against a plain Map, which is not durable, and against stores that are. Every store is also written in
// the way that suits it best: batches made by hand where it does not make them itself.
//
// Ways that sync every single record are so much slower that they write fewer of them; rates are comparable all the same.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { loadPeer } from "./peers/peer-list.ts"
import type { PeerStore } from "./peers/peer.ts"
import { figure, formatMegabytes, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import {
  ascending,
  entriesOf,
  keyOf,
  Latencies,
  recordOf,
  runCallers,
  SEED,
  shuffled,
  warmCountFor,
} from "./workload.ts"

/** One put of so many is read back, field by field. */
const VERIFIED_EVERY = 97

export const scenarios: Scenarios = { write }

async function write(input: ScenarioInput): Promise<Measured> {
  const { directory, peer: name, count } = input
  const peer = await loadPeer(name)
  // One checkpoint comes due in the middle of a million records. It is measured by a variant of its own.
  const isPlain = name === "orrery" && input.mode !== "checkpoints"
  const store = isPlain ? await openOrrery(directory, { checkpoint: false }) : await peer.open(directory)
  const warmCount = Math.ceil(warmCountFor(count) / input.batch) * input.batch
  // Other keys than those that count, so that these are all new.
  await writeAll(store, input, ascending(warmCount, count), new Latencies())
  const order = input.mode === "random" ? shuffled(count, SEED + input.round) : ascending(count)
  const latencies = new Latencies()
  const watch = new PauseWatch()
  const startMs = performance.now()
  await writeAll(store, input, order, latencies)
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  const rssBytes = process.memoryUsage.rss()
  expectEqual(`records in ${peer.title}`, await store.count(), count + warmCount)
  for (let n = 0; n < count; n += VERIFIED_EVERY) {
    expectEqual(keyOf(n), JSON.stringify(store.get(keyOf(n))), JSON.stringify(recordOf(n)))
  }
  await store.close()
  return {
    numbers: {
      putsPerSecond: (count / elapsedMs) * 1000,
      cpuNsPerPut: ((pauses["threadCpuMs"] ?? Number.NaN) * 1e6) / count,
      rssBytes,
      ...latencies.summary(),
      ...pauses,
    },
    texts: {
      title: peer.title,
      note: peer.note ?? "",
      durability: peer.durability,
      loop: peer.isAsynchronous ? "turns" : "stands",
    },
  }
}

async function writeAll(
  store: PeerStore,
  { mode, callers, batch }: ScenarioInput,
  order: Uint32Array,
  latencies: Latencies,
): Promise<void> {
  if (mode === "loop") {
    for (const n of order) void store.put(keyOf(n), recordOf(n))
  } else if (batch > 1) {
    const write = (index: number): Promise<unknown> =>
      store.putMany(entriesOf(order, index * batch, Math.min(order.length, (index + 1) * batch)))
    await runCallers(callers, Math.ceil(order.length / batch), write, latencies)
  } else {
    const write = (index: number): Promise<unknown> => {
      const n = order[index] as number
      return store.put(keyOf(n), recordOf(n))
    }
    await runCallers(callers, order.length, write, latencies)
  }
}

function variantsOf(total: number): Variant[] {
  const variant = (name: string, input: Partial<ScenarioInput>): Variant => ({
    name,
    scenario: "write",
    input: { count: total, ...input },
  })
  return [
    variant("orrery, 1,000 callers", { peer: "orrery", callers: 1000 }),
    variant("Map, 1,000 callers", { peer: "map", callers: 1000 }),
    variant("Map, plain loop", { peer: "map", mode: "loop" }),
    variant("lmdb, 1,000 callers", { peer: "lmdb", callers: 1000 }),
    variant("classic-level, batches of 1,000", { peer: "classic-level", batch: 1000 }),
    variant("SQLite, transactions of 1,000", { peer: "sqlite", batch: 1000 }),
    variant("JSON lines, batches of 1,000", { peer: "json-lines", batch: 1000 }),
    variant("msgpackr, batches of 1,000", { peer: "msgpackr-file", batch: 1000 }),
    variant("orrery, putMany of 100, 20 callers", { peer: "orrery", callers: 20, batch: 100 }),
    variant("orrery, 1,000 callers, random order", { peer: "orrery", mode: "random", callers: 1000 }),
    variant("orrery, 1,000 callers, checkpoints as by default", { peer: "orrery", mode: "checkpoints", callers: 1000 }),
    variant("orrery, 10,000 callers", { peer: "orrery", callers: 10_000 }),
    variant("orrery, 100 callers", { peer: "orrery", callers: 100, count: total / 2 }),
    variant("orrery, 10 callers", { peer: "orrery", callers: 10, count: total / 10 }),
    variant("orrery, 1 caller", { peer: "orrery", callers: 1, count: total / 50 }),
    variant("lmdb, 1 caller", { peer: "lmdb", callers: 1, count: total / 100 }),
    variant("classic-level, 1,000 callers", { peer: "classic-level", callers: 1000, count: total / 20 }),
    variant("SQLite, single puts", { peer: "sqlite", callers: 1, count: total / 50 }),
  ]
}

function lineOf(series: Series, map: Series | undefined): string[] {
  if (!series.isMeasured) return [series.name, "", series.status]
  const ms = (name: string): string => formatMs(series.median(name))
  const hasLatency = series.median("maxMs") > 0
  const hasLoop = series.text("loop") === "turns"
  const ratios = ratiosOf(series, map, "putsPerSecond")
  return [
    series.name,
    series.text("durability"),
    spread(series.values("putsPerSecond"), formatRate),
    ratios.length === 0 ? "–" : medianOf(ratios).toFixed(2),
    `${series.median("cpuNsPerPut").toFixed(0)} ns`,
    ...["p50Ms", "p99Ms", "p999Ms"].map((name) => (hasLatency ? ms(name) : "–")),
    ...["loopP99Ms", "loopMaxMs"].map((name) => (hasLoop ? ms(name) : "–")),
    ms("gcMaxMs"),
    formatMegabytes(series.median("rssBytes")),
  ]
}

async function run(context: Context): Promise<Report> {
  const total = context.isQuick ? 100_000 : 1_000_000
  const rounds = context.rounds(3)
  const all = await interleave(context, "puts", variantsOf(total), rounds, ({ numbers }) =>
    formatRate(numbers["putsPerSecond"] ?? 0),
  )
  const named = (name: string): Series | undefined => all.find((series) => series.name === name)
  const map = named("Map, 1,000 callers")
  const titles = new Set(all.map((series) => series.text("title")).filter((title) => title !== ""))
  return {
    title: "Synced puts",
    setting: `W1: ${total.toLocaleString("en")} puts of new keys (fewer where every put is synced alone), ${rounds} rounds. ${[...titles].join(", ")}.`,
    tables: [
      {
        header: [
          "store and way",
          "acknowledged",
          "puts/s: median [lowest … highest]",
          "x Map",
          "processor a put",
          "p50",
          "p99",
          "p99.9",
          "loop p99",
          "loop max",
          "GC max",
          "RSS",
        ],
        rows: all.map((series) => lineOf(series, map)),
      },
    ],
    figures: [
      figure(
        "synced puts, W1, against inserting into a Map",
        { atLeast: 1.2 },
        ratiosOf(named("orrery, 1,000 callers"), map, "putsPerSecond"),
      ),
      figure(
        "the same, with the checkpoint that comes due",
        { atLeast: 1.2 },
        ratiosOf(named("orrery, 1,000 callers, checkpoints as by default"), map, "putsPerSecond"),
      ),
      figure(
        "the same through putMany of 100",
        { atLeast: 2 },
        ratiosOf(named("orrery, putMany of 100, 20 callers"), map, "putsPerSecond"),
      ),
    ],
    notes: [
      ...notesOf(all),
      "'Processor a put' is the time of the main thread: it says more than the clock where something else runs as well.",
      "Latencies are of one put, or of one batch where batches are written. Event-loop delays hold the 1 ms of their timer; a store that works within the call has none to show, since the loop stands still meanwhile.",
      "The Map of '1,000 callers' is written by the same callers, which await a resolved promise; 'plain loop' has none of that.",
    ],
  }
}

export const row: Row = {
  name: "puts",
  title: "Synced puts, W1, against Map, lmdb, classic-level, SQLite, JSON lines, msgpackr",
  estimateSeconds: (isQuick) => (isQuick ? 55 : 210),
  hasQuickSize: true,
  run,
}
