import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Durability } from "../../src/index.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

interface User {
  readonly name: string
  readonly city?: string
  readonly age?: number
}

describe("reading and writing", () => {
  test("a put is seen by the next get, before its promise resolves", async () => {
    const users = (await temporaryStore()).table<User>("users")
    const receipt = users.put("ada", { name: "Ada", city: "London" })
    expect(users.get("ada")).toEqual({ name: "Ada", city: "London" })
    expect((await receipt).lsn).toBeGreaterThan(0)
  })

  test("later writes have higher LSNs, also within one turn", async () => {
    const users = (await temporaryStore()).table<User>("users")
    const receipts = await Promise.all(["a", "b", "c"].map((key) => users.put(key, { name: key })))
    const lsns = receipts.map(({ lsn }) => lsn as number)
    expect(lsns).toEqual([lsns[0], (lsns[0] as number) + 1, (lsns[0] as number) + 2])
  })

  test("a value is encoded within the call: changing it afterwards has no effect", async () => {
    const table = (await temporaryStore()).table<{ list: number[] }>("t")
    const value = { list: [1] }
    const receipt = table.put("k", value)
    value.list.push(2)
    await receipt
    expect(table.get("k")).toEqual({ list: [1] })
  })

  test("get gives a new object with every call", async () => {
    const users = (await temporaryStore()).table<User>("users")
    await users.put("ada", { name: "Ada" })
    const first = users.get("ada") as { name: string }
    first.name = "changed"
    expect(users.get("ada")).toEqual({ name: "Ada" })
  })

  test("a stored undefined is there, though get gives undefined", async () => {
    const table = (await temporaryStore()).table("t")
    await table.put("k", undefined)
    expect(table.get("k")).toBeUndefined()
    expect(table.has("k")).toBe(true)
    expect(table.has("other")).toBe(false)
    expect(table.size).toBe(1)
  })

  test("delete removes, twice is allowed, and other tables keep their keys", async () => {
    const store = await temporaryStore()
    await store.table("a").put("k", 1)
    await store.table("b").put("k", 2)
    await store.table("a").delete("k")
    await store.table("a").delete("k")
    expect([store.table("a").has("k"), store.table("b").get("k")]).toEqual([false, 2])
  })

  test("update computes from the present value, and 1,000 concurrent ones lose nothing", async () => {
    const table = (await temporaryStore()).table<number>("counters")
    await Promise.all(Array.from({ length: 1_000 }, () => table.update("n", (n) => (n ?? 0) + 1)))
    expect(table.get("n")).toBe(1_000)
  })

  test("what an update's function throws rejects it, and nothing changes", async () => {
    const table = (await temporaryStore()).table<number>("t")
    await table.put("k", 1)
    const failing = table.update("k", () => {
      throw new Error("no")
    })
    await expect(failing).rejects.toThrow("no")
    expect(table.get("k")).toBe(1)
  })

  test("keys, values, entries and the table itself iterate over everything once", async () => {
    const table = (await temporaryStore()).table<number>("t")
    const expected = new Map(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, n] as const))
    await table.putMany(expected)
    expect(new Map(table.entries())).toEqual(expected)
    expect(new Map(table)).toEqual(expected)
    expect(new Set(table.keys()).size).toBe(5_000)
    expect([...table.values()].reduce((sum, n) => sum + n, 0)).toBe((4_999 * 5_000) / 2)
    expect([...table.keys()]).toHaveLength(5_000)
  })

  test("deleting and inserting while iterating visits every lasting key exactly once", async () => {
    const table = (await temporaryStore()).table<number>("t")
    await table.putMany(Array.from({ length: 3_000 }, (_, n) => [`lasting${n}`, n] as const))
    const seen: string[] = []
    const writes: Promise<unknown>[] = []
    for (const key of table.keys()) {
      if (key.startsWith("lasting")) seen.push(key)
      if (seen.length % 3 === 0) writes.push(table.put(`new${seen.length}`, 0), table.delete(`new${seen.length - 3}`))
    }
    await Promise.all(writes)
    expect(seen).toHaveLength(3_000)
    expect(new Set(seen).size).toBe(3_000)
  })

  test.for<Durability>(["synced", "written", "memory"])(
    "a write of level %s is there after close and open",
    async (durability) => {
      const path = await temporaryDirectory()
      const store = await open(path)
      await store.table("t").put("k", { durability }, { durability })
      await store.close()
      const again = await open(path)
      expect(again.table("t").get("k")).toEqual({ durability })
      await again.close()
    },
  )

  test("handles of one name share the table", async () => {
    const store = await temporaryStore()
    await store.table("t").put("k", 1)
    expect(store.table("t").get("k")).toBe(1)
    expect(store.tables()).toEqual(["t"])
  })
})

