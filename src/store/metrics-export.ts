// Sends the store's numbers to an OpenTelemetry collector, as OTLP over HTTP in JSON, by Effect's exporter. A collector
// that is down, slow or refuses harms nobody: one export is under way at a time, nothing gathers meanwhile, a request has
// an end, and after four failed ones the exporter leaves the collector alone for a minute. The numbers are totals, so
// that the next export that arrives makes up for those that did not.
//
// Ends with the store. Keeps no process alive but while somebody waits for `flush` or `stop`, and while a request that
// was begun has its time.

import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Metric from "effect/Metric"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import type { HttpClient } from "effect/http/HttpClient"
import { Flusher } from "effect/observability/OtlpExporter"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import { OtlpSerialization } from "effect/observability/OtlpSerialization"
import { nodeClock } from "../platform/node/node-clock.ts"
import type { Timer } from "../platform/clock.ts"
import { effectClock } from "./effect-clock.ts"
import { MetricSeries } from "./metric-series.ts"
import { record } from "./option-checks.ts"
import type { Store } from "./store.ts"

export interface MetricsExportOptions {
  /** Where the collector takes metrics: "http://localhost:4318/v1/metrics". */
  readonly url: string
  /** Milliseconds between two exports. Default 10,000. */
  readonly intervalMs?: number
  /** Sent with every request, for a collector that asks who is there. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Who sends. What is left out comes from OTEL_SERVICE_NAME, OTEL_SERVICE_VERSION and OTEL_RESOURCE_ATTRIBUTES; the name
   * is "orrery-db" where nobody gives one.
   */
  readonly resource?: {
    readonly serviceName?: string
    readonly serviceVersion?: string
    readonly attributes?: Readonly<Record<string, string>>
  }
  /** Attributes of every series, to tell the stores of one process apart. */
  readonly labels?: Readonly<Record<string, string>>
}

/** An export under way. */
export interface MetricsExport extends AsyncDisposable {
  /** Requests that the collector took, and those that failed. */
  readonly sent: number
  readonly failures: number
  /** Exports now; resolves when that is done or was given up, after ten seconds at most. Never fails. */
  flush(): Promise<void>
  /** Exports once more, and ends; three seconds at most. Never fails; calling it again waits for the same end. */
  stop(): Promise<void>
}

const INTERVAL_MS_DEFAULT = 10_000
const SERVICE_NAME_DEFAULT = "orrery-db"

/** Milliseconds after which a request is given up, and those that whoever calls `flush` or `stop` waits. */
const REQUEST_MS_MAX = 10_000
const STOP_MS_MAX = 3_000

/**
 * Begins to export a store's metrics. Needs `store` to be open.
 *
 * Fails with: TypeError.
 *
 * ```ts
 * import { exportMetrics } from "orrery-db/observability"
 *
 * const exporter = exportMetrics(store, { url: "http://localhost:4318/v1/metrics", resource: { serviceName: "shop" } })
 * ```
 */
export function exportMetrics(store: Store, options: MetricsExportOptions): MetricsExport {
  record("options", options, ["url", "intervalMs", "headers", "resource", "labels"])
  const { url, intervalMs = INTERVAL_MS_DEFAULT, headers = {}, resource = {}, labels = {} } = options
  if (typeof url !== "string" || !/^https?:/.test(url) || !URL.canParse(url)) {
    throw new TypeError("url must be the http or https address of the collector's metrics")
  }
  if (!(Number.isSafeInteger(intervalMs) && intervalMs >= 1 && intervalMs < 2 ** 31)) {
    throw new TypeError("intervalMs must be a whole number of milliseconds from 1 to 2147483647")
  }
  record("resource", resource, ["serviceName", "serviceVersion", "attributes"])
  for (const [name, texts] of Object.entries({ headers, labels, "resource.attributes": resource.attributes ?? {} })) {
    for (const [key, text] of Object.entries(record(name, texts, Object.keys(texts)))) {
      if (typeof text !== "string") throw new TypeError(`${name}.${key} must be a string`)
    }
  }
  return new OtlpExport(store, url, intervalMs, headers, resource, labels)
}

class OtlpExport implements MetricsExport {
  sent = 0
  failures = 0
  // Constant after construction.
  readonly #store: Store
  readonly #intervalMs: number
  readonly #series: MetricSeries
  readonly #runtime: ManagedRuntime.ManagedRuntime<Flusher | HttpClient | OtlpSerialization, never>

  #isOpen = true
  #timer: Timer | undefined
  #stopped: Promise<void> | undefined

