// Live queries over parts of indexes: what they show, how they follow index keys that change, what they ask of an index,
// and what becomes of them when it goes.

import { describe, expect, test } from "vitest"
import { aggregates, applyDeltas, IndexKeyRefused, NoSuchIndex, open, QueryFailed } from "../../src/index.ts"
import type { LiveRow, Store, TableHandle } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryStore } from "./temporary-store.ts"

interface City {
  readonly country?: string
  readonly people: number
  readonly rivers?: readonly string[]
}

const definitions = {
  country: (city: City) => city.country,
  people: (city: City) => city.people,
  rivers: { many: true, of: (city: City) => city.rivers },
} as const

const CITIES: readonly (readonly [string, City])[] = [
  ["b", { country: "DE", people: 37, rivers: ["Spree", "Havel"] }],
  ["h", { country: "DE", people: 19, rivers: ["Elbe"] }],
  ["p", { country: "FR", people: 21, rivers: ["Seine"] }],
  ["l", { country: "FR", people: 5, rivers: ["Rhône", "Saône"] }],
  ["x", { people: 21 }],
]

type Cities = TableHandle<City, { readonly country: string; readonly people: number; readonly rivers: string }>

function withIndexes(store: Store): Cities {
  return store.table("cities", { indexes: definitions })
}

async function cities(): Promise<{ store: Store; table: Cities }> {
  const store = await temporaryStore()
  const table = withIndexes(store)
  await table.putMany(CITIES)
  return { store, table }
}

const keysOf = (rows: readonly LiveRow[]): string => rows.map(({ key }) => key).join("")

/** Everything that was told of until now has arrived. */
async function settled(store: Store): Promise<void> {
  await store.flush()
  await new Promise<void>((resolve) => setImmediate(resolve))
}

