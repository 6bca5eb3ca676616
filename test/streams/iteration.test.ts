import { describe, expect, test } from "vitest"
import { LimitExceeded } from "../../src/model/errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { FeedScene, quiet, readSome, textOf, texts } from "./feed-scene.ts"

const START = lsnOf(0)

describe("the iterator", () => {
  test("break, return and a throw inside the loop unsubscribe", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    for await (const commit of scene.feed.subscribe({ after: START })) {
      expect(commit.lsn).toBe(2)
      expect(scene.feed.metrics().subscriptions).toBe(1)
      break
    }
    expect(scene.feed.metrics().subscriptions).toBe(0)
    const broken = new Error("the consumer broke")
    const consume = async (): Promise<void> => {
      for await (const commit of scene.feed.subscribe({ after: START })) {
        expect(commit.lsn).toBe(2)
        throw broken
      }
    }
    await expect(consume()).rejects.toBe(broken)
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, liveSubscriptions: 0, failures: 0 })
  })

  test("a stream is gone through once: after the end of one loop, the next has nothing", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    await scene.put("b")
    const stream = scene.feed.subscribe({ after: START })
    for await (const commit of stream) if (commit.lsn === 2) break
    for await (const commit of stream) expect.unreachable(`LSN ${commit.lsn} came after the end`)
    expect(stream.position).toBe(2)
  })

  test("a stream that was closed before it was read is done", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ after: START })
    stream.close()
    await scene.put("a")
    expect(await stream[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true })
    stream.close()
  })

  test("commits that were asked for ahead come in order, each to one caller", async () => {
    const scene = await FeedScene.open()
    const iterator = scene.feed.subscribe({ after: START })[Symbol.asyncIterator]()
    const results = Promise.all([iterator.next(), iterator.next(), iterator.next()])
    await scene.put("a")
    await scene.write([[{ table: "t", key: "b", value: 1 }], [{ table: "t", key: "c", value: 1 }]])
    expect((await results).map((result) => result.value?.lsn)).toEqual([2, 3, 4])
  })

  test("closing resolves everybody who waits", async () => {
    const { feed } = await FeedScene.open()
    const stream = feed.subscribe()
    const iterator = stream[Symbol.asyncIterator]()
    const waiting = Promise.all([iterator.next(), iterator.next()])
    await quiet(feed)
    expect(await iterator.return?.()).toEqual({ value: undefined, done: true })
    expect(await waiting).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true },
    ])
  })

  test("asking ahead without end is refused", async () => {
    const { feed } = await FeedScene.open()
    const stream = feed.subscribe()
    const iterator = stream[Symbol.asyncIterator]()
    const waiting = Array.from({ length: 1_024 }, () => iterator.next())
    await expect(iterator.next()).rejects.toThrow(LimitExceeded)
    stream.close()
    expect((await Promise.all(waiting)).every(({ done }) => done)).toBe(true)
  })

  test("a consumer that awaits the writes it makes gets on", async () => {
    const scene = await FeedScene.open()
    await scene.put("0", 0)
    const seen: string[] = []
    for await (const commit of scene.feed.subscribe({ after: START })) {
      seen.push(textOf(commit))
      if (seen.length === 5) break
      await scene.put(String(seen.length), seen.length)
    }
    expect(seen).toEqual(["2:0=0", "3:1=1", "4:2=2", "5:3=3", "6:4=4"])
  })
})

test("a web stream over it delivers as it is read, and unsubscribes when it is cancelled", async () => {
  const scene = await FeedScene.open()
  await scene.put("a", 1)
  const reader = ReadableStream.from(scene.feed.subscribe({ after: START })).getReader()
  expect((await reader.read()).value).toMatchObject({ lsn: 2 })
  await scene.put("b", 2)
  expect((await reader.read()).value).toMatchObject({ lsn: 3 })
  await reader.cancel()
  expect(scene.feed.metrics().subscriptions).toBe(0)
})

describe("the signal", () => {
  test("ends a loop that waits by throwing its reason, and unsubscribes", async () => {
    const scene = await FeedScene.open()
    const controller = new AbortController()
    const reason = new Error("enough")
    const consume = async (): Promise<void> => {
      for await (const commit of scene.feed.subscribe({ signal: controller.signal })) expect.unreachable(textOf(commit))
    }
    const loop = consume()
    await quiet(scene.feed)
    expect(scene.feed.metrics().liveSubscriptions).toBe(1)
    controller.abort(reason)
    await expect(loop).rejects.toBe(reason)
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, liveSubscriptions: 0 })
  })

  test("ends a loop that works as soon as it asks for more; what was queued is not delivered", async () => {
    const scene = await FeedScene.open()
    const controller = new AbortController()
    const stream = scene.feed.subscribe({ signal: controller.signal })
    const first = readSome(stream, 1)
    await scene.put("a")
    await scene.put("b")
    await first
    controller.abort()
    const iterator = stream[Symbol.asyncIterator]()
    await expect(iterator.next()).rejects.toMatchObject({ name: "AbortError" })
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    expect(stream.position).toBe(2)
    expect(await texts(scene.feed.subscribe({ after: stream.position }), 1)).toEqual(['3:b="b"'])
  })

  test("ends a catch-up", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    const controller = new AbortController()
    const next = scene.feed.subscribe({ after: START, signal: controller.signal })[Symbol.asyncIterator]().next()
    await Promise.resolve()
    expect(scene.feed.metrics().logReads).toBe(1)
    controller.abort()
    await expect(next).rejects.toMatchObject({ name: "AbortError" })
    await quiet(scene.feed)
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, logReads: 0, deliveredCommits: 0 })
  })

  test("that was aborted before ends it before it begins", async () => {
    const scene = await FeedScene.open()
    const signal = AbortSignal.abort(new Error("no"))
    const iterator = scene.feed.subscribe({ after: START, signal })[Symbol.asyncIterator]()
    await expect(iterator.next()).rejects.toThrow("no")
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
  })

  test("is let go of when the stream ends before it", async () => {
    const scene = await FeedScene.open()
    const controller = new AbortController()
    const stream = scene.feed.subscribe({ signal: controller.signal })
    const waiting = stream[Symbol.asyncIterator]().next()
    await quiet(scene.feed)
    stream.close()
    controller.abort()
    expect(await waiting).toEqual({ value: undefined, done: true })
    expect(scene.feed.metrics().failures).toBe(0)
  })
})

test("a read that the disk fails ends the stream with the typed error, behind what came before", async () => {
  const scene = await FeedScene.open({ segmentSize: 4096 })
  for (let n = 0; n < 30; n++) await scene.put(`k${n}`, "x".repeat(200))
  const stream = scene.feed.subscribe({ after: START })
  const iterator = stream[Symbol.asyncIterator]()
  await iterator.next()
  const seen: unknown[] = []
  scene.disk.faults.add({ operation: 0, through: Number.POSITIVE_INFINITY, error: "EIO", only: ["read"] })
  const consume = async (): Promise<void> => {
    for await (const commit of stream) seen.push(commit.lsn)
  }
  await expect(consume()).rejects.toMatchObject({ code: "ORRERY_STORAGE_FAILED", systemCode: "EIO" })
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 3))
  expect(scene.feed.metrics().failures).toBe(1)
  scene.disk.faults.clear()
  const rest = await readSome(scene.feed.subscribe({ after: stream.position }), 29 - seen.length)
  expect(rest.at(-1)?.lsn).toBe(31)
})
