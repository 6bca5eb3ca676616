import { describe, expect, test } from "vitest"
import { LimitExceeded, Restarting, StorageFailed } from "../../src/model/errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { ChangeFeed } from "../../src/streams/change-feed.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { FeedScene, SlowSource, quiet, readSome, textOf, texts } from "./feed-scene.ts"

const START = lsnOf(0)

describe("slow and many", () => {
  test("a slow iteration keeps no more than its bound, goes back to the log, and misses nothing", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ bufferCommits: 3 })
    const first = readSome(stream, 1)
    for (let n = 0; n < 20; n++) await scene.put(`k${n}`, n)
    expect(scene.feed.metrics()).toMatchObject({ overflows: 1, liveSubscriptions: 0, deliveredCommits: 1 })
    await first
    expect(await texts(stream, 19)).toEqual(Array.from({ length: 19 }, (_, n) => `${n + 3}:k${n + 1}=${n + 1}`))
    const live = texts(stream, 1)
    await quiet(scene.feed)
    expect(scene.feed.metrics().liveSubscriptions).toBe(1)
    await scene.put("last", 1)
    expect(await live).toEqual(["22:last=1"])
  })

  test("a frame with more commits than the bound is taken by somebody who kept up", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ bufferCommits: 2 })
    const first = readSome(stream, 1)
    await scene.write(Array.from({ length: 10 }, (_, n) => [{ table: "t", key: `k${n}`, value: n }]))
    await first
    expect((await readSome(stream, 9)).map(({ lsn }) => lsn)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(scene.feed.metrics().overflows).toBe(0)
  })

  test.each(["an observer", "an iteration"])(
    "a writer that never pauses cannot keep %s from going live",
    async (who) => {
      const scene = await FeedScene.open()
      const source = new SlowSource(scene.log, 200)
      scene.feed.connect(source)
      for (let frame = 0; frame < 6; frame++) {
        await scene.write(Array.from({ length: 100 }, (_, n) => [{ table: "t", key: `old ${n}`, value: n }]))
      }
      const got: number[] = []
      const stream = scene.feed.subscribe({ after: START, bufferCommits: 500 })
      const consume = async (): Promise<void> => {
        for await (const { lsn } of stream) got.push(lsn)
      }
      const consumed = who === "an iteration" ? consume() : undefined
      if (consumed === undefined) stream.observable().subscribe(({ lsn }) => got.push(lsn))
      let count = 600
      while (scene.feed.metrics().logReads > 0 || scene.feed.metrics().liveSubscriptions === 0) {
        await scene.put("new", count++)
        expect(count).toBeLessThan(2_000)
      }
      const { readCount } = source
      for (let n = 0; n < 20; n++) await scene.put("live", count++)
      await quiet(scene.feed)
      expect(source.readCount).toBe(readCount)
      expect(got).toEqual(Array.from({ length: count }, (_, n) => n + 2))
      stream.close()
      await consumed
    },
  )

  test("a read that ends early, because its commits are not taken, leaves no gap to what is live", async () => {
    const scene = await FeedScene.open()
    const source = new SlowSource(scene.log, 300)
    scene.feed.connect(source)
    for (let n = 0; n < 5; n++) await scene.put(`k${n}`, n)
    const stream = scene.feed.subscribe({ after: START, bufferCommits: 2 })
    const iterator = stream[Symbol.asyncIterator]()
    // More than the first read gives: so there is a second, near the live end, which meets a full queue.
    const first = Promise.all(Array.from({ length: 8 }, () => iterator.next()))
    for (let n = 5; n < 20; n++) await scene.put(`k${n}`, n)
    expect((await first).map(({ value }) => value?.lsn)).toEqual([2, 3, 4, 5, 6, 7, 8, 9])
    await quiet(scene.feed)
    expect(source.readCount).toBe(2)
    expect((await readSome(stream, 12)).map(({ lsn }) => lsn)).toEqual(Array.from({ length: 12 }, (_, n) => n + 10))
  })

  test("a thousand subscriptions get their own changes, live and out of the log, with few files open", async () => {
    const scene = await FeedScene.open()
    for (let n = 0; n < 100; n++) await scene.put(`user:${n}:old`, n)
    scene.disk.openFileCountMax = 12
    const got: string[][] = []
    for (let n = 0; n < 1_000; n++) {
      const mine: string[] = []
      got.push(mine)
      const stream = scene.feed.subscribe({ after: n % 10 === 0 ? START : undefined, table: "t", prefix: `user:${n}:` })
      stream.observable().subscribe((commit) => mine.push(textOf(commit)))
    }
    await quiet(scene.feed)
    const users = Array.from({ length: 1_000 }, (_, n) => [{ table: "t", key: `user:${n}:new`, value: n }])
    await scene.write(users)
    await quiet(scene.feed)
    for (let n = 0; n < 1_000; n++) {
      const old = n % 10 === 0 && n < 100 ? [`${n + 2}:user:${n}:old=${n}`] : []
      expect(got[n]).toEqual([...old, `${n + 102}:user:${n}:new=${n}`])
    }
    expect(scene.feed.metrics()).toMatchObject({
      subscriptions: 1_000,
      liveSubscriptions: 1_000,
      failures: 0,
      catchUps: 100,
    })
  })

  test("one more subscription than allowed is refused, and one that ended makes room", async () => {
    const scene = await FeedScene.open({ subscriptionCountMax: 2 })
    const streams = Array.from({ length: 4 }, () => scene.feed.subscribe())
    const waiting = streams.slice(0, 2).map((stream) => stream[Symbol.asyncIterator]().next())
    await expect(streams[2]?.[Symbol.asyncIterator]().next()).rejects.toThrow(LimitExceeded)
    streams[0]?.close()
    const third = readSome(scene.feed.subscribe(), 1)
    const failure = new Promise<unknown>((resolve) => {
      streams[3]?.observable().subscribe({ error: resolve })
    })
    expect(await failure).toBeInstanceOf(LimitExceeded)
    await scene.put("a")
    expect(await third).toHaveLength(1)
    expect(await Promise.all(waiting)).toMatchObject([{ done: true }, { done: false }])
  })

  test("a stream that nobody reads holds nothing", async () => {
    const scene = await FeedScene.open()
    for (let n = 0; n < 100; n++) scene.feed.subscribe()
    await scene.put("a")
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, liveSubscriptions: 0 })
  })
})