describe("a live query over a part of an index", () => {
  test("shows the rows with an index key, and follows those that get it, lose it, and go", async () => {
    const { store, table } = await cities()
    using query = table.live({ index: "country", equals: "DE", orderBy: ({ people }) => -people })
    await query.ready
    expect(keysOf(query.result)).toBe("bh")
    let rows: LiveRow<City>[] = []
    query
      .deltas()
      .observable()
      .subscribe(({ deltas }) => (rows = applyDeltas(rows, deltas)))
    await table.put("x", { country: "DE", people: 30 })
    await table.put("p", { country: "FR", people: 22 })
    await settled(store)
    expect(keysOf(query.result)).toBe("bxh")
    await table.put("b", { country: "FR", people: 37 })
    await table.put("h", { people: 19 })
    await settled(store)
    expect(keysOf(query.result)).toBe("x")
    await table.delete("x")
    await settled(store)
    expect(query.result).toEqual([])
    expect(rows).toEqual([])
  })

  test("shows a range in the order of the index, or from its end, within a window", async () => {
    const { store, table } = await cities()
    using all = table.live({ index: "people" })
    using range = table.live({ index: "people", range: { after: 5, through: 21 } })
    using last = table.live({ index: "people", range: { reverse: true }, offset: 1, limit: 2 })
    using named = table.live({ index: "rivers", range: { prefix: "S" }, where: ({ people }) => people < 100 })
    await Promise.all([all.ready, range.ready, last.ready, named.ready])
    const check = (): void => {
      expect(all.result.map(({ key }) => key)).toEqual([...table.index("people").keys()])
      expect(range.result.map(({ key }) => key)).toEqual([...table.index("people").keys({ after: 5, through: 21 })])
      const fromTheEnd = [...table.index("people").keys({ reverse: true, limit: 3 })]
      expect(last.result.map(({ key }) => key)).toEqual(fromTheEnd.slice(1))
      expect(named.result.map(({ key }) => key)).toEqual([...new Set(table.index("rivers").keys({ prefix: "S" }))])
    }
    check()
    expect(keysOf(range.result)).toBe("hpx")
    await table.put("l", { people: 50, rivers: ["Saar", "Sûre"] })
    await table.put("b", { people: 6 })
    await settled(store)
    check()
    expect(keysOf(range.result)).toBe("bhpx")
  })

  test("stands in the order of the index also where UTF-16 has another", async () => {
    const { store, table } = await cities()
    const names = ["\u{1f600}", "\uff5e", "a", "a\u{10000}", "a\uffee", "ab"]
    await table.putMany(names.map((name) => [name, { country: "ZZ", people: 1 }]))
    using forth = table.live({ index: "country", equals: "ZZ" })
    using back = table.live({ index: "country", range: { from: "ZZ", reverse: true } })
    await Promise.all([forth.ready, back.ready])
    expect(forth.result.map(({ key }) => key)).toEqual(table.index("country").get("ZZ"))
    const reversed = [...table.index("country").keys({ from: "ZZ", reverse: true })]
    expect(back.result.map(({ key }) => key)).toEqual(reversed)
    expect(new Set(reversed)).toEqual(new Set(names))
    await table.putMany(names.toReversed().map((name) => [name, { country: "ZZ", people: 2 }]))
    await settled(store)
    expect(back.result.map(({ key }) => key)).toEqual(reversed)
  })

  test("knows keys of every kind", async () => {
    const store = await temporaryStore()
    const table = store.table<{ readonly of: string | number | bigint | boolean | Date }>("t", {
      indexes: { of: (row) => row.of },
    })
    const keys = [true, -1.5, 3, -(2n ** 80n), 7n, new Date(5), "a\u0000b", "ü"]
    await table.putMany(keys.map((of, n) => [`k${n}`, { of }]))
    const queries = keys.map((equals) => table.live({ index: "of", equals }))
    using all = table.live({ index: "of" })
    await Promise.all([all.ready, ...queries.map(({ ready }) => ready)])
    expect(all.result.map(({ value }) => value.of)).toEqual(keys)
    expect(queries.map(({ result }) => result.map(({ value }) => value.of))).toEqual(keys.map((key) => [key]))
    for (const query of queries) query.close()
  })

  test("has aggregates, groups, prefixes and joins like any other", async () => {
    const { store, table } = await cities()
    const countries = store.table<string>("countries")
    await countries.putMany([
      ["DE", "Germany"],
      ["FR", "France"],
    ])
    using query = table.live({ index: "people", range: { from: 10 } })
    using sum = query.sum(({ people }) => people)
    using groups = query.groupBy(({ country = "-" }) => country, aggregates.count())
    using prefixed = table.live({ index: "country", equals: "DE", prefix: "b" })
    using joined = table.join(countries, {
      index: "people",
      range: { from: 10, reverse: true },
      on: ({ country }) => country,
      select: ({ people }, country) => `${people} in ${country}`,
    })
    await Promise.all([query.ready, prefixed.ready, joined.ready])
    expect([sum.result, groups.result]).toEqual([
      98,
      new Map([
        ["DE", 2],
        ["FR", 1],
        ["-", 1],
      ]),
    ])
    expect(keysOf(prefixed.result)).toBe("b")
    expect(joined.result.map(({ value }) => value)).toEqual(["37 in Germany", "21 in France", "19 in Germany"])
    await table.put("b", { country: "DE", people: 2 })
    await table.put("l", { country: "FR", people: 60 })
    await table.put("bb", { country: "DE", people: 1 })
    await countries.put("DE", "Deutschland")
    await settled(store)
    expect([sum.result, groups.result]).toEqual([
      121,
      new Map([
        ["DE", 1],
        ["FR", 2],
        ["-", 1],
      ]),
    ])
    expect(keysOf(prefixed.result)).toBe("bbb")
    expect(joined.result.map(({ value }) => value)).toEqual(["60 in France", "21 in France", "19 in Deutschland"])
  })
})

