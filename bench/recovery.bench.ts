// Recovery: from a directory whose owner was killed (SIGKILL) to the first read, from the log alone and from a checkpoint.
// Each process opens the same directory, reads one record, and is killed in its turn, so no open ever follows an orderly
// close.
//
// Files are in the page cache. Peers that do not read everything to be ready also count their records, since only then
// do they know what the engine knows.

import { rmSync } from "node:fs"
import { join } from "node:path"
import type { Context, Row, Variant } from "./harness.ts"
import { interleave, notesOf, problemOf, runVariant, Series } from "./harness.ts"
import { openOrrery, OrreryStore } from "./peers/orrery.ts"
import type { Peer, PeerStore } from "./peers/peer.ts"
import { loadPeer } from "./peers/peer-list.ts"
import type { PeerName } from "./peers/peer-list.ts"
import { figure, formatMegabytes, formatMs } from "./report.ts"
import type { Figure, Report } from "./report.ts"
import { expectEqual, PauseWatch, peakRssBytes, settledRssBytes } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { fill, keyOf, recordOf } from "./workload.ts"

const VERIFIED_EVERY = 9973

export const scenarios: Scenarios = { build, recover }

/** The engine makes no checkpoints by itself here: the row says what it opens from. */
function openPeer(peer: Peer, name: PeerName, directory: string): Promise<PeerStore> | PeerStore {
  return name === "orrery" ? openOrrery(directory, { checkpoint: false }) : peer.open(directory)
}

async function build({ directory, peer: name, count, mode }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const store = await openPeer(peer, name, directory)
  await fill(store, count)
  if (mode === "checkpoint" && store instanceof OrreryStore) await store.store.checkpoint()
  // Not closed: the process is killed.
  return { numbers: {}, texts: { title: peer.title, note: peer.note ?? "" } }
}

async function recover({ directory, peer: name, count }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const beforeBytes = await settledRssBytes()
  const watch = new PauseWatch()
  const startMs = performance.now()
  const store = await openPeer(peer, name, directory)
  const first = store.get(keyOf(count >> 1))
  const readyMs = performance.now() - startMs
  const readyCpuMs = watch.threadCpuMs()
  const found = await store.count()
  const countedMs = performance.now() - startMs
  const tables = store instanceof OrreryStore ? store.store.metrics().tables : undefined
  const peakBytes = peakRssBytes() - beforeBytes
  expectEqual(keyOf(count >> 1), JSON.stringify(first), JSON.stringify(recordOf(count >> 1)))
  expectEqual(`records in ${peer.title}`, found, count)
  for (let n = 0; n < count; n += VERIFIED_EVERY) {
    expectEqual(keyOf(n), JSON.stringify(store.get(keyOf(n))), JSON.stringify(recordOf(n)))
  }
  const settledBytes = await settledRssBytes()
  const report = store instanceof OrreryStore ? store.store.recovery : undefined
  return {
    numbers: {
      readyMs,
      readyCpuMs,
      countedMs,
      heldBytes: settledBytes - beforeBytes,
      peakBytes,
      beyondTablesBytes: tables === undefined ? Number.NaN : peakBytes - tables.allocatedBytes - tables.indexBytes,
      loadMs: report?.phaseMs["load-checkpoint"] ?? Number.NaN,
      scanMs: report?.phaseMs["scan-log"] ?? Number.NaN,
      replayMs: report?.phaseMs["replay-log"] ?? Number.NaN,
      reportedMs: report?.durationMs ?? Number.NaN,
      logBytes: report?.logBytes ?? Number.NaN,
    },
    texts: { title: peer.title, note: peer.note ?? "", sealed: String(report?.wasSealed ?? "") },
  }
}

