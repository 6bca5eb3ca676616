// The store's numbers as series of Effect's metric registry: one of its own, so that they do not mix with the user's.
// They stand still between two calls of `take`: whoever exports them sees one moment of the store, not several.

import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { metricFamilies } from "./metric-families.ts"
import type { MetricFamily, MetricSample } from "./metric-families.ts"
import type { StoreMetrics } from "./metrics.ts"

/** Series begin with it: "orrery.flush.latency_ms.p99". */
const NAME_PREFIX = "orrery."

export class MetricSeries {
  readonly registry: Context.Service.Shape<typeof Metric.MetricRegistry> = new Map()
  readonly #context: Context.Context<never> = Context.make(Metric.MetricRegistry, this.registry)
  readonly #attributes: Readonly<Record<string, string>>
  readonly #units: Map<string, string> = new Map()
  readonly #counters: Map<string, Counter> = new Map()

  /** `attributes`: on every series. */
  constructor(attributes: Readonly<Record<string, string>>) {
    this.#attributes = attributes
  }

  /** Replaces what the series show. */
  take(metrics: StoreMetrics): void {
    for (const family of metricFamilies(metrics)) {
      const name = nameOf(family.path)
      this.#units.set(name, unitOf(family.path))
      for (const sample of family.samples) this.#show(name, family.kind, sample)
    }
    this.#showFlushes(metrics.flush)
  }

  /** The unit of a series, as UCUM writes it. */
  unitOf(name: string): string | undefined {
    return this.#units.get(name)
  }

  #show(name: string, kind: MetricFamily["kind"], { attributes, value }: MetricSample): void {
    const options = { attributes: { ...this.#attributes, ...attributes } }
    if (kind === "gauge") {
      const state = { value }
      Metric.registerUnsafe(Metric.gauge(name, options), this.#context, shownAs(state))
      return
    }
    const key = JSON.stringify([name, attributes])
    const counter = this.#counters.get(key) ?? new Counter()
    this.#counters.set(key, counter)
    const state = { count: counter.rise(value), incremental: true }
    Metric.registerUnsafe(Metric.counter(name, { ...options, incremental: true }), this.#context, shownAs(state))
  }

  #showFlushes({ latencyHistogram, latencyMs }: StoreMetrics["flush"]): void {
    const { buckets, count, sumMs } = latencyHistogram
    const name = nameOf(["flush", "latency_ms"])
    this.#units.set(name, "ms")
    const boundaries = buckets.map(({ upToMs }) => upToMs)
    const state = {
      buckets: buckets.map(({ upToMs, count: upTo }): [number, number] => [upToMs, upTo]),
      count,
      sum: sumMs,
      min: 0,
      max: latencyMs.max,
    }
    const metric = Metric.histogram(name, { boundaries, attributes: this.#attributes })
    Metric.registerUnsafe(metric, this.#context, shownAs(state))
  }
}

/** Rises for as long as it is exported, also over a recovery of the log, at which some of the store's numbers begin anew. */
class Counter {
  #total = 0
  #last = 0

  rise(value: number): number {
    this.#total += value >= this.#last ? value - this.#last : value
    this.#last = value
    return this.#total
  }
}

/** Replaces the series of that name and attributes. Nobody may change it by way of Effect. */
function shownAs<State>(state: State): Metric.Metric.Hooks<number, State> {
  return { get: () => state, update: () => undefined, modify: () => undefined }
}

function nameOf(path: readonly string[]): string {
  return NAME_PREFIX + path.join(".")
}

/** By the words of the path. What is neither bytes nor milliseconds is counted: UCUM's annotation says what. */
function unitOf(path: readonly string[]): string {
  const words = path.flatMap((part) => part.split("_"))
  if (words.includes("bytes")) return "By"
  if (words.includes("ms")) return "ms"
  return words.includes("redundancy") ? "1" : `{${path.at(-1)}}`
}
