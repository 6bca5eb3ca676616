// RxJS 9, which stands on the Observable of the Web platform, takes a stream as what it is to everybody: an AsyncIterable.
// It asks for the next commit when the observers have returned from the one before, so what they do not take stays in the
// log. What is told here of `from` holds for a platform's own Observable as well: it is its contract, and not RxJS's.

import { ColdObservable } from "rxjs-9"
import { map } from "rxjs-9/map"
import { take } from "rxjs-9/take"
import { from as fromOfVersion7 } from "rxjs"
import { afterEach, describe, expect, test } from "vitest"
import { SubscriberOverflowed } from "../../src/model/feed-errors.ts"
import type { Commit } from "../../src/model/change.ts"
import type { ChangeStream } from "../../src/streams/change-feed.ts"
import { FeedScene, quiet, textOf } from "./feed-scene.ts"

/** What the observers got, with how it ended. */
class Log {
  readonly got: unknown[] = []
  readonly next = (commit: Commit): void => void this.got.push(textOf(commit))
  readonly error = (reason: unknown): void => void this.got.push(reason)
  readonly complete = (): void => void this.got.push("complete")
}

const report = Object.getOwnPropertyDescriptor(globalThis, "reportError")

afterEach(() => {
  if (report === undefined) Reflect.deleteProperty(globalThis, "reportError")
  else Object.defineProperty(globalThis, "reportError", report)
})

/** What observers throw at the process. */
function reportedErrors(): unknown[] {
  const errors: unknown[] = []
  Object.defineProperty(globalThis, "reportError", {
    configurable: true,
    value: (reason: unknown) => void errors.push(reason),
  })
  return errors
}

