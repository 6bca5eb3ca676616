// Live queries as users meet them: results, deltas, aggregates, joins, watched keys, and listeners that misbehave.

import { firstValueFrom, from, skip, take, toArray } from "rxjs"
import { config } from "rxjs"
import { describe, expect, onTestFinished, test } from "vitest"
import { aggregates, applyDeltas, QueryFailed, StoreClosed } from "../../src/index.ts"
import type { LiveDeltas, LiveRow, Store, TableHandle } from "../../src/index.ts"
import { temporaryStore } from "./temporary-store.ts"

interface City {
  readonly name: string
  readonly country: string
  readonly people: number
}

const CITIES: readonly (readonly [string, City])[] = [
  ["b", { name: "Berlin", country: "DE", people: 3_700 }],
  ["h", { name: "Hamburg", country: "DE", people: 1_900 }],
  ["p", { name: "Paris", country: "FR", people: 2_100 }],
  ["l", { name: "Lyon", country: "FR", people: 520 }],
  ["r", { name: "Rome", country: "IT", people: 2_800 }],
]

async function cities(): Promise<{ store: Store; table: TableHandle<City> }> {
  const store = await temporaryStore()
  const table = store.table<City>("cities")
  await table.putMany(CITIES)
  return { store, table }
}

const byPeople = [{ by: (city: City): number => city.people, direction: "descending" }] as const
const keysOf = (rows: readonly LiveRow[]): string => rows.map(({ key }) => key).join("")

/** Everything that was told of until now has arrived. */
async function settled(store: Store): Promise<void> {
  await store.flush()
  await new Promise<void>((resolve) => setImmediate(resolve))
}

/** What RxJS reports to the process. */
function unhandled(): unknown[] {
  const reasons: unknown[] = []
  config.onUnhandledError = (reason) => reasons.push(reason)
  onTestFinished(() => {
    config.onUnhandledError = null
  })
  return reasons
}

