import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { CursorExpired, LimitExceeded, StoreClosed } from "../../src/model/errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { Lsn } from "../../src/model/lsn.ts"
import { ChangeFeed } from "../../src/streams/change-feed.ts"
import { FeedScene, quiet, readSome, textOf, texts } from "./feed-scene.ts"

const START = lsnOf(0)

describe("what is delivered", () => {
  test("a subscription from an old position gets what is in the log, and then what becomes durable", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    await scene.put("b")
    const stream = scene.feed.subscribe({ after: START })
    expect(await texts(stream, 2)).toEqual(['2:a="a"', '3:b="b"'])
    const live = texts(stream, 2)
    await scene.put("c")
    await scene.put("d")
    expect(await live).toEqual(['4:c="c"', '5:d="d"'])
    expect(scene.feed.metrics()).toMatchObject({ catchUps: 1, liveSubscriptions: 1, maxLagLsn: 0 })
  })

  test("without a position, a subscription begins at the call, not at the first read", async () => {
    const scene = await FeedScene.open()
    await scene.put("before")
    const stream = scene.feed.subscribe()
    await scene.put("after")
    expect(await texts(stream, 1)).toEqual(['3:after="after"'])
  })

  test("what the log knew to be durable at the call does not follow it, published or not", async () => {
    const scene = await FeedScene.open()
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "written")
    await scene.log.sync()
    const stream = scene.feed.subscribe()
    const first = texts(stream, 1)
    scene.feed.advance(scene.log.durableLsn)
    await scene.put("b")
    expect(await first).toEqual(['3:b="b"'])
  })

  test("a commit comes whole, its changes in the order in which they were made", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe()
    const two = readSome(stream, 2)
    await scene.write([
      [
        { table: "t", key: "a", value: 1 },
        { table: "u", key: "b", value: { x: 2 } },
        { table: "t", key: "a" },
      ],
      [{ table: "t", key: "c", value: [3] }],
    ])
    const [first, second] = await two
    expect(first?.changes.map(({ kind, table, key, value, lsn }) => [kind, table, key, value, lsn])).toEqual([
      ["put", "t", "a", 1, 2],
      ["put", "u", "b", { x: 2 }, 2],
      ["delete", "t", "a", undefined, 2],
    ])
    expect(second).toMatchObject({ lsn: 3, timeMs: first?.timeMs })
  })

  test("a filtered subscription gets the matching changes of a commit together, and no empty commits", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ table: "t", prefix: "ab" })
    const two = texts(stream, 2)
    await scene.write([
      [
        { table: "t", key: "abc", value: 1 },
        { table: "u", key: "abd", value: 2 },
        { table: "t", key: "a", value: 3 },
        { table: "t", key: "ab", value: 4 },
      ],
      [{ table: "t", key: "b", value: 5 }],
    ])
    await scene.put("abx", 6)
    expect(await two).toEqual(["2:abc=1,ab=4", "4:abx=6"])
  })

  test("a prefix without a table matches in every table", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ prefix: "ключ:" })
    const two = texts(stream, 2)
    await scene.put("ключ:1", 1, "t")
    await scene.put("ключ", 2, "t")
    await scene.put("ключ:2", 3, "u")
    expect(await two).toEqual(["2:ключ:1=1", "4:ключ:2=3"])
  })

  test("a table may be defined after somebody subscribed to it", async () => {
    const scene = await FeedScene.open()
    const live = texts(scene.feed.subscribe({ table: "later" }), 1)
    await scene.put("a", 1, "t")
    await scene.put("b", 2, "later")
    expect(await live).toEqual(["3:b=2"])
    expect(await texts(scene.feed.subscribe({ table: "later", after: START }), 1)).toEqual(["3:b=2"])
  })

  test("a table that has another number after a recovery is followed under the new one", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ table: "b" })
    const one = texts(stream, 1)
    await quiet(scene.feed)
    await scene.write([[{ table: "b", key: "lost", value: 1 }]], "written")
    expect(scene.catalogue.entry("b").id).toBe(1)
    await scene.recover()
    await scene.put("not this", 2, "a")
    await scene.put("this", 3, "b")
    expect(scene.catalogue.entry("b").id).toBe(2)
    expect(await one).toEqual(["5:this=3"])
  })

  test("what was written and is not durable is not delivered, and never if a recovery took it back", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ after: START })
    const got: string[] = []
    stream.observable().subscribe((commit) => got.push(textOf(commit)))
    await scene.put("kept")
    await scene.write([[{ table: "t", key: "phantom", value: 1 }]], "written")
    await quiet(scene.feed)
    expect(got).toEqual(['2:kept="kept"'])
    await scene.recover()
    await scene.put("next")
    await quiet(scene.feed)
    expect(got).toEqual(['2:kept="kept"', '5:next="next"'])
  })

  test("a frame without a sync is delivered when a later one has made it durable", async () => {
    const scene = await FeedScene.open()
    const three = texts(scene.feed.subscribe(), 3)
    await quiet(scene.feed)
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "written")
    await scene.put("b", 2)
    await scene.write([[{ table: "t", key: "c", value: 3 }]], "written")
    await scene.sync()
    expect(await three).toEqual(["2:a=1", "3:b=2", "4:c=3"])
  })
})

