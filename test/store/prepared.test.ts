// Prepared transactions as users meet them: PREPARE, COMMIT, ABORT, what they hold meanwhile, and what is refused.

import { describe, expect, test } from "vitest"
import {
  AlreadyDecided,
  KeyInDoubt,
  LimitExceeded,
  open,
  PrepareIdReused,
  TransactionConflict,
  UnknownTransaction,
} from "../../src/index.ts"
import type { OpenOptions, StandardSchema, Store, TransactOptions } from "../../src/index.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const NOT_AGAIN = { retries: 0 } as const

/** Prepares a transaction that writes one key. */
function prepare(
  store: Store,
  id: string,
  key: string,
  value: unknown,
  options: TransactOptions = {},
): Promise<unknown> {
  const table = store.table("t")
  return store.transact((tx) => {
    tx.put(table, key, value)
    tx.prepare(id, { of: id })
  }, options)
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable("it succeeded"),
    (error: unknown) => error,
  )
}

describe("a prepared transaction", () => {
  test.each(["synchronous", "asynchronous"])(
    "of a %s function is written, seen by nobody, and committed",
    async (kind) => {
      const store = await temporaryStore()
      const table = store.table<number>("t")
      await table.put("gone", 1)
      const work = (tx: Parameters<Parameters<Store["transact"]>[0]>[0]): string => {
        tx.put(table, "a", 1)
        tx.delete(table, "gone")
        tx.prepare("T1", { coordinator: "north", step: 3 })
        return "done"
      }
      const memory = { durability: "memory" } as const
      const prepared =
        kind === "synchronous"
          ? await store.transact(work, memory)
          : await store.transact(async (tx) => work(tx), memory)
      expect(prepared).toEqual({ value: "done", lsn: store.metrics().log.durableLsn, prepared: "T1" })
      expect([table.get("a"), table.get("gone")]).toEqual([undefined, 1])
      const [entry] = store.inDoubt()
      expect(entry).toEqual({
        id: "T1",
        data: { coordinator: "north", step: 3 },
        preparedAt: expect.closeTo(Date.now(), -5),
        ageMs: expect.any(Number),
        lsn: prepared.lsn,
        operations: 2,
        tables: ["t"],
      })
      expect(store.outcome("T1")).toEqual({ outcome: "in doubt" })
      const { lsn } = await store.commitPrepared("T1")
      expect(lsn).toBe(prepared.lsn + 1)
      expect(store.metrics().log.durableLsn).toBe(lsn)
      expect([table.get("a"), table.get("gone")]).toEqual([1, undefined])
      expect([store.inDoubt(), store.outcome("T1")]).toEqual([[], { outcome: "committed", lsn }])
    },
  )

  test("that is aborted leaves nothing but its outcome and the reason", async () => {
    const store = await temporaryStore()
    await prepare(store, "T1", "a", 1)
    const { lsn } = await store.abortPrepared("T1", "the other store said no")
    expect(store.table("t").has("a")).toBe(false)
    expect(store.inDoubt()).toEqual([])
    expect(store.outcome("T1")).toEqual({ outcome: "aborted", lsn, reason: "the other store said no" })
    await store.table("t").put("a", 2)
  })

  test("is in doubt when the store is opened again, with its data and its keys held, and can be decided then", async () => {
    const path = await temporaryDirectory()
    const first = await open(path)
    await prepare(first, "T1", "a", 1)
    await prepare(first, "T2", "b", 1)
    const before = first.inDoubt().map((entry) => ({ ...entry, ageMs: 0 }))
    await first.close()
    const second = await open(path)
    expect(second.inDoubt().map((entry) => ({ ...entry, ageMs: 0 }))).toEqual(before)
    await expect(second.table("t").put("a", 2)).rejects.toThrow(KeyInDoubt)
    const committed = await second.commitPrepared("T1")
    const aborted = await second.abortPrepared("T2")
    await second.close()
    await using third = await open(path)
    expect([...third.table("t").entries()]).toEqual([["a", 1]])
    expect(third.outcome("T1")).toEqual({ outcome: "committed", lsn: committed.lsn })
    expect(third.outcome("T2")).toEqual({ outcome: "aborted", lsn: aborted.lsn, reason: undefined })
  })

  test("that wrote nothing holds what it read until it is decided", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await store.transact(async (tx) => {
      tx.get(table, "a")
      tx.prepare("T1")
    })
    expect(store.inDoubt()).toMatchObject([{ id: "T1", data: undefined, operations: 0, tables: ["t"] }])
    await expect(table.put("a", 1)).rejects.toThrow(KeyInDoubt)
    await store.commitPrepared("T1")
    await table.put("a", 1)
  })

  test("keeps its data and values as they were when they were given", async () => {
    const store = await temporaryStore()
    const [data, value] = [{ n: 1 }, { n: 1 }]
    const table = store.table<{ n: number }>("t")
    const prepared = store.transact((tx) => {
      tx.prepare("T1", data)
      data.n = 2
      tx.put(table, "a", value)
    })
    value.n = 2
    await prepared
    const [entry] = store.inDoubt()
    Object.assign(entry?.data as object, { n: 3 })
    expect(store.inDoubt()[0]?.data).toEqual({ n: 1 })
    await store.commitPrepared("T1")
    expect(table.get("a")).toEqual({ n: 1 })
  })

  test("does not wait for writes that come behind it, however many stand in line", async () => {
    const store = await temporaryStore({ backlog: { bytes: 1 } })
    const table = store.table<number>("t")
    let isPrepared = false
    const writers = Array.from({ length: 20 }, async (_, n) => {
      while (!isPrepared) await table.put(`k${n}`, n)
    })
    await prepare(store, "T1", "a", 1, { durability: "written" })
    expect(store.metrics().flush.waitingWrites).toBeGreaterThan(0)
    isPrepared = true
    await Promise.all(writers)
  })

  test("is committed as one commit that subscribers see whole, and see nothing of before", async () => {
    const store = await temporaryStore()
    const [left, right] = [store.table("left"), store.table("right")]
    const { lsn: prepared } = await store.transact((tx) => {
      tx.put(left, "a", 1)
      tx.put(right, "b", 2)
      tx.prepare("T1")
    })
    const { lsn } = await store.commitPrepared("T1")
    await store.table("left").put("end", 0)
    const seen: unknown[] = []
    for await (const commit of store.changes({ after: 0 })) {
      seen.push([commit.lsn, commit.changes.map(({ table, key }) => `${table}/${key}`)])
      if (commit.lsn > lsn) break
    }
    expect(prepared).toBeLessThan(lsn)
    expect(seen).toEqual([
      [lsn, ["left/a", "right/b"]],
      [lsn + 1, ["left/end"]],
    ])
  })

  test("waits for nothing where its shards are rebuilt: it is in doubt, held and decided as before", async () => {
    const store = await temporaryStore({ shards: 3 })
    for (const id of ["T1", "T2", "T3"]) await prepare(store, id, `of ${id}`, id)
    for (const shard of [0, 1, 2]) await store.killActor(`store/shards/shard-${shard}`, new Error("killed by the test"))
    await store.ready()
    expect(store.inDoubt().map(({ id }) => id)).toEqual(["T1", "T2", "T3"])
    await expect(store.table("t").put("of T1", 0)).rejects.toThrow(KeyInDoubt)
    await store.commitPrepared("T1")
    await store.killActor("store/log/wal-writer", new Error("killed by the test"))
    await store.ready()
    expect(store.inDoubt().map(({ id }) => id)).toEqual(["T2", "T3"])
    await expect(store.table("t").put("of T2", 0)).rejects.toThrow(KeyInDoubt)
    await store.table("t").put("of T1", 0)
    await store.commitPrepared("T2")
    await store.abortPrepared("T3")
    expect(new Map(store.table("t").entries())).toEqual(
      new Map<string, unknown>([
        ["of T1", 0],
        ["of T2", "T2"],
      ]),
    )
  })
})

