import { expect, test } from "vitest"
import { recordSize } from "../../src/format/record.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { filterOf } from "../../src/streams/changes-options.ts"
import type { ChangesOptions } from "../../src/streams/changes-options.ts"
import { Cursors } from "../../src/streams/cursor.ts"
import { FeedValues } from "../../src/streams/feed-change.ts"
import { Router } from "../../src/streams/router.ts"
import type { Share } from "../../src/streams/router.ts"
import { FeedScene, textOf } from "./feed-scene.ts"
import type { Operation } from "./feed-scene.ts"

function routerOf({ catalogue }: FeedScene): Router {
  return new Router(catalogue, new FeedValues(catalogue.shapes, new Cursors(new Uint8Array(16))))
}

/** Routes one frame of these commits to topics for these filters. */
async function route(
  commits: readonly (readonly Operation[])[],
  wanted: readonly ChangesOptions[],
  after = 0,
): Promise<{ readonly router: Router; readonly shares: readonly Share[] }> {
  const scene = await FeedScene.open()
  const router = routerOf(scene)
  for (const options of wanted) router.topic(filterOf(options, scene.catalogue))
  await scene.write(commits)
  for await (const frame of scene.log.read(lsnOf(0))) {
    const shares = router.route(frame, lsnOf(after))
    frame.buffer.bytes.fill(0)
    return { router, shares }
  }
  throw new Error("there is no frame")
}

function put(key: string, table = "t"): Operation {
  return { table, key, value: 1 }
}

test("each topic gets its share, those that nothing matches get none", async () => {
  const { shares } = await route(
    [[put("ab"), put("b"), put("ab", "u")], [put("c", "u")]],
    [{}, { table: "t" }, { table: "u", prefix: "a" }, { prefix: "ab" }, { table: "t", prefix: "x" }, { table: "v" }],
  )
  const texts = shares.map(({ topic, batch }) => {
    const { table, prefix } = topic.filter
    return `${table?.name ?? "*"}/${Buffer.from(prefix).toString()} ${batch.commits.map(textOf).join(" ")}`
  })
  expect(texts.toSorted()).toEqual(["*/ 2:ab=1,b=1,ab=1 3:c=1", "*/ab 2:ab=1,ab=1", "t/ 2:ab=1,b=1", "u/a 2:ab=1"])
})

test("one filter is one topic", async () => {
  const { router } = await route([[put("a")]], [{}, {}])
  const filter = { table: undefined, prefix: Buffer.from("a") }
  expect(router.topic(filter)).toBe(router.topic({ ...filter }))
  expect(router.topic({ table: undefined, prefix: Buffer.alloc(0) })).not.toBe(router.topic(filter))
})

test("a change that several topics get is one object", async () => {
  const { shares } = await route([[put("a")]], [{}, { prefix: "a" }])
  expect(shares).toHaveLength(2)
  expect(shares[0]?.batch.commits[0]?.changes[0]).toBe(shares[1]?.batch.commits[0]?.changes[0])
})

test("only records that somebody gets are copied", async () => {
  const { shares } = await route(
    [
      [put("a1"), put("b"), put("a2")],
      [put("b"), put("a3"), put("a4")],
    ],
    [{ prefix: "a" }],
  )
  expect(shares[0]?.batch.commits.map(textOf)).toEqual(["2:a1=1,a2=1", "3:a3=1,a4=1"])
  expect(shares[0]?.batch.size).toBe(4 * recordSize(2, 1))
})

test("commits up to the position are left out", async () => {
  const { shares } = await route([[put("a")], [put("b")], [put("c")]], [{}], 3)
  expect(shares[0]?.batch.commits.map(textOf)).toEqual(["4:c=1"])
  expect(shares[0]?.batch.lastLsn).toBe(4)
})

test("a frame of definitions and other people's changes touches nobody", async () => {
  const { shares } = await route([[put("a", "new table")]], [{ table: "t" }])
  expect(shares).toEqual([])
})

test("a topic that was taken out gets nothing, and leaves the others alone", async () => {
  const scene = await FeedScene.open()
  const router = routerOf(scene)
  const table = scene.catalogue.entry("t")
  const topics = ["", "a", "ab"].map((prefix) => router.topic({ table, prefix: Buffer.from(prefix) }))
  await scene.write([[put("ab")]])
  const touched = async (): Promise<number> => {
    let count = 0
    for await (const frame of scene.log.read(lsnOf(0))) count += router.route(frame, lsnOf(0)).length
    return count
  }
  for (let left = 3; left > 0; left--) {
    expect(await touched()).toBe(left)
    expect(router.isIdle).toBe(false)
    const topic = topics.shift()
    if (topic !== undefined) router.remove(topic)
  }
  expect(await touched()).toBe(0)
  expect(router.isIdle).toBe(true)
})

