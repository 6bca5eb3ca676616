// The metrics as Prometheus reads them.

import { expect, test } from "vitest"
import { prometheusText } from "../../src/index.ts"
import { temporaryStore } from "./temporary-store.ts"

/** Samples by name and labels, as the format has them. */
function parsed(text: string): { readonly types: Map<string, string>; readonly samples: Map<string, number> } {
  const types = new Map<string, string>()
  const samples = new Map<string, number>()
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE ([a-z][a-z0-9_]*) (counter|gauge)$/.exec(line)
    const sample = /^([a-z][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$/.exec(line)
    if (type?.[1] !== undefined) types.set(type[1], type[2] as string)
    else if (sample?.[1] !== undefined && types.has(sample[1])) {
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
  expect(samples.size).toBe(leaves(metrics))
})

test("labels are given to every sample, and escaped", async () => {
  const store = await temporaryStore({ shards: 1 })
  const text = prometheusText(store.metrics(), { store: 'a "b"\\c\nd' })
  const { samples } = parsed(text)
  for (const name of samples.keys()) expect(name).toContain('store="a \\"b\\"\\\\c\\nd"')
})