describe("what is held", () => {
  test("is refused to every kind of write, with the table, the key and who holds it; others go on", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.put("a", 1)
    await prepare(store, "T1", "a", 2)
    const other = store.table<number>("other")
    const writes = [
      () => table.put("a", 3),
      () => table.put("a", 3, { ifVersion: table.getVersioned("a").version }),
      () =>
        table.putMany([
          ["b", 3],
          ["a", 3],
        ]),
      () => table.delete("a"),
      () => table.update("a", () => 3),
      () => table.increment("a"),
      () =>
        store.batch((batch) => {
          batch.put(other, "a", 3)
          batch.put(table, "a", 3)
        }),
    ]
    for (const write of writes) {
      const error = await failureOf(write())
      expect(error).toBeInstanceOf(KeyInDoubt)
      expect(error).toMatchObject({ code: "ORRERY_KEY_IN_DOUBT", table: "t", key: "a", id: "T1" })
    }
    expect([table.get("a"), table.has("b"), other.has("a")]).toEqual([1, false, false])
    await Promise.all([table.put("b", 1), other.put("a", 1)])
  })

  test("makes a transaction try again until it is decided, and conflict in the end where it is not", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await prepare(store, "T1", "a", 5)
    const error = await failureOf(store.transact((tx) => tx.put(table, "a", 1), { retries: 2 }))
    expect(error).toBeInstanceOf(TransactionConflict)
    expect(error).toMatchObject({ attempts: 3, keys: [{ table: "t", key: "a" }], cause: { id: "T1" } })
    let tries = 0
    const waiting = store.transact(async (tx) => {
      await Promise.resolve()
      if (++tries === 2) await store.commitPrepared("T1")
      tx.update(table, "a", (value = 0) => value + 1)
    })
    expect(await waiting).not.toHaveProperty("prepared")
    expect(table.get("a")).toBe(6)
  })

  test("is at serializable also what was read, and whole tables that were walked; others may read it", async () => {
    const store = await temporaryStore()
    const [read, walked] = [store.table<number>("read"), store.table<number>("walked")]
    await store.transact((tx) => {
      tx.get(read, "absent")
      tx.size(walked)
      tx.put(store.table("t"), "a", 1)
      tx.prepare("T1")
    })
    expect(await failureOf(read.put("absent", 1))).toMatchObject({ id: "T1", key: "absent" })
    expect(await failureOf(walked.put("new", 1))).toMatchObject({ id: "T1", table: "walked", key: "new" })
    await read.put("other", 1)
    await store.transact((tx) => {
      tx.get(read, "absent")
      tx.size(walked)
      tx.put(store.table("t"), "b", 1)
      tx.prepare("T2")
    })
    await store.commitPrepared("T1")
    await expect(read.put("absent", 1)).rejects.toThrow(KeyInDoubt)
    await expect(walked.put("new", 1)).rejects.toThrow(KeyInDoubt)
    await store.abortPrepared("T2")
    await Promise.all([read.put("absent", 1), walked.put("new", 1)])
  })

  test("is at snapshot only what was written", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const work = async (tx: Parameters<Parameters<Store["transact"]>[0]>[0]): Promise<void> => {
      tx.get(table, "read")
      tx.size(table)
      tx.put(table, "written", 1)
      tx.prepare("T1")
    }
    await store.transact(work, { isolation: "snapshot" })
    await table.put("read", 1)
    await expect(table.put("written", 2)).rejects.toThrow(KeyInDoubt)
  })

  test("by its writes keeps others from being prepared who have read the value of before", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await prepare(store, "T1", "a", 1)
    const reads = store.transact((tx) => {
      tx.get(table, "a")
      tx.prepare("T2")
    }, NOT_AGAIN)
    expect(await failureOf(reads)).toMatchObject({ code: "ORRERY_TRANSACTION_CONFLICT", cause: { id: "T1", key: "a" } })
    const walks = store.transact((tx) => {
      tx.size(table)
      tx.prepare("T2")
    }, NOT_AGAIN)
    expect(await failureOf(walks)).toMatchObject({ cause: { id: "T1" } })
    // Who is not prepared comes before the other, here and everywhere.
    await store.transact((tx) => tx.put(table, "b", tx.get(table, "a") ?? 7))
    expect(table.get("b")).toBe(7)
  })

  test("costs a table nothing when the last one that holds it is decided", async () => {
    const store = await temporaryStore()
    const table = store.table("t")
    const { ruleCount } = table.entry
    await prepare(store, "T1", "a", 1)
    await prepare(store, "T2", "b", 1)
    await store.commitPrepared("T1")
    expect(table.entry.ruleCount).toBe(ruleCount + 1)
    await store.commitPrepared("T2")
    expect(table.entry.ruleCount).toBe(ruleCount)
  })

  test("refuses a write that has waited in line since before the prepare", async () => {
    const store = await temporaryStore({ backlog: { bytes: 1 } })
    const table = store.table<number>("t")
    const [, prepared, late] = await Promise.allSettled([
      table.put("first", 1),
      prepare(store, "T1", "a", 1),
      table.put("a", 2),
    ])
    expect([prepared?.status, late?.status]).toEqual(["fulfilled", "rejected"])
    expect(late).toMatchObject({ reason: { code: "ORRERY_KEY_IN_DOUBT", id: "T1" } })
  })
})

