import { Subscriber, config, from, lastValueFrom } from "rxjs"
import type { Observable } from "rxjs"
import { map, mergeMap, take, toArray } from "rxjs/operators"
import { afterEach, describe, expect, test } from "vitest"
import type { Commit } from "../../src/model/change.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { FeedScene, quiet, texts, textOf } from "./feed-scene.ts"

const START = lsnOf(0)

afterEach(() => {
  config.onUnhandledError = null
  config.onStoppedNotification = null
})

/** What RxJS would throw at the process. */
function unhandledErrors(): unknown[] {
  const errors: unknown[] = []
  config.onUnhandledError = (error: unknown) => errors.push(error)
  return errors
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, 0)
  })
}

describe("RxJS", () => {
  test("a live observer is called while the frame is published", async () => {
    const scene = await FeedScene.open()
    const got: string[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe((commit) => got.push(textOf(commit)))
    const put = scene.put("a")
    expect(got).toEqual([])
    await put
    expect(got).toEqual(['2:a="a"'])
  })

  test("every observer gets a subscription of its own, from where the stream begins", async () => {
    const scene = await FeedScene.open()
    await scene.put("a")
    const observable = scene.feed.subscribe({ after: START }).observable()
    const first: string[] = []
    observable.subscribe((commit) => first.push(textOf(commit)))
    await scene.put("b")
    await quiet(scene.feed)
    const second: string[] = []
    observable.subscribe((commit) => second.push(textOf(commit)))
    await scene.put("c")
    await quiet(scene.feed)
    expect(first).toEqual(['2:a="a"', '3:b="b"', '4:c="c"'])
    expect(second).toEqual(first)
    expect(scene.feed.metrics().subscriptions).toBe(2)
  })

  test("operators work, and unsubscribe when they have enough", async () => {
    const scene = await FeedScene.open()
    await scene.put("a", 1)
    await scene.put("b", 2)
    const values: Observable<unknown[]> = scene.feed
      .subscribe({ after: START })
      .observable()
      .pipe(
        mergeMap((commit) => commit.changes),
        map((change) => change.value),
        take(3),
        toArray(),
      )
    const result = lastValueFrom(values)
    await scene.put("c", 3)
    await scene.put("d", 4)
    expect(await result).toEqual([1, 2, 3])
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, liveSubscriptions: 0, deliveredCommits: 3 })
  })

  test("from() takes a stream as an observable, not as an iterable", async () => {
    const scene = await FeedScene.open()
    await scene.put("a", 1)
    const stream = scene.feed.subscribe({ after: START })
    const commits = lastValueFrom(from(stream).pipe(take(2), toArray()))
    await scene.put("b", 2)
    expect((await commits).map(textOf)).toEqual(["2:a=1", "3:b=2"])
    expect(stream.position).toBe(0)
  })

  test("from() of an observable of the stream is the same object", async () => {
    const { feed } = await FeedScene.open()
    const observable = feed.subscribe().observable()
    expect(from(observable)).toBe(observable)
  })

  test("unsubscribing ends the delivery in the middle of a frame, without another word", async () => {
    const scene = await FeedScene.open()
    const got: unknown[] = []
    config.onStoppedNotification = (notification) => got.push(notification)
    const subscription = scene.feed
      .subscribe()
      .observable()
      .subscribe({
        next: (commit) => {
          got.push(commit.lsn)
          if (commit.lsn === 3) subscription.unsubscribe()
        },
        complete: () => got.push("complete"),
        error: (reason: unknown) => got.push(reason),
      })
    await scene.write([1, 2, 3, 4].map((n) => [{ table: "t", key: `${n}`, value: n }]))
    await scene.put("later")
    scene.feed.end()
    await turn()
    expect(got).toEqual([2, 3])
  })

  test("unsubscribing during a catch-up stops the reading", async () => {
    const scene = await FeedScene.open({ segmentSize: 4096 })
    for (let n = 0; n < 50; n++) await scene.put(`k${n}`, "x".repeat(100))
    const got: number[] = []
    const subscription = scene.feed
      .subscribe({ after: START })
      .observable()
      .subscribe(({ lsn }) => {
        got.push(lsn)
        if (got.length === 3) subscription.unsubscribe()
      })
    await quiet(scene.feed)
    expect(got).toEqual([2, 3, 4])
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, logReads: 0 })
  })

  test("closing the stream does not end its observers", async () => {
    const scene = await FeedScene.open()
    const got: string[] = []
    const stream = scene.feed.subscribe()
    stream.observable().subscribe((commit) => got.push(textOf(commit)))
    stream.close()
    await scene.put("a")
    expect(got).toEqual(['2:a="a"'])
  })

  test("the signal ends observers with its reason", async () => {
    const scene = await FeedScene.open()
    const controller = new AbortController()
    const got: unknown[] = []
    scene.feed
      .subscribe({ signal: controller.signal })
      .observable()
      .subscribe({ error: (reason: unknown) => got.push(reason) })
    const reason = new Error("enough")
    controller.abort(reason)
    await scene.put("a")
    expect(got).toEqual([reason])
    scene.feed
      .subscribe({ signal: controller.signal })
      .observable()
      .subscribe({ error: (late: unknown) => got.push(late) })
    expect(got).toEqual([reason, reason])
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 0, failures: 1 })
  })

  test("an observer catches up without holding the event loop for longer than a window of the log", async () => {
    const scene = await FeedScene.open({ segmentSize: 16 * 1024 })
    for (let n = 0; n < 200; n++) await scene.put(`k${n}`, "x".repeat(500))
    let seen = 0
    scene.feed
      .subscribe({ after: START })
      .observable()
      .subscribe(() => seen++)
    expect(seen).toBe(0)
    let microtasks = 0
    while (seen < 200 && microtasks < 10_000) {
      const before = seen
      await Promise.resolve()
      microtasks++
      expect(seen - before).toBeLessThanOrEqual(1)
    }
    expect(seen).toBe(200)
  })
})

