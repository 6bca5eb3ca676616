// Secondary indexes through the store: kept by every way of writing, read in order, built, dropped, refused.

import { describe, expect, onTestFinished, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Store, TableHandle } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

interface User {
  readonly city?: string | undefined
  readonly age?: number
  readonly tags?: readonly string[]
}

const indexes = {
  city: (user: User) => user.city,
  age: { of: (user: User) => user.age },
  tags: { many: true, of: (user: User) => user.tags },
} as const

type UsersTable = TableHandle<User, { readonly city: string; readonly age: number; readonly tags: string }>

const people: readonly (readonly [string, User])[] = [
  ["ada", { city: "London", age: 36, tags: ["math", "poetry"] }],
  ["alan", { city: "London", age: 41, tags: ["math"] }],
  ["grace", { city: "New York", age: 85 }],
  ["emmy", { city: "Erlangen", age: 53, tags: ["math", "rings", "math"] }],
  ["nobody", {}],
]

async function withUsers(): Promise<{ readonly store: Store; readonly users: UsersTable }> {
  const store = await temporaryStore()
  const users = store.table("users", { indexes })
  await users.putMany(people)
  return { store, users }
}

describe("an index", () => {
  test("gives the keys of the records that have a key, in the order of their keys", async () => {
    const { users } = await withUsers()
    expect(users.index("city").get("London")).toEqual(["ada", "alan"])
    expect(users.index("city").get("Paris")).toEqual([])
    expect(users.index("city").find("Erlangen")).toBe("emmy")
    expect(users.index("city").find("Paris")).toBeUndefined()
    expect(users.index("age").get(85)).toEqual(["grace"])
  })

  test("with many keys a record has each of them once", async () => {
    const { users } = await withUsers()
    expect(users.index("tags").get("math")).toEqual(["ada", "alan", "emmy"])
    expect([...users.index("tags").pairs()]).toEqual([
      ["math", "ada"],
      ["math", "alan"],
      ["math", "emmy"],
      ["poetry", "ada"],
      ["rings", "emmy"],
    ])
  })

  test("does not have records whose key is undefined or null", async () => {
    const { users } = await withUsers()
    expect([...users.index("city").keys()]).toEqual(["emmy", "ada", "alan", "grace"])
    expect(users.index("city").count()).toBe(4)
    await users.put("ada", { city: null as never })
    expect(users.index("city").get("London")).toEqual(["alan"])
  })

  test("is walked by ranges, from either end, up to a limit", async () => {
    const { users } = await withUsers()
    const age = users.index("age")
    expect([...age.keys({ from: 41, to: 85 })]).toEqual(["alan", "emmy"])
    expect([...age.keys({ after: 41, through: 85 })]).toEqual(["emmy", "grace"])
    expect([...age.keys({ reverse: true, limit: 2 })]).toEqual(["grace", "emmy"])
    expect([...age.keys({ to: 41, reverse: true })]).toEqual(["ada"])
    expect([...age.keys({ limit: 0 })]).toEqual([])
    expect([...age.keys(53)]).toEqual(["emmy"])
    expect([...users.index("city").keys({ prefix: "New" })]).toEqual(["grace"])
    expect([...users.index("city").keys({ prefix: "" })]).toHaveLength(4)
    expect([...age.entries({ limit: 1 })]).toEqual([people[0]])
    expect([age.count({ from: 41 }), age.count(36), age.count({ limit: 3 })]).toEqual([3, 1, 3])
    expect([age.min(), age.max(), age.min({ after: 36 }), age.max({ to: 36 })]).toEqual([36, 85, 41, undefined])
  })

  test("keeps keys of several kinds apart, and bounds take in their own kind", async () => {
    const store = await temporaryStore()
    const any = store.table<{ k: unknown }>("any", { indexes: { k: (value) => value.k as never } })
    const values = { a: true, b: 1, c: 2n, d: new Date(3), e: "4" }
    for (const [key, k] of Object.entries(values)) await any.put(key, { k })
    const index = any.index("k")
    expect([...index.keys()]).toEqual(["a", "b", "c", "d", "e"])
    expect([...index.keys({ from: 0 })]).toEqual(["b"])
    expect([...index.keys({ through: new Date(3) })]).toEqual(["d"])
    expect([index.get(1), index.get(1n), index.get("1")]).toEqual([["b"], [], []])
    expect([...index.pairs()].map(([k]) => k)).toEqual(Object.values(values))
    await any.put("b", { k: -0 })
    expect(index.get(0)).toEqual(["b"])
  })

  test("is kept by every way of writing", async () => {
    const { store, users } = await withUsers()
    const cities = (): unknown => [...users.index("city").pairs()]
    await users.put("ada", { city: "Turin" })
    await users.update("alan", (user) => ({ ...user, city: "Wilmslow" }))
    await users.delete("grace")
    await users.delete("nobody")
    await store.batch((batch) => {
      batch.put(users, "emmy", { city: "Rome" })
      batch.put(users, "emmy", { city: "Bryn Mawr" })
      batch.put(users, "gone", { city: "Nowhere" })
      batch.delete(users, "gone")
    })
    await store.transact((tx) => tx.put(users, "kurt", { city: "Brno" }))
    await store.transact(async (tx) => {
      await Promise.resolve()
      tx.put(users, "kurt", { city: "Princeton" })
    })
    expect(cities()).toEqual([
      ["Bryn Mawr", "emmy"],
      ["Princeton", "kurt"],
      ["Turin", "ada"],
      ["Wilmslow", "alan"],
    ])
    expect(users.index("tags").get("math")).toEqual(["alan"])
    const counts = store.table<number>("counts", { indexes: { n: (n) => n } })
    await counts.increment("a", 3)
    await counts.increment("a", 4)
    expect([...counts.index("n").pairs()]).toEqual([[7, "a"]])
  })

  test("shows a write on the turn of its call, as get does", async () => {
    const { users } = await withUsers()
    const done = users.put("ada", { city: "Turin" })
    expect(users.index("city").get("Turin")).toEqual(["ada"])
    await done
  })

  test("sees what a schema made of a value", async () => {
    const store = await temporaryStore()
    const schema = {
      "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value: String(value).trim() }) },
    } as const
    const words = store.table<string>("words", { schema, indexes: { word: (word) => word } })
    await words.put("a", "  x ")
    expect(words.index("word").get("x")).toEqual(["a"])
  })

  test("sees the value as it was when the write was called, also if that waits in line", async () => {
    const store = await temporaryStore({ backlog: { bytes: 1_000 } })
    const users = store.table("users", { indexes })
    const value = { city: "London", pad: "x".repeat(500) }
    const done = Array.from({ length: 20 }, (_, n) => {
      value.city = `city ${n}`
      return users.put(`u${n}`, value)
    })
    value.city = "changed"
    await Promise.all(done)
    expect(users.index("city").count()).toBe(20)
    expect(users.index("city").get("changed")).toEqual([])
  })

  test("is walked while it changes: what is there all along is met once", async () => {
    const store = await temporaryStore()
    const numbers = store.table<number>("numbers", { indexes: { n: (n) => n } })
    await numbers.putMany(Array.from({ length: 2_000 }, (_, n) => [`k${n}`, n] as const))
    const met: string[] = []
    for (const [key] of numbers.index("n").entries({ from: 500, to: 1_500 })) {
      met.push(key)
      void numbers.put(`new ${met.length}`, 1_000.5)
      void numbers.delete(key)
    }
    expect(met.filter((key) => key.startsWith("k"))).toEqual(Array.from({ length: 1_000 }, (_, n) => `k${n + 500}`))
    await store.flush()
    expect(numbers.index("n").count({ from: 500, to: 1_000 })).toBe(0)
  })

  test("has what the table has when the store is opened again, with another number of shards", async () => {
    const { store, users } = await withUsers()
    const before = [...users.index("tags").pairs()]
    await store.close()
    const again = await open(store.path, { shards: 3 })
    onTestFinished(() => again.close())
    const reopened = again.table("users", { indexes })
    expect([...reopened.index("tags").pairs()]).toEqual(before)
    await again.killActor("store/log/wal-writer", new Error("test"))
    await again.ready()
    expect([...reopened.index("tags").pairs()]).toEqual(before)
  })

  test("refuses arguments that are no keys or ranges", async () => {
    const { store, users } = await withUsers()
    const city = users.index("city")
    expect(() => city.get({} as never)).toThrow(TypeError)
    expect(() => [...city.keys({ form: "a" } as never)]).toThrow('has no "form"')
    expect(() => [...city.keys({ from: "a", after: "b" })]).toThrow("not both")
    expect(() => [...city.keys({ to: "a", through: "b" })]).toThrow("not both")
    expect(() => [...city.keys({ prefix: "a", to: "b" })]).toThrow("not both")
    expect(() => [...city.keys({ from: "a", to: 1 as never })]).toThrow("one kind")
    expect(() => [...city.keys({ limit: -1 })]).toThrow("limit")
    expect(() => store.table("t", { indexes: { a: 1 as never } })).toThrow(TypeError)
    expect(() => store.table("t", { indexes: { a: { of: 1 } as never } })).toThrow('function "of"')
    expect(() => store.table("t", { indexes: { a: { of: () => 1, uniq: true } as never } })).toThrow('"uniq"')
    expect(() => store.table("t", { unique: "email" as never })).toThrow("array of names")
    expect(() => store.table("t", { indexes: { "": () => 1 } })).toThrow("not empty")
  })
})

