// Three defects of writes that meet a recovery, found by reading the code as a sceptic and by scripts.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

const SYNCS = ["writeSynced", "dataSync"] as const

// Cause: a write that waits in line was kept encoded, with shapes of the catalogue that recovery then cleared and filled
// anew. Symptom: acknowledged objects came back with the field names of others, or not at all. Fix: it is kept as a copy
// of the value, and encoded when its turn has come.
test("objects put while the log recovers come back with their own fields", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const options = { platform, shards: 2 }
  const store = await open("/data", options)
  const table = store.table<object>("t")
  for (let n = 0; n < 20; n++) await table.put(`a${n}`, { alpha: n, beta: n })
  const killed = store.killActor("store/log/wal-writer", new Error("test"))
  const writes: Promise<unknown>[] = []
  for (let n = 0; n < 200; n++) {
    writes.push(table.put(`b${n}`, { gamma: n, delta: `x${n}` }))
    await Promise.resolve()
  }
  await untilSettled(platform, Promise.all([killed, ...writes]))
  await untilSettled(platform, store.ready())
  const check = (entries: Iterable<[string, object]>): void => {
    for (const [key, value] of entries) {
      const n = Number(key.slice(1))
      expect(value).toEqual(key.startsWith("a") ? { alpha: n, beta: n } : { gamma: n, delta: `x${n}` })
    }
  }
  check(table)
  // Cause: the log took writes before the shards had taken over what was recovered. Symptom: such a write was
  // acknowledged and durable, but not in memory until the next recovery. Fix: writes go in when every shard is up.
  expect(table.size).toBe(220)
  await untilSettled(platform, store.close())
  const again = await open("/data", options)
  check(again.table<object>("t"))
  expect(again.table("t").size).toBe(220)
})

// The same defect, met at every step of a recovery: who waits in line with others never meets it, because the line is
// let in last. Found by a seeded bug that the test above did not notice.
test("a write at any step of a recovery is in memory once it is acknowledged", async () => {
  let steps = 0
  while (!(await writeInRecovery(steps))) steps += 2
  expect(steps).toBeGreaterThan(50)
})

/** Writes so many steps into a recovery. Returns whether it was over by then. */
async function writeInRecovery(steps: number): Promise<boolean> {
  const platform = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform, shards: 3 })
  const table = store.table<number>("t")
  await table.put("before", 0)
  const killed = store.killActor("store/log/wal-writer", new Error("test"))
  let isOver = false
  const recovered = killed.then(() => store.ready()).then(() => (isOver = true))
  for (let step = 0; step < steps; step++) await Promise.resolve()
  const wasOver = isOver
  // One for every shard, as far as chance goes.
  const entries = Array.from({ length: 12 }, (_, n) => [`during ${n}`, n] as const)
  await untilSettled(platform, table.putMany(entries))
  await untilSettled(platform, recovered)
  for (const [key, n] of entries) expect(table.get(key), `after ${steps} steps`).toBe(n)
  await untilSettled(platform, store.close())
  return wasOver
}

// Cause: the next segment could not be prepared on a full disk, and recovery distrusted everything that was not synced,
// as after a failed sync. Symptom: acknowledged writes of level `written` vanished while the process lived.
test("a full disk takes no acknowledged write of level written", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform, shards: 2, segmentBytes: 4096 })
  const table = store.table<string>("t")
  await table.put("synced", "x")
  platform.fileSystem.capacityBytes = 0
  const acknowledged: string[] = []
  for (let n = 0; n < 8; n++) {
    const put = table.put(`w${n}`, "x".repeat(600), { durability: "written" })
    const isDone = await untilSettled(platform, put).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: "ORRERY_WRITE_REJECTED" })
        return false
      },
    )
    if (isDone) acknowledged.push(`w${n}`)
  }
  expect(acknowledged.length).toBeGreaterThan(2)
  expect(acknowledged.length).toBeLessThan(8)
  await untilSettled(platform, store.ready())
  expect([...table.keys()].sort()).toEqual(["synced", ...acknowledged])
})

// Cause: the signal given to `open` was still asked by later recoveries. Symptom: with AbortSignal.timeout, the first
// failing sync after that time closed the store.
test("the signal given to open has no say in later recoveries", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const controller = new AbortController()
  const store = await open("/data", { platform, shards: 2, signal: controller.signal })
  const table = store.table<number>("t")
  await table.put("a", 1)
  controller.abort(new Error("too late"))
  platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only: SYNCS })
  await expect(table.put("a", 2)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
  await untilSettled(platform, store.ready())
  expect(table.get("a")).toBe(1)
})

// Cause: `flush` handed the filling batch over within the call. Symptom: called by a getter of a value that was being
// put, it took the batch away under the encoder; the put never settled.
test("a value's getter that flushes the store disturbs nobody", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform, shards: 2 })
  const table = store.table<object>("t")
  const first = table.put("first", { n: 1 })
  let flushed: Promise<void> = Promise.resolve()
  const trap = {
    n: 7,
    get b(): number {
      flushed = store.flush()
      return 3
    },
  }
  await untilSettled(platform, Promise.all([first, table.put("second", trap)]))
  await untilSettled(platform, flushed)
  expect(Object.fromEntries(table)).toEqual({ first: { n: 1 }, second: { n: 7, b: 3 } })
})
