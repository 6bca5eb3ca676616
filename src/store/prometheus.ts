// The store's numbers as Prometheus reads them (text exposition format 0.0.4): one gauge or counter each, named after its
// place in `store.metrics()`.

import type { StoreMetrics } from "./metrics.ts"

/** Names of numbers that only rise while the store is open. */
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
  "tables_moved_records",
  "tables_returned_bytes",
  "operations_puts",
  "operations_deletes",
  "operations_batches",
  "operations_rejected",
  "operations_gets",
  "operations_hits",
  "actors_recoveries",
  "actors_restarts",
  "shard_rebuilds",
])

/** The metrics as text, one family a number, with the given labels on every sample. */
export function prometheusText(metrics: StoreMetrics, labels: Readonly<Record<string, string>> = {}): string {
  const lines: string[] = []
  const add = (name: string, samples: readonly (readonly [Readonly<Record<string, string>>, number])[]): void => {
    const family = `orrery_${name}${COUNTERS.has(name) ? "_total" : ""}`
    lines.push(`# TYPE ${family} ${COUNTERS.has(name) ? "counter" : "gauge"}`)
    for (const [own, value] of samples) lines.push(`${family}${labelText({ ...labels, ...own })} ${value}`)
  }
  for (const [group, numbers] of Object.entries(metrics)) {
    if (group === "shards" || group === "actors") continue
    for (const [name, value] of leavesOf(numbers, snake(group))) add(name, [[{}, value]])
  }
  const { actors, shards } = metrics
  add("actors_recoveries", [[{}, actors.recoveries]])
  add(
    "actors_restarts",
    Object.entries(actors.restarts).map(([actor, count]) => [{ actor }, count]),
  )
  const ofShards = (value: (shard: StoreMetrics["shards"][number]) => number): [Record<string, string>, number][] =>
    shards.map((shard, index) => [{ shard: String(index) }, value(shard)])
  add(
    "shard_records",
    ofShards(({ records }) => records),
  )
  add(
    "shard_up",
    ofShards(({ isUp }) => (isUp ? 1 : 0)),
  )
  add(
    "shard_rebuilds",
    ofShards(({ rebuilds }) => rebuilds),
  )
  return `${lines.join("\n")}\n`
}

/** Every number below a value, by its path. */
function* leavesOf(value: unknown, path: string): Generator<[string, number], undefined> {
  if (typeof value === "number") yield [path, value]
  else if (typeof value === "object" && value !== null) {
    for (const [name, part] of Object.entries(value)) yield* leavesOf(part, `${path}_${snake(name)}`)
  }
  return undefined
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
}
