// What a failing disk does to a running store, on the simulated disk.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { delayed } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { untilSettled } from "../property/store-history.ts"

const SYNCS = ["writeSynced", "dataSync"] as const

async function simulatedStore(options: OpenOptions = {}): Promise<{ store: Store; platform: SimulatedPlatform }> {
  const platform = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform, segmentBytes: 4096, shards: 2, ...options })
  return { store, platform }
}

/** What a new process finds after the power went. */
async function afterPowerLoss(platform: SimulatedPlatform): Promise<Store> {
  const disk = platform.fileSystem.crash("nothing", { faults: [] })
  return open("/data", { platform: simulatePlatform({ seed: 2, disk }), segmentBytes: 4096 })
}

describe("acknowledgement", () => {
  test("of a synced put comes only after the sync that covers it", async () => {
    const clock = new SimulatedClock()
    const random = new SimulatedRandom(1)
    const disk = new SimulatedDisk({ completion: delayed(clock, random, 10) })
    const platform = simulatePlatform({ seed: 1, disk, clock })
    const store = await untilSettled(platform, open("/data", { platform, segmentBytes: 4096 }))
    const before = disk.operationCount
    let acknowledged = false
    const receipt = store
      .table("t")
      .put("k", 1)
      .then(() => {
        acknowledged = true
      })
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    expect([acknowledged, disk.inFlightCount, disk.operationCount]).toEqual([false, 1, before])
    expect(disk.operations.at(-1)).toMatchObject({ name: "writeSynced", outcome: "in flight" })
    clock.advance(10)
    await receipt
    expect([acknowledged, disk.operationCount]).toEqual([true, before + 1])
    await untilSettled(platform, store.close())
  })

  test("at level memory is given at once, and the sync follows within the delay", async () => {
    const { store, platform } = await simulatedStore({ flush: { syncDelayMs: 20 } })
    const before = platform.fileSystem.operationCount
    await store.table("t").put("k", 1, { durability: "memory" })
    expect(platform.fileSystem.operationCount).toBe(before)
    platform.clock.advance(20)
    await untilSettled(platform, store.flush())
    expect((await afterPowerLoss(platform)).table("t").get("k")).toBe(1)
  })

  test("at level written needs no sync, which follows within the delay", async () => {
    const { store, platform } = await simulatedStore({ flush: { syncDelayMs: 20 } })
    await store.table("t").put("k", 1, { durability: "written" })
    expect(platform.fileSystem.operations.at(-1)).toMatchObject({ name: "write" })
    expect(store.metrics().log.durableLsn).toBeLessThan(store.metrics().log.lastLsn)
    platform.clock.advance(20)
    await new Promise((resolve) => setImmediate(resolve))
    expect(platform.fileSystem.operations.at(-1)).toMatchObject({ name: "dataSync" })
    expect(store.metrics().log.durableLsn).toBe(store.metrics().log.lastLsn)
  })

  test("of a synced put behind written ones makes those durable too", async () => {
    const { store, platform } = await simulatedStore()
    await store.table("t").put("a", 1, { durability: "written" })
    await store.table("t").put("b", 2)
    const again = await afterPowerLoss(platform)
    expect(Object.fromEntries(again.table("t"))).toEqual({ a: 1, b: 2 })
  })
})

