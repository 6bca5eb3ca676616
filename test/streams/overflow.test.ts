// What becomes of subscribers who do not keep up, and what they may cost.

import { describe, expect, test } from "vitest"
import { SubscriberOverflowed } from "../../src/model/feed-errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { DurableTimes } from "../../src/streams/durable-times.ts"
import { FeedScene, quiet, readSome, textOf, texts } from "./feed-scene.ts"

describe("latest-per-key", () => {
  test("what waits for somebody slow is merged into one commit, with the last change of each key in order", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ overflow: "latest-per-key", bufferCommits: 2 })
    const first = readSome(stream, 1)
    await scene.put("first", 0)
    await first
    for (let n = 0; n < 9; n++) await scene.write([[{ table: "t", key: `k${n % 3}`, value: n }]])
    await scene.write([[{ table: "t", key: "k0" }], [{ table: "u", key: "k1", value: "other" }]])
    const [merged] = await readSome(stream, 1)
    expect(merged).toMatchObject({ lsn: 13, merged: 11 })
    expect(merged?.changes.map(({ table, key, value }) => [table, key, value])).toEqual([
      ["t", "k1", 7],
      ["t", "k2", 8],
      ["t", "k0", undefined],
      ["u", "k1", "other"],
    ])
    expect(stream.position).toBe(13)
    const next = texts(stream, 1)
    await scene.put("live", 1)
    expect(await next).toEqual(["14:live=1"])
    expect(scene.feed.metrics()).toMatchObject({ overflows: 0, catchUps: 0 })
  })

  test("merged changes keep no frames in memory, only themselves", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ overflow: "latest-per-key", bufferCommits: 1, name: "slow" })
    const first = readSome(stream, 1)
    await scene.put("first")
    await first
    for (let n = 0; n < 200; n++) await scene.put("same", "x".repeat(1_000))
    const [info] = scene.feed.subscriptions(0)
    expect(info).toMatchObject({ name: "slow", bufferedCommits: 200, isLive: true, lagLsn: 200 })
    expect(info?.bufferedBytes).toBeLessThan(2_000)
  })

  test("where even the last changes are too many it goes back to the log, and loses none", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ overflow: "latest-per-key", bufferCommits: 2, bufferBytes: 4_000 })
    const first = readSome(stream, 1)
    await scene.put("first")
    await first
    for (let n = 0; n < 40; n++) await scene.put(`k${n}`, n)
    expect(scene.feed.metrics().overflows).toBe(1)
    expect(await texts(stream, 40)).toEqual(Array.from({ length: 40 }, (_, n) => `${n + 3}:k${n}=${n}`))
  })
})

describe("error", () => {
  test("the stream fails, and going on from its position misses nothing", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ overflow: "error", bufferCommits: 2, name: "audit" })
    const first = readSome(stream, 1)
    for (let n = 0; n < 6; n++) await scene.put(`k${n}`, n)
    await first
    const iterator = stream[Symbol.asyncIterator]()
    const failure = await iterator.next().then(undefined, (error: unknown) => error)
    expect(failure).toBeInstanceOf(SubscriberOverflowed)
    expect(failure).toMatchObject({ after: 2, code: "ORRERY_SUBSCRIBER_OVERFLOWED" })
    expect(String(failure)).toContain('"audit"')
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    expect(scene.feed.subscriptions(0)).toEqual([])
    expect(await texts(scene.feed.subscribe({ after: stream.position }), 5)).toEqual(
      [1, 2, 3, 4, 5].map((n) => `${n + 2}:k${n}=${n}`),
    )
  })
})

test("bytes bound what waits as commits do", async () => {
  const scene = await FeedScene.open()
  const stream = scene.feed.subscribe({ bufferBytes: 3_000 })
  const first = readSome(stream, 1)
  for (let n = 0; n < 8; n++) await scene.put(`k${n}`, "x".repeat(1_000))
  await first
  expect(scene.feed.metrics().overflows).toBe(1)
  expect((await readSome(stream, 7)).map(({ lsn }) => lsn)).toEqual([3, 4, 5, 6, 7, 8, 9])
})

test("subscriptions say what they want, where they are, and how far behind", async () => {
  const scene = await FeedScene.open()
  await scene.put("a")
  const idle = scene.feed.subscribe({ table: "t", prefix: "k", name: "idle" })
  const observed: string[] = []
  const push = scene.feed.subscribe({ table: "t", keys: ["a", "b"], name: "push" })
  const subscription = push.observable().subscribe((commit) => observed.push(textOf(commit)))
  const waiting = readSome(idle, 1)
  await scene.put("k")
  await scene.put("b")
  await waiting
  const [ofPush, ofIdle] = scene.feed.subscriptions(1e15)
  expect(ofIdle).toMatchObject({
    name: "idle",
    table: "t",
    prefix: "k",
    isPushed: false,
    isLive: true,
    lagLsn: 0,
    lagMs: 0,
  })
  expect(ofIdle).toMatchObject({ deliveredCommits: 1, deliveredChanges: 1, bufferedCommits: 0, overflows: 0, lsn: 4 })
  expect(ofPush).toMatchObject({ name: "push", keyCount: 2, isPushed: true, deliveredCommits: 1, lagLsn: 0 })
  expect(observed).toEqual(['4:b="b"'])
  for (const key of ["k1", "k2"]) await scene.put(key)
  const [, late] = scene.feed.subscriptions(1e15)
  expect(late).toMatchObject({ lagLsn: 3, bufferedCommits: 2, lsn: 3 })
  expect(late?.lagMs).toBeGreaterThan(0)
  subscription.unsubscribe()
  idle.close()
  expect(scene.feed.subscriptions(0)).toEqual([])
})

test("a thousand subscribers of one prefix each, of one prefix together, and of everything, get what is theirs", async () => {
  const scene = await FeedScene.open()
  const counts = { own: 0, shared: 0, all: 0 }
  for (let n = 0; n < 1_000; n++) {
    const prefix = `k${String(n).padStart(4, "0")}`
    scene.feed
      .subscribe({ table: "t", prefix })
      .observable()
      .subscribe(() => counts.own++)
    scene.feed
      .subscribe({ table: "t", prefix: "k0" })
      .observable()
      .subscribe(() => counts.shared++)
    scene.feed
      .subscribe()
      .observable()
      .subscribe(() => counts.all++)
  }
  for (let n = 0; n < 1_000; n += 10) await scene.put(`k${String(n).padStart(4, "0")}:x`)
  await quiet(scene.feed)
  expect(counts).toEqual({ own: 100, shared: 100_000, all: 100_000 })
  expect(scene.feed.subscriptions(0)).toHaveLength(3_000)
  expect(scene.feed.subscriptions(0).every(({ isLive, lagLsn }) => isLive && lagLsn === 0)).toBe(true)
  scene.feed.end()
})

test("the times of many commits are kept in a bounded number of marks, the older the coarser", () => {
  const times = new DurableTimes()
  for (let n = 1; n <= 100_000; n++) times.note(lsnOf(n * 10), n)
  expect(times.behind(lsnOf(1_000_000))).toBeUndefined()
  expect(times.behind(lsnOf(999_990))).toBe(100_000)
  for (const lsn of [1, 5_000, 500_000, 900_000]) {
    const found = times.behind(lsnOf(lsn)) ?? 0
    expect(found * 10).toBeGreaterThan(lsn)
  }
})