describe("the index of a live query", () => {
  test("must be there, and asked for in its words", async () => {
    const { table } = await cities()
    // @ts-expect-error there is no such index
    expect(() => table.live({ index: "town" })).toThrow(NoSuchIndex)
    // @ts-expect-error its keys are strings; at run time a number is a key that no row has
    table.live({ index: "country", equals: 1 }).close()
    const wrong: readonly unknown[] = [
      { equals: "DE" },
      { range: { from: "A" } },
      { index: 1 },
      { index: "country", equals: {} },
      { index: "country", equals: "DE", range: {} },
      { index: "country", range: "DE" },
      { index: "country", range: { limit: 3 } },
      { index: "country", range: { from: "A", after: "B" } },
      { index: "country", range: { reverse: true }, orderBy: () => 1 },
    ]
    for (const options of wrong) expect(() => table.live(options as object), JSON.stringify(options)).toThrow(TypeError)
    expect(() => table.join(table, { index: "country", equals: 1, range: {} } as never)).toThrow(TypeError)
  })

  test("takes its queries with it when it is dropped, and nobody else", async () => {
    const { store, table } = await cities()
    const over = table.live({ index: "country", equals: "DE" })
    const begun = table.live({ index: "country", range: {} })
    using other = table.live({ index: "people" })
    using whole = table.live()
    await Promise.all([over.ready, begun.ready, other.ready, whole.ready])
    const late = table.live({ index: "country", equals: "FR" })
    table.dropIndex("country")
    await expect(late.ready).rejects.toMatchObject({ code: "ORRERY_QUERY_FAILED", table: "cities" })
    expect(over.error).toBeInstanceOf(QueryFailed)
    expect((over.error as QueryFailed).cause).toBeInstanceOf(NoSuchIndex)
    expect((over.error as QueryFailed).remedy).toContain("createIndex")
    expect([over.isOver, begun.isOver, other.isOver, whole.isOver]).toEqual([true, true, false, false])
    await table.put("n", { people: 1 })
    await settled(store)
    expect(keysOf(other.result)).toBe("nlhpxb")
    // One of the same name is another one.
    await table.createIndex("country", definitions.country)
    using again = table.live({ index: "country", equals: "DE" })
    await again.ready
    expect(keysOf(again.result)).toBe("bh")
  })

  test("need not be whole: the table is read where it is being built, and it may be built anew meanwhile", async () => {
    const platform = simulatePlatform({ seed: 4 })
    const options = { platform, shards: 2 }
    const first = await untilSettled(platform, open("/data", options))
    const many = Array.from({ length: 12_000 }, (_, n) => [`k${n}`, { people: n % 1_000 }] as const)
    await untilSettled(platform, first.table<City>("cities").putMany(many))
    await untilSettled(platform, first.close())
    const store = await untilSettled(platform, open("/data", options))
    const table = withIndexes(store)
    expect(table.indexes()[1]?.state).toBe("building")
    const probe = "a live query reads its table because its index is being built"
    const before = probes().get(probe) ?? 0
    const query = table.live({ index: "people", equals: 7 })
    // One whose function refuses what is there is of no use to anybody, and harms nobody else.
    const marked = store.table("cities", { indexes: { marked: (city: City) => (city.people === 9 ? NaN : 1) } })
    const refused = marked.live({ index: "marked" })
    await untilSettled(platform, query.ready)
    await untilSettled(platform, expect(refused.ready).rejects.toMatchObject({ cause: { name: "IndexKeyRefused" } }))
    await untilSettled(platform, expect(marked.indexReady()).rejects.toThrow(IndexKeyRefused))
    expect(() => marked.live({ index: "marked" })).toThrow(IndexKeyRefused)
    marked.dropIndex("marked")
    expect(probes().get(probe)).toBe(before + 2)
    expect(query.result).toHaveLength(12)
    await untilSettled(platform, table.indexReady())
    const disk = platform.fileSystem
    const operation = disk.operationCount + 1
    const only = ["writeSynced", "dataSync"] as const
    disk.faults.add({ operation, through: operation + 2, only, error: "EIO", when: "before" })
    await untilSettled(platform, expect(table.put("lost", { people: 7 })).rejects.toThrow())
    await untilSettled(platform, store.ready())
    expect(table.indexes()[1]?.state).toBe("building")
    await untilSettled(platform, table.put("k7", { people: 8 }))
    await untilSettled(platform, store.flush())
    expect(query.isOver).toBe(false)
    expect(query.result).toHaveLength(11)
    await untilSettled(platform, store.close())
  })
})