describe("a live query", () => {
  test("shows the rows that match, in their order, and follows every change", async () => {
    const { store, table } = await cities()
    using query = table.live({ where: (city) => city.people > 600, orderBy: byPeople, limit: 3 })
    expect(query.result).toEqual([])
    expect(query.isReady).toBe(false)
    await query.ready
    expect(keysOf(query.result)).toBe("brp")
    await table.put("h", { name: "Hamburg", country: "DE", people: 9_000 })
    await settled(store)
    expect(keysOf(query.result)).toBe("hbr")
    await table.delete("b")
    const { lsn } = await table.delete("nobody")
    await settled(store)
    expect(keysOf(query.result)).toBe("hrp")
    expect(query.lsn).toBe(lsn)
  })

  test("keeps to a prefix, and leaves rows out by an offset", async () => {
    const { store } = await cities()
    const table = store.table<number>("n")
    await table.putMany([
      ["a:1", 1],
      ["a:2", 2],
      ["b:1", 3],
    ])
    using prefixed = table.live({ prefix: "a:" })
    using offset = table.live({ offset: 1, limit: 1 })
    await Promise.all([prefixed.ready, offset.ready])
    expect(keysOf(prefixed.result)).toBe("a:1a:2")
    await table.put("a:3", 4)
    await table.put("b:0", 5)
    await settled(store)
    expect(keysOf(prefixed.result)).toBe("a:1a:2a:3")
    expect(keysOf(offset.result)).toBe("a:2")
  })

  test("gives the same result and the same rows as long as they do not change", async () => {
    const { store, table } = await cities()
    using query = table.live({ orderBy: byPeople, limit: 2, select: ({ name }) => ({ name }) })
    await query.ready
    const { result } = query
    await table.put("l", { name: "Lyon", country: "FR", people: 530 })
    await table.put("b", { name: "Berlin", country: "DE", people: 3_800 })
    await settled(store)
    expect(query.result).toBe(result)
    await table.put("r", { name: "Roma", country: "IT", people: 2_800 })
    await settled(store)
    expect(query.result).not.toBe(result)
    expect(query.result[0]).toBe(result[0])
    expect(query.result[1]).toEqual({ key: "r", value: { name: "Roma" } })
  })

  test("begins behind everything that was written before it was asked for, durable or not", async () => {
    const store = await temporaryStore({ durability: "memory" })
    const table = store.table<number>("t")
    for (let n = 0; n < 500; n++) void table.put(`k${n}`, n)
    using query = table.live()
    void table.put("later", 1)
    await query.ready
    expect(query.result.length).toBeGreaterThanOrEqual(500)
    await settled(store)
    expect(query.result).toHaveLength(501)
    expect(store.metrics().log.durableLsn).toBeGreaterThanOrEqual(query.lsn)
  })

  test("of a table that is not there is empty until there is one", async () => {
    const store = await temporaryStore()
    using query = store.table<number>("none").live()
    await query.ready
    expect(query.result).toEqual([])
    await store.table<number>("none").put("a", 1)
    await settled(store)
    expect(query.result).toEqual([{ key: "a", value: 1 }])
  })

  test("that many make on one turn is read once, and follows the feed as one subscription", async () => {
    const { store, table } = await cities()
    const queries = Array.from({ length: 1_000 }, (_, n) => table.live({ where: ({ people }) => people > n * 5 }))
    await Promise.all(queries.map(({ ready }) => ready))
    expect(store.metrics().live).toMatchObject({ values: 1_000, starts: 1 })
    expect(store.metrics().feed.subscriptions).toBe(1)
    await table.put("x", { name: "X", country: "X", people: 2_002 })
    await settled(store)
    for (const [n, query] of queries.entries()) {
      expect(query.result.some(({ key }) => key === "x")).toBe(2_002 > n * 5)
      query.close()
    }
    expect(store.metrics().live).toMatchObject({ values: 0, rows: 0 })
    expect(store.metrics().feed.subscriptions).toBe(0)
  })

  test("does not hold writers or the event loop up while it reads a large table", async () => {
    const store = await temporaryStore()
    const table = store.table<{ n: number }>("large")
    await table.putMany(Array.from({ length: 15_000 }, (_, n) => [`k${n}`, { n }] as const))
    using query = table.live({ orderBy: ({ n }) => -n, limit: 3 })
    let turns = 0
    while (!query.isReady) {
      turns++
      await table.put(`new${turns}`, { n: 100_000 + turns })
    }
    expect(turns).toBeGreaterThan(3)
    await settled(store)
    const expected = [...table.values()].map(({ n }) => n).sort((left, right) => right - left)
    expect(query.result.map(({ value }) => value.n)).toEqual(expected.slice(0, 3))
  })

  test("refuses options that it does not have", async () => {
    const { store, table } = await cities()
    expect(() => table.live({ wher: 1 } as never)).toThrow('options has no "wher"')
    expect(() => table.live({ where: 1 } as never)).toThrow("where must be a function")
    expect(() => table.live({ limit: 0 })).toThrow("limit must be a whole number from 1")
    expect(() => table.live({ offset: -1 })).toThrow(TypeError)
    expect(() => table.live({ prefix: 1 } as never)).toThrow("prefix must be a well-formed string")
    expect(() => table.live({ orderBy: [] })).toThrow("orderBy must be")
    expect(() => table.live({ orderBy: [{ by: 1 }] } as never)).toThrow('"by" must be a function')
    expect(() => table.live({ orderBy: [{ by: () => 1, direction: "up" }] } as never)).toThrow("direction")
    expect(() => table.join({} as never, {} as never)).toThrow("a table of the same store")
    expect(() => table.join(table, {} as never)).toThrow("on must be a function")
    expect(() => table.join(table, { on: () => "a" } as never)).toThrow("select must be a function")
    const select = (): number => 1
    expect(() => table.join(table, { on: () => "a", select, type: "outer" } as never)).toThrow('"inner" or "left"')
    expect(() => table.watch(1 as never)).toThrow(TypeError)
    expect(store.metrics().live.values).toBe(0)
  })
})

