// What metadata costs: the same gets and puts with its pipelines on and off, slice by slice in one process, since two
// processes differ by more than what is to be measured. Each pair of slices has the other order than the one before. What
// counts is the time of the main thread, with the pipelines' own in it: slices last longer than the ticks.

import { heat, hottestKeys } from "../src/index.ts"
import type { Store } from "../src/index.ts"
import type { Context, Row, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { figure } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import { fill, keyOf, Latencies, recordOf, runCallers, SEED, shuffled } from "./workload.ts"

export const scenarios: Scenarios = { beside }

/** Gets after which others have their turn. */
const CHUNK_COUNT = 1_000
const PAIR_COUNT = 12

/** `count`: records, and operations of a slice. */
async function beside({ directory, count, callers, mode, round }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory, { checkpoint: false })
  await fill(orrery, count)
  const order = shuffled(count, SEED + round)
  const slice = (): Promise<number> => (mode === "gets" ? readAll(orrery, order) : putAll(orrery, order, callers))
  // The compiler has to see both ways.
  for (const isOn of [true, false, true, false]) await timed(orrery.store, isOn, slice)
  const ratios: number[] = []
  const on: number[] = []
  const off: number[] = []
  for (let pair = 0; pair < PAIR_COUNT; pair++) {
    const isOnFirst = pair % 2 === 0
    const first = await timed(orrery.store, isOnFirst, slice)
    const second = await timed(orrery.store, !isOnFirst, slice)
    on.push(isOnFirst ? first : second)
    off.push(isOnFirst ? second : first)
    ratios.push((on.at(-1) ?? 0) / (off.at(-1) ?? 0))
  }
  const { sampled, shed, batches, failures, busyMs } = orrery.store.metrics().metadata
  expectEqual("failures of pipelines", failures, 0)
  expectEqual("whether anything was sampled", sampled > 0, true)
  await orrery.close()
  const perOperation = 1e6 / count
  return {
    numbers: {
      ratio: medianOf(ratios),
      onNs: medianOf(on) * perOperation,
      offNs: medianOf(off) * perOperation,
      sampled,
      shed,
      batches,
      busyMs,
    },
  }
}

/** Milliseconds of the main thread that the work took, with the pipelines on or off. */
async function timed(store: Store, isOn: boolean, work: () => Promise<number>): Promise<number> {
  const metadata = store.metadata()
  const pipelines = isOn
    ? [
        metadata.run("heat", ({ accesses }) => accesses.pipe(heat()), ignore),
        metadata.run("hottest keys", ({ accesses }) => accesses.pipe(hottestKeys()), ignore),
        metadata.run("writes", ({ writes }) => writes, ignore),
      ]
    : []
  const tookMs = await work()
  for (const pipeline of pipelines) pipeline.stop()
  return tookMs
}

async function readAll(orrery: OrreryStore, order: Uint32Array): Promise<number> {
  const before = process.threadCpuUsage()
  let sum = 0
  for (let start = 0; start < order.length; start += CHUNK_COUNT) {
    const end = Math.min(order.length, start + CHUNK_COUNT)
    for (let index = start; index < end; index++) sum += orrery.get(keyOf(order[index] as number))?.age ?? Number.NaN
    await new Promise((resolve) => setImmediate(resolve))
  }
  const tookMs = threadMsSince(before)
  expectEqual("whether every record was there", Number.isFinite(sum), true)
  return tookMs
}

async function putAll(orrery: OrreryStore, order: Uint32Array, callers: number): Promise<number> {
  const before = process.threadCpuUsage()
  let next = 0
  const put = (): Promise<unknown> => {
    const n = order[next++ % order.length] as number
    return orrery.put(keyOf(n), recordOf(n))
  }
  await runCallers(callers, order.length, put, new Latencies())
  return threadMsSince(before)
}

function threadMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1e3
}

function ignore(): void {}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 100_000 : 400_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const variants = ["gets", "puts"].map((mode): Variant => ({
    name: mode,
    scenario: "beside",
    input: { mode, count, callers: 1_000 },
  }))
  const all = await interleave(context, "metadata", variants, rounds, ({ numbers }) =>
    (numbers["ratio"] ?? Number.NaN).toFixed(3),
  )
  const [gets, puts] = all
  return {
    title: "Metadata",
    setting: `${count.toLocaleString("en")} random gets, and as many overwriting puts with 1,000 in flight, a slice; ${PAIR_COUNT} pairs of slices with three pipelines on and off; ${rounds} rounds.`,
    tables: [
      {
        header: ["operation", "on / off: median [lowest … highest]", "off", "on", "samples", "shed", "batches"],
        rows: all.map((series) =>
          series.isMeasured
            ? [
                series.name,
                spread(series.values("ratio"), (ratio) => ratio.toFixed(3)),
                `${series.median("offNs").toFixed(0)} ns`,
                `${series.median("onNs").toFixed(0)} ns`,
                series.median("sampled").toLocaleString("en"),
                series.median("shed").toLocaleString("en"),
                series.median("batches").toLocaleString("en"),
              ]
            : [series.name, series.status],
        ),
      },
    ],
    figures: [
      figure("gets with metadata on, in time", { atMost: 1.02 }, gets?.values("ratio") ?? []),
      figure("puts with metadata on, in time", { atMost: 1.02 }, puts?.values("ratio") ?? []),
    ],
    notes: [...notesOf(all), "Times are those of the main thread, a key made afresh for each operation within them."],
  }
}

export const row: Row = {
  name: "metadata",
  title: "Gets and puts beside metadata pipelines",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 120),
  hasQuickSize: true,
  run,
}