describe("a write that an index refuses", () => {
  test.each([
    ["that throws", () => (undefined as never as User).age, "Cannot read"],
    ["with NaN", () => Number.NaN, "NaN"],
    ["with an object", () => ({}) as never, "type object"],
    ["with a text that is too long", () => "x".repeat(2_000), "1024 bytes"],
  ])("because of a function %s leaves no trace", async (_what, of, reason) => {
    const store = await temporaryStore()
    let isArmed = false
    const table = store.table<number>("t", {
      indexes: { fine: (n) => n, odd: (n) => (isArmed && n > 1 ? of() : n) },
    })
    await table.put("a", 1)
    isArmed = true
    const { lastLsn } = store.metrics().log
    const batch = store.batch((batch) => {
      batch.put(table, "b", 1)
      batch.put(table, "c", 2)
    })
    await expect(batch).rejects.toMatchObject({ code: "ORRERY_INDEX_KEY_REFUSED", index: "odd", key: "c" })
    await expect(table.put("a", 2)).rejects.toThrow(reason)
    await expect(store.transact((tx) => tx.put(table, "a", 2))).rejects.toThrow(reason)
    expect([...table.index("fine").pairs()]).toEqual([[1, "a"]])
    expect([...table.index("odd").pairs()]).toEqual([[1, "a"]])
    expect([table.size, store.metrics().log.lastLsn]).toEqual([1, lastLsn])
  })

  test("with many: true because nothing can be iterated, or too much, leaves no trace", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t", {
      indexes: { n: { many: true, of: (n) => (n < 0 ? (n as never) : Array.from({ length: n }, (_, at) => at)) } },
    })
    await table.put("a", 1_000)
    expect(table.index("n").count()).toBe(1_000)
    await expect(table.put("b", 1_001)).rejects.toThrow("more than 1000 keys")
    await expect(table.put("b", -1)).rejects.toThrow("iterate")
    expect(table.index("n").count()).toBe(1_000)
  })

  test("that the codec refuses afterwards leaves no trace either", async () => {
    const { users } = await withUsers()
    await expect(users.put("ada", { city: "Turin", extra: Symbol("no") } as never)).rejects.toMatchObject({
      code: "ORRERY_VALUE_REFUSED",
    })
    await expect(users.put("x".repeat(5_000), { city: "Turin" })).rejects.toMatchObject({
      code: "ORRERY_LIMIT_EXCEEDED",
    })
    expect(users.index("city").get("Turin")).toEqual([])
    expect(users.index("city").get("London")).toEqual(["ada", "alan"])
    await users.put("kurt", { city: "Brno" })
    expect(users.index("city").count()).toBe(5)
  })
})

