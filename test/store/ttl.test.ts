// Keys with a time to live, on the simulated machine: when they go, what keeps them, what others see of it.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time stands still.
import "../../src/actors/engine.ts"
import { describe, expect, test } from "vitest"
import { open, restoreStore } from "../../src/index.ts"
import type { Commit, OpenOptions, Store } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { EXPIRY_TICK_MS } from "../../src/actors/expiry-actor.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

const HOUR_MS = 3_600_000

class Scene {
  readonly platform: SimulatedPlatform
  store: Store
  readonly #options: OpenOptions

  private constructor(platform: SimulatedPlatform, store: Store, options: OpenOptions) {
    this.platform = platform
    this.store = store
    this.#options = options
  }

  static async open(options: OpenOptions = {}, platform = simulatePlatform({ seed: 1 })): Promise<Scene> {
    const all = { platform, shards: 2, ...options }
    return new Scene(platform, await open("/data", all), all)
  }

  /** Lets time pass, and everything be done that is due. */
  async pass(ms: number): Promise<void> {
    this.platform.clock.advance(ms)
    for (let round = 0; round < 20; round++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      this.platform.clock.advance(0)
    }
  }

  done<T>(work: Promise<T>): Promise<T> {
    return untilSettled(this.platform, work)
  }

  async reopen(): Promise<void> {
    await this.done(this.store.close())
    this.store = await this.done(open("/data", this.#options))
  }
}

/** Everything that subscribers saw from the beginning on, as text. */
async function changesOf({ store }: Scene): Promise<string[]> {
  await store.flush()
  const { lastLsn } = store.metrics().log
  const seen: string[] = []
  const stream = store.changes({ after: 0 })
  const marker = await store.table("marker").put("end", 1)
  expect(marker.lsn).toBeGreaterThan(lastLsn)
  for await (const commit of stream) {
    if (commit.lsn >= marker.lsn) break
    seen.push(...textOf(commit))
  }
  return seen
}

function textOf({ changes }: Commit): string[] {
  return changes.map(({ kind, table, key }) => `${kind} ${table}/${key}`)
}

describe("a key with a time to live", () => {
  test("is there until its time, and gone within a tick behind it, by a delete that subscribers see once", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: 1_000 })
    await table.put("b", 2)
    await scene.pass(999)
    expect([table.get("a"), table.size]).toEqual([1, 2])
    await scene.pass(1 + EXPIRY_TICK_MS)
    expect([table.get("a"), table.get("b"), table.size, [...table.keys()]]).toEqual([undefined, 2, 1, ["b"]])
    await scene.pass(HOUR_MS)
    expect(await changesOf(scene)).toEqual(["put t/a", "put t/b", "delete t/a"])
    expect(scene.store.metrics().expiry).toMatchObject({ pending: 0, expired: 1, lagMs: 0 })
  })

