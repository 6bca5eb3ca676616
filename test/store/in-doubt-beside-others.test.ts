// Transactions in doubt beside what else looks at commits: deadlines of keys, and indexes.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time stands still.
import "../../src/actors/engine.ts"
import { expect, test } from "vitest"
import { KeyInDoubt, open, UniqueViolation } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

interface User {
  readonly email: string
}

/** Lets time pass, and everything be done that is due. */
async function pass(platform: SimulatedPlatform, ms: number): Promise<void> {
  for (let step = 0; step < 40; step++) {
    platform.clock.advance(ms / 40)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

function users(store: Store) {
  return store.table<User>("users", { indexes: { email: (user: User) => user.email }, unique: ["email"] })
}

test("a key that is held outlives its deadline, others beside it do not, and it goes when it is free", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open("/data", { platform, shards: 2 }))
  const table = store.table<number>("t")
  await done(
    table.putMany(
      ["held", "free", "also free"].map((key) => [key, 1] as const),
      { ttl: 10_000 },
    ),
  )
  await done(
    store.transact((tx) => {
      tx.put(table, "other", (tx.get(table, "held") ?? 0) + 1)
      tx.prepare("T1")
    }),
  )
  await pass(platform, 15_000)
  expect([...table.keys()]).toEqual(["held"])
  await done(store.abortPrepared("T1"))
  await pass(platform, 3_000)
  expect([...table.keys()]).toEqual([])
  await done(store.close())
})

test("a time to live that was prepared counts from the commit on, also after the store was opened again", async () => {
  const platform = simulatePlatform({ seed: 2 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  let store = await done(open("/data", { platform, shards: 2 }))
  await done(
    store.transact((tx) => {
      tx.put(store.table<number>("t"), "k", 1, { ttl: 5_000 })
      tx.prepare("T1")
    }),
  )
  await done(store.close())
  await pass(platform, 20_000)
  store = await done(open("/data", { platform, shards: 2 }))
  await done(store.commitPrepared("T1"))
  const table = store.table<number>("t")
  await pass(platform, 4_000)
  expect(table.get("k")).toBe(1)
  await pass(platform, 2_000)
  expect(table.get("k")).toBeUndefined()
  await done(store.close())
})

test("what a unique index would refuse is refused by PREPARE, and nobody takes the key before the decision", async () => {
  const store = await temporaryStore()
  const table = users(store)
  await table.put("ada", { email: "ada@example.org" })
  const prepare = (id: string, key: string, email: string): Promise<unknown> =>
    store.transact(
      (tx) => {
        tx.put(table, key, { email })
        tx.prepare(id)
      },
      { retries: 0 },
    )
  await expect(prepare("T1", "eve", "ada@example.org")).rejects.toThrow(UniqueViolation)
  expect(store.inDoubt()).toEqual([])
  await prepare("T2", "grace", "grace@example.org")
  await expect(table.put("eve", { email: "grace@example.org" })).rejects.toThrow(KeyInDoubt)
  await store.commitPrepared("T2")
  expect([...table.index("email").get("grace@example.org")]).toEqual(["grace"])
  await expect(table.put("eve", { email: "grace@example.org" })).rejects.toThrow(UniqueViolation)
})

test("a range of an index that a transaction in doubt has read takes no new keys", async () => {
  const store = await temporaryStore()
  const table = users(store)
  await table.put("ada", { email: "ada@example.org" })
  await store.transact((tx) => {
    const count = tx.index(table, "email").count("nobody@example.org")
    tx.put(store.table("counts"), "nobody", count)
    tx.prepare("T1")
  })
  await expect(table.put("nobody", { email: "nobody@example.org" })).rejects.toThrow(KeyInDoubt)
  await store.abortPrepared("T1")
  await table.put("nobody", { email: "nobody@example.org" })
})
