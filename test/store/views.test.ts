// Materialised views: what their rows are, who may write them, how they are built, and what they do when something fails.

import { describe, expect, test } from "vitest"
import { ViewFailed, ViewNameTaken, ViewReadOnly } from "../../src/index.ts"
import type { Store, View } from "../../src/index.ts"
import { ConsumerScene } from "./consumer-scene.ts"
import { caughtUp, copyingView, failingView, records, rowsOf } from "./view-scene.ts"

interface User {
  readonly city: string
  readonly age: number
}

describe("a view by map", () => {
  test("has rows for what is there and what comes, and takes back what a record gave before", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const users = store.table<User>("users")
    await scene.done(
      users.putMany([
        ["ada", { city: "London", age: 36 }],
        ["grace", { city: "New York", age: 85 }],
      ]),
    )
    const view = store.view("adults by city", {
      from: users,
      map: ({ key, value }) =>
        value.age < 18 ? [] : [[`${value.city}/${key}`, { name: key, age: value.age }] as const],
    })
    await scene.done(view.ready())
    expect(rowsOf(store, "adults by city")).toEqual({
      "London/ada": { name: "ada", age: 36 },
      "New York/grace": { name: "grace", age: 85 },
    })
    await scene.done(users.put("ada", { city: "Paris", age: 36 }))
    await scene.done(users.put("tom", { city: "Rome", age: 3 }))
    await scene.done(users.delete("grace"))
    await caughtUp(scene, view)
    expect(rowsOf(store, "adults by city")).toEqual({ "Paris/ada": { name: "ada", age: 36 } })
    expect(view.table.get("Paris/ada")?.age).toBe(36)
    expect(view).toMatchObject({ state: "ready", progress: 1, lag: 0, error: undefined })
  })

  test("gives a row that several records claim to the first of them, in whatever order they come and go", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const a = store.table<string>("a")
    const b = store.table<string>("b")
    const view = store.view("merged", { from: [a, b], map: ({ table, key, value }) => [[value, `${table}/${key}`]] })
    await scene.done(view.ready())
    const steps: [() => Promise<unknown>, Record<string, unknown>][] = [
      [() => b.put("x", "k"), { k: "b/x" }],
      [() => a.put("y", "k"), { k: "a/y" }],
      [() => a.put("k", "k"), { k: "a/k" }],
      [() => b.put("x", "other"), { k: "a/k", other: "b/x" }],
      [() => a.delete("k"), { k: "a/y", other: "b/x" }],
      [() => a.put("y", "other"), { other: "a/y" }],
      [() => a.delete("y"), { other: "b/x" }],
      [() => b.delete("x"), {}],
    ]
    const before = store.metrics().log.lastLsn
    for (const [step, expected] of steps) {
      await scene.done(step())
      await caughtUp(scene, view)
      expect(rowsOf(store, "merged")).toEqual(expected)
    }
    // One commit of the view for each of a source: its own rows, which it is given as well, move nothing.
    expect(store.metrics().log.lastLsn - before).toBe(2 * steps.length)
  })

  test("is followed like any table, and is a source for other views", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const users = store.table<User>("users")
    const cities = store.view("cities", { from: users, map: ({ key, value }) => [[key, value.city] as const] })
    const counts = store.view("counts", {
      from: cities.table,
      groupBy: ({ value }) => value,
      initial: 0,
      add: (count: number) => count + 1,
      remove: (count: number) => count - 1,
    })
    await scene.done(Promise.all([cities.ready(), counts.ready()]))
    const seen: unknown[] = []
    store
      .table("cities")
      .changes()
      .observable()
      .subscribe(({ changes }) => {
        for (const { kind, key, value } of changes) seen.push([kind, key, value])
      })
    await scene.done(users.put("ada", { city: "London", age: 36 }))
    await scene.done(users.put("tom", { city: "London", age: 3 }))
    await scene.done(users.delete("ada"))
    await caughtUp(scene, cities, counts)
    await scene.until(() => store.table("counts").get("London") === 1)
    expect(seen).toEqual([
      ["put", "ada", "London"],
      ["put", "tom", "London"],
      ["delete", "ada", undefined],
    ])
    expect(() => store.view("users", { from: "counts", map: () => [] })).toThrow(ViewNameTaken)
    expect(() => store.view("loop", { from: ["x", "loop"], map: () => [] })).toThrow("its own rows")
    store.view("p", { from: "q", map: () => [] })
    expect(() => store.view("q", { from: "p", map: () => [] })).toThrow("by way of others")
  })
})

