// Metadata of a store on the simulated machine: what is sampled and counted, what misbehaving consumers do, and what it does
// not do to anybody else.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time stands still.
import "../../src/actors/engine.ts"
import { map, mergeMap } from "rxjs"
import { describe, expect, test } from "vitest"
import { heat, hottestKeys, open } from "../../src/index.ts"
import type { AccessBatch, OpenOptions, Store, WriteBatch } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

interface Scene {
  readonly platform: SimulatedPlatform
  readonly store: Store
}

async function begin(options: OpenOptions = {}): Promise<Scene> {
  const platform = simulatePlatform({ seed: 3 })
  return { platform, store: await open("/data", { platform, shards: 4, ...options }) }
}

async function pass({ platform }: Scene, ms: number): Promise<void> {
  platform.clock.advance(ms)
  await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Reads a hundred keys over and over: 64,000 reads, of which about 1,000 are sampled. */
function readMuch({ store }: Scene): void {
  const table = store.table("t")
  for (let n = 0; n < 64_000; n++) table.get(`k${n % 100}`)
}

const entries = Array.from({ length: 50 }, (_, n) => [`k${n}`, n] as const)

describe("samples", () => {
  test("nothing is sampled, counted or timed while nobody subscribes", async () => {
    const scene = await begin()
    await scene.store.table<number>("t").putMany(entries)
    readMuch(scene)
    await pass(scene, 1_000)
    expect(scene.store.metrics().metadata).toEqual({
      subscribers: 0,
      sampled: 0,
      shed: 0,
      batches: 0,
      busyMs: 0,
      failures: 0,
      restarts: 0,
    })
  })

  test("reads are sampled in proportion, with table, key, shard and outcome", async () => {
    const scene = await begin()
    await scene.store.table<number>("t").putMany(entries)
    const batches: AccessBatch[] = []
    const subscription = scene.store.metadata().accesses.subscribe((batch) => batches.push(batch))
    expect(scene.store.metrics().metadata.subscribers).toBe(1)
    readMuch(scene)
    await pass(scene, 100)
    const [batch] = batches
    expect(batches).toHaveLength(1)
    if (batch === undefined) return
    expect(batch.every).toBe(64)
    expect(batch.count).toBeGreaterThan(800)
    expect(batch.count).toBeLessThan(1_200)
    expect(scene.store.metrics().metadata).toMatchObject({ sampled: batch.count, batches: 1, shed: 0 })
    // Half of the keys are not there, and every key was read as often.
    const misses = batch.kinds.filter((kind) => kind === "miss").length
    expect(Math.abs(misses / batch.count - 0.5)).toBeLessThan(0.1)
    batch.keys.forEach((key, n) => expect(batch.kinds[n]).toBe(Number(key.slice(1)) < 50 ? "get" : "miss"))
    expect(new Set(batch.keys).size).toBeGreaterThan(90)
    expect([new Set(batch.tables), new Set(batch.shards).size]).toEqual([new Set(["t"]), 4])
    const shardsOfKeys = new Map(batch.keys.map((key, n) => [key, `${batch.shards[n]} ${batch.hashes[n]}`]))
    batch.keys.forEach((key, n) => expect(`${batch.shards[n]} ${batch.hashes[n]}`).toBe(shardsOfKeys.get(key)))
    subscription.unsubscribe()
    readMuch(scene)
    await pass(scene, 1_000)
    expect([batches.length, scene.store.metrics().metadata.sampled]).toEqual([1, batch.count])
  })

  test("reads of transactions and snapshots, and writes at every durability, are sampled too", async () => {
    const scene = await begin()
    const { store } = scene
    const table = store.table<number>("t")
    const kinds = new Map<string, number>()
    store.metadata().accesses.subscribe((batch) => {
      for (const kind of batch.kinds) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    })
    const much = Array.from({ length: 6_400 }, (_, n) => [`k${n}`, n] as const)
    await table.putMany(much, { durability: "memory" })
    await table.putMany(much, { durability: "written" })
    await store.batch((batch) => much.forEach(([key]) => batch.delete(table, key)))
    using snapshot = store.snapshot()
    await store.transact((tx) => {
      for (let n = 0; n < 3_200; n++) tx.get(table, `k${n}`)
      for (let n = 0; n < 3_200; n++) snapshot.table("t").get(`k${n}`)
    })
    await pass(scene, 300)
    expect([...kinds.keys()].toSorted()).toEqual(["delete", "miss", "put"])
    expect(kinds.get("put")).toBeGreaterThan(140)
    expect(kinds.get("put")).toBeLessThan(260)
    expect(kinds.get("delete")).toBeGreaterThan(60)
    expect(kinds.get("miss")).toBeGreaterThan(60)
  })

  test("what the engine does for itself is nobody's business", async () => {
    const scene = await begin()
    const { store } = scene
    const tables = new Set<string>()
    store.metadata().accesses.subscribe((batch) => batch.tables.forEach((table) => tables.add(table)))
    const writes: WriteBatch[] = []
    store.metadata().writes.subscribe((batch) => writes.push(batch))
    const much = Array.from({ length: 3_000 }, (_, n) => [`k${n}`, n] as const)
    await store.table<number>("t", { ttl: 50 }).putMany(much)
    for (let n = 0; n < 10; n++) await pass(scene, 100)
    expect(tables).toEqual(new Set(["t"]))
    const sums = writes.flatMap((batch) => batch.sums)
    expect(new Set(sums.map(({ table }) => table))).toEqual(new Set(["t"]))
    // Put, and deleted when they had expired.
    expect(sums.reduce((sum, { puts }) => sum + puts, 0)).toBe(3_000)
    expect(sums.reduce((sum, { deletes }) => sum + deletes, 0)).toBe(3_000)
  })
})

describe("sums of writes", () => {
  test("are exact: puts, deletes and bytes by table and shard", async () => {
    const scene = await begin()
    const { store } = scene
    const batches: WriteBatch[] = []
    store.metadata().writes.subscribe((batch) => batches.push(batch))
    await store.table<number>("t").putMany(entries)
    await store.table<string>("u").put("a", "x".repeat(1_000))
    await store.table("t").delete("k1")
    await pass(scene, 100)
    const [batch] = batches
    expect([batches.length, batch?.commits]).toEqual([1, 3])
    const sumOf = (table: string, what: "puts" | "deletes" | "bytes"): number =>
      batch?.sums.filter((sum) => sum.table === table).reduce((total, sum) => total + sum[what], 0) ?? 0
    expect(["puts", "deletes"].map((what) => sumOf("t", what as "puts"))).toEqual([50, 1])
    expect([sumOf("u", "puts"), sumOf("u", "deletes")]).toEqual([1, 0])
    expect(sumOf("u", "bytes")).toBeGreaterThan(1_000)
    expect(sumOf("u", "bytes")).toBeLessThan(1_040)
    expect(batch?.sums.filter(({ table }) => table === "t")).toHaveLength(4)
    await pass(scene, 1_000)
    expect(batches).toHaveLength(1)
  })
})

describe("consumers", () => {
  test("the operators find the heat and the hottest keys of a store", async () => {
    const scene = await begin()
    const { store } = scene
    await store.table<number>("cold").putMany(entries)
    await store.table<number>("t").putMany(entries)
    let parts: readonly { readonly table: string; readonly perSecond: number }[] = []
    let keys: readonly { readonly key: string }[] = []
    store.metadata().run(
      "heat",
      ({ accesses }) => accesses.pipe(heat()),
      (told) => (parts = told),
    )
    store.metadata().run(
      "keys",
      ({ accesses }) => accesses.pipe(hottestKeys({ count: 1 })),
      (told) => (keys = told),
    )
    for (let second = 0; second < 20; second++) {
      for (let n = 0; n < 3_000; n++) store.table("t").get(n % 2 === 0 ? "k7" : `k${n % 50}`)
      for (let n = 0; n < 100; n++) store.table("cold").get(`k${n % 50}`)
      await pass(scene, 1_000)
    }
    expect(keys).toMatchObject([{ table: "t", key: "k7" }])
    const rate = (table: string): number =>
      parts.filter((part) => part.table === table).reduce((sum, { perSecond }) => sum + perSecond, 0)
    expect(rate("t")).toBeGreaterThan(10 * rate("cold"))
    expect(parts[0]?.table).toBe("t")
  })

  test("one that throws ends its own subscription, is counted, and disturbs nobody", async () => {
    const scene = await begin()
    const { store } = scene
    let others = 0
    const errors: unknown[] = []
    store.metadata().writes.subscribe({
      next: () => {
        throw new Error("thrown by the consumer")
      },
      error: (error: Error) => errors.push(error.message),
    })
    store.metadata().writes.subscribe(() => others++)
    for (let n = 0; n < 3; n++) {
      await store.table<number>("t").put("a", n)
      await pass(scene, 100)
    }
    expect([others, errors]).toEqual([3, ["thrown by the consumer"]])
    expect(store.metrics().metadata).toMatchObject({ subscribers: 1, failures: 1 })
    expect(store.status.state).toBe("open")
  })

  test("a pipeline that fails is begun anew, alone and with a fresh state, after longer and longer pauses", async () => {
    const scene = await begin()
    const { store } = scene
    const seen: number[] = []
    let built = 0
    const other: number[] = []
    store.metadata().run(
      "other",
      ({ writes }) => writes.pipe(map(({ commits }) => commits)),
      (n) => other.push(n),
    )
    const pipeline = store.metadata().run(
      "fails",
      ({ writes }) => {
        built++
        let count = 0
        return writes.pipe(
          map(() => {
            count++
            if (count === 2) throw new Error("the second batch")
            return count
          }),
        )
      },
      (count) => seen.push(count),
    )
    for (let n = 0; n < 60; n++) {
      await store.table<number>("t").put("a", n)
      await pass(scene, 100)
    }
    expect(new Set(seen)).toEqual(new Set([1]))
    // Pauses of 100, 200, 400, 800, 1,600 and 3,200 ms, with two batches before each.
    expect([built, pipeline.failures, pipeline.state]).toEqual([6, 6, "waiting"])
    expect(pipeline.error).toMatchObject({ message: "the second batch" })
    expect(other).toHaveLength(60)
    expect(store.metrics().metadata).toMatchObject({ failures: 6, restarts: 5 })
    pipeline.stop()
    await pass(scene, 60_000)
    expect([built, pipeline.state, store.metrics().metadata.subscribers]).toEqual([6, "stopped", 1])
  })

  test("a pipeline that fails whenever it is begun is given up", async () => {
    const scene = await begin()
    const pipeline = scene.store.metadata().run(
      "hopeless",
      () => {
        throw new Error("cannot be built")
      },
      () => undefined,
    )
    for (let n = 0; n < 60; n++) await pass(scene, 1_000)
    expect([pipeline.state, pipeline.failures]).toEqual(["stopped", 11])
    expect(probes().get("a pipeline that fails again and again is given up")).toBeGreaterThan(0)
    const others = Array.from({ length: 11 }, (_, n) =>
      scene.store.metadata().run(
        `other ${n}`,
        ({ writes }) => writes,
        () => undefined,
      ),
    )
    expect(others.every(({ state }) => state === "running")).toBe(true)
    expect(scene.store.status.state).toBe("open")
  })

  test("one that is slow gets batches less often, and samples that do not fit are shed", async () => {
    const scene = await begin()
    await scene.store.table<number>("t").putMany(entries)
    let batches = 0
    scene.store.metadata().accesses.subscribe(() => {
      batches++
      // It takes 20 ms, which are a hundredth of two seconds: so it may run every two seconds.
      scene.platform.clock.advance(20)
    })
    for (let n = 0; n < 40; n++) {
      readMuch(scene)
      await pass(scene, 100)
    }
    expect(batches).toBeGreaterThanOrEqual(2)
    expect(batches).toBeLessThanOrEqual(3)
    const { busyMs, shed, sampled } = scene.store.metrics().metadata
    expect(busyMs).toBe(batches * 20)
    expect(shed).toBeGreaterThan(10_000)
    expect(sampled).toBeLessThanOrEqual((batches + 1) * 4_096)
  })

  test("samples are shed while writes wait in line", async () => {
    const scene = await begin({ backlog: { bytes: 1 } })
    const { store } = scene
    await store.table<number>("t").putMany(entries)
    let batches = 0
    store.metadata().accesses.subscribe(() => batches++)
    readMuch(scene)
    const writes = [1, 2, 3].map((n) => store.table<number>("t").put("a", n))
    scene.platform.clock.advance(100)
    expect([batches, store.metrics().metadata.shed > 0]).toEqual([0, true])
    expect(probes().get("metadata is shed while writes wait in line")).toBeGreaterThan(0)
    await untilSettled(scene.platform, Promise.all(writes))
  })

  test("a killed metadata actor goes on with every pipeline; the log's restart disturbs none", async () => {
    const scene = await begin()
    const { store, platform } = scene
    const seen: number[] = []
    const pipeline = store.metadata().run(
      "sums",
      ({ writes }) => writes,
      ({ commits }) => seen.push(commits),
    )
    for (const actor of ["store/services/metadata", "store/log/wal-writer"]) {
      await untilSettled(platform, store.killActor(actor, new Error("test")))
      await untilSettled(platform, store.ready())
      await untilSettled(platform, store.table<number>("t").put("a", 1))
      await pass(scene, 200)
    }
    expect([seen, pipeline.state, pipeline.failures]).toEqual([[1, 1], "running", 0])
  })

  test("streams complete when the store is closed, also those that are subscribed to later", async () => {
    const scene = await begin()
    const { store, platform } = scene
    let completed = 0
    const count = { complete: () => completed++ }
    store.metadata().accesses.subscribe(count)
    const pipeline = store.metadata().run(
      "sums",
      ({ writes }) => writes.pipe(mergeMap(({ sums }) => sums)),
      () => undefined,
    )
    await untilSettled(platform, store.close())
    store.metadata().writes.subscribe(count)
    expect([completed, pipeline.state]).toEqual([2, "stopped"])
  })

  test("there is a bound to pipelines, and stopped ones do not count", async () => {
    const { store } = await begin()
    const metadata = store.metadata()
    const run = (): { stop(): void } =>
      metadata.run(
        "p",
        ({ writes }) => writes,
        () => undefined,
      )
    const all = Array.from({ length: 100 }, run)
    expect(run).toThrow("there are 100 pipelines already")
    all[0]?.stop()
    run()
    expect(() =>
      metadata.run(
        "",
        ({ writes }) => writes,
        () => undefined,
      ),
    ).toThrow("a pipeline's name")
    expect(() => metadata.run("p", 1 as never, () => undefined)).toThrow("run takes a function that builds")
  })
})