describe("the faces of a live query", () => {
  test("an observable gives the result and each later one", async () => {
    const { table } = await cities()
    using query = table.live({ orderBy: byPeople, limit: 1 })
    const seen = firstValueFrom(from(query).pipe(take(3), toArray()))
    await query.ready
    await table.put("x", { name: "X", country: "X", people: 9_000 })
    await table.put("l", { name: "Lyon", country: "FR", people: 1 })
    await table.put("y", { name: "Y", country: "Y", people: 9_001 })
    expect((await seen).map(keysOf)).toEqual(["b", "x", "y"])
  })

  test("an iteration that is slow gets the latest result, and not those between", async () => {
    const { store, table } = await cities()
    const query = table.live({ orderBy: byPeople, limit: 1 })
    const iterator = query[Symbol.asyncIterator]()
    expect(keysOf((await iterator.next()).value ?? [])).toBe("b")
    for (let n = 0; n < 5; n++) await table.put(`x${n}`, { name: "X", country: "X", people: 9_000 + n })
    await settled(store)
    expect(keysOf((await iterator.next()).value ?? [])).toBe("x4")
    const waiting = iterator.next()
    query.close()
    expect(await waiting).toEqual({ value: undefined, done: true })
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
  })

  test("subscribe and getSnapshot are what useSyncExternalStore wants", async () => {
    const { store, table } = await cities()
    using query = table.live({ orderBy: byPeople, limit: 1 })
    const { subscribe, getSnapshot } = query
    let calls = 0
    const end = subscribe(() => calls++)
    await query.ready
    await settled(store)
    expect(calls).toBe(1)
    expect(getSnapshot()).toBe(getSnapshot())
    await table.put("l", { name: "Lyon", country: "FR", people: 1 })
    await settled(store)
    expect(calls).toBe(1)
    await table.put("x", { name: "X", country: "X", people: 9_000 })
    await settled(store)
    expect(calls).toBe(2)
    expect(keysOf(getSnapshot())).toBe("x")
    end()
    await table.put("y", { name: "Y", country: "Y", people: 9_001 })
    await settled(store)
    expect(calls).toBe(2)
  })

  test("deltas begin with the rows that there are, and lead to each result", async () => {
    const { store, table } = await cities()
    using query = table.live({ orderBy: byPeople, limit: 3 })
    const batches: LiveDeltas<City>[] = []
    query
      .deltas()
      .observable()
      .subscribe((batch) => batches.push(batch))
    await query.ready
    await settled(store)
    expect(batches).toHaveLength(1)
    expect(applyDeltas([], batches[0]?.deltas ?? [])).toEqual(query.result)
    const { lsn } = await store.batch((batch) => {
      batch.delete(table, "b")
      batch.put(table, "l", { name: "Lyon", country: "FR", people: 9_000 })
    })
    await settled(store)
    expect(batches[1]).toMatchObject({ lsn })
    let rows: LiveRow<City>[] = []
    for (const { deltas } of batches) rows = applyDeltas(rows, deltas)
    expect(rows).toEqual(query.result)
    expect(keysOf(rows)).toBe("lrp")
  })

  test("an iteration of deltas that is too slow gets the difference as one batch", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.put("start", -1)
    using query = table.live({ orderBy: (value) => value, limit: 5 })
    const iterator = query.deltas()[Symbol.asyncIterator]()
    let rows = applyDeltas<number>([], (await iterator.next()).value?.deltas ?? [])
    const before = query.result
    await Promise.all(Array.from({ length: 3_000 }, (_, n) => table.put(`k${n}`, -n)))
    await settled(store)
    const batch = (await iterator.next()).value
    expect(batch?.lsn).toBe(query.lsn)
    expect(batch?.deltas.length).toBeLessThanOrEqual(before.length + 5)
    rows = applyDeltas(rows, batch?.deltas ?? [])
    expect(rows).toEqual(query.result)
    await table.put("last", -9_999)
    rows = applyDeltas(rows, (await iterator.next()).value?.deltas ?? [])
    expect(rows).toEqual(query.result)
    await iterator.return?.()
    expect(await iterator.next()).toMatchObject({ done: true })
  })
})

