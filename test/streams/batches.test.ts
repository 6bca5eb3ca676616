// Iterating as many commits at a time as are at hand.

import { describe, expect, test } from "vitest"
import type { Commit } from "../../src/model/change.ts"
import { CursorExpired, LimitExceeded } from "../../src/model/errors.ts"
import { SubscriberOverflowed } from "../../src/model/feed-errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { FeedScene, quiet, readSome, textOf } from "./feed-scene.ts"
import type { Operation } from "./feed-scene.ts"

const START = lsnOf(0)
const DONE = { value: undefined, done: true }

function put(key: string): Operation {
  return { table: "t", key, value: 1 }
}

function textsOf(result: IteratorResult<readonly Commit[], undefined>): string[] | undefined {
  return result.value?.map(textOf)
}

describe("batches", () => {
  test("who waits gets the commits of a frame together, and stands behind the last of them", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ name: "mirror" })
    const next = stream.batches().next()
    await scene.write([[put("a")], [put("b"), put("c")], [put("d")]])
    expect(textsOf(await next)).toEqual(["2:a=1", "3:b=1,c=1", "4:d=1"])
    expect(stream.position).toBe(4)
    expect(scene.feed.subscriptions(0)).toMatchObject([
      { name: "mirror", lsn: 4, deliveredCommits: 3, deliveredChanges: 4, bufferedCommits: 0, bufferedBytes: 0 },
    ])
    expect(scene.feed.metrics()).toMatchObject({ deliveredCommits: 3, deliveredChanges: 4 })
  })

  test("it is one iteration with the loop over commits: what one has taken the other does not get", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe()
    const first = readSome(stream, 1)
    await scene.write([[put("a")], [put("b")], [put("c")]])
    expect((await first).map(textOf)).toEqual(["2:a=1"])
    expect(scene.feed.subscriptions(0)).toMatchObject([{ bufferedCommits: 2 }])
    expect(textsOf(await stream.batches().next())).toEqual(["3:b=1", "4:c=1"])
    expect(scene.feed.subscriptions(0)).toMatchObject([{ bufferedCommits: 0, bufferedBytes: 0, deliveredCommits: 3 }])
    const rest = Promise.all([stream.batches().next(), readSome(stream, 1)])
    await scene.write([[put("d")], [put("e")]])
    await scene.write([[put("f")]])
    const [batch, [commit]] = await rest
    expect([textsOf(batch), commit?.lsn]).toEqual([["5:d=1", "6:e=1"], 7])
  })

  test("what lies in the log comes frame by frame, and nothing is missing where memory takes over", async () => {
    const scene = await FeedScene.open()
    for (let n = 0; n < 5; n++) await scene.write([[put(`a${n}`)], [put(`b${n}`)]])
    const got: string[][] = []
    for await (const commits of scene.feed.subscribe({ after: START }).batches()) {
      got.push(commits.map(textOf))
      if (got.length === 5) await scene.write([[put("c")], [put("d")]])
      if (got.length === 6) break
    }
    const stored = Array.from({ length: 5 }, (_, n) => [`${2 * n + 2}:a${n}=1`, `${2 * n + 3}:b${n}=1`])
    expect(got).toEqual([...stored, ["12:c=1", "13:d=1"]])
    expect(scene.feed.metrics().subscriptions).toBe(0)
  })

  test("what was merged for somebody slow is one commit in one batch", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ overflow: "latest-per-key", bufferCommits: 2 })
    const first = stream.batches().next()
    await scene.put("first", 0)
    await first
    for (let n = 0; n < 9; n++) await scene.put(`k${n % 2}`, n)
    const { value } = await stream.batches().next()
    expect(value).toHaveLength(1)
    expect(value?.[0]).toMatchObject({ lsn: 11, merged: 9 })
    expect(value?.map(textOf)).toEqual(["11:k1=7,k0=8"])
    expect(stream.position).toBe(11)
  })

  test("who was too slow goes back to the log behind the last batch that he took", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ bufferCommits: 3 })
    const first = stream.batches().next()
    await scene.write([[put("a")], [put("b")]])
    expect(textsOf(await first)).toEqual(["2:a=1", "3:b=1"])
    for (let n = 0; n < 4; n++) await scene.write([[put(`c${n}`)], [put(`d${n}`)]])
    expect(scene.feed.metrics().overflows).toBe(1)
    const got: string[] = []
    while (got.length < 8) got.push(...(textsOf(await stream.batches().next()) ?? []))
    expect(got).toEqual([0, 1, 2, 3].flatMap((n) => [`${2 * n + 4}:c${n}=1`, `${2 * n + 5}:d${n}=1`]))
  })

  test("it ends and fails as the loop over commits does, once", async () => {
    const scene = await FeedScene.open()
    const closed = scene.feed.subscribe()
    const waiting = closed.batches().next()
    await quiet(scene.feed)
    closed.close()
    expect(await waiting).toEqual(DONE)
    expect(await closed.batches().next()).toEqual(DONE)
    const slow = scene.feed.subscribe({ overflow: "error", bufferCommits: 1 })
    const first = slow.batches().next()
    for (let n = 0; n < 3; n++) await scene.put(`k${n}`)
    await first
    await expect(slow.batches().next()).rejects.toThrow(SubscriberOverflowed)
    expect(await slow.batches().next()).toEqual(DONE)
    expect(await slow[Symbol.asyncIterator]().next()).toEqual(DONE)
  })

  test("asking ahead without end is refused, and so is a place in the log that is gone", async () => {
    const scene = await FeedScene.open({ segmentSize: 4096 })
    const stream = scene.feed.subscribe()
    const waiting = Array.from({ length: 1_024 }, () => stream.batches().next())
    await expect(stream.batches().next()).rejects.toThrow(LimitExceeded)
    stream.close()
    expect((await Promise.all(waiting)).every(({ done }) => done)).toBe(true)
    for (let n = 0; n < 20; n++) await scene.put(`k${n}`, "x".repeat(500))
    await scene.log.truncate(lsnOf(15))
    await expect(scene.feed.subscribe({ after: START }).batches().next()).rejects.toThrow(CursorExpired)
  })

  test("leaving the loop unsubscribes", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    for await (const [commit] of scene.feed.subscribe({ after: START }).batches()) {
      expect(commit?.lsn).toBe(2)
      break
    }
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, failures: 0 })
  })
})