test("who wants every table gets none of the engine's own, who names one does", async () => {
  const commits = [[put("a", "orrery:x")], [put("a"), put("b", "orrery:x")]]
  const { shares } = await route(commits, [{}, { prefix: "a" }, { table: "orrery:x" }])
  const seen = shares.map(({ batch }) =>
    batch.commits.flatMap(({ changes }) => changes.map(({ table, key }) => table + key)),
  )
  expect(new Set(seen.map((keys) => keys.join()))).toEqual(new Set(["orrery:xa,orrery:xb", "ta"]))
})

test("keys that are wanted exactly find those who want them, whatever their length, and no others", async () => {
  const commit = [put("a"), put("ab"), put("abcd"), put("abcde"), put("ключ"), put("", "t"), put("ab", "u")]
  const { shares } = await route(
    [commit],
    [
      { table: "t", keys: ["ab", "ключ", "nothing"] },
      { keys: ["ab"] },
      { table: "t", keys: [""] },
      { table: "t", keys: ["abcdef", "abc"] },
      { table: "t", prefix: "abcde" },
    ],
  )
  const found = shares.map(({ topic, batch }) => [
    topic.filter.keys ?? topic.filter.prefix.toString(),
    ...batch.commits.flatMap(({ changes }) => changes.map(({ table, key }) => `${table}/${key}`)),
  ])
  expect(found).toHaveLength(4)
  expect(found).toEqual(
    expect.arrayContaining([
      [["ab", "nothing", "ключ"], "t/ab", "t/ключ"],
      [["ab"], "t/ab", "u/ab"],
      [[""], "t/"],
      ["abcde", "t/abcde"],
    ]),
  )
})

test("who wants puts alone, or deletes alone, gets no others, and shares with nobody who wants both", async () => {
  const commit = [put("a"), { table: "t", key: "b" }, put("c"), { table: "u", key: "a" }]
  const { shares } = await route(
    [commit],
    [
      { table: "t", types: ["put"] },
      { table: "t", types: ["delete"] },
      { table: "t" },
      { keys: ["a"], types: ["delete", "delete"] },
      { prefix: "c", types: ["delete"] },
    ],
  )
  const found = shares.map(({ batch }) => batch.commits.map(textOf).join(" "))
  expect(found.toSorted((left, right) => left.localeCompare(right))).toEqual([
    "2:a-",
    "2:a=1,b-,c=1",
    "2:a=1,c=1",
    "2:b-",
  ])
})

test("a topic of keys that was taken out leaves those that share some of them alone", async () => {
  const scene = await FeedScene.open()
  const router = routerOf(scene)
  const topics = [["a", "b"], ["b", "c"], ["b"]].map((keys) => router.topic(filterOf({ keys }, scene.catalogue)))
  const typed = router.topic(filterOf({ keys: ["b"], types: ["put"] }, scene.catalogue))
  await scene.write([[put("a"), put("b"), put("c")]])
  const touched = async (): Promise<string[]> => {
    for await (const frame of scene.log.read(lsnOf(0))) {
      return router.route(frame, lsnOf(0)).flatMap(({ batch }) => batch.commits.map(textOf))
    }
    return []
  }
  expect(await touched()).toEqual(["2:a=1,b=1", "2:b=1,c=1", "2:b=1", "2:b=1"])
  router.remove(topics[1] as (typeof topics)[0])
  expect(await touched()).toEqual(["2:a=1,b=1", "2:b=1", "2:b=1"])
  router.remove(typed)
  router.remove(topics[0] as (typeof topics)[0])
  expect(await touched()).toEqual(["2:b=1"])
  router.remove(topics[2] as (typeof topics)[0])
  expect(await touched()).toEqual([])
  expect(router.isIdle).toBe(true)
})

test("a frame that is larger than a copy is taken apart, and every change finds its own record", async () => {
  const commits = Array.from({ length: 900 }, (_, n): Operation[] => [
    { table: "t", key: `key ${n}`, value: `${n} `.repeat(n % 40) },
    ...(n % 100 === 0 ? [{ table: "t", key: `large ${n}`, value: "x".repeat(70_000) }] : []),
    ...(n % 2 === 0 ? [put(`other ${n}`, "u")] : []),
  ])
  const { shares } = await route(commits, [{ table: "t" }, { prefix: "key 1" }])
  const [all, some] = shares.map(({ batch }) => batch.commits.flatMap(({ changes }) => changes))
  const expected = commits.flat().filter(({ table }) => table === "t")
  // From behind first, so that nothing is read as it was written.
  expect(all?.toReversed().map(({ key, value }) => [key, value])).toEqual(
    expected.toReversed().map(({ key, value }) => [key, value]),
  )
  expect(some?.map(({ key }) => key)).toEqual(
    expected.filter(({ key }) => key.startsWith("key 1")).map(({ key }) => key),
  )
  const size = expected.reduce((sum, { value }) => sum + String(value).length, 0)
  expect(shares[0]?.batch.size).toBeGreaterThan(size)
  expect(shares[0]?.batch.size).toBeLessThan(size + expected.length * 48)
})
