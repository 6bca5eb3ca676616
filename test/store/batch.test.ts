import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Batch, StandardSchema } from "../../src/index.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

describe("a batch", () => {
  test("is seen whole over tables and shards, under one LSN", async () => {
    const store = await temporaryStore()
    const [a, b] = [store.table<number>("a"), store.table<number>("b")]
    await a.put("gone", 1)
    const receipt = store.batch((batch) => {
      for (let n = 0; n < 50; n++) batch.put(a, `k${n}`, n)
      batch.put(b, "k", 1)
      batch.delete(a, "gone")
    })
    expect([a.size, b.size, a.has("gone")]).toEqual([50, 1, false])
    const { lsn } = await receipt
    expect((await a.put("next", 0)).lsn).toBe(lsn + 1)
  })

  test("whose function throws leaves no trace, live or reopened", async () => {
    const path = await temporaryDirectory()
    const store = await open(path)
    const table = store.table("t")
    const failing = store.batch((batch) => {
      batch.put(table, "a", 1)
      throw new Error("changed my mind")
    })
    await expect(failing).rejects.toThrow("changed my mind")
    expect([table.size, store.tables()]).toEqual([0, []])
    await store.close()
    const again = await open(path)
    expect(again.tables()).toEqual([])
    await again.close()
  })

  test("with a value that cannot be stored leaves no trace, not even its new tables and shapes", async () => {
    const path = await temporaryDirectory()
    const store = await open(path)
    const table = store.table("new")
    const failing = store.batch((batch) => {
      for (let n = 0; n < 5; n++) batch.put(table, `k${n}`, { shape: n, of: "five" })
      batch.put(table, "bad", { nested: [() => 1] })
    })
    await expect(failing).rejects.toMatchObject({ code: "ORRERY_VALUE_REFUSED", path: "$.nested[0]" })
    expect([table.size, store.tables()]).toEqual([0, []])
    await table.put("k", { shape: 1, of: "five" })
    await table.put("l", { shape: 2, of: "five" })
    await store.close()
    const again = await open(path)
    expect(Object.fromEntries(again.table("new"))).toEqual({ k: { shape: 1, of: "five" }, l: { shape: 2, of: "five" } })
    await again.close()
  })

  test("of nothing resolves", async () => {
    const store = await temporaryStore()
    await expect(store.batch(() => undefined)).resolves.toMatchObject({ lsn: expect.any(Number) })
  })

  test("refuses use after its function has ended, and functions that are asynchronous", async () => {
    const store = await temporaryStore()
    const table = store.table("t")
    let kept: Batch | undefined
    await store.batch((batch) => {
      kept = batch
    })
    expect(() => kept?.put(table, "k", 1)).toThrow("the batch has ended")
    const asynchronous = (async () => undefined) as unknown as (batch: Batch) => void
    await expect(store.batch(asynchronous)).rejects.toThrow("must be synchronous")
  })

  test("of 20,000 operations is one commit", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const before = (await table.put("first", 0)).lsn
    const { lsn } = await table.putMany(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, n] as const))
    expect(lsn).toBe(before + 1)
    expect(table.size).toBe(20_001)
  })

  test("larger than a frame may be is refused with its limit, and the store goes on", async () => {
    const store = await temporaryStore()
    const table = store.table<Uint8Array>("t")
    const value = new Uint8Array(8 * 1024 * 1024)
    const failing = table.putMany(Array.from({ length: 7 }, (_, n) => [`k${n}`, value] as const))
    await expect(failing).rejects.toMatchObject({ code: "ORRERY_LIMIT_EXCEEDED" })
    expect(table.size).toBe(0)
    await table.put("k", value)
    expect(table.get("k")).toHaveLength(value.length)
  })
})

describe("a schema", () => {
  const named: StandardSchema<unknown, { name: string }> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        const name = (value as { name?: unknown } | null)?.name
        if (typeof name === "string") return { value: { name: name.trim() } }
        return { issues: [{ message: "must be a string", path: ["name"] }] }
      },
    },
  }
  const asynchronous: StandardSchema<unknown, { name: string }> = {
    "~standard": { version: 1, vendor: "test", validate: async (value) => named["~standard"].validate(value) },
  }

  test.for([
    ["synchronous", named],
    ["asynchronous", asynchronous],
  ] as const)("that is %s transforms values and refuses others with path and message", async ([, schema]) => {
    const table = (await temporaryStore()).table("t", { schema })
    await table.put("k", { name: " Ada " })
    expect(table.get("k")).toEqual({ name: "Ada" })
    const wrong = { name: 1 } as unknown as { name: string }
    await expect(table.put("k", wrong)).rejects.toMatchObject({
      code: "ORRERY_SCHEMA_MISMATCH",
      issues: ["name: must be a string"],
      table: "t",
      key: "k",
    })
    await expect(table.putMany([["k", wrong]])).rejects.toMatchObject({ code: "ORRERY_SCHEMA_MISMATCH" })
    expect(table.get("k")).toEqual({ name: "Ada" })
  })

  test("is asked by batches and updates too", async () => {
    const store = await temporaryStore()
    const table = store.table("t", { schema: named })
    const wrong = { name: 1 } as unknown as { name: string }
    await expect(store.batch((batch) => batch.put(table, "k", wrong))).rejects.toMatchObject({ _tag: "SchemaMismatch" })
    await expect(table.update("k", () => wrong)).rejects.toMatchObject({ _tag: "SchemaMismatch" })
    await store.batch((batch) => batch.put(table, "k", { name: " Bo " }))
    expect(table.get("k")).toEqual({ name: "Bo" })
    const slow = store.table("t", { schema: asynchronous })
    await store.batch((batch) => batch.put(slow, "l", { name: " Cy " }))
    expect(table.get("l")).toEqual({ name: "Cy" })
    await expect(slow.update("l", (value) => value as { name: string })).rejects.toThrow("asynchronous")
  })
})

test("a batch refuses what is no table, and another store's, and leaves no trace", async () => {
  const store = await temporaryStore()
  const other = await temporaryStore()
  // Made first, so that it has the number of a table that there is here too.
  await other.table("other").put("k", 1)
  const table = store.table("mine")
  await table.put("k", 1)
  const name = "mine" as unknown as typeof table
  await expect(store.batch((batch) => batch.put(name, "k", 2))).rejects.toThrow(/must be a table/)
  await expect(store.batch((batch) => batch.delete(name, "k"))).rejects.toThrow(/must be a table/)
  const foreign = store.batch((batch) => {
    batch.put(table, "k", 2)
    batch.put(other.table("other"), "k", 2)
  })
  await expect(foreign).rejects.toThrow('the table "other" is another store\'s')
  expect([table.get("k"), other.table("other").get("k"), table.size]).toEqual([1, 1, 1])
})