describe("a prepare is refused, and nothing is done,", () => {
  test("under an id that is in doubt, committed or aborted", async () => {
    const store = await temporaryStore()
    await prepare(store, "T1", "a", 1)
    const { lastLsn } = store.metrics().log
    expect(await failureOf(prepare(store, "T1", "b", 1))).toMatchObject({ outcome: "in doubt", id: "T1" })
    expect(await failureOf(prepare(store, "T1", "b", 1))).toBeInstanceOf(PrepareIdReused)
    expect(store.metrics().log.lastLsn).toBe(lastLsn)
    await store.commitPrepared("T1")
    expect(await failureOf(prepare(store, "T1", "b", 1))).toMatchObject({ outcome: "committed" })
    await prepare(store, "T2", "b", 1)
    await store.abortPrepared("T2")
    expect(await failureOf(prepare(store, "T2", "b", 1))).toMatchObject({ outcome: "aborted" })
    expect(store.inDoubt()).toEqual([])
    await store.table("t").put("b", 2)
  })

  test("of two that take one id at once, for the second", async () => {
    const store = await temporaryStore()
    const both = await Promise.allSettled([prepare(store, "T1", "a", 1), prepare(store, "T1", "b", 1)])
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"])
    await store.table("t").put("b", 2)
  })

  test.each<[string, unknown, new (...parameters: never[]) => Error]>([
    ["that is no string", 1, TypeError],
    ["that is empty", "", TypeError],
    ["with a lone surrogate", "\ud800", Error],
    ["that is too long", "x".repeat(4_097), LimitExceeded],
  ])("with an id %s", async (_what, id, kind) => {
    const store = await temporaryStore()
    expect(await failureOf(prepare(store, id as string, "a", 1))).toBeInstanceOf(kind)
    expect(await failureOf(store.commitPrepared(id as string))).toBeInstanceOf(kind)
    expect(() => store.outcome(id as string)).toThrow(kind)
    await store.table("t").put("a", 1)
  })

  test("with data that cannot be kept, a value that fails its schema, or a second id", async () => {
    const store = await temporaryStore()
    const schema: StandardSchema<unknown, number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) =>
          typeof value === "number" ? { value } : { issues: [{ message: "is no number", path: [] }] },
      },
    }
    const strict = store.table<number>("strict", { schema })
    const refused = [
      store.transact((tx) => tx.prepare("T1", Symbol("no"))),
      store.transact((tx) => {
        tx.prepare("T1")
        tx.put(strict, "a", "one" as never)
      }),
      store.transact((tx) => {
        tx.prepare("T1")
        tx.prepare("T2")
      }),
    ]
    const failures = await Promise.all(refused.map((work) => failureOf(work)))
    expect(failures.map((error) => (error as { code?: string }).code)).toEqual([
      "ORRERY_VALUE_REFUSED",
      "ORRERY_SCHEMA_MISMATCH",
      undefined,
    ])
    expect(failures[2]).toBeInstanceOf(TypeError)
    expect([store.inDoubt(), store.metrics().log.lastLsn]).toEqual([[], 1])
  })

  test("where it is larger than a record may be", async () => {
    const store = await temporaryStore()
    const table = store.table<string>("t")
    const work = store.transact((tx) => {
      for (const part of ["a", "b", "c"]) tx.put(table, part, "x".repeat(6 * 1024 * 1024))
      tx.prepare("T1")
    })
    const error = await failureOf(work)
    expect(error).toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED", what: "the prepared transaction's size in bytes" })
    expect([store.inDoubt(), store.outcome("T1")]).toEqual([[], undefined])
    await table.put("a", "small")
  })

  test("where a value is nested deeper than a record of it may be", async () => {
    const store = await temporaryStore()
    const nested = (depth: number): unknown => {
      let value: unknown = 1
      for (let level = 0; level < depth; level++) value = [value]
      return value
    }
    await prepare(store, "T1", "a", nested(253))
    const error = await failureOf(prepare(store, "T2", "b", nested(254)))
    expect(error).toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED" })
    await store.commitPrepared("T1")
    expect(store.table("t").get("a")).toEqual(nested(253))
    await store.table("t").put("b", nested(256))
  })

  test("where it writes more keys than its commit could hold", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const work = store.transact((tx) => {
      for (let n = 0; n <= 100_000; n++) tx.put(table, String(n), n)
      tx.prepare("T1")
    })
    expect(await failureOf(work)).toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED", limit: 100_000, actual: 100_001 })
    expect(store.inDoubt()).toEqual([])
  })

  test("where too many are in doubt already", async () => {
    const store = await temporaryStore({ prepared: { count: 2 } })
    await prepare(store, "T1", "a", 1)
    await prepare(store, "T2", "b", 1)
    expect(await failureOf(prepare(store, "T3", "c", 1))).toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED", limit: 2 })
    await store.commitPrepared("T1")
    await prepare(store, "T3", "c", 1)
  })

  test("where others changed what it depends on, each time that it is tried", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const work = store.transact(async (tx) => {
      tx.get(table, "a")
      await Promise.resolve()
      await table.increment("a")
      tx.prepare("T1")
    }, NOT_AGAIN)
    const error = await failureOf(work)
    expect(error).toMatchObject({ code: "ORRERY_TRANSACTION_CONFLICT", keys: [{ table: "t", key: "a" }] })
    expect(error).not.toHaveProperty("cause")
    expect(store.inDoubt()).toEqual([])
  })

  test("by what the function throws behind it", async () => {
    const store = await temporaryStore()
    const mine = new Error("mine")
    const work = store.transact((tx) => {
      tx.prepare("T1")
      tx.abort(mine)
    })
    expect(await failureOf(work)).toBe(mine)
    expect(store.inDoubt()).toEqual([])
  })

  test("and an error of the function's own that speaks of a held key comes back as it is", async () => {
    const store = await temporaryStore()
    await prepare(store, "T1", "a", 1)
    let tries = 0
    const work = store.transact(async () => {
      tries++
      await store.table("t").put("a", 2)
    })
    expect(await failureOf(work)).toBeInstanceOf(KeyInDoubt)
    expect(tries).toBe(1)
  })
})

