import { describe, expect, test } from "vitest"
import { open, SnapshotExpired, TransactionConflict, TransactionTimedOut } from "../../src/index.ts"
import type { Store, TableHandle, Transaction } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "../property/store-history.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const LEVEL = { durability: "memory" } as const

async function withTable(entries: Readonly<Record<string, number>> = {}): Promise<[Store, TableHandle<number>]> {
  const store = await temporaryStore({ durability: "memory" })
  const table = store.table<number>("t")
  await table.putMany(Object.entries(entries))
  return [store, table]
}

/** A promise for others to keep a transaction waiting. */
function gate(): PromiseWithResolvers<void> {
  return Promise.withResolvers<void>()
}

describe("a transaction", () => {
  test("reads and writes over tables and shards as one commit, and gives back what its function returned", async () => {
    const store = await temporaryStore()
    const [a, b] = [store.table<number>("a"), store.table<number>("b")]
    const { lsn: before } = await a.put("from", 100)
    const { value, lsn } = await store.transact((tx) => {
      const sum = tx.get(a, "from") ?? 0
      for (let n = 0; n < 20; n++) tx.put(b, `k${n}`, sum + n)
      tx.delete(a, "from")
      return sum
    })
    expect([value, lsn]).toEqual([100, before + 1])
    expect([a.has("from"), b.size, b.get("k19")]).toEqual([false, 20, 119])
  })

  test("of 200,000 writes is one commit, and more than a commit may hold is refused with its limit", async () => {
    const [store, table] = await withTable()
    const { lsn: before } = await table.put("first", 0)
    const { lsn } = await store.transact((tx) => {
      for (let n = 0; n < 200_000; n++) tx.put(table, `k${n}`, n)
    })
    expect([lsn, table.size]).toEqual([before + 1, 200_001])
    const bytes = store.table<Uint8Array>("bytes")
    const value = new Uint8Array(8 * 1024 * 1024)
    const failing = store.transact((tx) => {
      for (let n = 0; n < 7; n++) tx.put(bytes, `k${n}`, value)
    })
    await expect(failing).rejects.toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED" })
    expect(bytes.size).toBe(0)
  })

  test("of a synchronous function is done on the turn of the call, when there is room", async () => {
    const [store, table] = await withTable()
    const done = store.transact((tx) => tx.put(table, "k", 1))
    expect(table.get("k")).toBe(1)
    await done
  })

  test.each(["synchronous", "asynchronous"])("that is %s reads its own writes, and nobody else does", async (kind) => {
    const [store, table] = await withTable({ a: 1, b: 2, c: 3 })
    const look = (tx: Transaction): unknown => [
      tx.get(table, "a"),
      tx.has(table, "b"),
      tx.get(table, "d"),
      tx.has(table, "d"),
      tx.size(table),
      [...tx.keys(table)].toSorted(),
      Object.fromEntries(tx.entries(table)),
      [...tx.values(table)].toSorted((a, b) => a - b),
    ]
    const change = (tx: Transaction): void => {
      tx.put(table, "a", 10)
      tx.delete(table, "b")
      tx.delete(table, "absent")
      tx.put(table, "d", 4)
      tx.put(table, "d", 40)
      tx.update(table, "c", (n) => (n ?? 0) + 27)
    }
    const expected = [10, false, 40, true, 3, ["a", "c", "d"], { a: 10, c: 30, d: 40 }, [10, 30, 40]]
    if (kind === "synchronous") {
      const { value } = await store.transact((tx) => {
        change(tx)
        return look(tx)
      })
      expect(value).toEqual(expected)
    } else {
      const { value } = await store.transact(async (tx) => {
        await Promise.resolve()
        change(tx)
        await Promise.resolve()
        expect([...table.keys()].toSorted()).toEqual(["a", "b", "c"])
        return look(tx)
      })
      expect(value).toEqual(expected)
    }
    expect(Object.fromEntries(table)).toEqual({ a: 10, c: 30, d: 40 })
  })

  test("meets each key once in a walk during which it writes", async () => {
    const [store, table] = await withTable(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${n}`, n])))
    const { value } = await store.transact(async (tx) => {
      tx.put(table, "own", 0)
      const met: string[] = []
      for (const key of tx.keys(table)) {
        met.push(key)
        if (met.length % 50 === 0) await Promise.resolve()
        tx.put(table, key, -1)
        tx.put(table, `more ${key}`, -1)
      }
      return met
    })
    expect(new Set(value).size).toBe(value.length)
    expect(value.filter((key) => !key.startsWith("more"))).toHaveLength(301)
  })

  test("keeps the values that it was given, and gives out its own copies of them", async () => {
    const store = await temporaryStore({ durability: "memory" })
    const table = store.table<{ n: number }>("t")
    await store.transact(async (tx) => {
      const early = { n: 1 }
      tx.put(table, "early", early)
      await Promise.resolve()
      early.n = 2
      const late = { n: 1 }
      tx.put(table, "late", late)
      late.n = 2
      const read = tx.get(table, "late")
      if (read !== undefined) read.n = 3
    })
    expect([table.get("early"), table.get("late")]).toEqual([{ n: 1 }, { n: 1 }])
  })

  test("reads one state all along, whatever is written meanwhile, and ends well if it only reads", async () => {
    const [store, table] = await withTable({ a: 1, b: 1 })
    const { value, lsn } = await store.transact(async (tx) => {
      const a = tx.get(table, "a")
      await table.put("a", 2)
      await table.put("b", 2)
      await table.put("c", 2)
      return [a, tx.get(table, "b"), tx.get(table, "c"), tx.size(table), [...tx.keys(table)].toSorted()]
    })
    expect(value).toEqual([1, 1, undefined, 2, ["a", "b"]])
    expect(lsn).toBe((await table.put("d", 1)).lsn - 4)
  })

  test("that throws leaves no trace, live or reopened", async () => {
    const path = await temporaryDirectory()
    const store = await open(path)
    const table = store.table<unknown>("new")
    const failing = store.transact((tx) => {
      tx.put(table, "a", { of: "a shape" })
      throw new Error("changed my mind")
    })
    await expect(failing).rejects.toThrow("changed my mind")
    const later = store.transact(async (tx) => {
      tx.put(table, "a", { of: "a shape" })
      await Promise.resolve()
      throw new Error("changed it late")
    })
    await expect(later).rejects.toThrow("changed it late")
    const unfit = store.transact((tx) => tx.put(table, "f", () => 1))
    await expect(unfit).rejects.toMatchObject({ code: "ORRERY_VALUE_REFUSED" })
    expect([table.size, store.tables()]).toEqual([0, []])
    await store.close()
    const again = await open(path)
    expect(again.tables()).toEqual([])
    await again.close()
  })

  test("is ended by abort with its reason, even if the function catches that", async () => {
    const [store, table] = await withTable()
    const aborted = store.transact((tx) => {
      tx.put(table, "k", 1)
      try {
        tx.abort(new Error("not enough"))
      } catch {
        return "caught"
      }
      return "not aborted"
    })
    await expect(aborted).rejects.toThrow("not enough")
    const late = store.transact(async (tx) => {
      tx.put(table, "k", 1)
      await Promise.resolve()
      tx.abort()
    })
    await expect(late).rejects.toMatchObject({ name: "AbortError" })
    expect(table.size).toBe(0)
  })

  test("is refused after its end, with tables of other stores and within another one", async () => {
    const [store, table] = await withTable()
    const other = await temporaryStore()
    let kept: Transaction | undefined
    await store.transact((tx) => {
      kept = tx
    })
    expect(() => kept?.get(table, "k")).toThrow("the transaction has ended")
    expect(() => kept?.put(table, "k", 1)).toThrow("the transaction has ended")
    await expect(store.transact((tx) => tx.get(other.table("t"), "k"))).rejects.toThrow("another store's")
    await expect(store.transact((tx) => tx.get({} as never, "k"))).rejects.toThrow("must be a table")
    let inner: Promise<unknown> | undefined
    await store.transact((tx) => {
      tx.put(table, "k", 1)
      inner = store.transact((nested) => nested.put(table, "k", 2)).catch((error: unknown) => error)
    })
    expect(String(await inner)).toContain("a transaction began within another one")
    expect(table.get("k")).toBe(1)
    await expect(store.transact(undefined as never)).rejects.toThrow(TypeError)
    await expect(store.transact(() => 1, { isolation: "dirty" as never })).rejects.toThrow("isolation must be")
    await expect(store.transact(() => 1, { retry: 1 } as never)).rejects.toThrow('options has no "retry"')
  })
})

describe("a write beside a transaction, from within its function", () => {
  test("is done at once, and the transaction is one that goes on: it has not seen it, and may conflict with it", async () => {
    const [store, table] = await withTable({ a: 1, b: 1 })
    const { value } = await store.transact((tx) => {
      const a = tx.get(table, "a")
      void table.put("b", 2)
      expect(table.get("b")).toBe(2)
      tx.put(table, "a", 5)
      return [a, tx.get(table, "a")]
    })
    expect([value, table.get("a"), table.get("b")]).toEqual([[1, 5], 5, 2])
    const failing = store.transact(
      (tx) => {
        void table.put("b", 3)
        tx.put(table, "a", tx.get(table, "b") ?? 0)
      },
      { retries: 0 },
    )
    await expect(failing).rejects.toMatchObject({ keys: [{ table: "t", key: "b" }] })
    expect([table.get("a"), table.get("b")]).toEqual([5, 3])
  })
})

describe("a conflict", () => {
  test("makes an asynchronous transaction run again, on the new state", async () => {
    const [store, table] = await withTable({ n: 0 })
    let runs = 0
    const { value } = await store.transact(async (tx) => {
      runs++
      const n = tx.get(table, "n") ?? 0
      if (runs === 1) await table.put("n", 10)
      await Promise.resolve()
      tx.put(table, "n", n + 1)
      return n
    })
    expect([runs, value, table.get("n")]).toEqual([2, 10, 11])
    expect(store.metrics().transactions).toMatchObject({ committed: 1, retried: 1, failed: 0 })
  })

  test("with other keys is none, nor is a write of what was not read", async () => {
    const [store, table] = await withTable({ a: 0, b: 0 })
    let runs = 0
    await store.transact(async (tx) => {
      runs++
      tx.get(table, "a")
      await table.put("b", 1)
      tx.put(table, "b", 2)
    })
    expect([runs, table.get("b")]).toEqual([1, 2])
  })

  test("that does not end is told with the keys, after as many tries as were asked for", async () => {
    const [store, table] = await withTable({ a: 0, b: 0 })
    let runs = 0
    const failing = store.transact(
      async (tx) => {
        runs++
        tx.get(table, "b")
        tx.put(table, "a", (tx.get(table, "a") ?? 0) + 1)
        await table.put("a", 100 + runs)
      },
      { retries: 2 },
    )
    await expect(failing).rejects.toThrow(TransactionConflict)
    await expect(failing).rejects.toMatchObject({ attempts: 3, keys: [{ table: "t", key: "a" }] })
    expect([runs, table.get("a")]).toEqual([3, 103])
  })

  test.each([
    ["put", (table: TableHandle<number>) => table.put("new", 1)],
    ["delete", (table: TableHandle<number>) => table.delete("a")],
    ["overwrite", (table: TableHandle<number>) => table.put("a", 9)],
  ])("is met by a walk and by size when a %s changes the table: no phantoms", async (_what, change) => {
    const [store, table] = await withTable({ a: 0, b: 0 })
    const result = store.table<number>("result")
    for (const scan of [
      (tx: Transaction): number => tx.size(table),
      (tx: Transaction): number => [...tx.keys(table)].length,
      (tx: Transaction): number => [...tx.values(table)].length,
      (tx: Transaction): number => Number(tx.keys(table).next().done),
    ]) {
      const failing = store.transact(
        async (tx) => {
          const count = scan(tx)
          await change(table)
          tx.put(result, "count", count)
        },
        { retries: 0 },
      )
      await expect(failing).rejects.toMatchObject({ keys: [{ table: "t", key: undefined }] })
    }
    expect(result.size).toBe(0)
  })

  test("is met by a walk over a table that did not exist when the transaction began", async () => {
    const [store, table] = await withTable({ a: 0 })
    const young = store.table<number>("young")
    const failing = store.transact(
      async (tx) => {
        tx.put(table, "a", tx.size(young))
        await young.put("first", 1)
      },
      { retries: 0 },
    )
    await expect(failing).rejects.toMatchObject({ keys: [{ table: "young", key: undefined }] })
  })

  test("is none with a table that was walked and not changed, though others were", async () => {
    const [store, table] = await withTable({ a: 0 })
    const other = store.table<number>("other")
    const done = store.transact(
      async (tx) => {
        const count = tx.size(other)
        await table.put("a", 1)
        tx.put(table, "count", count)
      },
      { retries: 0 },
    )
    await expect(done).resolves.toMatchObject({ value: undefined })
  })

  test("of many transactions at one key is settled by trying again: no update is lost", async () => {
    const [store, table] = await withTable({ n: 0 })
    const increments = Array.from({ length: 30 }, () =>
      store.transact(
        async (tx) => {
          const n = tx.get(table, "n") ?? 0
          await Promise.resolve()
          tx.put(table, "n", n + 1)
        },
        { retries: 1000 },
      ),
    )
    await Promise.all(increments)
    expect(table.get("n")).toBe(30)
  })
})

/** Two that each read both keys and write one: at most one may find the sum large enough. */
async function writeSkew(isolation: "serializable" | "snapshot"): Promise<[PromiseSettledResult<unknown>[], number]> {
  const [store, table] = await withTable({ a: 60, b: 60 })
  const both = gate()
  const withdraw = (key: string): Promise<unknown> =>
    store.transact(
      async (tx) => {
        const sum = (tx.get(table, "a") ?? 0) + (tx.get(table, "b") ?? 0)
        await both.promise
        if (sum >= 100) tx.update(table, key, (n) => (n ?? 0) - 100)
      },
      { isolation, retries: 0 },
    )
  const outcomes = Promise.allSettled([withdraw("a"), withdraw("b")])
  both.resolve()
  return [await outcomes, (table.get("a") ?? 0) + (table.get("b") ?? 0)]
}

describe("isolation", () => {
  test("write skew is refused at serializable", async () => {
    const [outcomes, sum] = await writeSkew("serializable")
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"])
    expect(sum).toBe(20)
  })

  test("write skew is allowed at snapshot", async () => {
    const [outcomes, sum] = await writeSkew("snapshot")
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"])
    expect(sum).toBe(-80)
  })

  test("at snapshot the first committer of a key wins, also over one that has not read it", async () => {
    const [store, table] = await withTable({ a: 0 })
    for (const write of [
      (tx: Transaction): void => tx.put(table, "a", 1),
      (tx: Transaction): void => tx.delete(table, "a"),
    ]) {
      const failing = store.transact(
        async (tx) => {
          await table.put("a", 2)
          write(tx)
        },
        { isolation: "snapshot", retries: 0 },
      )
      await expect(failing).rejects.toMatchObject({ keys: [{ table: "t", key: "a" }] })
      expect(table.get("a")).toBe(2)
    }
  })

  test("at snapshot a walk is no reason for a conflict", async () => {
    const [store, table] = await withTable({ a: 0 })
    const { value } = await store.transact(
      async (tx) => {
        const size = tx.size(table)
        await table.put("b", 2)
        tx.put(table, "size", size)
        return [...tx.keys(table)].toSorted()
      },
      { isolation: "snapshot", retries: 0 },
    )
    expect([value, table.get("size")]).toEqual([["a", "size"], 1])
  })
})

describe("a transaction that takes too long", () => {
  test("ends with TransactionTimedOut, and what its function does afterwards has no effect", async () => {
    const [store, table] = await withTable({ a: 0 })
    const wait = gate()
    let late: unknown
    const over = gate()
    const failing = store.transact(
      async (tx) => {
        tx.put(table, "a", 1)
        await wait.promise
        try {
          tx.put(table, "a", 2)
        } catch (error) {
          late = error
        }
        over.resolve()
      },
      { timeoutMs: 5 },
    )
    await expect(failing).rejects.toThrow(TransactionTimedOut)
    await expect(failing).rejects.toMatchObject({ timeoutMs: 5, code: "ORRERY_TRANSACTION_TIMED_OUT" })
    wait.resolve()
    await over.promise
    expect(late).toBeInstanceOf(TransactionTimedOut)
    expect([table.get("a"), store.metrics().tables.versionBytes]).toEqual([0, 0])
  })

  test("is ended by a signal, with its reason: before it began, while it runs, and between two tries", async () => {
    const [store, table] = await withTable({ a: 0 })
    await expect(store.transact(() => 1, { signal: AbortSignal.abort(new Error("at once")) })).rejects.toThrow(
      "at once",
    )
    for (const when of ["running", "trying again"]) {
      const controller = new AbortController()
      const begun = gate()
      const failing = store.transact(
        async (tx) => {
          tx.update(table, "a", (n) => (n ?? 0) + 1)
          begun.resolve()
          if (when === "running") await gate().promise
          await table.put("a", 7)
        },
        { signal: controller.signal, timeoutMs: 60_000, retries: 1_000_000 },
      )
      await begun.promise
      if (when === "trying again") await new Promise((resolve) => setTimeout(resolve, 5))
      controller.abort(new Error(when))
      await expect(failing).rejects.toThrow(when)
    }
    expect(table.get("a")).toBe(7)
  })
})

describe("when parts of the store fail", () => {
  test("a running transaction ends with SnapshotExpired after a shard was built anew, and leaves no trace", async () => {
    const platform = simulatePlatform({ seed: 3 })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<number>("t")
    await untilSettled(platform, table.put("a", 1))
    for (const late of ["a read", "a commit"]) {
      const wait = gate()
      const failing = store.transact(async (tx) => {
        tx.put(table, "b", 1)
        await wait.promise
        if (late === "a read") tx.get(table, "a")
      })
      failing.catch(() => undefined)
      await untilSettled(platform, store.killActor("store/shards/shard-0", new Error("test")))
      await untilSettled(platform, store.ready())
      wait.resolve()
      await expect(untilSettled(platform, failing)).rejects.toThrow(SnapshotExpired)
      expect(table.has("b")).toBe(false)
    }
    await untilSettled(platform, store.close())
  })

  test("a transaction whose commit is lost with the log is unknown, as any other write", async () => {
    const platform = simulatePlatform({ seed: 4 })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<number>("t")
    await untilSettled(platform, table.put("a", 1))
    const only = ["dataSync", "writeSynced"] as const
    platform.fileSystem.faults.add({ operation: platform.fileSystem.operations.length + 1, error: "EIO", only })
    const failing = store.transact((tx) => tx.put(table, "a", 2))
    await expect(untilSettled(platform, failing)).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })
    await untilSettled(platform, store.ready())
    const { value } = await untilSettled(
      platform,
      store.transact((tx) => tx.get(table, "a")),
    )
    expect(value).toBe(table.get("a"))
    await untilSettled(platform, store.close())
    await expect(store.transact(() => 1, LEVEL)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
  })
})