  constructor(
    store: Store,
    url: string,
    intervalMs: number,
    headers: Readonly<Record<string, string>>,
    resource: NonNullable<MetricsExportOptions["resource"]>,
    labels: Readonly<Record<string, string>>,
  ) {
    this.#store = store
    this.#intervalMs = intervalMs
    this.#series = new MetricSeries(labels)
    const { serviceName, serviceVersion, attributes } = resource
    // By hand instead of by the exporter's own interval, so that the numbers are taken at the moment of the export.
    const exporter = OtlpMetrics.layer({
      url,
      headers,
      resource: { serviceName, serviceVersion, attributes: { ...attributes } },
      exportInterval: Infinity,
      shutdownTimeout: STOP_MS_MAX,
    })
    this.#runtime = ManagedRuntime.make(exporter.pipe(Layer.provideMerge(this.#surroundings())))
    store.events().subscribe({
      next: (event) => {
        const isEnding = event.kind === "status" && (event.state === "closing" || event.state === "closed")
        if (!isEnding) return
        // The last moment at which all parts of the store are there to be counted.
        if (event.state === "closing") this.#take()
        this.#isOpen = false
      },
      complete: () => void this.stop(),
    })
    this.#take()
    this.#arm()
  }

  async flush(): Promise<void> {
    await waitedFor(this.#export())
  }

  stop(): Promise<void> {
    this.#stopped ??= waitedFor(this.#stop())
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    this.#timer?.cancel()
    this.#take()
    // Exporting once more is what the exporter does at its end, if it was ever begun.
    await this.#runtime.runPromise(Effect.void)
    await this.#runtime.dispose()
  }

  async #export(): Promise<void> {
    if (this.#stopped !== undefined) return this.#stopped
    this.#take()
    const flush = Flusher.pipe(Effect.flatMap((flusher) => flusher.flush))
    // It fails with nothing, and is interrupted where `stop` overtakes it: that one exports instead.
    await this.#runtime.runPromiseExit(Effect.timeoutOption(flush, REQUEST_MS_MAX))
  }

  #take(): void {
    if (this.#isOpen) this.#series.take(this.#store.metrics())
  }

  #arm(): void {
    this.#timer = nodeClock.after(this.#intervalMs, () => {
      void this.#export().finally(() => {
        if (this.#stopped === undefined) this.#arm()
      })
    })
  }

  /** What the exporter runs in: its own registry, a clock that holds nobody, requests that are counted and have an end. */
  #surroundings(): Layer.Layer<HttpClient | OtlpSerialization> {
    const fallback = ConfigProvider.fromUnknown({ OTEL_SERVICE_NAME: SERVICE_NAME_DEFAULT })
    const references = Context.make(Metric.MetricRegistry, this.#series.registry).pipe(
      Context.add(Clock.Clock, effectClock(nodeClock)),
      Context.add(FetchHttpClient.Fetch, this.#fetch),
      Context.add(ConfigProvider.ConfigProvider, ConfigProvider.orElse(ConfigProvider.fromEnv(), fallback)),
      Context.add(OtlpSerialization, this.#serialization()),
    )
    return FetchHttpClient.layer.pipe(Layer.provideMerge(Layer.succeedContext(references)))
  }

  readonly #fetch: typeof fetch = async (input, init) => {
    const end = new AbortController()
    nodeClock.after(REQUEST_MS_MAX, () => end.abort())
    const signal = init?.signal ? AbortSignal.any([end.signal, init.signal]) : end.signal
    try {
      const response = await fetch(input, { ...init, signal })
      if (response.ok) this.sent++
      else this.failures++
      return response
    } catch (error) {
      this.failures++
      throw error
    }
  }

  /** As JSON, with what Effect's metrics do not know: their units, and that nobody measures the least of the durations. */
  #serialization(): OtlpSerialization["Service"] {
    return {
      metrics: ({ resourceMetrics }) => {
        const metrics = resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
        for (const metric of metrics) {
          metric.unit = this.#series.unitOf(metric.name) ?? "1"
          for (const point of metric.histogram?.dataPoints ?? []) delete point.min
        }
        return HttpBody.text(JSON.stringify({ resourceMetrics }), "application/json")
      },
      traces: () => HttpBody.empty,
      logs: () => HttpBody.empty,
    }
  }
}

/** Keeps the process alive until the work is done: somebody waits for it. */
async function waitedFor(work: Promise<void>): Promise<void> {
  const held = nodeClock.after(REQUEST_MS_MAX + STOP_MS_MAX, () => undefined, true)
  try {
    await work
  } finally {
    held.cancel()
  }
}
