// The store's metrics as a collector of OpenTelemetry gets them, and what becomes of the export when nobody is there.
// What it does to the end of a process: test/processes/metrics-export.test.ts.

import { expect, onTestFinished, test, vi } from "vitest"
import { prometheusText } from "../../src/index.ts"
import type { Store, StoreMetrics } from "../../src/index.ts"
import { exportMetrics } from "../../src/observability.ts"
import type { MetricsExport, MetricsExportOptions } from "../../src/observability.ts"
import { startCollector } from "./collector.ts"
import type { Attribute, SentMetric, SentRequest } from "./collector.ts"
import { temporaryStore } from "./temporary-store.ts"

function exporting(store: Store, options: MetricsExportOptions): MetricsExport {
  const exporter = exportMetrics(store, { intervalMs: 3_600_000, ...options })
  onTestFinished(() => exporter.stop())
  return exporter
}

const textsOf = (attributes: readonly Attribute[]): Record<string, string | undefined> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))

/** Every number that was sent, by the name and labels that it has for Prometheus. */
function numbersIn({ metrics }: SentRequest): Map<string, number | undefined> {
  const numbers = new Map<string, number | undefined>()
  for (const { name, gauge, sum } of metrics) {
    for (const { attributes, asDouble } of gauge?.dataPoints ?? sum?.dataPoints ?? []) {
      const labels = Object.entries(textsOf(attributes)).map(([key, text]) => `${key}="${text}"`)
      const family = `${name.replaceAll(".", "_")}${sum === undefined ? "" : "_total"}`
      numbers.set(labels.length === 0 ? family : `${family}{${labels.join(",")}}`, asDouble)
    }
  }
  return numbers
}

/** The same of the text for Prometheus, without its histogram. */
function numbersOf(metrics: StoreMetrics): Map<string, number> {
  const samples = prometheusText(metrics)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))] as const)
  return new Map(samples.filter(([name]) => !/^orrery_flush_latency_ms_(bucket|sum|count)/.test(name)))
}

function metricIn(request: SentRequest | undefined, name: string): SentMetric {
  const metric = request?.metrics.find((candidate) => candidate.name === name)
  if (metric === undefined) throw new Error(`no metric ${name}`)
  return metric
}

/** Numbers that stand still: without those that the mere passing of time, or the test's own call, changes. */
const MOVING = /_age_ms|event_loop|resident_bytes/

test("every number of the store arrives, once, with its kind, its unit and what tells it apart", async () => {
  const store = await temporaryStore({ shards: 2 })
  await store.table("t").putMany(Array.from({ length: 100 }, (_, n) => [`k${n}`, n] as const))
  await store.checkpoint()
  await store.killActor("store/shards/shard-1", new Error("test"))
  await store.ready()
  await vi.waitFor(() => expect(store.metrics().actors.restarts).not.toEqual({}))
  const collector = await startCollector()
  await exporting(store, { url: collector.url }).flush()
  const [request] = collector.requests
  const sent = numbersIn(request as SentRequest)
  const metrics = store.metrics()
  const expected = numbersOf(metrics)
  expect([...sent.keys()].toSorted()).toEqual([...expected.keys()].toSorted())
  const still = (numbers: Map<string, unknown>): unknown =>
    Object.fromEntries([...numbers].filter(([name]) => !MOVING.test(name)))
  expect(still(sent)).toEqual(still(expected))
  expect(expected.get("orrery_operations_puts_total")).toBe(100)
  expect(expected.get('orrery_shard_rebuilds_total{shard="1"}')).toBe(1)

  const puts = metricIn(request, "orrery.operations.puts")
  expect(puts).toMatchObject({ unit: "{puts}", sum: { isMonotonic: true, aggregationTemporality: 2 } })
  const [point] = puts.sum?.dataPoints ?? []
  expect(BigInt(point?.timeUnixNano ?? 0)).toBeGreaterThanOrEqual(BigInt(point?.startTimeUnixNano ?? 0))
  expect(Math.abs(Number(point?.timeUnixNano) / 1e6 - Date.now())).toBeLessThan(60_000)
  expect(metricIn(request, "orrery.log.bytes")).toMatchObject({ unit: "By", gauge: { dataPoints: [{}] } })
  expect(metricIn(request, "orrery.flush.latency_ms.p99")).toMatchObject({ unit: "ms" })

  const flushes = metricIn(request, "orrery.flush.latency_ms").histogram
  const [spread] = flushes?.dataPoints ?? []
  const { count, sumMs, buckets } = metrics.flush.latencyHistogram
  expect(flushes?.aggregationTemporality).toBe(2)
  expect(spread).toMatchObject({ count, sum: sumMs, explicitBounds: buckets.map(({ upToMs }) => upToMs) })
  expect(spread).not.toHaveProperty("min")
  expect(spread?.bucketCounts?.reduce((sum, part) => sum + part, 0)).toBe(count)
  expect(count).toBeGreaterThan(0)
})

