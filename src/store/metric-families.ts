// The store's numbers as families, for those who hand them on to others (Prometheus, OpenTelemetry): each number by its
// place in `store.metrics()`, with what tells its samples apart. The one walk over the metrics: whoever writes a format
// decides about spelling and nothing else.

import type { StoreMetrics } from "./metrics.ts"

/** One number, or one number of each shard, actor or rule. */
export interface MetricFamily {
  /** Words in lower case, from the group to the number: ["flush", "latency_ms", "p99"]. */
  readonly path: readonly string[]
  /** A counter only rises while the store is open. */
  readonly kind: "counter" | "gauge"
  readonly samples: readonly MetricSample[]
}

export interface MetricSample {
  /** What tells the sample apart from others of its family: { shard: "1" }. */
  readonly attributes: Readonly<Record<string, string>>
  readonly value: number
}

/** Families that only rise while the store is open, by their path with underscores. */
const COUNTERS: ReadonlySet<string> = new Set([
  "log_rotations",
  "checkpoint_made",
  "checkpoint_failures",
  "checkpoint_workers_lost",
  "checkpoint_written_bytes",
  "checkpoint_returned_bytes",
  "flush_flushes",
  "flush_syncs",
  "flush_bytes",
  "flush_commits",
  "merkle_taken_records",
  "merkle_builds",
  "merkle_recorded_roots",
  "tables_moved_records",
  "tables_returned_bytes",
  "operations_puts",
  "operations_deletes",
  "operations_batches",
  "operations_rejected",
  "operations_gets",
  "operations_hits",
  "compression_compressed",
  "compression_incompressible",
  "compression_bytes_before",
  "compression_bytes_after",
  "indexes_builds",
  "indexes_violations",
  "snapshots_expired",
  "snapshots_leaked",
  "transactions_committed",
  "transactions_retried",
  "transactions_failed",
  "prepared_committed",
  "prepared_aborted",
  "consumers_processed",
  "consumers_retries",
  "consumers_dead_letters",
  "views_changes",
  "views_built_records",
  "views_builds",
  "live_starts",
  "live_failed",
  "expiry_expired",
  "metadata_sampled",
  "metadata_shed",
  "metadata_batches",
  "metadata_busy_ms",
  "metadata_failures",
  "metadata_restarts",
  "actors_recoveries",
  "actors_restarts",
  "shard_rebuilds",
])

/** Every number of the metrics, once. */
export function metricFamilies(metrics: StoreMetrics): readonly MetricFamily[] {
  const families: MetricFamily[] = []
  const add = (path: readonly string[], samples: readonly MetricSample[]): void => {
    families.push({ path, kind: COUNTERS.has(path.join("_")) ? "counter" : "gauge", samples })
  }
  for (const [group, numbers] of Object.entries(metrics)) {
    if (group === "shards" || group === "actors") continue
    for (const [path, value] of leavesOf(numbers, [snake(group)])) add(path, [{ attributes: {}, value }])
  }
  const { actors, shards } = metrics
  add(["actors", "recoveries"], [{ attributes: {}, value: actors.recoveries }])
  add(
    ["actors", "restarts"],
    Object.entries(actors.restarts).map(([actor, value]) => ({ attributes: { actor }, value })),
  )
  const ofShards = (value: (shard: StoreMetrics["shards"][number]) => number): MetricSample[] =>
    shards.map((shard, index) => ({ attributes: { shard: String(index) }, value: value(shard) }))
  add(
    ["shard", "records"],
    ofShards(({ records }) => records),
  )
  add(
    ["shard", "live_bytes"],
    ofShards(({ liveBytes }) => liveBytes),
  )
  add(
    ["shard", "allocated_bytes"],
    ofShards(({ allocatedBytes }) => allocatedBytes),
  )
  add(
    ["shard", "up"],
    ofShards(({ isUp }) => (isUp ? 1 : 0)),
  )
  add(
    ["shard", "rebuilds"],
    ofShards(({ rebuilds }) => rebuilds),
  )
  add(
    ["alert"],
    Object.entries(metrics.alerts.rules).flatMap(([rule, standing]) =>
      ["warning", "critical"].map((severity) => ({
        attributes: { rule, severity },
        value: Number(standing === severity),
      })),
    ),
  )
  return families
}

/** Every number below a value, by its path. A distribution is no number: the formats that know them have them apart. */
function* leavesOf(value: unknown, path: readonly string[]): Generator<[readonly string[], number], undefined> {
  if (typeof value === "number") yield [path, value]
  else if (typeof value === "object" && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      if (name !== "latencyHistogram") yield* leavesOf(part, [...path, snake(name)])
    }
  }
  return undefined
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