describe("aggregates", () => {
  test("follow the rows that match", async () => {
    const { store, table } = await cities()
    using query = table.live({ where: ({ country }) => country !== "IT" })
    const people = ({ people: count }: City): number => count
    const [count, sum, least, most, mean] = [
      query.count(),
      query.sum(people),
      query.min(people),
      query.max(people),
      query.average(people),
    ]
    const groups = query.groupBy(({ country }) => country, aggregates.sum(people))
    expect(sum.result).toBe(0)
    expect(least.result).toBeUndefined()
    await Promise.all([count.ready, groups.ready])
    const values = (): unknown[] => [count.result, sum.result, least.result, most.result, mean.result]
    expect(values()).toEqual([4, 8_220, 520, 3_700, 2_055])
    expect(groups.result).toEqual(
      new Map([
        ["DE", 5_600],
        ["FR", 2_620],
      ]),
    )
    const before = groups.result
    await table.delete("l")
    await table.delete("p")
    await table.put("r", { name: "Roma", country: "IT", people: 1 })
    await settled(store)
    expect(values()).toEqual([2, 5_600, 1_900, 3_700, 2_800])
    expect(groups.result).toEqual(new Map([["DE", 5_600]]))
    await table.put("h", { name: "Hamburg!", country: "DE", people: 1_900 })
    const { result } = groups
    await settled(store)
    expect(groups.result).toBe(result)
    expect(before.get("FR")).toBe(2_620)
    expect(count.lsn).toBe(query.lsn)
  })

  test("that are asked for when the query is there already have their value at once", async () => {
    const { table } = await cities()
    using query = table.live()
    await query.ready
    const count = query.count()
    expect(count.isReady).toBe(true)
    expect(count.result).toBe(5)
  })

  test("end with their query, and the query with them where nothing else was asked of it", async () => {
    const { store, table } = await cities()
    const alone = table.live().count()
    await alone.ready
    expect(store.metrics().live.values).toBe(1)
    alone.close()
    expect(store.metrics().live.values).toBe(0)
    const query = table.live()
    await query.ready
    const count = query.count()
    count.close()
    expect(query.isOver).toBe(false)
    const other = query.count()
    query.close()
    expect(other.isOver).toBe(true)
    expect(other.result).toBe(5)
  })

  test("whose function throws end alone", async () => {
    const { table } = await cities()
    using query = table.live()
    const sum = query.sum(({ name }) => name as never)
    await expect(sum.ready).rejects.toThrow(QueryFailed)
    expect(sum.error).toMatchObject({ code: "ORRERY_QUERY_FAILED", table: "cities" })
    await query.ready
    expect(query.result).toHaveLength(5)
    const groups = query.groupBy(() => ({}) as never, aggregates.count())
    await expect(groups.ready).rejects.toThrow("rows are grouped by a string")
  })
})

describe("a watched key", () => {
  test("shows its value now and after each change", async () => {
    const { store, table } = await cities()
    using watch = table.watch("b")
    const names: (string | undefined)[] = []
    watch.observable().subscribe((city) => names.push(city?.name))
    await watch.ready
    await settled(store)
    const { result } = watch
    await table.put("h", { name: "other", country: "", people: 0 })
    await settled(store)
    expect(watch.result).toBe(result)
    await table.delete("b")
    await settled(store)
    expect(watch.result).toBeUndefined()
    await table.put("b", { name: "again", country: "", people: 0 })
    await settled(store)
    expect(names).toEqual(["Berlin", undefined, "again"])
  })
})