describe("subscribers that misbehave (fault class 33)", () => {
  test("fault 33: an observer that throws ends alone, with what it threw; the others and the writers go on", async () => {
    const errors = unhandledErrors()
    const scene = await FeedScene.open()
    const bug = new Error("a bug in the observer")
    const bad: unknown[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe({
        next: (commit) => {
          bad.push(commit.lsn)
          throw bug
        },
        error: (reason: unknown) => bad.push(reason),
      })
    const good: string[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe((commit) => good.push(textOf(commit)))
    const iterated = texts(scene.feed.subscribe(), 2)
    await scene.write([[{ table: "t", key: "a", value: 1 }], [{ table: "t", key: "b", value: 2 }]])
    await turn()
    expect(bad).toEqual([2, bug])
    expect(good).toEqual(["2:a=1", "3:b=2"])
    expect(await iterated).toEqual(["2:a=1", "3:b=2"])
    expect(errors).toEqual([])
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 2, observerErrors: 1 })
  })

  test("what an observer without an error handler threw is reported to the process, as RxJS does", async () => {
    const errors = unhandledErrors()
    const scene = await FeedScene.open()
    const bug = new Error("a bug in the observer")
    let calls = 0
    const observe = (): void => {
      calls++
      throw bug
    }
    scene.feed.subscribe().observable().subscribe(observe)
    await scene.put("a")
    await scene.put("b")
    expect(errors).toEqual([])
    await turn()
    expect(errors).toEqual([bug])
    expect(calls).toBe(1)
  })

  test("an operator that throws ends its subscription with the error", async () => {
    const errors = unhandledErrors()
    const scene = await FeedScene.open()
    const bug = new Error("a bug in the operator")
    const got: unknown[] = []
    const failing = map((commit: Commit): number => {
      if (commit.lsn === 3) throw bug
      return commit.lsn
    })
    scene.feed
      .subscribe()
      .observable()
      .pipe(failing)
      .subscribe({ next: (lsn) => got.push(lsn), error: (reason: unknown) => got.push(reason) })
    await scene.put("a")
    await scene.put("b")
    await scene.put("c")
    await turn()
    expect(got).toEqual([2, bug])
    expect(errors).toEqual([])
    expect(scene.feed.metrics().subscriptions).toBe(0)
  })

  test("a subscriber that lets its throw escape ends alone, too", async () => {
    class Escaping extends Subscriber<Commit> {
      readonly got: unknown[] = []
      override next(commit: Commit): void {
        this.got.push(commit.lsn)
        throw bug
      }
      override error(reason: unknown): void {
        this.got.push(reason)
        throw bug
      }
    }
    const errors = unhandledErrors()
    const scene = await FeedScene.open()
    const bug = new Error("a bug in the subscriber")
    const escaping = new Escaping()
    const good: string[] = []
    const { feed } = scene
    feed.subscribe().observable().subscribe(escaping)
    feed
      .subscribe()
      .observable()
      .subscribe((commit) => good.push(textOf(commit)))
    await scene.put("a", 1)
    await scene.put("b", 2)
    expect(escaping.got).toEqual([2, bug])
    expect(good).toEqual(["2:a=1", "3:b=2"])
    expect(feed.metrics()).toMatchObject({ subscriptions: 1, observerErrors: 1, failures: 1 })
    await turn()
    expect(errors).toEqual([bug])
  })

  test("error and complete handlers that throw reach the process and nobody else", async () => {
    const errors = unhandledErrors()
    const scene = await FeedScene.open()
    const bug = new Error("a bug at the end")
    scene.feed
      .subscribe()
      .observable()
      .subscribe({
        complete: () => {
          throw bug
        },
      })
    let isComplete = false
    scene.feed
      .subscribe()
      .observable()
      .subscribe({
        complete: () => {
          isComplete = true
        },
      })
    scene.feed.end()
    expect(isComplete).toBe(true)
    await turn()
    expect(errors).toEqual([bug])
  })

  test("fault 33: somebody who never reads holds no more than his bound, and no write waits for him", async () => {
    const scene = await FeedScene.open()
    const stream = scene.feed.subscribe({ bufferCommits: 10 })
    void stream[Symbol.asyncIterator]().next()
    for (let n = 0; n < 500; n++) await scene.put(`k${n}`, n)
    expect(scene.feed.metrics()).toMatchObject({ overflows: 1, liveSubscriptions: 0, logReads: 0, maxLagLsn: 499 })
    expect(stream.position).toBe(2)
  })

  test("fault 33: an observer may write, subscribe and unsubscribe others while it is called", async () => {
    const scene = await FeedScene.open()
    const writes: Promise<unknown>[] = []
    const inner: string[] = []
    const outer: string[] = []
    const victim: string[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe((commit) => {
        outer.push(textOf(commit))
        victimSubscription.unsubscribe()
        if (outer.length > 3) return
        writes.push(scene.put(`echo ${outer.length}`))
        scene.feed
          .subscribe()
          .observable()
          .subscribe((later) => inner.push(textOf(later)))
      })
    const victimSubscription = scene.feed
      .subscribe()
      .observable()
      .subscribe((commit) => victim.push(textOf(commit)))
    await scene.put("a")
    while (writes.length > 0) await writes.shift()
    expect(outer).toEqual(['2:a="a"', '3:echo 1="echo 1"', '4:echo 2="echo 2"', '5:echo 3="echo 3"'])
    expect(victim).toEqual([])
    expect(inner.toSorted()).toEqual([outer[1], outer[2], outer[2], outer[3], outer[3], outer[3]])
  })

  test("somebody who subscribes while a frame is handed on does not get that frame, whatever he filters", async () => {
    const scene = await FeedScene.open()
    const late: string[] = []
    const subscribeTo = (table: string | undefined, observe: (text: string) => void): void => {
      scene.feed
        .subscribe({ table })
        .observable()
        .subscribe((commit) => observe(textOf(commit)))
    }
    let isFirst = true
    subscribeTo(undefined, () => {
      if (isFirst)
        for (const table of [undefined, "t", "u"]) subscribeTo(table, (text) => late.push(`${table}: ${text}`))
      isFirst = false
    })
    // The topic is there when the frame is routed, and its turn comes last.
    subscribeTo("t", () => undefined)
    await scene.put("a", 1)
    expect(late).toEqual([])
    await scene.put("b", 2)
    expect(late).toEqual(["undefined: 3:b=2", "t: 3:b=2"])
  })

  test("an observer may end the feed, or take its log away, while it is called: the others get the frame first", async () => {
    const scene = await FeedScene.open()
    const got: string[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe((commit) => {
        got.push(`first ${commit.lsn}`)
        if (commit.lsn === 2) {
          scene.feed.disconnect()
          scene.feed.connect(scene.log)
        } else scene.feed.end()
      })
    scene.feed
      .subscribe()
      .observable()
      .subscribe({ next: ({ lsn }) => got.push(`second ${lsn}`), complete: () => got.push("complete") })
    await scene.put("a")
    await scene.put("b")
    await quiet(scene.feed)
    expect(got).toEqual(["first 2", "second 2", "first 3", "second 3", "complete"])
  })
})
