import { describe, expect, test } from "vitest"
import { ConditionFailed, NotACounter, open } from "../../src/index.ts"
import type { StandardSchema } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "../property/store-history.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const LEVEL = { durability: "memory" } as const

describe("a version", () => {
  test("is the LSN of the commit that wrote the value; 0 where there is none, also after a delete", async () => {
    const path = await temporaryDirectory()
    const store = await open(path)
    const table = store.table<string>("t")
    expect(table.getVersioned("k")).toEqual({ value: undefined, version: 0 })
    const { lsn } = await table.put("k", "a")
    await table.put("gone", "b")
    await table.delete("gone")
    expect(table.getVersioned("k")).toEqual({ value: "a", version: lsn })
    expect(table.getVersioned("gone")).toEqual({ value: undefined, version: 0 })
    await store.checkpoint()
    await store.close()
    const again = await open(path)
    expect(again.table("t").getVersioned("k")).toEqual({ value: "a", version: lsn })
    await again.close()
  })
})

describe("a conditional write", () => {
  test("is done when the version is as asked, and refused with the one that is there when not", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const { lsn: first } = await table.put("k", 1, { ...LEVEL, ifVersion: 0 })
    const { lsn: second } = await table.put("k", 2, { ...LEVEL, ifVersion: first })
    const refused = table.put("k", 3, { ...LEVEL, ifVersion: first })
    await expect(refused).rejects.toThrow(ConditionFailed)
    await expect(refused).rejects.toMatchObject({ table: "t", key: "k", expected: first, version: second })
    await expect(table.put("k", 3, { ifVersion: 0 })).rejects.toThrow(`has version ${second}, not no value`)
    expect(table.getVersioned("k")).toEqual({ value: 2, version: second })
    await expect(table.delete("k", { ifVersion: first })).rejects.toMatchObject({ code: "ORRERY_CONDITION_FAILED" })
    await table.delete("k", { ...LEVEL, ifVersion: second })
    expect(table.has("k")).toBe(false)
    await expect(table.put("k", 4, { ifVersion: second })).rejects.toMatchObject({ version: 0 })
  })

  test("with ifAbsent is done once by however many try at a time", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const tries = Array.from({ length: 50 }, (_, n) => table.put("k", n, { ...LEVEL, ifAbsent: true }))
    const outcomes = await Promise.allSettled(tries)
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
    expect(table.get("k")).toBe(0)
    await table.put("k", 100, { ...LEVEL, ifAbsent: false })
    expect(table.get("k")).toBe(100)
  })

  test("that waits in line is decided when its turn has come, and keeps its value as it was", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<{ n: number }>("t")
    await untilSettled(platform, store.killActor("store/log/wal-writer", new Error("test")))
    const value = { n: 1 }
    const first = table.put("k", value, { ifAbsent: true })
    const second = table.put("k", { n: 2 }, { ifAbsent: true }).catch((error: unknown) => error)
    value.n = 100
    await untilSettled(platform, first)
    expect(await untilSettled(platform, second)).toBeInstanceOf(ConditionFailed)
    expect(table.get("k")).toEqual({ n: 1 })
    await untilSettled(platform, store.close())
  })

  test("that is refused leaves no trace", async () => {
    const path = await temporaryDirectory()
    const store = await open(path)
    await expect(store.table("new").put("k", { of: "a shape" }, { ifVersion: 5 })).rejects.toThrow(ConditionFailed)
    expect(store.tables()).toEqual([])
    await store.close()
    const again = await open(path)
    expect(again.tables()).toEqual([])
    await again.close()
  })

  test("refuses conditions that say nothing, or contradict each other, and those of many keys", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await expect(table.put("k", 1, { ifVersion: -1 })).rejects.toThrow(TypeError)
    await expect(table.put("k", 1, { ifVersion: 1.5 })).rejects.toThrow(TypeError)
    await expect(table.put("k", 1, { ifAbsent: 1 as never })).rejects.toThrow(TypeError)
    await expect(table.put("k", 1, { ifAbsent: true, ifVersion: 3 })).rejects.toThrow("cannot be absent")
    await expect(table.putMany([["k", 1]], { ifVersion: 0 } as never)).rejects.toThrow('options has no "ifVersion"')
    await expect(table.delete("k", { ifAbsent: true } as never)).rejects.toThrow('options has no "ifAbsent"')
    expect(table.size).toBe(0)
  })
})

