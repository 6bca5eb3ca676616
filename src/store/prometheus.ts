// The store's numbers as Prometheus reads them (text exposition format 0.0.4): one gauge or counter each, named after its
// place in `store.metrics()`.

import { metricFamilies } from "./metric-families.ts"
import type { StoreMetrics } from "./metrics.ts"

/** The metrics as text, one family a number, with the given labels on every sample. */
export function prometheusText(metrics: StoreMetrics, labels: Readonly<Record<string, string>> = {}): string {
  const lines: string[] = []
  for (const { path, kind, samples } of metricFamilies(metrics)) {
    const family = `orrery_${path.join("_")}${kind === "counter" ? "_total" : ""}`
    lines.push(`# TYPE ${family} ${kind}`)
    for (const { attributes, value } of samples)
      lines.push(`${family}${labelText({ ...labels, ...attributes })} ${value}`)
  }
  lines.push(...histogramLines("orrery_flush_latency_ms", metrics.flush.latencyHistogram, labels))
  return `${lines.join("\n")}\n`
}

/** How flushes are spread over their durations: cumulative, as the format wants it. */
function histogramLines(
  family: string,
  { buckets, count, sumMs }: StoreMetrics["flush"]["latencyHistogram"],
  labels: Readonly<Record<string, string>>,
): readonly string[] {
  const bucket = (le: string, value: number): string => `${family}_bucket${labelText({ ...labels, le })} ${value}`
  return [
    `# TYPE ${family} histogram`,
    ...buckets.map(({ upToMs, count: upTo }) => bucket(String(upToMs), upTo)),
    bucket("+Inf", count),
    `${family}_sum${labelText(labels)} ${sumMs}`,
    `${family}_count${labelText(labels)} ${count}`,
  ]
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
}