describe("a failed sync", () => {
  test("makes the waiting write unknown, rolls the live state back to what is durable, and the store recovers", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    await table.put("kept", 1)
    const next = platform.fileSystem.operations.length + 1
    platform.fileSystem.faults.add({ operation: next, error: "EIO", when: "dropping-dirty-pages", only: SYNCS })
    await expect(table.put("kept", 2)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN", lsn: expect.any(Number) })
    expect(() => table.get("kept")).toThrow(expect.objectContaining({ code: "ORRERY_RESTARTING" }))
    expect(store.status.state).toBe("recovering")
    await store.ready()
    expect(store.status).toEqual({ state: "open", reason: undefined })
    expect(table.get("kept")).toBe(1)
    await table.put("later", 3)
    const again = await afterPowerLoss(platform)
    expect(Object.fromEntries(again.table("t"))).toEqual({ kept: 1, later: 3 })
    expect(probes().get("an unsynced frame is not trusted after a failed sync")).toBeGreaterThan(0)
  })

  test("rejects what was not handed over yet, without a trace", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    await table.put("a", 0)
    platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only: SYNCS })
    const first = table.put("a", 1)
    await Promise.resolve()
    await Promise.resolve()
    const second = table.put("a", 2)
    await expect(first).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    await expect(second).rejects.toMatchObject({ code: "ORRERY_WRITE_REJECTED" })
    await store.ready()
    expect(table.get("a")).not.toBe(2)
  })

  test("is not healed by a disk that works again: LSNs go on behind those that were given out", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    const { lsn } = await table.put("a", 0)
    platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only: SYNCS })
    await expect(table.put("a", 1)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    await store.ready()
    const { lsn: next } = await table.put("a", 2)
    expect(next).toBeGreaterThan(lsn + 1)
    expect(store.metrics().log.epoch).toBe(2)
  })

  test("gives no LSN of a commit whose outcome is unknown to another one, however many there were", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    const { lsn } = await table.put("a", 0)
    platform.fileSystem.faults.add({
      operation: platform.fileSystem.operations.length + 1,
      error: "EIO",
      when: "dropping-dirty-pages",
      only: SYNCS,
    })
    const refused = await Promise.allSettled(Array.from({ length: 9 }, (_, n) => table.put(`u${n}`, n)))
    expect(refused.every(({ status }) => status === "rejected")).toBe(true)
    await store.ready()
    // The epoch takes one as well.
    const { lsn: next } = await table.put("a", 2)
    expect(next).toBe(lsn + 9 + 2)
  })

  test("lets writes that come meanwhile wait, in order", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    await table.put("a", 0)
    platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only: SYNCS })
    await expect(table.put("a", 1)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    const receipts = await Promise.all([2, 3, 4].map((n) => table.put(`w${n}`, n)))
    const lsns = receipts.map(({ lsn }) => lsn)
    expect(lsns).toEqual(lsns.toSorted((a, b) => a - b))
    await store.ready()
    expect([table.get("w2"), table.get("w3"), table.get("w4")]).toEqual([2, 3, 4])
  })

  test("that never ends closes the store with its reason after ten restarts", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    await table.put("a", 0)
    platform.fileSystem.faults.add({
      operation: platform.fileSystem.operations.length + 1,
      through: Infinity,
      error: "EIO",
      only: SYNCS,
    })
    await expect(table.put("a", 1)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    await expect(untilSettled(platform, store.ready())).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
    expect(store.status).toMatchObject({ state: "closed", reason: { code: "ORRERY_ESCALATED" } })
    await expect(table.put("a", 2)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
    expect(() => table.get("a")).toThrow(expect.objectContaining({ code: "ORRERY_CLOSED" }))
    platform.fileSystem.faults.clear()
    const again = await untilSettled(platform, open("/data", { platform, segmentBytes: 4096 }))
    expect(again.table("t").get("a")).toBe(0)
  })
})

describe("a full disk", () => {
  test("makes the store read-only, and it takes writes again when there is room", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<Uint8Array>("t")
    platform.fileSystem.capacityBytes = 40_000
    let written = 0
    let refusal: unknown
    while (refusal === undefined && written < 100) {
      await untilSettled(platform, table.put(`k${written}`, new Uint8Array(1_000))).then(
        () => written++,
        (error: unknown) => {
          refusal = error
        },
      )
    }
    expect(refusal).toMatchObject({ code: "ORRERY_WRITE_REJECTED" })
    await untilSettled(platform, store.ready())
    expect(store.status).toMatchObject({
      state: "read-only",
      reason: { code: "ORRERY_STORAGE_FAILED", systemCode: "ENOSPC" },
    })
    expect(table.size).toBe(written)
    expect(table.get("k0")).toHaveLength(1_000)
    await expect(table.put("more", new Uint8Array(1))).rejects.toMatchObject({ code: "ORRERY_WRITE_REJECTED" })
    platform.fileSystem.capacityBytes = 1_000_000
    platform.clock.advance(10_000)
    await untilSettled(platform, store.ready())
    for (let round = 0; round < 100 && store.status.state !== "open"; round++)
      await new Promise((resolve) => setImmediate(resolve))
    expect(store.status.state).toBe("open")
    await table.put("more", new Uint8Array(1))
    const again = await afterPowerLoss(platform)
    expect(again.table("t").size).toBe(written + 1)
  })
})

