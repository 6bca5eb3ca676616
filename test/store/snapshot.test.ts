import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, test } from "vitest"
import { SnapshotExpired } from "../../src/index.ts"
import type { Snapshot, Store, StoreEvent } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

const LEVEL = { durability: "memory" } as const

async function filled(store: Store, count: number): Promise<ReturnType<typeof store.table<number>>> {
  const table = store.table<number>("t")
  await table.putMany(
    Array.from({ length: count }, (_, n) => [`k${n}`, n] as const),
    LEVEL,
  )
  return table
}

function take(store: Store): Snapshot {
  return store.snapshot()
}

describe("a snapshot", () => {
  test("reads every table as it was, while all of it is overwritten, deleted and added to", async () => {
    const store = await temporaryStore()
    const table = await filled(store, 1000)
    await store.table("u").put("only", "here", LEVEL)
    using snapshot = store.snapshot()
    for (let n = 0; n < 1000; n++) {
      if (n % 3 === 0) void table.delete(`k${n}`, LEVEL)
      else void table.put(`k${n}`, -n, LEVEL)
      void table.put(`new${n}`, n, LEVEL)
    }
    await store.table("later").put("k", 1, LEVEL)
    const before = snapshot.table<number>("t")
    expect(before.size).toBe(1000)
    expect(new Map(before.entries())).toEqual(new Map(Array.from({ length: 1000 }, (_, n) => [`k${n}`, n])))
    expect([before.get("k3"), before.has("k3"), before.get("new1"), before.has("absent")]).toEqual([
      3,
      true,
      undefined,
      false,
    ])
    expect([table.get("k3"), table.get("k4"), table.size]).toEqual([undefined, -4, 1666])
    expect([snapshot.tables(), snapshot.table("later").size, snapshot.table("none").size]).toEqual([["t", "u"], 0, 0])
    expect(snapshot.table("u").get("only")).toBe("here")
  })

  test("is at the LSN of the last commit, whether that is durable or not", async () => {
    const store = await temporaryStore()
    const { lsn } = await store.table("t").put("k", 1, LEVEL)
    using snapshot = store.snapshot()
    expect(snapshot.lsn).toBe(lsn)
    void store.table("t").put("k", 2, LEVEL)
    using later = store.snapshot()
    expect([later.lsn, later.table("t").get("k"), snapshot.table("t").get("k")]).toEqual([lsn + 1, 2, 1])
  })

  test("sees a batch whole or not at all", async () => {
    const store = await temporaryStore()
    const [a, b] = [store.table<number>("a"), store.table<number>("b")]
    const snapshots: Snapshot[] = []
    for (let n = 0; n < 50; n++) {
      void store.batch((batch) => {
        for (let key = 0; key < 10; key++) batch.put(a, `k${key}`, n)
        batch.put(b, "k", n)
      }, LEVEL)
      snapshots.push(store.snapshot())
    }
    for (const [n, snapshot] of snapshots.entries()) {
      expect(new Set([...snapshot.table("a").values(), snapshot.table("b").get("k")])).toEqual(new Set([n]))
      snapshot.close()
    }
  })

  test("walks its own state, also when the walk goes on while others write", async () => {
    const store = await temporaryStore()
    const table = await filled(store, 5000)
    using snapshot = store.snapshot()
    const met = new Map<string, number>()
    for (const [key, value] of snapshot.table<number>("t")) {
      expect(met.has(key)).toBe(false)
      met.set(key, value)
      if (met.size % 2 === 0) void table.delete(key, LEVEL)
      void table.put(`more${met.size}`, 0, LEVEL)
    }
    expect(met.size).toBe(5000)
    expect([...met].every(([key, value]) => key === `k${value}`)).toBe(true)
  })

  test("lets go of what was kept for it when it is closed, and is of no more use then", async () => {
    const store = await temporaryStore()
    const table = await filled(store, 3000)
    const snapshot = store.snapshot()
    const view = snapshot.table("t")
    for (let n = 0; n < 3000; n++) void table.put(`k${n}`, 0, LEVEL)
    const { versionBytes } = store.metrics().tables
    expect(versionBytes).toBeGreaterThan(3000 * 16)
    snapshot.close()
    snapshot.close()
    expect(() => view.get("k1")).toThrow(SnapshotExpired)
    expect(() => view.size).toThrow("it was closed by its user")
    for (let turn = 0; turn < 100 && store.metrics().tables.versionBytes > 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect(store.metrics().tables.versionBytes).toBe(0)
    expect(store.metrics().snapshots.open).toBe(0)
  })

  test("is ended when more would be kept than may be, and says so; the newer ones stay", async () => {
    const store = await temporaryStore({ snapshots: { bytes: 100_000 } })
    const table = await filled(store, 500)
    const oldest = store.snapshot()
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 500; n++) void table.put(`k${n}`, round, LEVEL)
    }
    using newest = store.snapshot()
    expect(oldest.table("t").get("k1")).toBe(1)
    void table.putMany(Array.from({ length: 4000 }, (_, n) => [`big${n}`, "x".repeat(50)] as const) as never, LEVEL)
    for (let n = 0; n < 500; n++) void table.put(`k${n}`, -1, LEVEL)
    using last = store.snapshot()
    for (let n = 0; n < 4000; n++) void table.delete(`big${n}`, LEVEL)
    expect(store.metrics().tables.versionBytes).toBeLessThan(200_000)
    expect(() => oldest.table("t").get("k1")).toThrow(SnapshotExpired)
    expect(() => newest.table("t").get("k1")).toThrow("more than snapshots.bytes allows")
    expect(() => last.table("t").size).toThrow(SnapshotExpired)
    expect(store.metrics().snapshots.expired).toBe(3)
  })

  test("is one of a bounded number", async () => {
    const store = await temporaryStore({ snapshots: { count: 2 } })
    const first = store.snapshot()
    using _second = store.snapshot()
    expect(() => store.snapshot()).toThrow("the number of open snapshots is 3, the limit is 2")
    first.close()
    await expect(temporaryStore({ snapshots: { count: 0 } })).rejects.toThrow("snapshots.count must be a whole number")
    await expect(temporaryStore({ snapshots: { bytes: 1.5 } })).rejects.toThrow(
      "snapshots.bytes must be a whole number",
    )
    using _third = store.snapshot()
    expect(store.metrics().snapshots.open).toBe(2)
  })

  test("ends with SnapshotExpired when a shard is built anew, and a new one reads on", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<number>("t")
    await untilSettled(platform, table.putMany(Array.from({ length: 20 }, (_, n) => [`k${n}`, n] as const)))
    using snapshot = store.snapshot()
    await store.killActor("store/shards/shard-1", new Error("test"))
    expect(() => snapshot.table("t").get("k0")).toThrow(SnapshotExpired)
    expect(() => store.snapshot()).toThrow("shard-1 is being restarted")
    await untilSettled(platform, store.ready())
    expect(() => snapshot.table("t").size).toThrow("was built anew from the log")
    using again = store.snapshot()
    await untilSettled(platform, table.put("k0", -1))
    expect([again.table("t").get("k0"), again.table("t").size]).toEqual([0, 20])
    await untilSettled(platform, store.close())
    expect(() => again.table("t").get("k0")).toThrow("the store is closed")
    expect(() => take(store)).toThrow("the store is closed")
  })

  test("ends with SnapshotExpired when the log failed and was recovered, since what it read may never have been", async () => {
    const platform = simulatePlatform({ seed: 2 })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<number>("t")
    await untilSettled(platform, table.put("k", 1))
    const only = ["dataSync", "writeSynced"] as const
    platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only })
    const failing = table.put("k", 2).catch((error: unknown) => error)
    using snapshot = store.snapshot()
    expect(snapshot.table("t").get("k")).toBe(2)
    expect(await untilSettled(platform, failing)).toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    platform.fileSystem.faults.clear()
    await untilSettled(platform, store.ready())
    expect(() => snapshot.table("t").get("k")).toThrow(SnapshotExpired)
    using again = store.snapshot()
    expect(again.table("t").get("k")).toBe(table.get("k"))
    await untilSettled(platform, store.close())
  })

  test("that is forgotten is closed when it is collected, and told of with the place where it was taken", async () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const store = await temporaryStore()
    const { lsn } = await store.table("t").put("k", 1, LEVEL)
    const leaks: StoreEvent[] = []
    store.events().subscribe((event) => {
      if (event.kind === "snapshot-leaked") leaks.push(event)
    })
    function forget(): void {
      expect(take(store).table("t").get("k")).toBe(1)
    }
    forget()
    const view = take(store).table<number>("t")
    for (let turn = 0; turn < 200 && leaks.length === 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      collect()
    }
    expect(leaks).toMatchObject([{ lsn, place: expect.stringContaining("snapshot.test.ts") }])
    expect(store.metrics().snapshots).toEqual({ open: 1, leaked: 1, expired: 0 })
    expect(view.get("k")).toBe(1)
  })
})