test("the resource, the headers and the labels are those that were given, and have defaults", async () => {
  const store = await temporaryStore()
  const collector = await startCollector()
  const resource = { serviceName: "shop", serviceVersion: "1.2.3", attributes: { "deployment.environment": "test" } }
  const exporter = exporting(store, {
    url: collector.url,
    headers: { authorization: "Bearer token" },
    resource,
    labels: { store: "users" },
  })
  await exporter.flush()
  await exporting(store, { url: collector.url }).flush()
  const [full, plain] = collector.requests
  expect(full?.path).toBe("/v1/metrics")
  expect(full?.headers).toMatchObject({ authorization: "Bearer token", "content-type": "application/json" })
  expect(textsOf(full?.resource ?? [])).toMatchObject({
    "service.name": "shop",
    "service.version": "1.2.3",
    "deployment.environment": "test",
  })
  expect(textsOf(plain?.resource ?? [])).toMatchObject({ "service.name": "orrery-db" })
  const labels = (name: string): unknown =>
    metricIn(full, name).gauge?.dataPoints.map(({ attributes }) => textsOf(attributes)["store"])
  expect(labels("orrery.tables.records")).toEqual(["users"])
  expect(labels("orrery.shard.up")).toEqual(Array.from({ length: 8 }, () => "users"))
  expect({ sent: exporter.sent, failures: exporter.failures }).toEqual({ sent: 1, failures: 0 })
})

test("what the resource leaves out comes from the environment, as for every other exporter", async () => {
  vi.stubEnv("OTEL_SERVICE_NAME", "from the environment")
  vi.stubEnv("OTEL_RESOURCE_ATTRIBUTES", "team=data")
  onTestFinished(() => void vi.unstubAllEnvs())
  const store = await temporaryStore()
  const collector = await startCollector()
  await exporting(store, { url: collector.url, resource: { serviceVersion: "7" } }).flush()
  expect(textsOf(collector.requests[0]?.resource ?? [])).toMatchObject({
    "service.name": "from the environment",
    "service.version": "7",
    team: "data",
  })
})

test("it exports by itself at its interval, each time the numbers of that moment", async () => {
  const store = await temporaryStore()
  const collector = await startCollector()
  const table = store.table("t")
  exporting(store, { url: collector.url, intervalMs: 5 })
  await vi.waitFor(() => expect(collector.requests.length).toBeGreaterThan(1))
  await table.put("a", 1)
  const putsIn = (request: SentRequest | undefined): number | undefined =>
    metricIn(request, "orrery.operations.puts").sum?.dataPoints[0]?.asDouble
  expect(putsIn(collector.requests[0])).toBe(0)
  await vi.waitFor(() => expect(putsIn(collector.requests.at(-1))).toBe(1))
})

test("it ends with the store, with the last numbers before, and leaves the collector alone then", async () => {
  const store = await temporaryStore()
  const collector = await startCollector()
  const exporter = exporting(store, { url: collector.url, intervalMs: 20 })
  await store.table("t").put("a", 1)
  await store.close()
  await exporter.stop()
  const count = collector.requests.length
  const numbers = numbersIn(collector.requests.at(-1) as SentRequest)
  expect(numbers.get("orrery_operations_puts_total")).toBe(1)
  expect(numbers.get("orrery_tables_records")).toBe(1)
  expect(numbers.get("orrery_log_last_lsn")).toBe(2)
  await exporter.flush()
  expect(collector.requests).toHaveLength(count)
})

test("counters go on rising over a recovery of the log, at which the store begins to count anew", async () => {
  const store = await temporaryStore()
  const collector = await startCollector()
  const exporter = exporting(store, { url: collector.url })
  for (let n = 0; n < 5; n++) await store.table("t").put("a", n)
  await exporter.flush()
  await store.killActor("store/log/wal-writer", new Error("test"))
  await store.ready()
  await store.table("t").put("b", 1)
  expect(store.metrics().flush.commits).toBe(1)
  await exporter.flush()
  const commits = collector.requests.map((request) => numbersIn(request).get("orrery_flush_commits_total"))
  expect(commits).toEqual([5, 6])
})

test.each([
  ["answers with 500", 500],
  ["refuses with 401", 401],
])("a collector that %s harms nobody, and is counted", async (_, status) => {
  const store = await temporaryStore()
  const collector = await startCollector()
  collector.status = status
  const exporter = exporting(store, { url: collector.url })
  const flushed = exporter.flush()
  await store.table("t").put("a", 1)
  await vi.waitFor(() => expect(exporter.failures).toBeGreaterThan(0))
  await exporter.stop()
  await flushed
  expect(exporter.sent).toBe(0)
  expect(store.status.state).toBe("open")
})

test("a collector that is not there, or never answers, delays the end by three seconds at most", async () => {
  const store = await temporaryStore()
  const collector = await startCollector()
  collector.status = undefined
  const silent = exporting(store, { url: collector.url })
  const absent = exporting(store, { url: "http://127.0.0.1:1/v1/metrics" })
  const startMs = performance.now()
  await Promise.all([silent.stop(), absent.stop(), store.close()])
  expect(performance.now() - startMs).toBeLessThan(8_000)
  expect(absent.failures).toBeGreaterThan(0)
  expect(silent.sent).toBe(0)
})

test("wrong options are refused before anything is begun", async () => {
  const store = await temporaryStore()
  const url = "http://127.0.0.1:1/v1/metrics"
  const wrong: readonly [unknown, RegExp][] = [
    [{}, /url must be/],
    [{ url: "localhost:4318" }, /url must be/],
    [{ url, intervalMs: 0 }, /intervalMs must be/],
    [{ url, interval: 5 }, /options has no "interval"/],
    [{ url, resource: { name: "x" } }, /resource has no "name"/],
    [{ url, labels: { store: 1 } }, /labels.store must be a string/],
    [{ url, headers: { a: undefined } }, /headers.a must be a string/],
  ]
  for (const [options, message] of wrong) {
    expect(() => exportMetrics(store, options as MetricsExportOptions), JSON.stringify(options)).toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringMatching(message) }),
    )
  }
})
