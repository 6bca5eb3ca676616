// The metrics as Prometheus reads them.

import { expect, test } from "vitest"
import { prometheusText } from "../../src/index.ts"
import { temporaryStore } from "./temporary-store.ts"

/** Samples by name and labels, as the format has them. */
function parsed(text: string): { readonly types: Map<string, string>; readonly samples: Map<string, number> } {
  const types = new Map<string, string>()
  const samples = new Map<string, number>()
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE ([a-z][a-z0-9_]*) (counter|gauge|histogram)$/.exec(line)
    const sample = /^([a-z][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$/.exec(line)
    if (type?.[1] !== undefined) types.set(type[1], type[2] as string)
    else if (sample?.[1] !== undefined && types.has(sample[1].replace(/_(bucket|sum|count)$/, ""))) {
      samples.set(`${sample[1]}${sample[2] ?? ""}`, Number(sample[3]))
    } else throw new Error(`not in the format, or without a type: ${line}`)
  }
  return { types, samples }
}

test("every metric is there, in the format, once, with its value and type", async () => {
  const store = await temporaryStore({ shards: 2 })
  const table = store.table<number>("t")
  await table.putMany(Array.from({ length: 100 }, (_, n) => [`k${n}`, n] as const))
  table.get("k1")
  await store.checkpoint()
  await store.killActor("store/shards/shard-1", new Error("test"))
  await store.ready()
  // The supervisor tells of the restart when it is over.
  while (Object.keys(store.metrics().actors.restarts).length === 0)
    await new Promise((resolve) => setImmediate(resolve))
  const metrics = store.metrics()
  const { types, samples } = parsed(prometheusText(metrics))
  expect(samples.get("orrery_operations_puts_total")).toBe(100)
  expect(samples.get("orrery_operations_gets_total")).toBe(1)
  expect(samples.get("orrery_tables_records")).toBe(100)
  expect(samples.get("orrery_checkpoint_made_total")).toBe(1)
  expect(samples.get("orrery_checkpoint_last_records")).toBe(100)
  expect(samples.get("orrery_flush_latency_ms_p99")).toBe(metrics.flush.latencyMs.p99)
  expect(samples.get('orrery_shard_rebuilds_total{shard="1"}')).toBe(1)
  expect(samples.get('orrery_shard_up{shard="0"}')).toBe(1)
  expect(samples.get('orrery_actors_restarts_total{actor="store/shards/shard-1"}')).toBe(1)
  expect(types.get("orrery_operations_puts_total")).toBe("counter")
  expect(types.get("orrery_tables_records")).toBe("gauge")
  const leaves = (value: unknown): number =>
    typeof value === "object" && value !== null
      ? Object.values(value).reduce((sum: number, part) => sum + leaves(part), 0)
      : Number(typeof value === "number" || typeof value === "boolean")
  // The histogram: its buckets and one without a bound, sum and count. Of each rule: a sample for each severity.
  const { latencyHistogram, ...flush } = metrics.flush
  const { rules } = metrics.alerts
  expect(samples.size).toBe(
    leaves({ ...metrics, flush }) + latencyHistogram.buckets.length + 3 + Object.keys(rules).length * 2,
  )
})

test("the durations of flushes are a histogram, as the format has it", async () => {
  const store = await temporaryStore({ shards: 1 })
  for (let n = 0; n < 20; n++) await store.table("t").put("a", n)
  const { latencyHistogram } = store.metrics().flush
  const { samples, types } = parsed(prometheusText(store.metrics(), { store: "s" }))
  expect(types.get("orrery_flush_latency_ms")).toBe("histogram")
  const found = [...samples].filter(([name]) => name.startsWith("orrery_flush_latency_ms_bucket{"))
  const bounds = found.map(([name]) => /le="([^"]+)"/.exec(name)?.[1])
  expect(bounds).toEqual([...latencyHistogram.buckets.map(({ upToMs }) => String(upToMs)), "+Inf"])
  const counts = found.map(([, value]) => value)
  expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  expect(counts.at(-1)).toBe(latencyHistogram.count)
  expect(latencyHistogram.count).toBeGreaterThanOrEqual(20)
  expect(samples.get('orrery_flush_latency_ms_count{store="s"}')).toBe(latencyHistogram.count)
  expect(samples.get('orrery_flush_latency_ms_sum{store="s"}')).toBe(latencyHistogram.sumMs)
  expect(latencyHistogram.sumMs).toBeGreaterThan(0)
})

test("an alert is 1 where it stands, and 0 for every other rule and severity", async () => {
  const store = await temporaryStore({ shards: 1 })
  const metrics = store.metrics()
  const rules = { ...metrics.alerts.rules, disk: "critical" as const }
  const { samples } = parsed(prometheusText({ ...metrics, alerts: { warning: 0, critical: 1, rules } }))
  const alerts = [...samples].filter(([name]) => name.startsWith("orrery_alert{"))
  expect(alerts.length).toBe(20)
  expect(alerts.filter(([, value]) => value === 1).map(([name]) => name)).toEqual([
    'orrery_alert{rule="disk",severity="critical"}',
  ])
})

test("labels are given to every sample, and escaped", async () => {
  const store = await temporaryStore({ shards: 1 })
  const text = prometheusText(store.metrics(), { store: 'a "b"\\c\nd' })
  const { samples } = parsed(text)
  for (const name of samples.keys()) expect(name).toContain('store="a \\"b\\"\\\\c\\nd"')
})