describe("positions", () => {
  test("a position beyond the durable end waits, and nothing up to it is delivered", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ after: lsnOf(4) })
    const one = texts(stream, 1)
    await scene.write([2, 3, 4, 5].map((n) => [{ table: "t", key: `${n}`, value: n }]))
    expect(await one).toEqual(["5:5=5"])
  })

  test("a position beyond the durable end goes live without a read where a frame ends there", async () => {
    const scene = await FeedScene.open()
    const one = texts(scene.feed.subscribe({ after: lsnOf(3) }), 1)
    await scene.put("2")
    await scene.put("3")
    await scene.put("4")
    expect(await one).toEqual(['4:4="4"'])
    expect(scene.feed.metrics().catchUps).toBe(0)
  })

  test("resuming anywhere, also inside a frame, misses nothing and repeats nothing", async () => {
    const scene = await FeedScene.open()
    await scene.write([1, 2, 3].map((n) => [{ table: "t", key: `a${n}`, value: n }]))
    await scene.write([4, 5].map((n) => [{ table: "t", key: `a${n}`, value: n }]))
    const all = await texts(scene.feed.subscribe({ after: START }), 5)
    for (let count = 0; count < 5; count++) {
      const first = scene.feed.subscribe({ after: START })
      const head = await texts(first, count)
      first.close()
      expect([...head, ...(await texts(scene.feed.subscribe({ after: first.position }), 5 - count))]).toEqual(all)
    }
  })

  test("the position of somebody who waits moves past what does not match", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ table: "quiet" })
    const waiting = stream[Symbol.asyncIterator]().next()
    await scene.put("a")
    await scene.put("b")
    expect(stream.position).toBe(3)
    stream.close()
    expect(stream.position).toBe(3)
    expect(await waiting).toEqual({ value: undefined, done: true })
  })

  test("the position of somebody who works on a commit is that commit's", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe()
    const first = readSome(stream, 1)
    await scene.put("a")
    await scene.put("b")
    await first
    expect(stream.position).toBe(2)
    await readSome(stream, 1)
    expect(stream.position).toBe(3)
  })

  test("changes that the log let go of are refused, for iterations and observers", async () => {
    const scene = await FeedScene.open({ segmentSize: 4096 })
    let last: Lsn = START
    for (let n = 0; n < 40; n++) last = await scene.put(`key ${n}`, "x".repeat(200))
    await scene.log.truncate(last)
    const { oldestLsn } = scene.log
    expect(oldestLsn).toBeGreaterThan(2)
    const next = scene.feed
      .subscribe({ after: lsnOf(oldestLsn - 2) })
      [Symbol.asyncIterator]()
      .next()
    await expect(next).rejects.toThrow(CursorExpired)
    const failure = new Promise<unknown>((resolve) => {
      scene.feed.subscribe({ after: START }).observable().subscribe({ error: resolve })
    })
    expect(await failure).toMatchObject({ code: "ORRERY_CURSOR_EXPIRED", after: 0, oldest: oldestLsn })
    const [first] = await readSome(scene.feed.subscribe({ after: lsnOf(oldestLsn - 1) }), 1)
    expect(first?.lsn).toBe(oldestLsn)
  })
})