describe("recovery", () => {
  test("subscriptions wait while the log recovers, and go on from their position", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ after: START })
    await scene.put("a")
    await readSome(stream, 1)
    const two = texts(stream, 2)
    await scene.recover()
    await scene.put("b")
    await scene.recover()
    await scene.put("c")
    expect(await two).toEqual(['4:b="b"', '6:c="c"'])
  })

  test("a commit that turned out durable only in the recovery is delivered", async () => {
    const scene = await FeedScene.open()
    const one = texts(scene.feed.subscribe(), 1)
    await quiet(scene.feed)
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "written")
    await scene.log.sync()
    await scene.recover()
    expect(await one).toEqual(["2:a=1"])
  })

  test("a read that the recovery came in the way of may fail as it likes", async () => {
    const scene = await FeedScene.open()
    const source = new SlowSource(scene.log, 50)
    source.failures.push(new StorageFailed("read", "wal-0000000001", "EBADF"))
    scene.feed.connect(source)
    await scene.put("a", 1)
    const one = texts(scene.feed.subscribe({ after: START }), 1)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    expect(source.readCount).toBe(1)
    scene.feed.disconnect()
    await quiet(scene.feed)
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 1, logReads: 0, failures: 0 })
    scene.feed.connect(scene.log)
    expect(await one).toEqual(["2:a=1"])
  })

  test("a recovery while a frame is handed on keeps that frame from those who are not there yet", async () => {
    const scene = await FeedScene.open()
    scene.feed
      .subscribe()
      .observable()
      .subscribe(({ lsn }) => {
        if (lsn === 5) scene.feed.disconnect()
      })
    for (let n = 2; n <= 4; n++) await scene.put(`k${n}`, n)
    scene.feed.connect(new SlowSource(scene.log, 1_000))
    const got: number[] = []
    scene.feed
      .subscribe({ after: START })
      .observable()
      .subscribe(({ lsn }) => got.push(lsn))
    // It reads, and listens already.
    while (scene.feed.metrics().liveSubscriptions < 2) await Promise.resolve()
    await scene.put("k5", 5)
    expect(got).toEqual([])
    scene.feed.connect(scene.log)
    await scene.put("k6", 6)
    await quiet(scene.feed)
    expect(got).toEqual([2, 3, 4, 5, 6])
  })

  test("connecting to another log at once counts as a recovery", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ after: START })
    await scene.put("a")
    const two = texts(stream, 2)
    scene.feed.connect(scene.log)
    await scene.put("b")
    expect(await two).toEqual(['2:a="a"', '3:b="b"'])
  })

  test("a log that lacks what was durable is a broken promise", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    scene.feed.disconnect()
    const other = await FeedScene.open()
    expect(() => scene.feed.connect(other.log)).toThrow("I1: what was durable is there after a recovery")
  })

  test("before there was a log, a subscription needs a position", async () => {
    const feed = new ChangeFeed({ catalogue: new Catalogue() })
    expect(() => feed.subscribe()).toThrow(Restarting)
    const scene = await FeedScene.open()
    await scene.put("a")
    const feedToo = new ChangeFeed({ catalogue: scene.catalogue })
    const one = texts(feedToo.subscribe({ after: START }), 1)
    feedToo.connect(scene.log)
    expect(await one).toEqual(['2:a="a"'])
  })
})