test("two transactions over two stores never come before each other", async () => {
  const [west, east] = [await temporaryStore(), await temporaryStore()]
  const half = (store: Store, id: string, read: string | undefined, write: string | undefined): Promise<unknown> =>
    store.transact((tx) => {
      const table = store.table<number>("t")
      if (read !== undefined) tx.get(table, read)
      if (write !== undefined) tx.put(table, write, 1)
      tx.prepare(id)
    }, NOT_AGAIN)
  // T1 reads x in the west and writes y in the east; T2 reads y and writes x.
  const halves = await Promise.allSettled([
    half(west, "T2", undefined, "x"),
    half(east, "T1", undefined, "y"),
    half(west, "T1", "x", undefined),
    half(east, "T2", "y", undefined),
  ])
  expect(halves.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"])
})

describe("a decision", () => {
  test("that is repeated resolves to the first one's LSN, and the other one is refused", async () => {
    const store = await temporaryStore()
    await prepare(store, "T1", "a", 1)
    await prepare(store, "T2", "b", 1)
    const [first, again] = await Promise.all([store.commitPrepared("T1"), store.commitPrepared("T1")])
    expect(again).toEqual(first)
    expect(await store.commitPrepared("T1")).toEqual(first)
    const error = await failureOf(store.abortPrepared("T1", "too late"))
    expect(error).toBeInstanceOf(AlreadyDecided)
    expect(error).toMatchObject({ id: "T1", outcome: "committed", lsn: first.lsn, reason: undefined })
    const aborted = await store.abortPrepared("T2", "first")
    expect(await store.abortPrepared("T2", "second")).toEqual(aborted)
    expect(await failureOf(store.commitPrepared("T2"))).toMatchObject({ outcome: "aborted", reason: "first" })
    expect(store.table("t").has("b")).toBe(false)
  })

  test("that is repeated while the first is on its way resolves behind it", async () => {
    const store = await temporaryStore()
    await prepare(store, "T1", "a", 1)
    const order: string[] = []
    await Promise.all([
      store.commitPrepared("T1").then(() => order.push("first")),
      store.commitPrepared("T1").then(({ lsn }) => {
        expect(store.metrics().log.durableLsn).toBeGreaterThanOrEqual(lsn)
        order.push("second")
      }),
    ])
    expect(order).toEqual(["first", "second"])
  })

  test("about an id that was never prepared is refused", async () => {
    const store = await temporaryStore()
    expect(await failureOf(store.commitPrepared("T1"))).toBeInstanceOf(UnknownTransaction)
    expect(await failureOf(store.abortPrepared("T1"))).toMatchObject({ code: "ORRERY_UNKNOWN_TRANSACTION", id: "T1" })
    expect(store.outcome("T1")).toBeUndefined()
  })

  test("after close, or with wrong options, is refused", async () => {
    const store = await temporaryStore()
    await prepare(store, "T1", "a", 1)
    await expect(store.commitPrepared("T1", { durability: "memory" } as never)).rejects.toThrow(TypeError)
    await expect(store.abortPrepared("T1", 5 as never)).rejects.toThrow(TypeError)
    await expect(store.abortPrepared("T1", "x".repeat(1_001))).rejects.toThrow(TypeError)
    const reason = new Error("changed my mind")
    await expect(store.commitPrepared("T1", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(store.inDoubt()).toHaveLength(1)
    await store.close()
    expect(await failureOf(store.commitPrepared("T1"))).toMatchObject({ code: "ORRERY_CLOSED" })
    expect(await failureOf(store.abortPrepared("T1"))).toMatchObject({ code: "ORRERY_CLOSED" })
    expect(() => store.inDoubt()).toThrow("closed")
    expect(() => store.outcome("T1")).toThrow("closed")
  })

  test("is remembered among the newest, as many as the option says, also when that is lowered", async () => {
    const path = await temporaryDirectory()
    const options: OpenOptions = { prepared: { decisions: 3 } }
    const first = await open(path, options)
    const known = (store: Store): string[] =>
      Array.from({ length: 9 }, (_, n) => `T${n}`).filter((id) => store.outcome(id) !== undefined)
    for (let n = 0; n < 5; n++) {
      await prepare(first, `T${n}`, "a", n)
      await (n % 2 === 0 ? first.commitPrepared(`T${n}`) : first.abortPrepared(`T${n}`))
    }
    expect(known(first)).toEqual(["T2", "T3", "T4"])
    expect(await failureOf(first.commitPrepared("T0"))).toBeInstanceOf(UnknownTransaction)
    await first.close()
    await using second = await open(path, { prepared: { decisions: 1 } })
    expect(known(second)).toEqual(["T2", "T3", "T4"])
    for (const id of ["T5", "T6"]) {
      await prepare(second, id, "a", id)
      await second.commitPrepared(id)
    }
    expect(known(second)).toEqual(["T6"])
  })

  test("costs the same log with ten transactions in doubt or decided before as with two thousand", async () => {
    const store = await temporaryStore()
    const costs: number[] = []
    for (const total of [10, 2_000]) {
      const from = store.inDoubt().length
      const more = Array.from({ length: total - from }, (_, n) => `X${String(from + n).padStart(5, "0")}`)
      await Promise.all(more.map((id) => prepare(store, id, `of ${id}`, 1)))
      await Promise.all(more.slice(0, more.length / 2).map((id) => prepare(store, `Y${id}`, `y ${id}`, 1)))
      await Promise.all(more.slice(0, more.length / 2).map((id) => store.commitPrepared(`Y${id}`)))
      const id = `Z${String(total).padStart(4, "0")}`
      await prepare(store, id, `of ${id}`, 1)
      const [before, reads] = [store.metrics().log.bytes, store.metrics().operations.gets]
      await store.commitPrepared(id)
      costs.push(Math.round((store.metrics().log.bytes - before) / 64), store.metrics().operations.gets - reads)
    }
    expect(costs.slice(2)).toEqual(costs.slice(0, 2))
  })
})

test("ten writers that meet held keys keep every sum, whatever is committed and aborted beside them", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  const keys = ["a", "b", "c", "d"]
  await table.putMany(keys.map((key) => [key, 100]))
  const move = (tx: Parameters<Parameters<Store["transact"]>[0]>[0], from: string, to: string): void => {
    tx.update(table, from, (value = 0) => value - 1)
    tx.update(table, to, (value = 0) => value + 1)
  }
  let conflicts = 0
  const writers = Array.from({ length: 10 }, async (_, writer) => {
    for (let round = 0; round < 12; round++) {
      const [from, to] = [keys[(writer + round) % 4] as string, keys[(writer + 2 * round + 1) % 4] as string]
      const id = `${writer}.${round}`
      const isPrepared = writer % 2 === 0
      const work = store.transact(
        async (tx) => {
          if (from !== to) move(tx, from, to)
          if (isPrepared) tx.prepare(id)
        },
        { retries: 3 },
      )
      const failure = await work.then(
        () => undefined,
        (error: unknown) => error,
      )
      if (failure !== undefined) {
        expect(failure).toBeInstanceOf(TransactionConflict)
        conflicts++
      } else if (isPrepared) await (round % 3 === 0 ? store.abortPrepared(id) : store.commitPrepared(id))
    }
  })
  await Promise.all(writers)
  expect(store.inDoubt()).toEqual([])
  expect([...table.values()].reduce((sum, value) => sum + value, 0)).toBe(400)
  expect(conflicts).toBeLessThan(120)
})