describe("a disk that takes nothing at all", () => {
  const CALLS = ["write", "writeSynced", "truncate", "rename"] as const

  async function fullStore(): Promise<{ store: Store; platform: SimulatedPlatform }> {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    await table.put("kept", 1)
    const { faults, operationCount } = platform.fileSystem
    // What cannot be written through to the disk can be read all the same: the page cache has it.
    faults.add({ operation: operationCount + 1, error: "ENOSPC", when: "dropping-dirty-pages" })
    faults.add({ operation: operationCount + 2, through: Infinity, only: CALLS, error: "ENOSPC" })
    await expect(untilSettled(platform, table.put("lost", 2))).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    await untilSettled(platform, store.ready())
    return { store, platform }
  }

  test("not even what repairs the log makes the store read-only, and it takes writes again when there is room", async () => {
    const { store, platform } = await fullStore()
    const table = store.table<number>("t")
    expect(store.status).toMatchObject({ state: "read-only", reason: { systemCode: "ENOSPC" } })
    expect(probes().get("the end of the log is repaired later")).toBe(1)
    expect([table.get("kept"), table.get("lost")]).toEqual([1, undefined])
    await expect(table.put("more", 3)).rejects.toMatchObject({ code: "ORRERY_WRITE_REJECTED" })
    platform.clock.advance(60_000)
    await untilSettled(platform, Promise.resolve())
    expect(store.status.state).toBe("read-only")
    expect(store.metrics().actors).toMatchObject({ recoveries: 2 })

    platform.fileSystem.faults.clear()
    platform.clock.advance(10_000)
    for (let round = 0; round < 100 && store.status.state !== "open"; round++)
      await new Promise((resolve) => setImmediate(resolve))
    await untilSettled(platform, table.put("more", 3))
    expect([table.get("kept"), table.get("lost"), table.get("more")]).toEqual([1, undefined, 3])
    const again = (await afterPowerLoss(platform)).table("t")
    expect([again.get("kept"), again.get("lost"), again.get("more")]).toEqual([1, undefined, 3])
  })

  test("still distrusts what a sync has failed for, when the repair fails otherwise in the end", async () => {
    const { store, platform } = await fullStore()
    platform.fileSystem.faults.clear()
    const { operations } = platform.fileSystem
    platform.fileSystem.faults.add({ operation: operations.length + 1, through: operations.length + 4, error: "EIO" })
    platform.clock.advance(10_000)
    for (let round = 0; round < 100 && store.status.state !== "open"; round++)
      await new Promise((resolve) => setImmediate(resolve))
    expect(store.status.state).toBe("open")
    expect(store.table("t").get("lost")).toBeUndefined()
    expect(store.metrics().actors).toMatchObject({ recoveries: 3 })
  })
})

describe("actors", () => {
  test("a killed shard leaves the others serving and comes back with every write", async () => {
    const { store } = await simulatedStore({ shards: 4 })
    const table = store.table<number>("t")
    await table.putMany(Array.from({ length: 100 }, (_, n) => [`k${n}`, n] as const))
    const pending = table.put("pending", -1, { durability: "memory" })
    await store.killActor("store/shards/shard-2", new Error("test"))
    let served = 0
    let refused = 0
    for (let n = 0; n < 100; n++) {
      try {
        expect(table.get(`k${n}`)).toBe(n)
        served++
      } catch (error) {
        expect(error).toMatchObject({ code: "ORRERY_RESTARTING", actor: "shard-2" })
        refused++
      }
    }
    expect(served).toBeGreaterThan(50)
    expect(refused).toBeGreaterThan(5)
    const during = table.put("during", -2)
    await store.ready()
    await Promise.all([pending, during])
    expect(table.size).toBe(102)
    expect([table.get("pending"), table.get("during")]).toEqual([-1, -2])
    expect(store.metrics().shards[2]).toMatchObject({ isUp: true, rebuilds: 1 })
  })

  test("fault 34: more than ten restarts within a minute escalate to a closed store with a typed reason", async () => {
    const { store } = await simulatedStore()
    await store.table("t").put("k", 1)
    for (let restart = 1; restart <= 10; restart++) {
      await store.killActor("store/shards/shard-0", new Error(`crash ${restart}`))
      await store.ready()
    }
    expect(store.status.state).toBe("open")
    await store.killActor("store/shards/shard-0", new Error("one too many"))
    await expect(store.ready()).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
    expect(store.status).toMatchObject({ state: "closed", reason: { code: "ORRERY_ESCALATED" } })
    await expect(store.table("t").put("k", 2)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
  })

  test("a write that waits for a killed log writer keeps the value that it had when it came", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<{ n: number; inner: number[]; map: Map<string, Date>; bytes: Uint8Array }>("t")
    const killed = store.killActor("store/log/wal-writer", new Error("test"))
    while (store.status.state !== "recovering") await Promise.resolve()
    const value = { n: 1, inner: [1], map: new Map([["a", new Date(1)]]), bytes: Uint8Array.of(1) }
    const writes = [table.put("one", value), store.batch((batch) => batch.put(table, "two", value))]
    value.n = 2
    value.inner.push(2)
    value.map.get("a")?.setTime(2)
    value.bytes[0] = 2
    await untilSettled(platform, Promise.all([killed, ...writes]))
    const expected = { n: 1, inner: [1], map: new Map([["a", new Date(1)]]), bytes: Uint8Array.of(1) }
    expect([table.get("one"), table.get("two")]).toEqual([expected, expected])
    const again = await afterPowerLoss(platform)
    expect(Object.fromEntries(again.table("t"))).toEqual({ one: expected, two: expected })
  })

  test("a killed log writer loses nothing that it was given", async () => {
    const { store, platform } = await simulatedStore()
    const table = store.table<number>("t")
    const writes = Array.from({ length: 50 }, (_, n) =>
      table.put(`k${n}`, n, { durability: n % 2 === 0 ? "synced" : "memory" }),
    )
    await store.killActor("store/log/wal-writer", new Error("test"))
    await Promise.all(writes)
    await store.ready()
    expect(table.size).toBe(50)
    expect((await afterPowerLoss(platform)).table("t").size).toBe(50)
  })
})