describe("increment", () => {
  test("counts from nothing, and resolves to what the counter became", async () => {
    const store = await temporaryStore()
    const table = store.table<number | bigint>("t")
    expect(await table.increment("n", 1, LEVEL)).toMatchObject({ value: 1 })
    expect(await table.increment("n", -2.5, LEVEL)).toMatchObject({ value: -1.5 })
    expect(await table.increment("b", 2n ** 70n, LEVEL)).toMatchObject({ value: 2n ** 70n })
    expect(await table.increment("b", undefined, LEVEL)).toMatchObject({ value: 2n ** 70n + 1n })
    expect([table.get("n"), table.get("b")]).toEqual([-1.5, 2n ** 70n + 1n])
  })

  test("of one key by many at a time loses nothing, also among puts that wait for room", async () => {
    const store = await temporaryStore({ backlog: { bytes: 500 } })
    const table = store.table<number>("t")
    const results = await Promise.all(Array.from({ length: 2000 }, () => table.increment("n")))
    expect(table.get("n")).toBe(2000)
    expect(new Set(results.map(({ value }) => value)).size).toBe(2000)
  })

  test("refuses what is no counter with the reason, and leaves it as it is", async () => {
    const store = await temporaryStore()
    const table = store.table<unknown>("t")
    await table.put("text", "5", LEVEL)
    await table.put("null", null, LEVEL)
    await table.put("n", Number.MAX_SAFE_INTEGER, LEVEL)
    await table.put("b", 1n, LEVEL)
    await expect(table.increment("text")).rejects.toThrow(NotACounter)
    await expect(table.increment("text")).rejects.toMatchObject({
      table: "t",
      key: "text",
      code: "ORRERY_NOT_A_COUNTER",
    })
    await expect(table.increment("null")).rejects.toThrow("a value of type null")
    await expect(table.increment("n")).rejects.toThrow("beyond what a number counts exactly")
    await expect(table.increment("n", 1n)).rejects.toThrow("incremented by a bigint")
    await expect(table.increment("b", 0.5)).rejects.toThrow("0.5 is none")
    await expect(table.increment("n", Number.NaN)).rejects.toThrow(TypeError)
    await expect(table.increment("n", "1" as never)).rejects.toThrow(TypeError)
    expect([table.get("text"), table.get("n"), table.get("b")]).toEqual(["5", Number.MAX_SAFE_INTEGER, 1n])
  })

  test("asks the table's schema", async () => {
    const small: StandardSchema<unknown, number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) => (Number(value) < 3 ? { value: Number(value) } : { issues: [{ message: "too much" }] }),
      },
    }
    const store = await temporaryStore()
    const table = store.table("t", { schema: small })
    await table.increment("n", 2, LEVEL)
    await expect(table.increment("n")).rejects.toThrow("too much")
    expect(table.get("n")).toBe(2)
  })
})

describe("update", () => {
  test("loses no update of one key, however many run at a time", async () => {
    const store = await temporaryStore({ backlog: { bytes: 500 } })
    const table = store.table<number>("t")
    await Promise.all(Array.from({ length: 2000 }, () => table.update("n", (n) => (n ?? 0) + 1)))
    expect(table.get("n")).toBe(2000)
  })

  test("refuses a write to the store from within its function, which would be lost", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    let inner: Promise<unknown> | undefined
    await table.update("n", (n) => {
      inner = table.put("n", 100).catch((error: unknown) => error)
      return (n ?? 0) + 1
    })
    expect(String(await inner)).toContain("a write to the store began within another one")
    expect(table.get("n")).toBe(1)
  })
})