describe("a part of an index that is read in slices", () => {
  /** Large enough that it is not read on one turn. */
  async function large(): Promise<{ store: Store; table: Cities }> {
    const store = await temporaryStore({ durability: "memory" })
    const table = withIndexes(store)
    const all = Array.from(
      { length: 9_000 },
      (_, n) => [`k${n}`, { country: n % 3 === 0 ? "A" : "B", people: n }] as const,
    )
    await table.putMany(all)
    return { store, table }
  }

  test("has what was there at its snapshot and what came since, wherever rows go while it is read", async () => {
    const { store, table } = await large()
    const queries = [
      table.live({ index: "country", equals: "A" }),
      table.live({ index: "country", equals: "B" }),
      table.live({ index: "people", range: { from: 100, to: 8_000 } }),
    ]
    let isReady = false
    const ready = Promise.all(queries.map((query) => query.ready)).then(() => (isReady = true))
    // Into the part, out of it, there and back, and away; ahead of the walk and behind it.
    let rounds = 0
    for (let n = 0; !isReady; n = (n + 997) % 9_000, rounds++) {
      const country = rounds % 2 === 0 ? "A" : "B"
      await store.batch((batch) => {
        batch.put(table, `k${n}`, { country, people: (n * 7) % 9_000 })
        batch.put(table, `k${8_999 - n}`, { country: "B", people: 8_500 })
        batch.put(table, `k${n + 1}`, { country: "C", people: n })
        batch.delete(table, `k${n + 2}`)
      })
      if (rounds % 3 === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await ready
    const check = (): void => {
      const shown = queries.map(({ result }) => result.map(({ key }) => key))
      expect(shown).toEqual([
        table.index("country").get("A"),
        table.index("country").get("B"),
        [...table.index("people").keys({ from: 100, to: 8_000 })],
      ])
    }
    await settled(store)
    check()
    // What it has read is followed, whatever becomes of it.
    await store.batch((batch) => {
      for (let n = 0; n < 9_000; n += 2) batch.put(table, `k${n}`, { country: "C", people: 0 })
      for (let n = 1; n < 9_000; n += 4) batch.delete(table, `k${n}`)
    })
    await settled(store)
    check()
    expect(rounds).toBeGreaterThan(0)
    for (const query of queries) query.close()
  })
})

test("a row that leaves its part while the part is read is there until the commit that takes it is", async () => {
  const platform = simulatePlatform({ seed: 5 })
  const store = await untilSettled(platform, open("/data", { platform, shards: 1 }))
  const table = withIndexes(store)
  const letters = ["a", "b", "c"]
  await untilSettled(platform, table.putMany(letters.map((key) => [key, { country: "A", people: 1 }])))
  let left: Promise<unknown> | undefined
  const query = table.live({
    index: "country",
    equals: "A",
    where: () => {
      // The index is another one from now on; the feed is down, and tells of it when it is up again.
      left ??= Promise.all([
        table.put("b", { country: "B", people: 1 }),
        store.killActor("store/change-publisher", new Error("killed by the test")),
      ])
      return true
    },
  })
  const first = query.ready.then(() => [query.lsn, keysOf(query.result)])
  expect(await untilSettled(platform, first)).toEqual([2, "abc"])
  await untilSettled(platform, Promise.resolve(left))
  await untilSettled(platform, store.ready())
  await untilSettled(platform, store.flush())
  await untilSettled(platform, new Promise<void>((resolve) => setImmediate(resolve)))
  expect([query.lsn, keysOf(query.result)]).toEqual([3, "ac"])
  await untilSettled(platform, store.close())
})