describe("a view by groupBy", () => {
  test("adds and removes the part of every record, and has no row for a group without records", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const users = store.table<User>("users")
    const view = store.view("ages", {
      from: users,
      groupBy: ({ value }) => (value.city === "" ? undefined : value.city),
      part: ({ value }) => value.age,
      initial: { sum: 0, count: 0 },
      add: (state, age) => ({ sum: state.sum + age, count: state.count + 1 }),
      remove: (state, age) => ({ sum: state.sum - age, count: state.count - 1 }),
    })
    await scene.done(view.ready())
    await scene.done(
      users.putMany([
        ["ada", { city: "London", age: 36 }],
        ["tom", { city: "London", age: 3 }],
      ]),
    )
    await scene.done(users.put("grace", { city: "", age: 85 }))
    await caughtUp(scene, view)
    expect(rowsOf(store, "ages")).toEqual({ London: { sum: 39, count: 2 } })
    await scene.done(users.put("ada", { city: "Paris", age: 37 }))
    await scene.done(users.put("grace", { city: "Paris", age: 85 }))
    await scene.done(users.delete("tom"))
    await caughtUp(scene, view)
    expect(rowsOf(store, "ages")).toEqual({ Paris: { sum: 122, count: 2 } })
  })

  test("begins a group that was empty anew with the initial state, also where its functions change what they are given", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const words = store.table<string>("words")
    const view = store.view("words by length", {
      from: words,
      groupBy: ({ value }) => String(value.length),
      initial: [] as string[],
      add: (list, word) => {
        list.push(word)
        return list.sort()
      },
      remove: (list, word) => list.toSpliced(list.indexOf(word), 1),
    })
    await scene.done(view.ready())
    await scene.done(
      words.putMany([
        ["1", "abc"],
        ["2", "de"],
        ["3", "fgh"],
      ]),
    )
    await scene.done(words.delete("2"))
    await scene.done(words.put("4", "xy"))
    await caughtUp(scene, view)
    expect(rowsOf(store, "words by length")).toEqual({ 2: ["xy"], 3: ["abc", "fgh"] })
  })
})

describe("a view by fold", () => {
  test("takes in every change once, deletes too, beginning with what is there", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const table = store.table<number>("t")
    await scene.done(table.putMany(records(1_200, () => 1)))
    const view = store.view("writes", {
      from: table,
      fold: (count: number, { kind }) => count + (kind === "put" ? 1 : 1_000_000),
      initial: 0,
      key: ({ key }) => (key.startsWith("k") ? "k" : undefined),
    })
    await scene.done(view.ready())
    expect(view.table.get("k")).toBe(1_200)
    await scene.done(table.put("k1", 2))
    await scene.done(table.put("other", 2))
    await scene.done(table.delete("k2"))
    await caughtUp(scene, view)
    expect(rowsOf(store, "writes")).toEqual({ k: 1_001_201 })
  })
})

describe("the rows of a view", () => {
  test("are written by nobody else, in whatever way, also before the view is kept up again", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const view = copyingView(store)
    await scene.done(store.table("t").put("a", 1))
    await caughtUp(scene, view)
    const refused = async (target: Store): Promise<void> => {
      const table = target.table<unknown>("v")
      for (const write of [
        () => table.put("b", 1),
        () => table.putMany([["b", 1]]),
        () => table.delete("a"),
        () => table.update("a", () => 2),
        () => table.increment("a"),
        () => target.batch((batch) => batch.put(table, "b", 1)),
        () => target.transact((tx) => tx.put(table, "b", 1)),
      ]) {
        await expect(write()).rejects.toThrow(ViewReadOnly)
      }
      expect(rowsOf(target, "v")).toEqual({ a: 1 })
    }
    await refused(store)
    const again = await scene.reopened()
    await refused(again.store)
    expect(again.store.views()).toMatchObject([{ name: "v", state: "stopped", from: ["t"] }])
  })

  test("go with the view, and the table is anybody's then", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const view = store.view("v", { from: "t", map: ({ key, value }) => [[`${key}!`, value]] })
    await scene.done(store.table("t").putMany(records(1_500, (n) => n)))
    await caughtUp(scene, view)
    expect(store.table("v").size).toBe(1_500)
    expect(await scene.done(store.removeView("v"))).toBe(true)
    await view.done
    expect(store.table("v").size).toBe(0)
    expect(store.views()).toEqual([])
    await scene.done(store.table("v").put("mine", 1))
    expect(await scene.done(store.removeView("v"))).toBe(false)
    expect(() => store.view("v", { from: "t", map: () => [] })).toThrow("holds records")
  })
})

