// The change feed: what subscribers cost the writers of a whole store, everything in one thread, as in an application.
//
//   nobody         no subscriber
//   iterator       one, by `for await`, of everything
//   observable     one, by RxJS, of everything
//   prefixes       100, by RxJS, each of a prefix of its own; every change matches exactly one
//
// Each subscriber looks at the key and the kind of every change, and none may be missing in the end.

import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { figure, formatMs, formatRate } from "./report.ts"
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

const PREFIX_COUNT = 100
/** How long after the last put its change may come. */
const LATE_MS_MAX = 60_000

export const scenarios: Scenarios = { subscribe }

/** What a subscriber has seen. */
interface Seen {
  changes: number
  keyCharacters: number
}

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

async function writeAll(
  orrery: OrreryStore,
  { callers, batch }: ScenarioInput,
  order: Uint32Array,
  latencies: Latencies,
): Promise<void> {
  if (batch > 1) {
    const write = (index: number): Promise<unknown> =>
      orrery.putMany(entriesOf(order, index * batch, Math.min(order.length, (index + 1) * batch)))
    return runCallers(callers, Math.ceil(order.length / batch), write, latencies)
  }
  const write = (index: number): Promise<unknown> => {
    const n = order[index] as number
    return orrery.put(keyOf(n), recordOf(n))
  }
  return runCallers(callers, order.length, write, latencies)
}

async function untilSeen(seen: Seen, count: number): Promise<void> {
  const startMs = performance.now()
  while (seen.changes < count) {
    if (performance.now() - startMs > LATE_MS_MAX)
      throw new Error(`${seen.changes} of ${count} changes arrived in time`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Subscribes, and returns what ends the subscriptions. */
function listen({ store, users }: OrreryStore, mode: string, count: number, seen: Seen): () => void {
  const look = ({ kind, key }: { readonly kind: string; readonly key: string }): void => {
    if (kind === "put") seen.changes++
    seen.keyCharacters += key.length
  }
  if (mode === "nobody") return () => undefined
  if (mode === "iterator") {
    const stream = store.changes()
    void (async () => {
      for await (const { changes } of stream) for (const change of changes) look(change)
    })()
    return () => stream.close()
  }
  const prefixes =
    mode === "prefixes"
      ? Array.from(
          { length: PREFIX_COUNT },
          (_, index) => keyOf(count).slice(0, "user:1".length) + String(index).padStart(2, "0"),
        )
      : [""]
  const subscriptions = prefixes.map((prefix) =>
    users
      .changes(prefix === "" ? {} : { prefix })
      .observable()
      .subscribe(({ changes }) => {
        for (const change of changes) look(change)
      }),
  )
  return () => subscriptions.forEach((subscription) => subscription.unsubscribe())
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

/** Nanoseconds of the thread that the subscribers add to a put, by round. */
function addedNs(series: Series | undefined, nobody: Series | undefined): number[] {
  if (series === undefined || nobody === undefined) return []
  const base = nobody.values("cpuNsPerPut")
  return series.values("cpuNsPerPut").map((ns, round) => ns - (base[round] ?? Number.NaN))
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 100_000 : 1_000_000
  const rounds = context.rounds(context.isQuick ? 3 : 5)
  const modes = ["nobody", "iterator", "observable", "prefixes"]
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
  const [nobody, iterator, observable] = all
  const [nobodyMany, , , prefixesMany] = all.slice(modes.length)
  const cost = (series: Series | undefined): number[] =>
    ratiosOf(nobody, series, "putsPerSecond").map((ratio) => (ratio - 1) * 100)
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
    ],
    figures: [
      figure("one subscriber (for await) costs writers", { atMost: 10, unit: " %" }, cost(iterator), 0),
      figure("one subscriber (RxJS) costs writers", { atMost: 10, unit: " %" }, cost(observable), 0),
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
  estimateSeconds: (isQuick) => (isQuick ? 25 : 150),
  hasQuickSize: true,
  run,
}