describe("values and keys of every size", () => {
  const sizes = [0, 100, 101, 1_000, 1_001, 1024 * 1024]

  test.for(sizes)("a value of %i bytes is readable at once and after reopening", async (size) => {
    const path = await temporaryDirectory()
    const store = await open(path)
    const value = new Uint8Array(size).fill(size & 255)
    await store.table("t").put("k", value)
    expect(store.table("t").get("k")).toEqual(value)
    await store.close()
    const again = await open(path)
    expect(again.table("t").get("k")).toEqual(value)
    await again.close()
  })

  test("a value larger than a segment gets a segment of its own", async () => {
    const path = await temporaryDirectory()
    const store = await open(path, { segmentBytes: 64 * 1024 })
    const big = "x".repeat(3_000_000)
    await store.table("t").put("big", big)
    await store.table("t").put("small", 1)
    await store.close()
    const again = await open(path)
    expect(again.table("t").get("big")).toBe(big)
    expect(again.table("t").get("small")).toBe(1)
    await again.close()
  })

  test.for(["", "__proto__", "a\0b", "ключ", "🪐", "constructor", "../../etc/passwd", "x".repeat(4_096)])(
    "the key %j is kept as it is",
    async (key) => {
      const path = await temporaryDirectory()
      const store = await open(path)
      await store.table("t").put(key, { key })
      expect([...store.table("t").keys()]).toEqual([key])
      await store.close()
      const again = await open(path)
      expect(again.table("t").get(key)).toEqual({ key })
      await again.close()
    },
  )

  test.for(["", "__proto__", "../up", "a/b", "nul\0", "π"])("the table name %j never becomes a path", async (name) => {
    const path = await temporaryDirectory()
    const store = await open(join(path, "s"))
    if (name === "") expect(() => store.table(name)).toThrow(TypeError)
    else {
      await store.table(name).put("k", 1)
      expect(store.tables()).toEqual([name])
    }
    await store.close()
  })

  test("2,000 overwrites read 0 stale values", async () => {
    const table = (await temporaryStore()).table<number>("t")
    let stale = 0
    const writes: Promise<unknown>[] = []
    for (let n = 0; n < 2_000; n++) {
      writes.push(table.put(`k${n % 7}`, n))
      if (table.get(`k${n % 7}`) !== n) stale++
    }
    await Promise.all(writes)
    expect(stale).toBe(0)
    expect(table.size).toBe(7)
  })
})

describe("deletes hold", () => {
  test.for([1, 3, 8, 24])("over three reopens with %i shards", async (shards) => {
    const path = await temporaryDirectory()
    let store = await open(path, { shards })
    const table = store.table<number>("t")
    await table.putMany(Array.from({ length: 200 }, (_, n) => [`k${n}`, n] as const))
    await Promise.all(Array.from({ length: 100 }, (_, n) => table.delete(`k${n * 2}`)))
    await table.put("k0", -1)
    for (let reopen = 0; reopen < 3; reopen++) {
      await store.close()
      store = await open(path, { shards })
      const again = store.table<number>("t")
      expect(again.size).toBe(101)
      expect(again.has("k2")).toBe(false)
      expect(again.get("k0")).toBe(-1)
    }
    await store.close()
  })

  test("and a store may be opened with another number of shards", async () => {
    const path = await temporaryDirectory()
    for (const shards of [8, 1, 24, 3]) {
      const store = await open(path, { shards })
      const table = store.table<number>("t")
      await table.put(`with${shards}`, shards)
      for (const [key, value] of table) expect(key).toBe(`with${value}`)
      await store.close()
    }
    const store = await open(path)
    expect(store.table("t").size).toBe(4)
    await store.close()
  })

  test("90,000 deletes of 100,000 leave none visible and give memory back", async () => {
    const store = await temporaryStore()
    const table = store.table<string>("t")
    const entries = Array.from({ length: 100_000 }, (_, n) => [`key${n}`, "x".repeat(100)] as const)
    await table.putMany(entries, { durability: "written" })
    const full = store.metrics().tables.allocatedBytes
    await store.batch((batch) => {
      for (let n = 0; n < 90_000; n++) batch.delete(table, `key${n}`)
    })
    expect(table.size).toBe(10_000)
    expect(table.has("key0")).toBe(false)
    // Compaction runs in the background, in steps; it ends when nothing more is worth moving.
    await expect.poll(() => store.metrics().tables.allocatedBytes, { timeout: 300_000 }).toBeLessThan(full / 4)
    expect(store.metrics().tables.returnedBytes).toBeGreaterThan(full / 2)
    expect(table.get("key99999")).toBe("x".repeat(100))
  })
})