async function measure(
  context: Context,
  peers: readonly PeerName[],
  count: number,
  rounds: number,
  mode: "" | "checkpoint" = "",
): Promise<Series[]> {
  const size = `${count / 1e6} M${mode === "" ? "" : ", checkpoint"}`
  const variants: Variant[] = []
  const problems: Series[] = []
  for (const peer of peers) {
    const directory = join(context.directory, `recovery-${peer}-${count}-${mode}`)
    context.progress(`recovery: building ${size} records for ${peer}`)
    const outcome = await runVariant(
      context,
      "recovery",
      { name: peer, scenario: "build", input: { peer, count, mode }, directory },
      0,
    )
    if (outcome.kind === "measured") {
      variants.push({ name: `${peer}, ${size}`, scenario: "recover", input: { peer, count }, directory })
    } else {
      const series = new Series(`${peer}, ${size}`)
      series.problem = problemOf(outcome)
      problems.push(series)
    }
  }
  const all = await interleave(context, "recovery", variants, rounds, ({ numbers }) =>
    formatMs(numbers["readyMs"] ?? 0),
  )
  for (const { directory } of variants) if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  return [...all, ...problems]
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const perRecord = series.values("scanMs").every(Number.isFinite)
  return [
    series.name,
    series.text("title"),
    spread(series.values("readyMs"), formatMs),
    formatMs(series.median("readyCpuMs")),
    spread(series.values("countedMs"), formatMs),
    formatMegabytes(series.median("heldBytes")),
    formatMegabytes(series.median("peakBytes")),
    formatMegabytes(series.median("beyondTablesBytes")),
    perRecord ? ["loadMs", "scanMs", "replayMs"].map((name) => formatMs(series.median(name))).join(" + ") : "–",
  ]
}

function figureOf(all: readonly Series[], count: number, atMostSeconds: number, mode: "" | "checkpoint"): Figure {
  const series = all.find(({ name }) => name === `orrery, ${count / 1e6} M${mode === "" ? "" : ", checkpoint"}`)
  const seconds = series?.isMeasured === true ? series.values("readyMs").map((ms) => ms / 1000) : []
  return figure(
    `recovery of ${count / 1e6} M records, ${mode === "" ? "log alone" : "from a checkpoint"}, to the first read`,
    { atMost: atMostSeconds, unit: " s" },
    seconds,
  )
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 200_000 : 1_000_000
  const large = 5_000_000
  const rounds = context.rounds(context.isQuick ? 3 : 5)
  const all = await measure(context, ["orrery", "lmdb", "sqlite", "json-lines"], count, rounds)
  all.push(...(await measure(context, ["orrery"], count, rounds, "checkpoint")))
  if (!context.isQuick) {
    all.push(...(await measure(context, ["orrery"], large, Math.min(rounds, 3))))
    all.push(...(await measure(context, ["orrery"], large, Math.min(rounds, 3), "checkpoint")))
  }
  // The target is of 1 M records; with fewer, it is taken as a rate.
  const figures = [
    figureOf(all, count, (0.5 * count) / 1e6, ""),
    figureOf(all, count, (0.2 * count) / 1e6, "checkpoint"),
  ]
  if (!context.isQuick) figures.push(figureOf(all, large, 2.5, ""), figureOf(all, large, 0.8, "checkpoint"))
  return {
    title: "Recovery",
    setting: `${count.toLocaleString("en")} records${context.isQuick ? "" : ", and 5,000,000"}; the owner before was killed; files in the page cache; ${rounds} rounds.`,
    tables: [
      {
        header: [
          "",
          "store",
          "ready: median [lowest … highest]",
          "processor",
          "and all counted",
          "memory held",
          "at its peak",
          "beyond the tables",
          "load + scan + replay",
        ],
        rows: all.map(lineOf),
      },
    ],
    figures,
    notes: [
      ...notesOf(all),
      "'Processor' is the time of the main thread until ready: it says more than the clock where something else runs as well.",
      "Memory is what the process grew by: when all that can be was collected, and at most. 'Beyond the tables' is that most, less what the tables hold by the engine's own count: what recovery takes beyond its result, the buffers of the open store included.",
    ],
  }
}

export const row: Row = {
  name: "recovery",
  title: "Recovery from the log alone and from a checkpoint, against lmdb, SQLite, JSON lines",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 120),
  hasQuickSize: true,
  run,
}
