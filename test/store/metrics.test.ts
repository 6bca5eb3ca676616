// A number that nothing can change is a defect: every one of them moves under a workload that should move it.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { delayed } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

/** What only misbehaving subscribers change: test/streams shows it. */
const SHOWN_IN_STREAMS = ["feed.overflows", "feed.failures", "feed.observerErrors"]
/** What only another thread changes: test/processes/checkpoint-worker.test.ts shows it. */
const SHOWN_WITH_WORKERS = ["checkpoint.workersLost"]

/** Every number and flag, by its path. */
function leavesOf(value: unknown, path = ""): Map<string, number | boolean> {
  if (typeof value === "number" || typeof value === "boolean") return new Map([[path, value]])
  if (typeof value !== "object" || value === null) return new Map()
  return new Map(
    Object.entries(value).flatMap(([name, part]) => [...leavesOf(part, path === "" ? name : `${path}.${name}`)]),
  )
}

test("every metric can be changed", async () => {
  // Operations of this disk take up to 2 ms of simulated time.
  const clock = new SimulatedClock()
  const disk = new SimulatedDisk({ completion: delayed(clock, new SimulatedRandom(1), 2) })
  const platform = simulatePlatform({ seed: 1, disk, clock })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const opening = open("/data", {
    platform,
    segmentBytes: 4096,
    shards: 2,
    backlog: { bytes: 3_000 },
    keep: { checkpoints: 1 },
  })
  const store = await done(opening)
  const changed = new Set<string>()
  const before = leavesOf(store.metrics())
  const look = (): void => {
    for (const [path, value] of leavesOf(store.metrics())) if (value !== before.get(path)) changed.add(path)
  }
  const table = store.table<string>("t")
  const stream = store.changes({ after: 0 })
  const reading = (async () => {
    for await (const commit of stream) if (commit.lsn > 650) break
  })()
  look()
  const writes = Array.from({ length: 600 }, (_, n) => table.put(`k${n}`, "x".repeat(n % 300)))
  look()
  await done(Promise.all(writes))
  look()
  const deletes = store.batch((batch) => {
    for (let n = 0; n < 600; n++) if (n % 20 !== 0) batch.delete(table, `k${n}`)
  })
  await done(deletes)
  await table.put("bad", Symbol("no") as never).catch(() => undefined)
  table.get("k0")
  table.get("absent")
  look()
  for (let round = 0; round < 200; round++) clock.advance(10)
  look()
  await done(store.killActor("store/shards/shard-0", new Error("test")))
  look()
  await done(store.ready())
  await done(store.killActor("store/shards/shard-1", new Error("test")))
  look()
  await done(store.ready())
  await done(store.killActor("store/log/wal-writer", new Error("test")))
  await done(store.ready())
  look()
  for (let n = 0; n < 200; n++) await done(table.put("more", String(n)))
  look()
  await done(reading)
  look()
  await done(store.checkpoint())
  for (let n = 0; n < 200; n++) await done(table.put("yet more", String(n)))
  await done(store.checkpoint())
  look()
  await done(table.put("and more", "x"))
  disk.faults.add({ operation: 0, through: Number.POSITIVE_INFINITY, only: ["rename"], error: "EIO" })
  await done(store.checkpoint().catch(() => undefined))
  disk.faults.clear()
  look()
  const shown = [...SHOWN_IN_STREAMS, ...SHOWN_WITH_WORKERS]
  expect([...before.keys()].filter((path) => !changed.has(path) && !shown.includes(path))).toEqual([])
  await done(store.close())
})

test("the metric log.bytes says how long the log is: what the next recovery reads", async () => {
  const store = await temporaryStore()
  const table = store.table("t")
  await table.putMany(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, { n }] as const))
  const { bytes } = store.metrics().log
  await store.close()
  const again = await reopened(store)
  // The seal of the closed log comes on top.
  expect(again.recovery.logBytes).toBe(bytes + 64)
  expect(again.recovery.commits).toBe(1)
  await again.close()
})

function reopened(store: Store): Promise<Store> {
  return open(store.path)
}
