// How views are kept up and built: what one commit takes in, and what it leaves out.

import { expect, test } from "vitest"
import type { Batch, Store, View } from "../../src/index.ts"
import { ConsumerScene } from "./consumer-scene.ts"

async function caughtUp(scene: ConsumerScene, view: View<never>): Promise<void> {
  await scene.done(scene.store.flush())
  await scene.until(() => view.state === "ready" && view.lag === 0)
}

function rowsOf(store: Store, table: string): Record<string, unknown> {
  return Object.fromEntries([...store.table(table).entries()].sort(([left], [right]) => (left < right ? -1 : 1)))
}

test("building meets every record once, however many there are to each part of the walk", async () => {
  const scene = await ConsumerScene.open(undefined, { segmentBytes: 1 << 22 })
  const { store } = scene
  const sizes = [0, 1, 40, 4_000]
  for (const size of sizes) {
    const table = store.table<number>(`t${size}`)
    await scene.done(table.putMany(Array.from({ length: size }, (_, n) => [`k${n}`, n] as const)))
    const before = store.metrics().views.builtRecords
    const view = store.view(`v${size}`, { from: table, map: ({ key, value }) => [[key, -value]] })
    await scene.done(view.ready())
    expect(view.table.size).toBe(size)
    for (const [key, value] of table.entries()) if (view.table.get(key) !== -value) throw new Error(`${key} is wrong`)
    expect(store.metrics().views.builtRecords - before).toBe(size)
  }
})

test("one walk over several sources goes through each of them, small and large", async () => {
  const scene = await ConsumerScene.open(undefined, { segmentBytes: 1 << 22 })
  const { store } = scene
  const tables = [2_000, 0, 3, 1_000].map((size, index) => ({ size, table: store.table<number>(`t${index}`) }))
  for (const { table, size } of tables) {
    await scene.done(table.putMany(Array.from({ length: size }, (_, n) => [`k${n}`, 1] as const)))
  }
  const view = store.view("count", {
    from: tables.map(({ table }) => table),
    groupBy: (record) => record.table,
    initial: 0,
    add: (sum: number, one: number) => sum + one,
    remove: (sum: number, one: number) => sum - one,
  })
  await scene.done(view.ready())
  expect(rowsOf(store, "count")).toEqual({ t0: 2_000, t2: 3, t3: 1_000 })
  expect(store.metrics().views.builtRecords).toBe(3_003)
})

test("of several changes of a record that are taken in together only the last is looked at, and all are counted", async () => {
  const scene = await ConsumerScene.open()
  const { store } = scene
  const table = store.table<number>("t")
  const looked: number[] = []
  const view = store.view("v", {
    from: table,
    map: ({ key, value }) => {
      looked.push(value)
      return [[key, value]]
    },
  })
  await scene.done(view.ready())
  await scene.done(
    store.batch((batch) => {
      for (let n = 1; n <= 50; n++) batch.put(table, "a", n)
      batch.put(table, "b", 51)
      batch.delete(table, "b")
    }),
  )
  await caughtUp(scene, view as never)
  expect(looked).toEqual([50])
  expect(rowsOf(store, "v")).toEqual({ a: 50 })
  expect(store.metrics().views.changes).toBe(52)
})

test("a record whose group and part stay as they are changes nothing in a view by groupBy", async () => {
  const scene = await ConsumerScene.open()
  const { store } = scene
  const table = store.table<{ readonly city: string; readonly age: number; readonly seen: number }>("t")
  const calls: string[] = []
  const view = store.view("v", {
    from: table,
    groupBy: ({ value }) => value.city,
    part: ({ value }) => value.age,
    initial: 0,
    add: (sum: number, age: number) => {
      calls.push(`+${age}`)
      return sum + age
    },
    remove: (sum: number, age: number) => {
      calls.push(`-${age}`)
      return sum - age
    },
  })
  await scene.done(view.ready())
  for (const record of [
    { city: "London", age: 36, seen: 1 },
    { city: "London", age: 36, seen: 2 },
    { city: "London", age: 37, seen: 2 },
    { city: "Paris", age: 37, seen: 2 },
  ]) {
    await scene.done(table.put("ada", record))
    await caughtUp(scene, view as never)
  }
  expect(calls).toEqual(["+36", "-36", "+37", "-37", "+37"])
  expect(rowsOf(store, "v")).toEqual({ Paris: 37 })
})