describe("the end", () => {
  test("live iterations and observers get what is durable, and then the end", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe()
    const first = readSome(stream, 1)
    const got: string[] = []
    stream.observable().subscribe({ next: (commit) => got.push(textOf(commit)), complete: () => got.push("complete") })
    await scene.put("a")
    await scene.put("b")
    scene.feed.end()
    await first
    expect(await texts(stream, 1)).toEqual(['3:b="b"'])
    expect(await stream[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true })
    expect(got).toEqual(['2:a="a"', '3:b="b"', "complete"])
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, liveSubscriptions: 0, failures: 0 })
  })

  test("live subscribers get what the log holds for them before the end, when no bytes were at hand", async () => {
    const scene = await FeedScene.open()
    const got: string[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe({ next: (commit) => got.push(textOf(commit)), complete: () => got.push("complete") })
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "advanced")
    scene.feed.end()
    await scene.feed.idle()
    expect(got).toEqual(["2:a=1", "complete"])
  })

  test("with a reason, everybody fails with it, behind what they have", async () => {
    const scene = await FeedScene.open()
    const reason = new StoreClosed("it gave up", "Open it again")
    const stream = scene.feed.subscribe()
    const first = readSome(stream, 1)
    const failure = new Promise<unknown>((resolve) => {
      stream.observable().subscribe({ error: resolve })
    })
    await scene.put("a")
    await scene.put("b")
    scene.feed.end(reason)
    await first
    await readSome(stream, 1)
    const iterator = stream[Symbol.asyncIterator]()
    await expect(iterator.next()).rejects.toBe(reason)
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    expect(await failure).toBe(reason)
  })

  test("somebody who is behind ends where he is, and can go on from there another time", async () => {
    const scene = await FeedScene.open()
    for (let n = 0; n < 10; n++) await scene.put(`k${n}`, n)
    const stream = scene.feed.subscribe({ after: START, bufferCommits: 2 })
    const iterator = stream[Symbol.asyncIterator]()
    await iterator.next()
    await quiet(scene.feed)
    scene.feed.end()
    let result = await iterator.next()
    while (result.done !== true) result = await iterator.next()
    const { position } = stream
    expect(position).toBeLessThan(11)
    const feed = new ChangeFeed({ catalogue: scene.catalogue })
    feed.connect(scene.log)
    const [next] = await readSome(feed.subscribe({ after: position }), 1)
    expect(next?.lsn).toBe(position + 1)
  })

  test("nobody can subscribe afterwards, and a stream that was not begun is refused", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe()
    scene.feed.end()
    scene.feed.end(new Error("too late to matter"))
    expect(() => scene.feed.subscribe()).toThrow(StoreClosed)
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow(StoreClosed)
    await scene.put("a")
  })
})

test("arguments that make no sense are refused at once", async () => {
  const { feed } = await FeedScene.open()
  const notText: unknown = 7
  expect(() => feed.subscribe({ after: lsnOf(-1) })).toThrow(TypeError)
  expect(() => feed.subscribe({ after: lsnOf(1.5) })).toThrow(TypeError)
  expect(() => feed.subscribe({ after: lsnOf(2 ** 48) })).toThrow(TypeError)
  expect(() => feed.subscribe({ bufferCommits: 0 })).toThrow(TypeError)
  expect(() => feed.subscribe({ prefix: "\ud83d" })).toThrow(TypeError)
  expect(() => feed.subscribe({ prefix: notText as string })).toThrow(TypeError)
  expect(() => feed.subscribe({ table: notText as string })).toThrow(TypeError)
  expect(() => feed.subscribe({ prefix: "x".repeat(4097) })).toThrow(LimitExceeded)
  expect(() => feed.subscribe({ table: "x".repeat(256) })).toThrow(LimitExceeded)
})

test("on real files, a subscriber that starts in the middle of writing gets everything once", async () => {
  const directory = await mkdtemp(join(tmpdir(), "orrery-feed-"))
  try {
    const scene = await FeedScene.open({ realDirectory: directory, segmentSize: 16 * 1024 })
    const lsns: number[][] = []
    for (let n = 0; n < 300; n++) {
      if (n % 60 === 0) {
        const mine: number[] = []
        lsns.push(mine)
        scene.feed
          .subscribe({ after: START })
          .observable()
          .subscribe(({ lsn }) => mine.push(lsn))
      }
      await scene.put(`key ${n}`, { n, text: "x".repeat(100) }, "t")
    }
    await quiet(scene.feed)
    for (const mine of lsns) expect(mine).toEqual(Array.from({ length: 300 }, (_, n) => n + 2))
    expect(scene.feed.metrics()).toMatchObject({ liveSubscriptions: 5, failures: 0 })
    scene.feed.end()
    await scene.log.close()
  } finally {
    await rm(directory, { recursive: true })
  }
})
