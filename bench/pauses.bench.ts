// Pauses: the longest garbage collection and the delays of the event loop while a large store is filled, against a Map of
// the same objects; the event loop at a steady 100,000 puts a second, beside the floor of the same load without an engine;
// and the longest single steps of a table, from its own benchmark.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { copyAside, openBare } from "./bare-pace.ts"
import { openOrrery } from "./peers/orrery.ts"
import { loadPeer } from "./peers/peer-list.ts"
import type { PeerStore } from "./peers/peer.ts"
import { figure, formatMegabytes, formatMs, formatRate } from "./report.ts"
import type { Figure, Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { outputOf } from "./standalone.ts"
import { spread } from "./statistics.ts"
import { fill, keyOf, Latencies, recordOf, runCallers, SEED, shuffled } from "./workload.ts"

const PACE_PER_SECOND = 100_000

export const scenarios: Scenarios = { grow, pace, barePace }

/** A store without work of its own in later turns is written `callers` records a turn, so that the loop can turn. */
async function grow({ directory, peer: name, count, callers }: ScenarioInput): Promise<Measured> {
  const peer = await loadPeer(name)
  const store = await peer.open(directory)
  const put = (n: number): Promise<unknown> => store.put(keyOf(n), recordOf(n))
  const watch = new PauseWatch()
  const startMs = performance.now()
  if (peer.isAsynchronous) await runCallers(callers, count, put, new Latencies())
  else await runTurns(callers, count, put)
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  expectEqual(`records in ${peer.title}`, await store.count(), count)
  const rssBytes = process.memoryUsage.rss()
  return {
    numbers: { putsPerSecond: (count / elapsedMs) * 1000, rssBytes, ...pauses },
    texts: { title: peer.title, note: peer.note ?? "" },
  }
}

async function runTurns(perTurn: number, count: number, put: (index: number) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < count; start += perTurn) {
    for (let index = start; index < Math.min(count, start + perTurn); index++) void put(index)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Puts at a fixed rate, whatever becomes of them, into a store that holds `count` records; for `batch` seconds. */
async function pace({ directory, count, batch: seconds, round, mode }: ScenarioInput): Promise<Measured> {
  const store = await openOrrery(directory, { checkpoint: false })
  await fill(store, count)
  const latencies = new Latencies()
  await putAtPace(store, shuffled(count, SEED + 50 + round), 1000, new Latencies())
  const watch = new PauseWatch()
  let isOver = false
  let checkpointCount = 0
  const checkpoints = async (): Promise<void> => {
    for (; !isOver; checkpointCount++) await store.store.checkpoint()
  }
  const making = mode === "checkpoint" ? checkpoints() : Promise.resolve()
  const putCount = await putAtPace(store, shuffled(count, SEED + 100 + round), seconds * 1000, latencies)
  const pauses = await watch.stop()
  isOver = true
  await making
  return { numbers: { checkpointCount, putsPerSecond: putCount / seconds, ...latencies.summary(), ...pauses } }
}

/** The same callers at the same rate where no engine is: what is left of their delays is that of promises and of the disk. */
async function barePace({ directory, count, batch: seconds, round, mode }: ScenarioInput): Promise<Measured> {
  const store = await openBare(directory)
  const latencies = new Latencies()
  await putAtPace(store, shuffled(count, SEED + 50 + round), 1000, new Latencies())
  if (mode === "copy") await copyAside(directory)
  const watch = new PauseWatch()
  const putCount = await putAtPace(store, shuffled(count, SEED + 100 + round), seconds * 1000, latencies)
  const pauses = await watch.stop()
  return { numbers: { putsPerSecond: putCount / seconds, ...latencies.summary(), ...pauses } }
}

/** Keeps none of the promises, as a server does not: half a million of them are work for the garbage collection alone. */
async function putAtPace(
  store: Pick<PeerStore, "put">,
  order: Uint32Array,
  durationMs: number,
  latencies: Latencies,
): Promise<number> {
  const startMs = performance.now()
  let putCount = 0
  let settledCount = 0
  let failure: Error | undefined
  const timed = async (n: number): Promise<void> => {
    const putMs = performance.now()
    try {
      await store.put(keyOf(n), recordOf(n))
      latencies.record(performance.now() - putMs)
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error))
    }
    settledCount++
  }
  for (let elapsedMs = 0; elapsedMs < durationMs || settledCount < putCount; elapsedMs = performance.now() - startMs) {
    const due = Math.floor((Math.min(elapsedMs, durationMs) * PACE_PER_SECOND) / 1000)
    for (; putCount < due; putCount++) void timed(order[putCount % order.length] as number)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  if (failure !== undefined) throw failure
  return putCount
}

/** The longest of the steps that the table's own benchmark prints, of 250 operations or of one compaction step. */
function longestStep(output: string): Figure {
  const steps = output
    .split("\n")
    .filter((line) => /longest (batch|of \d+ compaction steps)/.test(line))
    .map((line) => Number(/: ([\d.]+) ms/.exec(line)?.[1]))
  return figure("longest step of a table: 250 operations, or one compaction step", { atMost: 2, unit: " ms" }, [
    steps.length === 0 ? Number.NaN : Math.max(...steps),
  ])
}

function lineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const ms = (name: string): string => spread(series.values(name), formatMs)
  return [
    series.name,
    spread(series.values("putsPerSecond"), formatRate),
    ms("gcMaxMs"),
    formatMs(series.median("gcTotalMs")),
    ms("loopP99Ms"),
    ms("loopMaxMs"),
    series.values("rssBytes").every(Number.isFinite) ? formatMegabytes(series.median("rssBytes")) : "–",
  ]
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 300_000 : 5_000_000
  const paced = context.isQuick ? 200_000 : 1_000_000
  const seconds = context.isQuick ? 2 : 5
  const rounds = context.rounds(3)
  const variants: Variant[] = [
    { name: "orrery, 1,000 callers", scenario: "grow", input: { peer: "orrery", count, callers: 1000 } },
    { name: "Map, 1,000 inserts a turn", scenario: "grow", input: { peer: "map", count, callers: 1000 } },
    { name: "orrery, 100,000 puts/s", scenario: "pace", input: { count: paced, batch: seconds } },
    { name: "no engine, 100,000 promises/s", scenario: "barePace", input: { count: paced, batch: seconds } },
    {
      name: "orrery, checkpoints running",
      scenario: "pace",
      input: { count: paced, batch: seconds, mode: "checkpoint" },
    },
    {
      name: "no engine, a file copied",
      scenario: "barePace",
      input: { count: paced, batch: seconds, mode: "copy" },
    },
  ]
  const all = await interleave(
    context,
    "pauses",
    variants,
    rounds,
    ({ numbers }) => `GC ${formatMs(numbers["gcMaxMs"] ?? 0)}, loop ${formatMs(numbers["loopMaxMs"] ?? 0)}`,
  )
  const [orrery, , steady, , checkpointed] = all
  const table = await outputOf(context, "table", context.isQuick ? ["0.2"] : ["1", "5"])
  return {
    title: "Pauses",
    setting: `${count.toLocaleString("en")} records of W1 written into an empty store; and puts at a steady 100,000 a second over ${paced.toLocaleString("en")} records; ${rounds} rounds.`,
    tables: [
      {
        header: ["", "puts/s", "longest GC pause", "all GC", "event-loop p99", "event-loop max", "RSS"],
        rows: all.map(lineOf),
      },
    ],
    output: `node bench/table.bench.ts\n${table}`,
    figures: [
      figure(
        `longest GC pause, ${count.toLocaleString("en")} records, writing (of all rounds)`,
        { atMost: 10, unit: " ms" },
        orrery?.isMeasured === true ? [orrery.max("gcMaxMs")] : [],
      ),
      figure(
        "event-loop p99 at 100,000 puts/s, no checkpoint running",
        { atMost: 5, unit: " ms" },
        steady?.isMeasured === true ? steady.values("loopP99Ms") : [],
      ),
      figure(
        "event-loop p99 at 100,000 puts/s, checkpoints running one after the other",
        { atMost: 5, unit: " ms" },
        checkpointed?.isMeasured === true ? checkpointed.values("loopP99Ms") : [],
      ),
      longestStep(table),
    ],
    notes: [
      ...notesOf(all),
      "Event-loop delays hold the 1 ms of the timer that measures them.",
      "No engine: a promise and a receipt for each put, one append and data sync for all that wait; the file is copied by a thread, 2 ms at a time with rests of 6, as a checkpoint's worker works.",
    ],
  }
}

export const row: Row = {
  name: "pauses",
  title: "GC pauses, event-loop delays, longest steps, against Map",
  estimateSeconds: (isQuick) => (isQuick ? 30 : 210),
  hasQuickSize: true,
  run,
}