describe("a join", () => {
  test("gives each row with the one that it names, and follows both tables", async () => {
    const { store, table } = await cities()
    const countries = store.table<{ readonly title: string }>("countries")
    await countries.put("DE", { title: "Germany" })
    const options = {
      on: (city: City): string => city.country,
      select: (city: City, country: { title: string } | undefined): string =>
        `${city.name} in ${country?.title ?? "?"}`,
    }
    using inner = table.join(countries, options)
    using left = table.join(countries, { ...options, type: "left", where: (text) => !text.startsWith("L"), limit: 3 })
    await Promise.all([inner.ready, left.ready])
    expect(inner.result.map(({ value }) => value)).toEqual(["Berlin in Germany", "Hamburg in Germany"])
    expect(left.result.map(({ value }) => value)).toEqual(["Berlin in Germany", "Hamburg in Germany", "Paris in ?"])
    const results: string[] = []
    inner
      .observable()
      .pipe(skip(1))
      .subscribe((rows) => results.push(keysOf(rows)))
    await store.batch((batch) => {
      batch.put(countries, "FR", { title: "France" })
      batch.put(table, "h", { name: "Hamburg", country: "FR", people: 1 })
    })
    await settled(store)
    // One commit, one result: no half of it.
    expect(results).toEqual(["bhlp"])
    expect(left.result.map(({ value }) => value)).toEqual(["Berlin in Germany", "Hamburg in France", "Paris in France"])
    await countries.delete("FR")
    await settled(store)
    expect(keysOf(inner.result)).toBe("b")
  })

  test("of a table with itself sees both sides of a change", async () => {
    const store = await temporaryStore()
    const people = store.table<{ name: string; boss?: string }>("people")
    await people.put("a", { name: "Ada" })
    await people.put("b", { name: "Bob", boss: "a" })
    using query = people.join(people, {
      on: ({ boss }) => boss,
      select: (one, boss) => `${one.name} < ${boss.name}`,
    })
    await query.ready
    expect(query.result.map(({ value }) => value)).toEqual(["Bob < Ada"])
    await people.put("a", { name: "Ava", boss: "a" })
    await settled(store)
    expect(query.result.map(({ value }) => value)).toEqual(["Ava < Ava", "Bob < Ava"])
  })

  test("whose function names no key fails", async () => {
    const { table } = await cities()
    const query = table.join(table, { on: () => 5 as never, select: () => 1 })
    await expect(query.ready).rejects.toThrow('"on" must give a key')
  })
})