describe("building a view", () => {
  test("takes in what is there in slices, while others write", async () => {
    const scene = await ConsumerScene.open(undefined, { segmentBytes: 1 << 20 })
    const { store } = scene
    const table = store.table<number>("t")
    await scene.done(table.putMany(records(5_000, (n) => n)))
    const before = store.metrics().log.lastLsn
    const view = store.view("v", { from: table, map: ({ key, value }) => [[key, value * 2]] })
    let isReady = false
    void view.ready().then(() => (isReady = true))
    const progress: number[] = []
    for (let n = 0; !isReady; n++) {
      if (n < 500) await scene.done(table.put(`k${(n * 37) % 5_000}`, -n))
      else await scene.done(store.flush())
      if (n % 10 === 0) await scene.done(table.delete(`k${n}`))
      progress.push(view.progress)
      scene.platform.clock.advance(1)
    }
    await caughtUp(scene, view)
    expect(rowsOf(store, "v")).toEqual(
      Object.fromEntries(Object.entries(rowsOf(store, "t")).map(([key, n]) => [key, (n as number) * 2])),
    )
    expect(store.metrics().log.lastLsn - before).toBeGreaterThan(10)
    expect(progress).toEqual(progress.toSorted((left, right) => left - right))
    expect(store.metrics().views).toMatchObject({ running: 1, builds: 1, failed: 0 })
    expect(store.metrics().views.builtRecords).toBeGreaterThan(4_000)
  })

  test("happens once, and anew for another version", async () => {
    const scene = await ConsumerScene.open()
    const define = (store: Store, factor: number, version: number): View<number> =>
      store.view("v", { from: store.table<number>("t"), version, map: ({ key, value }) => [[key, value * factor]] })
    const first = define(scene.store, 2, 1)
    await scene.done(
      scene.store.table("t").putMany([
        ["a", 1],
        ["b", 2],
      ]),
    )
    await caughtUp(scene, first)

    const again = await scene.reopened()
    const same = define(again.store, 100, 1)
    await again.done(again.store.table("t").put("c", 3))
    await caughtUp(again, same)
    expect(rowsOf(again.store, "v")).toEqual({ a: 2, b: 4, c: 300 })
    expect(again.store.metrics().views.builds).toBe(0)

    const last = await again.reopened()
    const other = define(last.store, 100, 2)
    await last.done(other.ready())
    expect(rowsOf(last.store, "v")).toEqual({ a: 100, b: 200, c: 300 })
    expect(last.store.metrics().views.builds).toBe(1)
    await last.done(other.rebuild())
    expect(other.state).toBe("building")
    await last.done(other.ready())
    expect(last.store.metrics().views.builds).toBe(2)
  })

  test("is done anew where the log has let go of changes that it has not seen", async () => {
    const scene = await ConsumerScene.open(undefined, { keep: { checkpoints: 1 } })
    const { store } = scene
    const view = copyingView(store)
    await scene.done(store.table("t").put("gone", 1))
    await caughtUp(scene, view)
    await scene.done(view.stop())
    expect(view.state).toBe("stopped")
    await scene.done(store.table("t").delete("gone"))
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 30; n++) await scene.done(store.table("t").put(`k${n}`, "x".repeat(200)))
      await scene.done(store.checkpoint())
    }
    const next = copyingView(store)
    await caughtUp(scene, next)
    expect(rowsOf(store, "v")).toEqual(rowsOf(store, "t"))
    expect(store.metrics().views.builds).toBe(2)
  })
})