test("parts that are objects count anew with every change: they may differ where it does not show", async () => {
  const scene = await ConsumerScene.open()
  const { store } = scene
  const table = store.table<readonly number[]>("t")
  const view = store.view("v", {
    from: table,
    groupBy: () => "all",
    initial: 0,
    add: (sum: number, part: readonly number[]) => sum + part.length,
    remove: (sum: number, part: readonly number[]) => sum - part.length,
  })
  await scene.done(view.ready())
  for (const list of [[1], [1, 2, 3], [4, 5]]) {
    await scene.done(table.put("a", list))
    await caughtUp(scene, view as never)
  }
  expect(rowsOf(store, "v")).toEqual({ all: 2 })
})

test("rows that were written as they came are seen by records of the same commit that claim them too", async () => {
  const scene = await ConsumerScene.open()
  const { store } = scene
  const table = store.table<readonly string[]>("t")
  const view = store.view("v", { from: table, map: ({ key, value }) => value.map((row) => [row, key]) })
  await scene.done(view.ready())
  await scene.done(
    table.putMany([
      ["b", ["b"]],
      ["d", ["d"]],
      ["a", ["b", "c"]],
      ["e", []],
    ]),
  )
  await caughtUp(scene, view as never)
  expect(rowsOf(store, "v")).toEqual({ b: "a", c: "a", d: "d" })
  await scene.done(table.delete("a"))
  await caughtUp(scene, view as never)
  expect(rowsOf(store, "v")).toEqual({ b: "b", d: "d" })
})

test("a record that gives the same key twice gives the last of the two rows", async () => {
  const scene = await ConsumerScene.open()
  const { store } = scene
  const table = store.table<number>("t")
  const rows = (key: string, value: number): [string, number][] => [
    [key, value],
    [key, value + 1],
  ]
  const view = store.view("v", { from: table, map: ({ key, value }) => rows(key, value) })
  await scene.done(view.ready())
  await scene.done(table.put("a", 1))
  await caughtUp(scene, view as never)
  expect(rowsOf(store, "v")).toEqual({ a: 2 })
})

test("records that keep their row, leave it or take that of another, many in one commit, come to what their definition says", async () => {
  const scene = await ConsumerScene.open(undefined, { segmentBytes: 1 << 22 })
  const { store } = scene
  // Rows of other keys and of their own, by sources of which the first goes before.
  const sources = ["t0", "t1"].map((name) => store.table<readonly string[]>(name))
  const view = store.view("v", {
    from: sources,
    map: ({ table, key, value }) => value.map((row) => [row, `${table}/${key}/${value.join("")}`] as const),
  })
  await scene.done(view.ready())
  let state = 12_345
  const chance = (below: number): number => {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
  const held = sources.map(() => new Map<string, readonly string[]>())
  for (let round = 0; round < 12; round++) {
    for (const [source, table] of sources.entries()) {
      const fill = (batch: Batch): void => {
        for (let n = 0; n < 600; n++) {
          // Most give one row that nobody else gives, again and again; what is in it differs.
          const key = `k${n}`
          const value = [
            ...(n % 7 === 0 ? [key] : chance(40) > 0 ? [`row ${source} ${n}`] : []),
            ...(chance(30) === 0 ? [`row ${chance(2)} ${chance(600)}`] : []),
            ...(chance(30) === 0 ? [`k${chance(600)}`] : []),
          ]
          if (chance(50) === 0) {
            batch.delete(table, key)
            held[source]?.delete(key)
          } else {
            batch.put(table, key, value)
            held[source]?.set(key, value)
          }
        }
      }
      await scene.done(store.batch(fill))
    }
    await caughtUp(scene, view as never)
    const expected = new Map<string, string>()
    for (const [source, records] of held.entries()) {
      for (const [key, value] of [...records].sort(([left], [right]) => (left < right ? -1 : 1))) {
        for (const row of value) if (!expected.has(row)) expected.set(row, `t${source}/${key}/${value.join("")}`)
      }
    }
    const inOrder = [...expected].sort(([left], [right]) => (left < right ? -1 : 1))
    expect(rowsOf(store, "v")).toEqual(Object.fromEntries(inOrder))
  }
})
