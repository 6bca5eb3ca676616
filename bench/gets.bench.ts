// Random gets: the second half of W1.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { loadPeer } from "./peers/peer-list.ts"
import type { PeerName } from "./peers/peer-list.ts"
import type { PeerStore } from "./peers/peer.ts"
import { figure, formatMegabytes, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import { fill, keyOf, Latencies, SEED, scoreSumOf, shuffled, warmCountFor } from "./workload.ts"

/** Gets that are timed together: one alone is too short for the clock. */
const CHUNK_COUNT = 100

export const scenarios: Scenarios = { read }

async function read({ directory, peer: name, count, round }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const store = await peer.open(directory)
  await fill(store, count)
  readAll(store, shuffled(count, SEED + 100 + round).subarray(0, warmCountFor(count)), new Latencies())
  const order = shuffled(count, SEED + 200 + round)
  const chunks = new Latencies()
  const watch = new PauseWatch()
  const startMs = performance.now()
  const sum = readAll(store, order, chunks)
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  expectEqual(`sum of the scores in ${peer.title}`, sum, scoreSumOf(0, count))
  const rssBytes = process.memoryUsage.rss()
  await store.close()
  return {
    numbers: { getsPerSecond: (count / elapsedMs) * 1000, rssBytes, ...chunks.summary(), ...pauses },
    texts: { title: peer.title, note: peer.note ?? "" },
  }
}

function readAll(store: PeerStore, order: Uint32Array, chunks: Latencies): number {
  let sum = 0
  for (let start = 0; start < order.length; start += CHUNK_COUNT) {
    const end = Math.min(order.length, start + CHUNK_COUNT)
    const startMs = performance.now()
    for (let index = start; index < end; index++) {
      // A record that is missing makes the sum NaN.
      sum += store.get(keyOf(order[index] as number))?.score ?? Number.NaN
    }
    chunks.record((performance.now() - startMs) / (end - start))
  }
  return sum
}

function lineOf(series: Series, map: Series | undefined): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const ns = (name: string): string => `${(series.median(name) * 1e6).toFixed(0)} ns`
  const ratios = ratiosOf(series, map, "getsPerSecond")
  return [
    series.text("title"),
    spread(series.values("getsPerSecond"), formatRate),
    ratios.length === 0 ? "–" : medianOf(ratios).toFixed(2),
    ns("p50Ms"),
    ns("p99Ms"),
    ns("p999Ms"),
    `${series.median("gcMaxMs").toFixed(1)} ms`,
    formatMegabytes(series.median("rssBytes")),
  ]
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 100_000 : 1_000_000
  const rounds = context.rounds(3)
  const names: readonly PeerName[] = ["orrery", "map", "lmdb", "classic-level", "sqlite"]
  const variants = names.map((peer): Variant => ({ name: peer, scenario: "read", input: { peer, count } }))
  const all = await interleave(context, "gets", variants, rounds, ({ numbers }) =>
    formatRate(numbers["getsPerSecond"] ?? 0),
  )
  const [orrery, map, lmdb] = all
  return {
    title: "Gets",
    setting: `${count.toLocaleString("en")} random gets of ${count.toLocaleString("en")} records, keys made afresh, ${rounds} rounds.`,
    tables: [
      {
        header: ["store", "gets/s: median [lowest … highest]", "x Map", "p50", "p99", "p99.9", "GC max", "RSS"],
        rows: all.map((series) => lineOf(series, map)),
      },
    ],
    figures: [
      figure("gets, W1, against Map.get", { atLeast: 1.2 }, ratiosOf(orrery, map, "getsPerSecond")),
      figure("gets, W1, against lmdb", { atLeast: 2 }, ratiosOf(orrery, lmdb, "getsPerSecond")),
    ],
    notes: [
      ...notesOf(all),
      `Latencies are those of ${CHUNK_COUNT} gets in a row, divided. The key is made, and one field added up, within the time. A Map gives its own object, every store a new one.`,
    ],
  }
}

export const row: Row = {
  name: "gets",
  title: "Random gets against Map, lmdb, classic-level, SQLite",
  estimateSeconds: (isQuick) => (isQuick ? 15 : 90),
  hasQuickSize: true,
  run,
}