describe("a view whose functions fail", () => {
  test("stands still in front of the record, says so, and is built anew by another version", async () => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const table = store.table<number>("t")
    const view = failingView(store)
    await scene.done(table.put("a", 1))
    await caughtUp(scene, view)
    await scene.done(table.put("b", -1))
    await scene.until(() => view.state === "failed")
    await scene.done(table.put("c", 1))
    expect(view.error).toBeInstanceOf(ViewFailed)
    expect(view.error).toMatchObject({ view: "v", record: "t/b", cause: new RangeError("negative") })
    await expect(view.ready()).rejects.toThrow('view "v" stands still at record "t/b": RangeError: negative')
    expect(scene.events.filter(({ kind }) => kind === "view-failed")).toMatchObject([{ view: "v" }])
    expect(store.metrics().views.failed).toBe(1)
    expect(await scene.done(store.checkAlerts())).toMatchObject([{ rule: "consumers", value: 1 }])
    expect(rowsOf(store, "v")).toEqual({ a: 1 })

    const again = await scene.reopened()
    const same = copyingView(again.store)
    await again.until(() => same.state === "failed")
    await expect(same.ready()).rejects.toThrow("negative")
    await again.done(same.stop())
    const next = copyingView(again.store, 2)
    await caughtUp(again, next)
    expect(rowsOf(again.store, "v")).toEqual({ a: 1, b: -1, c: 1 })
  })

  test("takes in nothing of what was on their way behind that record", async () => {
    const scene = await ConsumerScene.open(undefined, { segmentBytes: 1 << 20 })
    const { store } = scene
    const table = store.table<number>("t")
    const view = failingView(store)
    await scene.done(view.ready())
    // Each more than the view takes into one commit.
    const writes = [1, -1, 2, 3].map((value) =>
      table.putMany(Array.from({ length: 2_100 }, (_, n) => [`${value}/${n}`, value] as const)),
    )
    await scene.done(Promise.all(writes))
    await scene.until(() => view.state === "failed")
    expect(new Set(store.table("v").values())).toEqual(new Set([1]))
    expect(view.position).toBe((await writes[0])?.lsn)
  })

  test.each([
    ["a row that is undefined", () => [["k", undefined]], "is undefined"],
    ["a key that is no string", () => [[7, 1]], "key"],
    ["a row that cannot be kept", () => [["k", () => 1]], "cannot be stored"],
    ["no list", () => 7, "iterable"],
  ])("stands still at %s", async (_what, map, message) => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const view = store.view("v", { from: "t", map: map as never })
    await scene.done(view.ready())
    await scene.done(store.table("t").put("a", 1))
    await scene.until(() => view.state === "failed")
    expect(view.error?.message).toContain(message)
    expect(store.table("v").size).toBe(0)
  })

  test("refuses definitions that are none", async () => {
    const scene = await ConsumerScene.open()
    const define = (definition: unknown): unknown => scene.store.view("v", definition as never)
    expect(() => define({})).toThrow("is defined by map, by groupBy")
    expect(() => define({ from: "t", map: 1 })).toThrow("map must be a function")
    expect(() => define({ from: [], map: () => [] })).toThrow("1 to 64 tables")
    expect(() => define({ from: ["t", "t"], map: () => [] })).toThrow("names a table twice")
    expect(() => define({ from: "orrery:views", map: () => [] })).toThrow("the engine's own")
    expect(() => define({ from: "t", map: () => [], initial: 1 })).toThrow('has no "initial"')
    expect(() => define({ from: "t", fold: () => 1 })).toThrow("needs its initial state")
    expect(() => define({ from: "t", map: () => [], version: {} })).toThrow("version must be")
    expect(() => scene.store.view("x".repeat(201), { from: "t", map: () => [] })).toThrow("longer than 200 bytes")
    expect(scene.store.views()).toEqual([])
  })
})

test("a view that is stopped before it is ready says so to those who wait", async () => {
  const scene = await ConsumerScene.open()
  const view = scene.store.view("v", { from: "t", map: () => [] })
  const waiting = view.ready()
  waiting.catch(() => undefined)
  await scene.done(view.stop())
  await expect(waiting).rejects.toThrow("the view was stopped")
})

test.each(["store/log/wal-writer", "store/shards/shard-1", "store/change-publisher", "store/consumers"])(
  "a view lives on when %s dies",
  async (path) => {
    const scene = await ConsumerScene.open()
    const { store } = scene
    const view = store.view("v", {
      from: store.table<number>("t"),
      groupBy: ({ value }) => String(value % 3),
      initial: 0,
      add: (sum: number, n) => sum + n,
      remove: (sum: number, n) => sum - n,
    })
    const sums = [0, 0, 0]
    for (let n = 0; n < 30; n++) {
      const put = store.table("t").put(`k${n}`, n)
      sums[n % 3] = (sums[n % 3] ?? 0) + n
      if (n % 7 === 2) await scene.done(store.killActor(path, new Error("killed by the test")))
      await scene.done(put)
    }
    await scene.done(store.ready())
    await caughtUp(scene, view)
    expect(rowsOf(store, "v")).toEqual({ 0: sums[0], 1: sums[1], 2: sums[2] })
  },
)