  test("tells when it expires", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: 1_500 })
    await table.put("b", 1)
    expect(table.expiresAt("a")).toEqual(new Date(scene.platform.clock.wallMs() + 1_500))
    expect([table.expiresAt("b"), table.expiresAt("none"), scene.store.table("u").expiresAt("a")]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test("goes in the order of the deadlines, in one commit where these are of one moment", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    for (const [key, ttl] of [
      ["c", 3_000],
      ["a", 1_001],
      ["b", 2_000],
      ["a2", 1_002],
    ] as const) {
      await table.put(key, 1, { ttl })
    }
    const { lsn: after } = await table.put("z", 1)
    const commits: string[][] = []
    table
      .changes({ after })
      .observable()
      .subscribe((commit) => commits.push(textOf(commit)))
    for (let n = 0; n < 50; n++) await scene.pass(100)
    await scene.done(scene.store.flush())
    expect(commits).toEqual([["delete t/a", "delete t/a2"], ["delete t/b"], ["delete t/c"]])
  })

  test("survives a restart with its deadline, and one that is overdue is gone when open resolves", async () => {
    const scene = await Scene.open()
    await scene.store.table<number>("t").put("a", 1, { ttl: 10_000 })
    await scene.store.table<number>("t").put("b", 2, { ttl: HOUR_MS })
    await scene.reopen()
    expect(scene.store.table("t").size).toBe(2)
    await scene.done(scene.store.checkpoint())
    await scene.done(scene.store.close())
    scene.platform.clock.advance(20_000)
    scene.store = await open("/data", { platform: scene.platform })
    expect([...scene.store.table("t").keys()]).toEqual(["b"])
    await scene.pass(HOUR_MS)
    expect(scene.store.table("t").size).toBe(0)
  })

  test("goes too when there are more of them than one commit takes, and before open resolves", async () => {
    const scene = await Scene.open()
    const entries = Array.from({ length: 2_500 }, (_, n) => [`k${n}`, n] as const)
    await scene.store.table<number>("t").putMany(entries, { ttl: 1_000 })
    await scene.store.table<number>("u").put("stays", 1)
    await scene.done(scene.store.close())
    scene.platform.clock.advance(2_000)
    scene.store = await scene.done(open("/data", { platform: scene.platform }))
    expect([scene.store.table("t").size, scene.store.table("u").size]).toEqual([0, 1])
    expect(scene.store.metrics().expiry).toEqual({ pending: 0, expired: 2_500, lagMs: 0 })
  })
})