/** A store on a simulated disk whose table has so many records. */
async function withMany(count: number): Promise<{
  readonly store: Store
  readonly numbers: TableHandle<number>
  readonly done: <T>(work: Promise<T>) => Promise<T>
}> {
  const platform = simulatePlatform({ seed: 1 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open("/data", { platform, shards: 2 }))
  const numbers = store.table<number>("numbers")
  await done(numbers.putMany(Array.from({ length: count }, (_, n) => [`k${n}`, n] as const)))
  onTestFinished(() => done(store.close()))
  return { store, numbers, done }
}

describe("an index of a table that has records already", () => {
  test("is there at once if they are few", async () => {
    const { users } = await withUsers()
    const byAge = await users.createIndex("age group", (user) => Math.floor((user.age ?? 0) / 10))
    expect(byAge.get(4)).toEqual(["alan"])
    expect(users.indexes().find(({ name }) => name === "age group")).toMatchObject({
      state: "ready",
      isUnique: false,
      isMany: false,
      entries: 5,
      doneRecords: 5,
      totalRecords: 5,
    })
  })

  test("is built in slices if they are many, follows what is written meanwhile, and says how far it is", async () => {
    const { numbers, done } = await withMany(30_000)
    const seen: number[] = []
    const creating = numbers.createIndex("n", (n) => n, {
      onProgress: ({ doneRecords, totalRecords }) => {
        seen.push(doneRecords)
        expect(totalRecords).toBeGreaterThanOrEqual(30_000)
        const step = seen.length
        void numbers.put(`k${step}`, -step)
        void numbers.delete(`k${30_000 - step}`)
        void numbers.put(`more ${step}`, 1e6 + step)
      },
    })
    expect(() => numbers.index("n").get(1)).toThrow("is being built")
    const index = await done(creating)
    expect(seen.length).toBeGreaterThan(3)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    const expected = [...numbers.entries()].toSorted((a, b) => a[1] - b[1]).map(([key, n]) => [n, key])
    expect([...index.pairs()]).toEqual(expected)
    expect(index.count({ to: 0 })).toBe(seen.length)
  })

  test("fails typed while it is being built, and can be waited for", async () => {
    const { store, numbers, done } = await withMany(30_000)
    const same = store.table<number>("numbers", { indexes: { n: { of: (n) => n, version: 1 } } })
    expect(() => same.index("n").max()).toThrow(expect.objectContaining({ code: "ORRERY_INDEX_BUILDING", index: "n" }))
    expect(same.indexes()[0]?.state).toBe("building")
    await done(numbers.indexReady())
    expect(same.index("n").max()).toBe(29_999)
  })

  test("is built anew where a shard dies or the log goes down meanwhile", async () => {
    const { store, numbers, done } = await withMany(30_000)
    for (const actor of ["store/shards/shard-0", "store/log/wal-writer"]) {
      const creating = numbers.createIndex(actor, (n) => n)
      for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      await done(store.killActor(actor, new Error("test")))
      await done(store.ready())
      const index = await done(creating)
      expect(index.count()).toBe(30_000)
    }
  })

  test("does without a record that its function refuses, if that is mended before the build comes to it", async () => {
    const { numbers, done } = await withMany(30_000)
    const unfit = "none" as never
    await done(
      numbers.putMany([
        ["odd", unfit],
        ["bad", unfit],
      ]),
    )
    const creating = numbers.createIndex("n", (n) => Math.round(n.valueOf()))
    void numbers.put("odd", 40_000)
    void numbers.delete("bad")
    const index = await done(creating)
    expect([index.count(), index.max()]).toEqual([30_001, 40_000])
  })

  test("of the same definition is waited for", async () => {
    const { numbers, done } = await withMany(30_000)
    const definition = { of: (n: number) => n, version: 1 } as const
    const both = Promise.all([numbers.createIndex("n", definition), numbers.createIndex("n", definition)])
    for (const index of await done(both)) expect(index.count()).toBe(30_000)
    expect(numbers.indexes()).toHaveLength(1)
  })

  test("is taken away where the building fails, is aborted, or told to stop", async () => {
    const { numbers, done } = await withMany(30_000)
    const controller = new AbortController()
    const aborted = numbers.createIndex("a", (n) => n, { signal: controller.signal })
    controller.abort(new Error("enough"))
    await expect(done(aborted)).rejects.toThrow("enough")
    const stopped = numbers.createIndex("b", (n) => n, {
      onProgress: () => {
        throw new Error("stop")
      },
    })
    await expect(done(stopped)).rejects.toThrow("stop")
    const failing = numbers.createIndex("c", (n) => (n === 20_000 ? ([] as never) : n))
    await expect(done(failing)).rejects.toMatchObject({ code: "ORRERY_INDEX_KEY_REFUSED", key: "k20000" })
    const dropped = numbers.createIndex("d", (n) => n)
    numbers.dropIndex("d")
    await expect(done(dropped)).rejects.toMatchObject({ code: "ORRERY_NO_SUCH_INDEX" })
    expect(numbers.indexes()).toEqual([])
    await expect(numbers.createIndex("e", (n) => n, { signal: controller.signal })).rejects.toThrow("enough")
  })

  test("fails for good where its function refuses a record, while writes go on", async () => {
    const { users, store } = await withUsers()
    await users.put("odd", { city: {} as never }).catch(() => undefined)
    const plain = store.table<unknown>("plain")
    await plain.put("a", { n: 1 })
    await plain.put("b", "no object")
    const failed = store.table<{ n: number }>("plain", { indexes: { n: (value) => value.n.valueOf() } })
    await expect(failed.indexReady()).rejects.toMatchObject({ code: "ORRERY_INDEX_KEY_REFUSED", key: "b" })
    expect(() => failed.index("n").get(1)).toThrow(expect.objectContaining({ key: "b" }))
    await failed.put("c", { n: 2 })
    expect(failed.indexes()[0]?.state).toBe("failed")
    await plain.delete("b")
    failed.dropIndex("n")
    expect((await failed.createIndex("n", (value) => value.n)).get(2)).toEqual(["c"])
  })

  test("that is not built when the store is closed fails with that", async () => {
    const { store, numbers, done } = await withMany(30_000)
    const creating = numbers.createIndex("n", (n) => n)
    creating.catch(() => undefined)
    // No slice comes to pass before the store is closed.
    await done(store.close())
    await expect(done(creating)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
  })
})

describe("the definitions of indexes", () => {
  test("are shared by the handles of a table, and met by another definition of one name", async () => {
    const { store, users } = await withUsers()
    const city = (user: User): string | undefined => user.city
    expect(() => store.table("users", { indexes: { city, other: city } })).toThrow(
      expect.objectContaining({ code: "ORRERY_INDEX_CONFLICT", index: "city" }),
    )
    expect(users.indexes().map(({ name }) => name)).toEqual(["city", "age", "tags"])
    expect(store.table("users", { indexes }).index("city").get("London")).toEqual(["ada", "alan"])
    expect(store.table("users").index("city").get("London")).toEqual(["ada", "alan"])
    await expect(users.createIndex("city", city)).rejects.toMatchObject({ code: "ORRERY_INDEX_CONFLICT" })
    expect(() => store.table("users", { indexes, unique: ["city"] })).toThrow("another definition")
  })

  test("are the same if their versions are", async () => {
    const store = await temporaryStore()
    const first = store.table<User>("t", { indexes: { city: { of: (user) => user.city, version: 1 } } })
    await first.put("a", { city: "x" })
    const again = store.table<User>("t", { indexes: { city: { of: () => "y", version: 1 } } })
    expect(again.index("city").get("x")).toEqual(["a"])
    expect(() => store.table<User>("t", { indexes: { city: { of: () => "y", version: 2 } } })).toThrow("another")
    expect(() => store.table<User>("t", { indexes: { city: { of: () => "y", version: "1" } } })).toThrow("another")
  })

  test("are gone when they are dropped, for every handle and for those who hold the index", async () => {
    const { store, users } = await withUsers()
    const city = users.index("city")
    users.dropIndex("city")
    expect(() => city.get("London")).toThrow(expect.objectContaining({ code: "ORRERY_NO_SUCH_INDEX" }))
    expect(() => store.table("users").index("city")).toThrow(expect.objectContaining({ code: "ORRERY_NO_SUCH_INDEX" }))
    expect(() => users.dropIndex("city")).toThrow("no index")
    await users.put("ada", { city: "Turin" })
    expect(users.index("age").count()).toBe(3)
  })

  test("are at most 64", async () => {
    const store = await temporaryStore()
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`i${n}`, () => n]))
    expect(() => store.table("t", { indexes: many })).toThrow(
      expect.objectContaining({ code: "ORRERY_LIMIT_EXCEEDED" }),
    )
    expect(store.table("t").indexes()).toEqual([])
  })
})
