// What transactions that end on their turn are not to lose by going the road of a plain write.

import { describe, expect, test } from "vitest"
import { TransactionConflict, UniqueViolation } from "../../src/index.ts"
import type { Store, TableHandle, Transaction } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

async function withTable(): Promise<[Store, TableHandle<number>]> {
  const store = await temporaryStore({ durability: "memory" })
  const table = store.table<number>("t")
  await table.put("a", 1)
  return [store, table]
}

describe("a transaction that ends on its turn", () => {
  test("is counted as committed once its commit is as durable as asked, and as failed where it is lost", async () => {
    const platform = simulatePlatform({ seed: 7 })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<number>("t")
    const { lsn: before } = await untilSettled(platform, table.put("a", 1))
    const done = store.transact((tx) => tx.put(table, "a", 2))
    expect([table.get("a"), store.metrics().transactions.committed]).toEqual([2, 0])
    const { lsn } = await untilSettled(platform, done)
    expect([lsn, store.metrics().transactions.committed]).toEqual([before + 1, 1])
    const only = ["dataSync", "writeSynced"] as const
    platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only })
    const lost = untilSettled(
      platform,
      store.transact((tx) => tx.put(table, "a", 3)),
    )
    await expect(lost).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    expect(store.metrics().transactions).toMatchObject({ committed: 1, failed: 1, retried: 0 })
    await untilSettled(platform, store.ready())
    await untilSettled(platform, store.close())
  })

  test("rejects, and does not throw, where its arguments are wrong, the store is closed, or its function throws", async () => {
    const [store, table] = await withTable()
    const reason = new Error("not today")
    const failing = [
      store.transact(undefined as never),
      store.transact(() => 1, { timeoutMs: -1 }),
      store.transact(() => 1, { signal: AbortSignal.abort(reason) }),
      store.transact((tx) => {
        tx.put(table, "a", 2)
        throw reason
      }),
      store.transact((tx) => tx.put(table, "a", Symbol("s") as never)),
    ]
    const outcomes = await Promise.allSettled(failing)
    expect(outcomes.map(({ status }) => status)).toEqual(Array.from(failing, () => "rejected"))
    expect(outcomes[3]).toEqual({ status: "rejected", reason })
    expect([table.get("a"), store.metrics().transactions]).toMatchObject([1, { committed: 0, failed: 2 }])
    await store.close()
    await expect(store.transact(() => 1)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
  })

  test("goes on behind its turn where it returns anything with a then, and resolves to what that gives", async () => {
    const [store, table] = await withTable()
    // oxlint-disable-next-line unicorn/no-thenable -- what libraries of their own promises return
    const thenable = { then: (resolve: (value: number) => void) => queueMicrotask(() => resolve(7)) }
    const { value } = await store.transact((tx) => {
      tx.put(table, "a", 2)
      return thenable
    })
    expect([value, table.get("a")]).toEqual([7, 2])
  })

  test("lets go of the snapshot that it needed, when it wrote beside itself and then threw", async () => {
    const [store, table] = await withTable()
    const reason = new Error("not today")
    let kept: Transaction | undefined
    const failing = store.transact((tx) => {
      kept = tx
      tx.put(table, "b", 2)
      void table.put("a", 3)
      throw reason
    })
    await expect(failing).rejects.toBe(reason)
    expect(() => kept?.get(table, "a")).toThrow(reason)
    await table.put("a", 4)
    expect([table.get("a"), table.has("b"), store.metrics().tables.versionBytes]).toEqual([4, false, 0])
  })

  test("is tried again, by another run, while a prepared transaction holds what it writes, and never without end", async () => {
    const [store, table] = await withTable()
    await store.transact((tx) => {
      tx.put(table, "a", 10)
      tx.prepare("P")
    })
    let runs = 0
    const refused = store.transact(
      (tx) => {
        runs++
        tx.put(table, "a", 2)
      },
      { retries: 2 },
    )
    const error: unknown = await refused.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TransactionConflict)
    expect(error).toMatchObject({
      attempts: 3,
      keys: [{ table: "t", key: "a" }],
      cause: { code: "ORRERY_KEY_IN_DOUBT" },
    })
    expect([runs, table.get("a")]).toEqual([3, 1])
    const patient = store.transact((tx) => tx.put(table, "a", (tx.get(table, "a") ?? 0) + 1), { retries: 1_000 })
    await store.commitPrepared("P")
    await patient
    expect(table.get("a")).toBe(11)
  })

  test("is refused by a unique index, with its writes before that, and derives what belongs to its commit", async () => {
    const store = await temporaryStore({ durability: "memory" })
    const users = store.table<{ readonly mail: string }, { mail: (user: { readonly mail: string }) => string }>(
      "users",
      {
        indexes: { mail: (user) => user.mail },
        unique: ["mail"],
      },
    )
    await users.put("ada", { mail: "a" })
    const refused = store.transact((tx) => {
      tx.put(users, "grace", { mail: "g" })
      tx.put(users, "alan", { mail: "a" })
    })
    await expect(refused).rejects.toBeInstanceOf(UniqueViolation)
    expect(users.size).toBe(1)
    await store.transact((tx) => {
      tx.delete(users, "ada")
      tx.put(users, "alan", { mail: "a" })
    })
    expect([...users.index("mail").keys()]).toEqual(["alan"])
    const timed = store.table<number>("timed", { ttl: 1_000_000 })
    await store.transact((tx) => tx.put(timed, "k", 1))
    expect(timed.expiresAt("k")).toBeInstanceOf(Date)
  })

  test("waits for its turn where the log's backlog is full, and nothing of it is done before", async () => {
    const store = await temporaryStore({ backlog: { bytes: 64 * 1024 } })
    const table = store.table<number>("t")
    const large = store.table<Uint8Array>("large")
    await table.put("a", 1)
    const filling = [0, 1, 2].map((n) => large.put(`${n}`, new Uint8Array(100_000)))
    const waiting = store.transact((tx) => {
      const a = tx.get(table, "a") ?? 0
      tx.put(table, "a", a + 1)
      return a
    })
    expect(table.get("a")).toBe(1)
    const { value, lsn } = await waiting
    expect([value, table.get("a")]).toEqual([1, 2])
    const before = await Promise.all(filling)
    expect(lsn).toBeGreaterThan(Math.max(...before.map((receipt) => receipt.lsn)))
  })
})