describe("what becomes of a deadline", () => {
  const cases: readonly [string, (store: Store) => Promise<unknown>, number | undefined][] = [
    ["a put without ttl takes it away", (store) => store.table<number>("t").put("a", 2), undefined],
    ["a put with a ttl replaces it", (store) => store.table<number>("t").put("a", 2, { ttl: 5_000 }), 5_000],
    ["Infinity takes it away", (store) => store.table<number>("t").put("a", 2, { ttl: Infinity }), undefined],
    ["putMany without ttl takes it away", (store) => store.table<number>("t").putMany([["a", 2]]), undefined],
    ["putMany with a ttl replaces it", (store) => store.table<number>("t").putMany([["a", 2]], { ttl: 5_000 }), 5_000],
    ["update keeps it", (store) => store.table<number>("t").update("a", (n) => (n ?? 0) + 1), 10_000],
    ["increment keeps it", (store) => store.table<number>("t").increment("a"), 10_000],
    ["touch replaces it", (store) => store.table<number>("t").touch("a", { ttl: 5_000 }), 5_000],
    ["touch for ever takes it away", (store) => store.table<number>("t").touch("a", { ttl: Infinity }), undefined],
    ["persist takes it away", (store) => store.table<number>("t").persist("a"), undefined],
    [
      "a delete and a put without ttl in one batch take it away",
      (store) =>
        store.batch((batch) => {
          batch.delete(store.table("t"), "a")
          batch.put(store.table<number>("t"), "a", 2)
        }),
      undefined,
    ],
    [
      "the last put of a batch counts",
      (store) =>
        store.batch((batch) => {
          batch.put(store.table<number>("t"), "a", 2)
          batch.put(store.table<number>("t"), "a", 3, { ttl: 5_000 })
        }),
      5_000,
    ],
    [
      "a put in a transaction without ttl takes it away",
      (store) => store.transact((tx) => tx.put(store.table<number>("t"), "a", 2)),
      undefined,
    ],
    [
      "a put in a transaction with a ttl replaces it",
      (store) => store.transact((tx) => tx.put(store.table<number>("t"), "a", 2, { ttl: 5_000 })),
      5_000,
    ],
    [
      "an update in a transaction keeps it",
      (store) => store.transact((tx) => tx.update(store.table<number>("t"), "a", (n) => (n ?? 0) + 1)),
      10_000,
    ],
    [
      "an update in an asynchronous transaction keeps it",
      (store) =>
        store.transact(async (tx) => {
          await Promise.resolve()
          tx.update(store.table<number>("t"), "a", (n) => (n ?? 0) + 1)
        }),
      10_000,
    ],
    [
      "an update of what the transaction has put has the put's",
      (store) =>
        store.transact((tx) => {
          tx.put(store.table<number>("t"), "a", 2, { ttl: 5_000 })
          tx.update(store.table<number>("t"), "a", (n) => (n ?? 0) + 1)
        }),
      5_000,
    ],
    [
      "an update of what the transaction has deleted is a new key",
      (store) =>
        store.transact((tx) => {
          tx.delete(store.table("t"), "a")
          tx.update(store.table<number>("t"), "a", (n) => (n ?? 0) + 1)
        }),
      undefined,
    ],
    [
      "a failed condition leaves it",
      (store) =>
        store
          .table<number>("t")
          .put("a", 2, { ifAbsent: true, ttl: 5_000 })
          .catch(() => undefined),
      10_000,
    ],
    [
      "a met condition replaces it",
      (store) => {
        const table = store.table<number>("t")
        return table.put("a", 2, { ifVersion: table.getVersioned("a").version, ttl: 5_000 })
      },
      5_000,
    ],
  ]

  test.each(cases)("%s", async (_what, change, expectedMs) => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    const startMs = scene.platform.clock.wallMs()
    await table.put("a", 1, { ttl: 10_000 })
    await change(scene.store)
    const at = table.expiresAt("a")
    expect(at === undefined ? undefined : at.getTime() - startMs).toBe(expectedMs)
    expect(scene.store.metrics().expiry.pending).toBe(expectedMs === undefined ? 0 : 1)
    if (expectedMs === 5_000) {
      await scene.pass(5_000 + EXPIRY_TICK_MS)
      expect(table.has("a")).toBe(false)
    }
    await scene.pass(60_000)
    expect(table.has("a")).toBe(expectedMs === undefined)
    await scene.reopen()
    expect(scene.store.table("t").has("a")).toBe(expectedMs === undefined)
  })

  test("a delete takes it away: a key that comes again stays", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: 1_000 })
    await table.delete("a")
    expect(scene.store.metrics().expiry.pending).toBe(0)
    await table.put("a", 2)
    await scene.pass(5_000)
    expect(table.get("a")).toBe(2)
  })

  test("touch and persist say whether there is such a key, and change neither value nor version", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1)
    const { version } = table.getVersioned("a")
    expect(await table.touch("a", { ttl: 1_000 })).toMatchObject({ isThere: true })
    expect(await table.touch("none", { ttl: 1_000 })).toMatchObject({ isThere: false })
    expect(await table.persist("a")).toMatchObject({ isThere: true })
    expect(await table.persist("a")).toMatchObject({ isThere: true })
    expect(await table.persist("none")).toMatchObject({ isThere: false })
    expect(table.getVersioned("a")).toEqual({ value: 1, version })
    expect(await changesOf(scene)).toEqual(["put t/a"])
  })
})

describe("the default of a table", () => {
  test("is for what is put through its handle, in every way, and can be overridden", async () => {
    const scene = await Scene.open()
    const { store } = scene
    const table = store.table<number>("t", { ttl: 1_000 })
    await table.put("put", 1)
    await table.putMany([["many", 1]])
    await table.update("update", () => 1)
    await table.increment("increment")
    await store.batch((batch) => batch.put(table, "batch", 1))
    await store.transact((tx) => tx.put(table, "transaction", 1))
    await store.transact((tx) => tx.update(table, "updated in a transaction", () => 1))
    expect(store.metrics().expiry.pending).toBe(7)
    await table.put("longer", 1, { ttl: HOUR_MS })
    await table.put("for ever", 1, { ttl: Infinity })
    await store.table<number>("t").put("by another handle", 1)
    await scene.pass(2_000)
    expect([...table.keys()].toSorted()).toEqual(["by another handle", "for ever", "longer"])
  })

  test("makes counters that begin anew after a fixed time", async () => {
    const scene = await Scene.open()
    const hits = scene.store.table<number>("hits", { ttl: 1_000 })
    await hits.increment("ada")
    await scene.pass(900)
    expect((await hits.increment("ada")).value).toBe(2)
    await scene.pass(200)
    expect((await hits.increment("ada")).value).toBe(1)
  })
})