describe("what goes wrong", () => {
  test("a function that throws ends its query with the reason, and no other", async () => {
    const { store, table } = await cities()
    const mistake = new Error("my mistake")
    using good = table.live()
    const bad = table.live({
      where: ({ people }) => {
        if (people < 0) throw mistake
        return true
      },
    })
    const errors: unknown[] = []
    let calls = 0
    bad.observable().subscribe({ error: (reason) => errors.push(reason) })
    bad.subscribe(() => calls++)
    const deltas = bad.deltas()[Symbol.asyncIterator]()
    await bad.ready
    await settled(store)
    expect((await deltas.next()).value?.deltas).toHaveLength(5)
    await table.put("bad", { name: "", country: "", people: -1 })
    await settled(store)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toBeInstanceOf(QueryFailed)
    expect(errors[0]).toMatchObject({ code: "ORRERY_QUERY_FAILED", table: "cities", cause: mistake })
    expect(bad.error).toBe(errors[0])
    expect(calls).toBe(2)
    await expect(deltas.next()).rejects.toBe(bad.error)
    await expect(bad[Symbol.asyncIterator]().next()).resolves.toMatchObject({ done: false })
    expect(good.result).toHaveLength(6)
    expect(store.metrics().live.failed).toBe(1)
  })

  test("orderBy and select that throw end the query, whenever that shows", async () => {
    const { table } = await cities()
    const order = table.live({ orderBy: () => ({}) as never })
    await expect(order.ready).rejects.toThrow("rows are ordered by a string, number, bigint or Date")
    const select = table.live({
      select: () => {
        throw new Error("no row")
      },
    })
    await select.ready
    expect(select.result).toEqual([])
    expect(select.error).toBeInstanceOf(QueryFailed)
  })

  test("a listener that throws is taken out, and told to the process; others go on", async () => {
    const reasons = unhandled()
    const { store, table } = await cities()
    using query = table.live()
    let bad = 0
    let good = 0
    query.subscribe(() => {
      bad++
      throw new Error("listener")
    })
    query.subscribe(() => good++)
    query.observable().subscribe(() => {
      throw new Error("observer")
    })
    await query.ready
    await settled(store)
    await table.delete("b")
    await settled(store)
    await new Promise<void>((resolve) => setTimeout(resolve, 5))
    expect([bad, good]).toEqual([1, 2])
    expect(reasons.map((reason) => (reason as Error).message).sort()).toEqual(["listener", "observer", "observer"])
  })

  test("a listener may write, close the query, close others, and make new ones", async () => {
    const { store, table } = await cities()
    const first = table.live({ orderBy: byPeople })
    const second = table.live({ orderBy: byPeople })
    const made: { count: number }[] = []
    await Promise.all([first.ready, second.ready])
    await settled(store)
    let secondCalls = 0
    second
      .deltas()
      .observable()
      .subscribe(() => secondCalls++)
    first
      .deltas()
      .observable()
      .pipe(skip(1))
      .subscribe(() => {
        void table.put("written", { name: "W", country: "W", people: 1 })
        const other = table.live()
        void other.ready.then(() => made.push({ count: other.result.length }))
        first.close()
        second.close()
      })
    await table.delete("b")
    await settled(store)
    await settled(store)
    expect(secondCalls).toBe(1)
    expect(first.isOver && second.isOver).toBe(true)
    expect(made).toEqual([{ count: 5 }])
    expect(table.has("written")).toBe(true)
  })

  test("all live values of a store stand at the same commit when a listener is called", async () => {
    const { store, table } = await cities()
    const others = store.table<number>("others")
    using left = table.live()
    using right = others.live()
    await Promise.all([left.ready, right.ready])
    const seen: number[][] = []
    const look = (): void => void seen.push([left.result.length, right.result.length, left.lsn - right.lsn])
    left.deltas().observable().pipe(skip(1)).subscribe(look)
    right.deltas().observable().pipe(skip(1)).subscribe(look)
    await store.batch((batch) => {
      batch.put(others, "a", 1)
      batch.delete(table, "b")
    })
    await settled(store)
    expect(seen).toEqual([
      [4, 1, 0],
      [4, 1, 0],
    ])
  })

  test("closing the store ends live values; those that had not begun fail", async () => {
    const { store, table } = await cities()
    const query = table.live()
    let isComplete = false
    query.observable().subscribe({ complete: () => (isComplete = true) })
    await query.ready
    expect(query.result).toHaveLength(5)
    await store.close()
    expect(isComplete).toBe(true)
    expect(query.isOver).toBe(true)
    expect(query.error).toBeUndefined()
    expect(query.result).toHaveLength(5)
    expect(() => table.live()).toThrow(StoreClosed)
  })

  test("closing the store while one begins fails it, or lets it have its first result", async () => {
    const { store, table } = await cities()
    const query = table.live()
    const outcome = query.ready.then(
      () => "ready",
      (error: unknown) => (error instanceof StoreClosed ? "closed" : String(error)),
    )
    await store.close()
    expect(["ready", "closed"]).toContain(await outcome)
    expect(query.isOver).toBe(true)
  })

  test("one that is closed before it has begun fails its ready, and holds nothing", async () => {
    const { store, table } = await cities()
    const query = table.live()
    query.close()
    await expect(query.ready).rejects.toThrow("closed before")
    await settled(store)
    expect(store.metrics().live).toMatchObject({ values: 0, rows: 0 })
    expect(store.metrics().feed.subscriptions).toBe(0)
  })
})
