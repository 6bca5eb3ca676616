// A number that nothing can change is a defect: every one of them moves under a workload that should move it.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { delayed } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { CheckpointedStore, openOn } from "../checkpoint/store-with-checkpoints.ts"
import { untilSettled } from "../property/store-history.ts"
import { copyOfDisk, framesIn, segmentsIn, withBytes } from "../recovery/reference-store.ts"
import { temporaryStore } from "./temporary-store.ts"

/** What only misbehaving subscribers change: test/streams shows it. */
const SHOWN_IN_STREAMS = ["feed.overflows", "feed.failures", "feed.observerErrors"]
/** What only another thread changes: test/processes/checkpoint-worker.test.ts shows it. */
const SHOWN_WITH_WORKERS = ["checkpoint.workersLost"]
/** What only a collection of garbage changes: test/store/snapshot.test.ts shows it. */
const SHOWN_WITH_SNAPSHOTS = ["snapshots.leaked"]
/** What only a large checkpoint changes: test/store/opening-large-checkpoints.test.ts shows it. */
const SHOWN_WITH_LARGE_CHECKPOINTS = ["tables.deferredRecords"]
/** What only a torn tail changes: the test of recovery's numbers shows it. */
const SHOWN_WITH_A_TORN_TAIL = ["recovery.cutBytes"]
/** Bounds that do not change, and counts of durations that this disk does not have: test/wal/latency-histogram.test.ts. */
const HISTOGRAM = "flush.latencyHistogram.buckets."

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
  let residentBytes = 1e6
  const platform = { ...simulatePlatform({ seed: 1, disk, clock }), residentBytes: () => residentBytes }
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const opening = open("/data", {
    platform,
    segmentBytes: 4096,
    shards: 2,
    backlog: { bytes: 3_000 },
    keep: { checkpoints: 1 },
    snapshots: { bytes: 20_000 },
    merkle: { refreshMs: 500, recordMs: 500 },
    alerts: { logWarningBytes: 20_000, logCriticalBytes: 10_000_000, eventLoopMs: 50, checkpointFailures: 1 },
  })
  const store = await done(opening)
  const changed = new Set<string>()
  const before = leavesOf(store.metrics())
  const look = (): void => {
    for (const [path, value] of leavesOf(store.metrics())) if (value !== before.get(path)) changed.add(path)
  }
  const table = store.table<string>("t")
  const consumer = store.consume("c", () => Promise.reject(new Error("no")), { retry: { attempts: 2, firstMs: 1 } })
  const view = store.view("v", {
    from: table,
    map: ({ key, value }) => {
      if (key === "yet more") throw new Error("no")
      return [[key, value.length]]
    },
  })
  const stream = store.changes({ after: 0 })
  const reading = (async () => {
    for await (const commit of stream) if (commit.lsn > 650) break
  })()
  look()
  const writes = Array.from({ length: 600 }, (_, n) => table.put(`k${n}`, "x".repeat(n % 300)))
  look()
  await done(Promise.all(writes))
  look()
  const snapshot = store.snapshot()
  const compressing = store.table<unknown>("t", { compress: { from: 200 } })
  await done(compressing.put("k1", "x".repeat(290)))
  const random = new Uint8Array(290)
  platform.random.fill(random)
  await done(compressing.put("no text", random))
  await done(table.put("k1", "y"))
  await done(store.transact(() => undefined))
  await store.transact((tx) => tx.abort()).catch(() => undefined)
  let tries = 0
  const retried = store.transact(async (tx) => {
    tx.get(table, "k2")
    if (tries++ === 0) await table.put("k2", "y")
    tx.put(table, "k2", "z")
  })
  await done(retried)
  look()
  for (const id of ["T1", "T2", "T3"]) {
    const prepared = store.transact((tx) => {
      tx.put(table, `of ${id}`, id)
      tx.prepare(id)
    })
    await done(prepared)
  }
  clock.advance(10)
  look()
  await done(store.commitPrepared("T1"))
  await done(store.abortPrepared("T2"))
  look()
  const live = table.live()
  await done(live.ready)
  const broken = table.live({ where: () => JSON.parse("no") as boolean })
  await done(broken.ready.catch(() => undefined))
  look()
  live.close()
  snapshot.close()
  // Some of its values are equal: the build fails.
  store.table<string>("t", { indexes: { value: { of: (value) => value, unique: true } } })
  look()
  const pairs = store.table<number>("pairs", { indexes: { n: { of: (n) => n, unique: true } } })
  await done(pairs.put("a", 1))
  await pairs.put("b", 1).catch(() => undefined)
  look()
  const many = store.table<number>("many")
  await done(many.putMany(Array.from({ length: 10_001 }, (_, n) => [`k${n}`, n] as const)))
  const creating = many.createIndex("n", (n) => n)
  look()
  await done(creating)
  many.dropIndex("n")
  await done(
    store.batch((batch) => {
      for (let n = 0; n < 10_001; n++) batch.delete(many, `k${n}`)
    }),
  )
  store.table("t").dropIndex("value")
  using expiring = store.snapshot()
  const deletes = store.batch((batch) => {
    for (let n = 0; n < 600; n++) if (n % 20 !== 0) batch.delete(table, `k${n}`)
  })
  await done(deletes)
  expect(store.metrics().snapshots.open).toBe(1)
  expect(() => expiring.table("t").get("k0")).toThrow("snapshots.bytes")
  await table.put("bad", Symbol("no") as never).catch(() => undefined)
  table.get("k0")
  table.get("absent")
  look()
  for (let round = 0; round < 200; round++) clock.advance(10)
  look()
  // A consumer that throws, one that takes its time, and a pipeline that fails.
  const failing = {
    next: (): void => {
      throw new Error("test")
    },
    error: (): void => undefined,
  }
  store.metadata().accesses.subscribe(failing)
  store.metadata().accesses.subscribe(() => clock.advance(1))
  const pipeline = store.metadata().run("fails", (metadata) => metadata.accesses, failing.next)
  for (let n = 0; n < 600_000; n++) table.get("k0")
  look()
  clock.advance(100)
  look()
  clock.advance(1_000)
  look()
  pipeline.stop()
  await done(store.flush())
  const short = table.put("short", "x", { ttl: 10 })
  // The clock is ahead before anybody could look.
  clock.jumpWall(1_000)
  look()
  await done(short)
  clock.advance(1_000)
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
  await done(consumer.stop())
  const strict = store.consume("c", () => Promise.reject(new Error("no")), {
    deadLetter: false,
    retry: { attempts: 1 },
  })
  const calm = store.consume("d", () => undefined, { from: "beginning" })
  await done(untilHolds(clock, () => strict.state === "failed" && calm.lag < 100 && view.state === "ready"))
  look()
  await done(reading)
  look()
  await done(store.checkpoint())
  residentBytes = 2e6
  platform.eventLoop.delay = { p50Ms: 20, p99Ms: 60, maxMs: 70 }
  for (let n = 0; n < 200; n++) await done(table.put("yet more", String(n)))
  await done(store.checkpoint())
  look()
  await done(table.put("and more", "x"))
  disk.faults.add({ operation: 0, through: Number.POSITIVE_INFINITY, only: ["rename"], error: "EIO" })
  await done(store.checkpoint().catch(() => undefined))
  disk.faults.clear()
  clock.advance(1_000)
  await done(untilHolds(clock, () => view.state === "failed"))
  look()
  const isShown = (path: string): boolean => changed.has(path) || shown.includes(path) || path.startsWith(HISTOGRAM)
  const shown = [
    ...SHOWN_IN_STREAMS,
    ...SHOWN_WITH_WORKERS,
    ...SHOWN_WITH_SNAPSHOTS,
    ...SHOWN_WITH_A_TORN_TAIL,
    ...SHOWN_WITH_LARGE_CHECKPOINTS,
  ]
  expect([...before.keys()].filter((path) => !isShown(path))).toEqual([])
  await done(store.close())
})

/** Lets time pass until it holds. */
async function untilHolds(clock: SimulatedClock, holds: () => boolean): Promise<void> {
  for (let round = 0; round < 10_000 && !holds(); round++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    clock.advance(5)
  }
  expect(holds()).toBe(true)
}

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

test("recovery's numbers are those of its report, the bytes of a torn tail among them", async () => {
  const made = await CheckpointedStore.open()
  await made.write(20)
  const files = made.disk.files()
  const segment = segmentsIn(files).findLast((number) => framesIn(files, number).length > 0) ?? 0
  const end = framesIn(files, segment).at(-1)?.end ?? 0
  const disk = await copyOfDisk(withBytes(files, segmentFile(segment), end, new Uint8Array(10).fill(1)))
  const store = await openOn(disk)
  const { recovery } = store.metrics()
  const { durationMs, logBytes, commits, records, cutBytes } = store.recovery
  expect(recovery).toEqual({ durationMs, logBytes, commits, records, cutBytes })
  expect(recovery.cutBytes).toBeGreaterThan(0)
  expect(recovery.records).toBeGreaterThanOrEqual(20)
})

function reopened(store: Store): Promise<Store> {
  return open(store.path)
}