describe("from of RxJS 9", () => {
  test("iterates: every commit once, in order, and the stream's position follows", async () => {
    const scene = await FeedScene.open()
    await scene.put("a", 1)
    const stream = scene.feed.subscribe({ after: 0 })
    const log = new Log()
    Observable.from(stream).subscribe(log)
    await quiet(scene.feed)
    await scene.put("b", 2)
    await quiet(scene.feed)
    expect(log.got).toEqual(["2:a=1", "3:b=2"])
    expect(stream.position).toBe(3)
  })

  test("an aborted signal ends the subscription to the feed at once, also while it waits for a commit", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe()
    const controller = new AbortController()
    const log = new Log()
    Observable.from(stream).subscribe(log, { signal: controller.signal })
    await scene.put("a", 1)
    await quiet(scene.feed)
    expect(scene.feed.subscriptions(0)).toHaveLength(1)
    controller.abort()
    expect(scene.feed.subscriptions(0)).toEqual([])
    await scene.put("b", 2)
    await quiet(scene.feed)
    expect(log.got).toEqual(["2:a=1"])
    expect(stream.position).toBe(2)
  })

  test("operators of both kinds, by symbol and by name, unsubscribe when they have enough", async () => {
    const scene = await FeedScene.open()
    for (const key of ["a", "b", "c"]) await scene.put(key, key)
    const bySymbol: unknown[] = []
    const stream: ChangeStream = scene.feed.subscribe({ after: 0 })
    Observable.from(stream)
      [map](({ lsn }) => lsn)
      [take](2)
      .subscribe((lsn) => bySymbol.push(lsn))
    await quiet(scene.feed)
    expect(bySymbol).toEqual([2, 3])
    expect(scene.feed.subscriptions(0)).toEqual([])
    const changes = Observable.from(scene.feed.subscribe({ after: 0 })).flatMap((commit) => commit.changes)
    expect((await changes.take(2).toArray()).map(({ key }) => key)).toEqual(["a", "b"])
    expect(scene.feed.subscriptions(0)).toEqual([])
  })

  test("what the feed fails with is the observer's error, and its end completes", async () => {
    const failing = await FeedScene.open()
    const failed = new Log()
    Observable.from(failing.feed.subscribe()).subscribe(failed)
    await failing.put("a", 1)
    await quiet(failing.feed)
    const reason = new Error("the store has failed")
    failing.feed.end(reason)
    await quiet(failing.feed)
    expect(failed.got).toEqual(["2:a=1", reason])

    const ending = await FeedScene.open()
    const ended = new Log()
    Observable.from(ending.feed.subscribe()).subscribe(ended)
    await ending.put("a", 1)
    await quiet(ending.feed)
    ending.feed.end()
    await quiet(ending.feed)
    expect(ended.got).toEqual(["2:a=1", "complete"])
  })

  test("what comes faster than it is observed stays within the bound: in the log, or as the stream's error", async () => {
    const scene = await FeedScene.open()
    const [patient, strict] = [new Log(), new Log()]
    const [countMax, frameCount, commitCount] = [60, 10, 50]
    let mostWaiting = 0
    const look = ({ lsn }: Commit): void => {
      patient.got.push(lsn)
      for (const { bufferedCommits } of scene.feed.subscriptions(0))
        mostWaiting = Math.max(mostWaiting, bufferedCommits)
    }
    Observable.from(scene.feed.subscribe({ bufferCommits: countMax })).subscribe(look)
    Observable.from(scene.feed.subscribe({ bufferCommits: countMax, overflow: "error" })).subscribe(strict)
    await quiet(scene.feed)
    for (let frame = 0; frame < frameCount; frame++) {
      // Handed on in one turn, and taken one by one in many.
      await scene.write(Array.from({ length: commitCount }, (_, n) => [{ table: "t", key: `${n}`, value: frame }]))
    }
    await quiet(scene.feed)
    expect(patient.got).toEqual(Array.from({ length: frameCount * commitCount }, (_, n) => n + 2))
    expect(mostWaiting).toBeGreaterThan(0)
    // As much again while it catches up and listens already.
    expect(mostWaiting).toBeLessThanOrEqual(2 * countMax)
    expect(scene.feed.metrics().overflows).toBeGreaterThan(1)
    expect(strict.got.at(-1)).toBeInstanceOf(SubscriberOverflowed)
  })

  test("observers at the same time share one subscription, and a stream that was left is over", async () => {
    const scene = await FeedScene.open()
    const shared = Observable.from(scene.feed.subscribe())
    const controllers = [new AbortController(), new AbortController()]
    const logs = controllers.map(({ signal }) => {
      const log = new Log()
      shared.subscribe(log, { signal })
      return log
    })
    expect(scene.feed.subscriptions(0)).toHaveLength(1)
    await scene.put("a", 1)
    await quiet(scene.feed)
    for (const controller of controllers) controller.abort()
    expect(logs.map(({ got }) => got)).toEqual([["2:a=1"], ["2:a=1"]])
    const late = new Log()
    shared.subscribe(late)
    await quiet(scene.feed)
    expect(late.got).toEqual(["complete"])
  })

  test("a ColdObservable makes a stream, and so a subscription, for each observer", async () => {
    const scene = await FeedScene.open()
    await scene.put("a", 1)
    const cold = new ColdObservable<Commit>((subscriber) => {
      Observable.from(scene.feed.subscribe({ after: 0 })).subscribe(subscriber, { signal: subscriber.signal })
    })
    const controller = new AbortController()
    const [first, second] = [new Log(), new Log()]
    cold.subscribe(first, { signal: controller.signal })
    await quiet(scene.feed)
    cold.subscribe(second)
    await quiet(scene.feed)
    expect(scene.feed.subscriptions(0)).toHaveLength(2)
    controller.abort()
    expect(scene.feed.subscriptions(0)).toHaveLength(1)
    await scene.put("b", 2)
    await quiet(scene.feed)
    expect(first.got).toEqual(["2:a=1"])
    expect(second.got).toEqual(["2:a=1", "3:b=2"])
  })

  test("fault 33: an observer that throws is reported, stays subscribed, and harms nobody else", async () => {
    const errors = reportedErrors()
    const scene = await FeedScene.open()
    const bug = new Error("a bug in the observer")
    const [good, other] = [new Log(), new Log()]
    const shared = Observable.from(scene.feed.subscribe())
    shared.subscribe(() => {
      throw bug
    })
    shared.subscribe(good)
    Observable.from(scene.feed.subscribe()).subscribe(other)
    await scene.put("a", 1)
    await quiet(scene.feed)
    await scene.put("b", 2)
    await quiet(scene.feed)
    expect(errors).toEqual([bug, bug])
    expect(good.got).toEqual(["2:a=1", "3:b=2"])
    expect(other.got).toEqual(good.got)
  })
})

test("both versions in one process: 7 observes the stream, each observer by itself, 9 iterates it", async () => {
  const scene = await FeedScene.open()
  const stream = scene.feed.subscribe()
  const logs = [new Log(), new Log(), new Log()]
  Observable.from(stream).subscribe(logs[0])
  for (const log of logs.slice(1)) fromOfVersion7(stream).subscribe(log)
  expect(scene.feed.subscriptions(0).map(({ isPushed }) => isPushed)).toEqual([false, true, true])
  await scene.put("a", 1)
  await quiet(scene.feed)
  expect(logs.map(({ got }) => got)).toEqual([["2:a=1"], ["2:a=1"], ["2:a=1"]])
})

test("7 waits for its observers where it is given the iterator, and lets go with the commit behind the last one", async () => {
  const scene = await FeedScene.open()
  const stream = scene.feed.subscribe()
  const log = new Log()
  const subscription = fromOfVersion7(stream[Symbol.asyncIterator]()).subscribe(log)
  await quiet(scene.feed)
  await scene.put("a", 1)
  await quiet(scene.feed)
  expect(scene.feed.subscriptions(0).map(({ isPushed }) => isPushed)).toEqual([false])
  subscription.unsubscribe()
  await quiet(scene.feed)
  expect(scene.feed.subscriptions(0)).toHaveLength(1)
  await scene.put("b", 2)
  await quiet(scene.feed)
  expect(scene.feed.subscriptions(0)).toEqual([])
  expect(log.got).toEqual(["2:a=1"])
})