describe("clocks", () => {
  test("one that is set back neither brings anything back nor keeps it longer", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: 1_000 })
    await table.put("b", 1, { ttl: 5_000 })
    await scene.pass(2_000)
    scene.platform.clock.jumpWall(-5 * HOUR_MS)
    expect([...table.keys()]).toEqual(["b"])
    await scene.pass(3_000 + EXPIRY_TICK_MS)
    expect(table.size).toBe(0)
    await table.put("c", 1, { ttl: 1_000 })
    await scene.pass(1_000 + EXPIRY_TICK_MS)
    expect(table.size).toBe(0)
  })

  test("one that jumps ahead for a moment makes nothing expire", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: HOUR_MS })
    scene.platform.clock.jumpWall(5 * HOUR_MS)
    for (let n = 0; n < 5; n++) await scene.pass(1_000)
    scene.platform.clock.jumpWall(-5 * HOUR_MS)
    for (let n = 0; n < 30; n++) await scene.pass(1_000)
    expect(table.size).toBe(1)
  })

  test("one that stays ahead counts", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: HOUR_MS })
    scene.platform.clock.jumpWall(5 * HOUR_MS)
    for (let n = 0; n < 12; n++) await scene.pass(1_000)
    expect(table.size).toBe(0)
  })
})

describe("under trouble", () => {
  test("a killed expiry actor builds its index anew, also from what was put meanwhile", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: 1_000 })
    await scene.done(scene.store.killActor("store/services/expiry", new Error("test")))
    await table.put("b", 1, { ttl: 1_000 })
    await scene.pass(100)
    expect(scene.store.metrics().expiry.pending).toBe(2)
    await scene.pass(1_000)
    expect(table.size).toBe(0)
    expect(scene.store.metrics().actors.restarts).toEqual({ "store/services/expiry": 1 })
  })

  test("keys whose shard is down when they are due go when it is back", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.putMany(
      Array.from({ length: 20 }, (_, n) => [`k${n}`, n] as const),
      { ttl: 1_000 },
    )
    const killed = Promise.all([0, 1].map((n) => scene.store.killActor(`store/shards/shard-${n}`, new Error("test"))))
    scene.platform.clock.advance(1_100)
    await scene.done(killed)
    await scene.done(scene.store.ready())
    await scene.pass(200)
    expect(table.size).toBe(0)
    expect(scene.store.metrics().expiry).toMatchObject({ pending: 0, expired: 20 })
  })

  test("a deadline that is moved while the delete cannot be done counts", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`)
    await table.putMany(
      keys.map((key) => [key, 1] as const),
      { ttl: 1_000 },
    )
    const killed = scene.store.killActor("store/shards/shard-0", new Error("test"))
    const isThere = (key: string): boolean => {
      try {
        return table.has(key)
      } catch {
        return false
      }
    }
    for (let turn = 0; keys.every(isThere) && turn < 1_000; turn++) await Promise.resolve()
    scene.platform.clock.advance(1_100)
    const moved = keys.filter(isThere)
    expect([moved.length > 0, moved.length < 20]).toEqual([true, true])
    // On this very turn the actor has taken the keys, met the shard that is down, and not been told of it.
    await Promise.all(moved.map((key) => table.touch(key, { ttl: 10_000 })))
    await scene.done(killed)
    await scene.done(scene.store.ready())
    await scene.pass(200)
    expect([...table.keys()].toSorted()).toEqual(moved.toSorted())
    await scene.pass(10_000)
    expect([table.size, scene.store.metrics().expiry.expired]).toEqual([0, 20])
  })

  test("a deadline whose commit the disk has lost is forgotten with it", async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const scene = await Scene.open({}, simulatePlatform({ seed: 1, disk }))
    const table = scene.store.table<number>("t")
    await table.put("a", 1)
    disk.faults.add({
      operation: disk.operations.length + 1,
      error: "EIO",
      when: "dropping-dirty-pages",
      only: ["writeSynced", "dataSync"],
    })
    const lost = table.put("a", 2, { ttl: 1_000 })
    expect(scene.store.metrics().expiry.pending).toBe(1)
    await expect(scene.done(lost)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    await scene.done(scene.store.ready())
    expect([table.get("a"), table.expiresAt("a"), scene.store.metrics().expiry.pending]).toEqual([1, undefined, 0])
    await scene.pass(5_000)
    expect(table.get("a")).toBe(1)
  })

  test("keys that are due wait while writers do, and count as what these make of them", async () => {
    // Room for one commit: the others wait in line.
    const scene = await Scene.open({ backlog: { bytes: 1 } })
    const table = scene.store.table<number>("t")
    await table.put("moved", 1, { ttl: 1_000 })
    await table.put("due", 1, { ttl: 1_000 })
    const writes: Promise<unknown>[] = []
    scene.platform.clock.after(990, () => {
      writes.push(table.put("first", 1), table.put("waits", 1), table.touch("moved", { ttl: 5_000 }))
    })
    scene.platform.clock.advance(1_030)
    // The keys are due, and the writes are not through yet.
    expect([table.has("moved"), table.has("due")]).toEqual([true, true])
    await scene.done(Promise.all(writes))
    await scene.pass(200)
    expect([...table.keys()].toSorted()).toEqual(["first", "moved", "waits"])
    expect(probes().get("keys that are due wait for users' writes")).toBeGreaterThan(0)
    await scene.pass(5_000)
    expect(table.has("moved")).toBe(false)
  })
})

describe("others", () => {
  test("a snapshot reads a key that has expired since, and a transaction that has read it is run anew", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await table.put("a", 1, { ttl: 1_000 })
    using snapshot = scene.store.snapshot()
    const seen: (number | undefined)[] = []
    const running = scene.store.transact(async (tx) => {
      seen.push(tx.get(table, "a"))
      if (seen.length === 1) await scene.pass(1_100)
      tx.put(table, "b", 1)
    })
    await scene.done(running)
    expect([snapshot.table("t").get("a"), table.get("a"), seen]).toEqual([1, undefined, [1, undefined]])
  })

  test("a state of the past has what was there then, and does not make it expire", async () => {
    const scene = await Scene.open()
    const { lsn } = await scene.store.table<number>("t").put("a", 1, { ttl: 1_000 })
    await scene.pass(2_000)
    await scene.done(scene.store.flush())
    const past = await scene.done(open("/data", { platform: scene.platform, readOnly: true, at: lsn }))
    await scene.pass(2_000)
    expect([past.table("t").get("a"), past.tables(), scene.store.table("t").size]).toEqual([1, ["t"], 0])
  })

  test("a follower has a key until it reads the delete, and lets nothing expire itself", async () => {
    const scene = await Scene.open()
    await scene.store.table<number>("t").put("a", 1, { ttl: 1_000 })
    const follower = await open("/data", { platform: scene.platform, readOnly: true, follow: true })
    const size = (): number => follower.table("t").size
    expect([size(), follower.tables()]).toEqual([1, ["t"]])
    await scene.done(scene.store.close())
    scene.platform.clock.advance(20_000)
    await scene.pass(1_000)
    expect(size()).toBe(1)
    scene.store = await scene.done(open("/data", { platform: scene.platform }))
    for (let round = 0; size() > 0 && round < 100; round++) await scene.pass(50)
    expect(size()).toBe(0)
    await scene.done(follower.close())
  })

  test.each(["backup", "restored"])("deadlines are part of what is %s", async (what) => {
    const scene = await Scene.open()
    const { platform, store } = scene
    await store.table<number>("t").putMany([["a", 1]], { ttl: 1_000 })
    await store.table<number>("t").putMany([["b", 1]], { ttl: 100_000 })
    await store.table<number>("t").put("c", 1)
    await scene.done(store.backup("/backup"))
    if (what === "restored") await scene.done(restoreStore({ from: "/backup", into: "/restored", platform }))
    platform.clock.advance(2_000)
    const copy = await scene.done(open(`/${what}`, { platform }))
    expect([...copy.table("t").keys()].toSorted()).toEqual(["b", "c"])
    platform.clock.advance(100_000)
    await scene.pass(100)
    expect([...copy.table("t").keys()]).toEqual(["c"])
    await scene.done(copy.close())
  })

  test("the memory of expired keys is given back", async () => {
    const scene = await Scene.open({ shards: 1 })
    const table = scene.store.table<string>("t")
    const entries = Array.from({ length: 20_000 }, (_, n) => [`key ${n}`, "x".repeat(200)] as const)
    await table.putMany(entries, { ttl: 1_000 })
    const before = scene.store.metrics().tables
    await scene.pass(1_100)
    for (let n = 0; n < 200; n++) await scene.pass(10)
    const after = scene.store.metrics().tables
    expect([table.size, after.records, after.liveBytes]).toEqual([0, 0, 0])
    expect(before.allocatedBytes).toBeGreaterThan(5_000_000)
    expect(after.allocatedBytes).toBeLessThan(before.allocatedBytes / 20)
  })
})

describe("arguments", () => {
  test.each([0, -1, Number.NaN, "1000", null, 1e15])("a ttl of %s is refused", async (ttl) => {
    const scene = await Scene.open()
    const { store } = scene
    const table = store.table<number>("t")
    const message = "ttl must be from 1 to"
    expect(() => store.table("t", { ttl: ttl as number })).toThrow(message)
    await expect(table.put("a", 1, { ttl: ttl as number })).rejects.toThrow(message)
    await expect(table.putMany([["a", 1]], { ttl: ttl as number })).rejects.toThrow(message)
    await expect(table.touch("a", { ttl: ttl as number })).rejects.toThrow(message)
    await expect(store.batch((batch) => batch.put(table, "a", 1, { ttl: ttl as number }))).rejects.toThrow(message)
    await expect(store.transact((tx) => tx.put(table, "a", 1, { ttl: ttl as number }))).rejects.toThrow(message)
    expect(store.tables()).toEqual([])
  })

  test("names that no options have are refused", async () => {
    const scene = await Scene.open()
    const table = scene.store.table<number>("t")
    await expect(table.put("a", 1, { tll: 5 } as object)).rejects.toThrow('options has no "tll"')
    await expect(table.delete("a", { ttl: 5 } as object)).rejects.toThrow('options has no "ttl"')
    await expect(table.persist("a", { ttl: 5 } as object)).rejects.toThrow('options has no "ttl"')
    await expect(table.touch("a", {} as { ttl: number })).rejects.toThrow("touch takes a ttl")
    await expect(scene.store.batch((batch) => batch.put(table, "a", 1, { tll: 5 } as object))).rejects.toThrow("tll")
  })

  test("the name of a table whose keys expire leaves room for that of their deadlines", async () => {
    const scene = await Scene.open()
    await scene.store.table<number>("x".repeat(241)).put("a", 1, { ttl: 1_000 })
    await expect(scene.store.table<number>("x".repeat(242)).put("a", 1, { ttl: 1_000 })).rejects.toThrow("255")
    await scene.store.table<number>("x".repeat(255)).put("a", 1)
  })
})
