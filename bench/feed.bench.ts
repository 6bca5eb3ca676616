// The change feed: what subscribers cost the writers of a whole store, everything in one thread, as in an application.
//
//   nobody         no subscriber
//   iterator       one, by `for await`, of everything
//   batches        the same, with all commits that are at hand at a time
//   observable     one, by RxJS, of everything
//   prefixes       100, by RxJS, each of a prefix of its own; every change matches exactly one
//
// Each subscriber looks at the key and the kind of every change, and none may be missing in the end. Rates are of stores of
// their own, one after the other; feed-cost.ts says what one subscriber adds to a put within one process.

import { cost } from "./feed-cost.ts"
import { listen, untilSeen, writeAll } from "./feed-subscribers.ts"
import type { Seen } from "./feed-subscribers.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { figure, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { medianOf, spread } from "./statistics.ts"
import { ascending, keyOf, Latencies, SEED, shuffled, warmCountFor } from "./workload.ts"

const SLICE_COUNT = 10_000

export const scenarios: Scenarios = { subscribe, cost: (input) => cost(input) }

async function subscribe(input: ScenarioInput): Promise<Measured> {
  const { directory, count, mode } = input
  const orrery = await openOrrery(directory)
  // From a power of ten on, so that three digits divide the keys into a hundred.
  const order = ascending(count, count)
  const seen: Seen = { changes: 0, keyCharacters: 0 }
  const end = listen(orrery, mode, count, seen)
  // Ten times as large, so other keys, with the same first digits.
  const warm = shuffled(count, SEED, count)
    .subarray(0, warmCountFor(count))
    .map((n) => n * 10)
  await writeAll(orrery, input, warm, new Latencies())
  if (mode !== "nobody") await untilSeen(seen, warm.length)
  seen.changes = 0
  seen.keyCharacters = 0
  const latencies = new Latencies()
  const watch = new PauseWatch()
  const startMs = performance.now()
  await writeAll(orrery, input, order, latencies)
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  if (mode !== "nobody") await untilSeen(seen, count)
  const behindMs = performance.now() - startMs - elapsedMs
  if (mode !== "nobody") {
    expectEqual("changes seen", seen.changes, count)
    expectEqual("characters of their keys", seen.keyCharacters, count * keyOf(count).length)
  }
  const { overflows, catchUps } = orrery.store.metrics().feed
  end()
  await orrery.close()
  return {
    numbers: {
      putsPerSecond: (count / elapsedMs) * 1000,
      cpuNsPerPut: ((pauses["threadCpuMs"] ?? Number.NaN) * 1e6) / count,
      behindMs,
      overflows,
      catchUps,
      ...latencies.summary(),
      ...pauses,
    },
  }
}

function lineOf(series: Series, nobody: Series | undefined): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const ratios = ratiosOf(nobody, series, "putsPerSecond")
  return [
    series.name,
    spread(series.values("putsPerSecond"), formatRate),
    ratios.length === 0 ? "–" : `${((medianOf(ratios) - 1) * 100).toFixed(0)} %`,
    `${series.median("cpuNsPerPut").toFixed(0)} ns`,
    formatMs(series.median("p50Ms")),
    formatMs(series.median("p99Ms")),
    formatMs(series.median("behindMs")),
    series.median("overflows").toFixed(0),
    formatMs(series.median("loopP99Ms")),
    formatMs(series.median("gcMaxMs")),
  ]
}

function costLineOf(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const nsOf = (name: string): string => spread(series.values(name), (ns) => `${ns.toFixed(0)} ns`)
  return [series.name, ...["nobodyNs", "subscriberNs", "callNs", "awaitNs"].map(nsOf)]
}

/** Nanoseconds of the thread that the subscribers add to a put, by round. */
function addedNs(series: Series | undefined, nobody: Series | undefined): number[] {
  if (series === undefined || nobody === undefined) return []
  const base = nobody.values("cpuNsPerPut")
  return series.values("cpuNsPerPut").map((ns, round) => ns - (base[round] ?? Number.NaN))
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 100_000 : 1_000_000
  const rounds = context.rounds(context.isQuick ? 3 : 5)
  const modes = ["nobody", "iterator", "batches", "observable", "prefixes"]
  const ways = [
    { name: "1,000 callers", callers: 1000, batch: 1 },
    { name: "putMany of 100, 20 callers", callers: 20, batch: 100 },
  ]
  const variants = ways.flatMap(({ name, callers, batch }) =>
    modes.map((mode): Variant => ({
      name: `${name}; ${mode}`,
      scenario: "subscribe",
      input: { count, mode, callers, batch },
    })),
  )
  const all = await interleave(context, "feed", variants, rounds, ({ numbers }) =>
    formatRate(numbers["putsPerSecond"] ?? 0),
  )
  const [nobody, iterator, batches, observable] = all
  const [nobodyMany, , , , prefixesMany] = all.slice(modes.length)
  const slower = (series: Series | undefined): number[] =>
    ratiosOf(nobody, series, "putsPerSecond").map((ratio) => (ratio - 1) * 100)
  const costVariants = ["iterator", "batches", "observable"].map((mode): Variant => ({
    name: mode,
    scenario: "cost",
    input: { count: SLICE_COUNT, mode, callers: 1000 },
  }))
  const costs = await interleave(
    context,
    "feed",
    costVariants,
    rounds,
    ({ numbers }) => `${(numbers["subscriberPercent"] ?? Number.NaN).toFixed(0)} %`,
  )
  // Where the difference drowns in noise, there is no rate to be told from it.
  const eventsPerSecond = addedNs(prefixesMany, nobodyMany).map((ns) => (ns > 0 ? 1e3 / ns : Number.NaN))
  return {
    title: "Change feed",
    setting: `${count.toLocaleString("en")} puts of W1, ${rounds} rounds; with nobody, one subscriber of everything, or 100 with a prefix each.`,
    tables: [
      {
        header: [
          "writers; subscribers",
          "puts/s: median [lowest … highest]",
          "slower by",
          "processor a put",
          "p50",
          "p99",
          "last change later by",
          "went back to the log",
          "loop p99",
          "GC max",
        ],
        rows: all.map((series, index) => lineOf(series, index < modes.length ? nobody : nobodyMany)),
      },
      {
        header: ["one subscriber, in turn with nobody", "a put", "it adds", "a call a put", "`for await` a put"],
        rows: costs.map(costLineOf),
      },
    ],
    figures: [
      figure("one subscriber (for await) costs writers", { atMost: 10, unit: " %" }, slower(iterator), 0),
      figure("one subscriber (batches) costs writers", { atMost: 10, unit: " %" }, slower(batches), 0),
      figure("one subscriber (RxJS) costs writers", { atMost: 10, unit: " %" }, slower(observable), 0),
      ...costs.map((series) =>
        figure(
          `processor time that one subscriber (${series.name}) adds to a put`,
          { atMost: 10, unit: " %" },
          series.values("subscriberPercent"),
          0,
        ),
      ),
      figure(
        "100 prefix subscribers, from the processor time that they add",
        { atLeast: 5, unit: " M events/s" },
        eventsPerSecond,
        1,
      ),
    ],
    notes: [
      "The subscribers do their work on the writers' thread, so what they do with a change counts as well.",
      ...notesOf(all),
    ],
  }
}

export const row: Row = {
  name: "feed",
  title: "What subscribers cost the writers; 100 prefix subscribers",
  estimateSeconds: (isQuick) => (isQuick ? 90 : 300),
  hasQuickSize: true,
  run,
}
