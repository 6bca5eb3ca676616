// The faces of a stream besides iteration and observation, and what other libraries make of it.

import { from, lastValueFrom, take, toArray } from "rxjs"
import { expect, test } from "vitest"
import { SubscriberOverflowed } from "../../src/model/feed-errors.ts"
import type { Commit } from "../../src/model/change.ts"
import { eachChange, toTable } from "../../src/streams/operators.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"
import { FeedScene, quiet, textOf } from "./feed-scene.ts"

test("a readable asks for a commit when its reader does, and what is not read stays in the log", async () => {
  const scene = await FeedScene.open()
  const reader = scene.feed.subscribe({ bufferCommits: 2 }).readable().getReader()
  const first = reader.read()
  await quiet(scene.feed)
  for (let n = 0; n < 50; n++) await scene.put(`k${n}`, n)
  expect(textOf((await first).value as Commit)).toBe("2:k0=0")
  expect(scene.feed.metrics().deliveredCommits).toBe(1)
  for (let n = 1; n < 50; n++) expect(textOf((await reader.read()).value as Commit)).toBe(`${n + 2}:k${n}=${n}`)
  await reader.cancel()
  expect(scene.feed.subscriptions(0)).toEqual([])
})

test("readables of one stream are independent, begin where it does, and end and fail with the feed", async () => {
  const scene = await FeedScene.open()
  await scene.put("a", 1)
  const stream = scene.feed.subscribe({ after: 0 })
  const [one, two] = [stream.readable().getReader(), stream.readable().getReader()]
  expect(textOf((await one.read()).value as Commit)).toBe("2:a=1")
  expect(textOf((await two.read()).value as Commit)).toBe("2:a=1")
  const ended = one.read()
  await quiet(scene.feed)
  scene.feed.end()
  expect(await ended).toEqual({ value: undefined, done: true })
  await expect(stream.readable().getReader().read()).rejects.toThrow("its change feed has ended")
})

test("a readable fails with what its subscription fails with", async () => {
  const scene = await FeedScene.open()
  const reader = scene.feed.subscribe({ overflow: "error", bufferCommits: 1 }).readable().getReader()
  const first = reader.read()
  await quiet(scene.feed)
  for (let n = 0; n < 5; n++) await scene.put(`k${n}`, n)
  await first
  await expect(reader.read()).rejects.toThrow(SubscriberOverflowed)
})

test("a readable pipes, and is itself an AsyncIterable", async () => {
  const scene = await FeedScene.open()
  for (const key of ["a", "b", "c"]) await scene.put(key)
  const toText = new TransformStream<Commit, string>({
    transform: (commit, controller) => controller.enqueue(textOf(commit)),
  })
  const texts: string[] = []
  for await (const text of scene.feed.subscribe({ after: 0 }).readable().pipeThrough(toText)) {
    texts.push(text)
    if (texts.length === 3) break
  }
  expect(texts).toEqual(['2:a="a"', '3:b="b"', '4:c="c"'])
  await quiet(scene.feed)
  expect(scene.feed.subscriptions(0)).toEqual([])
})

test("each change by itself, and not one more than was wanted", async () => {
  const scene = await FeedScene.open()
  await scene.write([
    [
      { table: "t", key: "a", value: 1 },
      { table: "t", key: "b", value: 2 },
      { table: "t", key: "c", value: 3 },
    ],
  ])
  const stream = scene.feed.subscribe({ after: 0 })
  const keys: string[] = []
  const changes = await lastValueFrom(stream.observableChanges().pipe(take(2), toArray()))
  for (const { key } of changes) keys.push(key)
  expect(keys).toEqual(["a", "b"])
  expect(scene.feed.subscriptions(0)).toEqual([])
  const one = await lastValueFrom(from(stream.observable()).pipe(eachChange(), take(1)))
  expect(one.key).toBe("a")
})

test("the table that commits add up to", async () => {
  const scene = await FeedScene.open()
  const sizes: number[] = []
  let last: ReadonlyMap<string, unknown> = new Map()
  scene.feed
    .subscribe()
    .observable()
    .pipe(toTable())
    .subscribe((table) => {
      sizes.push(table.size)
      last = table
    })
  await scene.put("a", 1)
  await scene.put("b", 2)
  await scene.put("a", 3)
  await scene.write([[{ table: "t", key: "b" }]])
  expect(sizes).toEqual([1, 2, 2, 1])
  expect([...last]).toEqual([["a", 3]])
})

// What any library that takes an AsyncIterable relies on, RxJS 9 with its interop among them.
test("the contract of async iterators: one iterator, results in order of the calls, return that ends, done for ever", async () => {
  const scene = await FeedScene.open()
  for (const key of ["a", "b", "c"]) await scene.put(key)
  const stream = scene.feed.subscribe({ after: 0 })
  const iterator = stream[Symbol.asyncIterator]()
  expect(iterator[Symbol.asyncIterator]()).toBe(iterator)
  const calls = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
  expect(calls.map(({ value }) => value?.lsn)).toEqual([2, 3, 4])
  const waiting = iterator.next()
  expect(await iterator.return?.()).toEqual({ value: undefined, done: true })
  expect(await waiting).toEqual({ value: undefined, done: true })
  expect(await iterator.next()).toEqual({ value: undefined, done: true })
  expect(await iterator.return?.()).toEqual({ value: undefined, done: true })
  expect(scene.feed.subscriptions(0)).toEqual([])
})

test("a loop that breaks or throws unsubscribes", async () => {
  const scene = await FeedScene.open()
  for (const key of ["a", "b"]) await scene.put(key)
  for await (const commit of scene.feed.subscribe({ after: 0 })) if (commit.lsn === 2) break
  const thrown = (async () => {
    for await (const commit of scene.feed.subscribe({ after: 0 })) throw new Error(`at ${commit.lsn}`)
  })()
  await expect(thrown).rejects.toThrow("at 2")
  expect(scene.feed.subscriptions(0)).toEqual([])
})

test("memory stays flat while many changes pass somebody who never reads", async () => {
  const changeCount = Number(process.env["ORRERY_FEED_UNREAD_CHANGES"] ?? 60_000)
  // The simulated disk keeps in memory what is written to it.
  const disk = changeCount > 1_000_000 ? { realDirectory: await temporaryDirectory() } : {}
  const scene = await FeedScene.open({ ...disk, segmentSize: 16 * 1024 * 1024 })
  const streams = (["catch-up", "latest-per-key"] as const).map((overflow) =>
    scene.feed.subscribe({ overflow, bufferBytes: 100_000, bufferCommits: 100 }),
  )
  for (const stream of streams) void stream[Symbol.asyncIterator]().next()
  await quiet(scene.feed)
  const commits = Array.from({ length: 1_000 }, (_, n) => [{ table: "t", key: `k${n % 50}`, value: n }])
  let mostBytes = 0
  for (let count = 0; count < changeCount; count += commits.length) {
    await scene.write(commits)
    scene.commits.length = 0
    for (const { bufferedBytes } of scene.feed.subscriptions(0)) mostBytes = Math.max(mostBytes, bufferedBytes)
  }
  // The frame that was taken last counts on top.
  expect(mostBytes).toBeLessThan(100_000 + 100_000)
  const infos = scene.feed.subscriptions(0)
  expect(infos.map(({ bufferedCommits }) => bufferedCommits)).toEqual([0, changeCount - 1])
  expect(infos.every(({ lagLsn }) => lagLsn === changeCount - 1)).toBe(true)
  for (const stream of streams) stream.close()
  // Millions of changes, as `npm run test:deep` asks for, take minutes.
}, 3_600_000)
