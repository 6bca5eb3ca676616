import { describe, expect, test } from "vitest"
import { StorageFailed } from "../../src/model/errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { FeedScene, SlowSource, quiet, textOf } from "./feed-scene.ts"

interface Edge {
  readonly scene: FeedScene
  readonly source: SlowSource
  /** What each observer got, or failed with. */
  readonly got: unknown[][]
}

/** Observers that are live on a log behind a slow disk. */
async function liveObservers(count: number, turns: number): Promise<Edge> {
  const scene = await FeedScene.open()
  const source = new SlowSource(scene.log, turns)
  scene.feed.connect(source)
  const got = Array.from({ length: count }, (): unknown[] => [])
  for (const mine of got) {
    scene.feed
      .subscribe()
      .observable()
      .subscribe({ next: (commit) => mine.push(textOf(commit)), error: (reason: unknown) => mine.push(reason) })
  }
  expect(scene.feed.metrics().liveSubscriptions).toBe(count)
  return { scene, source, got }
}

describe("what the edge has in memory", () => {
  test("is handed on without a look at the log", async () => {
    const { scene, source, got } = await liveObservers(1, 0)
    for (let n = 2; n < 20; n++) await scene.put(`k${n}`, n)
    expect(got[0]).toHaveLength(18)
    expect(source.readCount).toBe(0)
  })

  test("is handed on once, however often it is published", async () => {
    const { scene, got } = await liveObservers(1, 0)
    await scene.put("a", 1)
    await scene.put("b", 2)
    for await (const frame of scene.log.read(lsnOf(0))) scene.feed.publish(frame)
    scene.feed.advance(lsnOf(2))
    expect(got).toEqual([["2:a=1", "3:b=2"]])
  })
})

describe("what the edge does not have", () => {
  test("is read once for all who are live", async () => {
    const { scene, source, got } = await liveObservers(50, 10)
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "advanced")
    await quiet(scene.feed)
    for (const mine of got) expect(mine).toEqual(["2:a=1"])
    expect(source.readCount).toBe(1)
    expect(scene.feed.metrics()).toMatchObject({ catchUps: 0, liveSubscriptions: 50 })
  })

  test("is read up to the frame that is there: a gap costs one read", async () => {
    const { scene, source, got } = await liveObservers(1, 10)
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "written")
    await scene.put("b", 2)
    await scene.put("c", 3)
    await quiet(scene.feed)
    expect(got).toEqual([["2:a=1", "3:b=2", "4:c=3"]])
    expect(source.readCount).toBe(1)
  })

  test("frames that are published during the read follow it out of memory", async () => {
    const { scene, source, got } = await liveObservers(1, 400)
    await scene.write([[{ table: "t", key: "k1", value: 1 }]], "advanced")
    for (let n = 2; n <= 6; n++) await scene.put(`k${n}`, n)
    expect(got[0]).toEqual([])
    await quiet(scene.feed)
    expect(got[0]).toEqual([1, 2, 3, 4, 5, 6].map((n) => `${n + 1}:k${n}=${n}`))
    expect(source.readCount).toBe(1)
    await scene.put("k7", 7)
    expect(got[0]).toHaveLength(7)
  })

  test("frames that are too large to wait in memory are read as well", async () => {
    const { scene, source, got } = await liveObservers(1, 2_000)
    await scene.write([[{ table: "t", key: "k1", value: 1 }]], "advanced")
    const large = "x".repeat(1_500_000)
    for (let n = 2; n <= 6; n++) await scene.write([[{ table: "t", key: `k${n}`, value: large }]])
    await scene.write([[{ table: "t", key: "k7", value: large.repeat(3) }]])
    await scene.put("k8", 8)
    expect(got[0]).toEqual([])
    await quiet(scene.feed)
    expect(got[0]?.map((text) => String(text).slice(0, 4))).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `${n + 1}:k${n}`),
    )
    expect(source.readCount).toBe(2)
  })

  test("is not read to the end when nobody is left who wants it", async () => {
    const scene = await FeedScene.open()
    const source = new SlowSource(scene.log, 10)
    scene.feed.connect(source)
    const got: number[] = []
    const subscription = scene.feed
      .subscribe()
      .observable()
      .subscribe(({ lsn }) => {
        got.push(lsn)
        subscription.unsubscribe()
      })
    for (let n = 0; n < 5; n++) await scene.write([[{ table: "t", key: "a", value: n }]], "written")
    await scene.sync()
    await quiet(scene.feed)
    expect(got).toEqual([2])
    const late: string[] = []
    scene.feed
      .subscribe()
      .observable()
      .subscribe((commit) => late.push(textOf(commit)))
    await scene.put("b", 1)
    expect(late).toEqual(["7:b=1"])
    expect(source.readCount).toBe(1)
  })
})

describe("a log that cannot be read", () => {
  const broken = (): StorageFailed => new StorageFailed("read", "wal-0000000001", "EIO")

  test("makes everybody who is live read for himself; nothing is lost if that succeeds", async () => {
    const { scene, source, got } = await liveObservers(3, 10)
    source.failures.push(broken())
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "advanced")
    await scene.put("b", 2)
    await quiet(scene.feed)
    await scene.put("c", 3)
    for (const mine of got) expect(mine).toEqual(["2:a=1", "3:b=2", "4:c=3"])
    expect(scene.feed.metrics()).toMatchObject({ catchUps: 3, liveSubscriptions: 3, failures: 0 })
  })

  test("ends the subscriptions of those who cannot read it either, and the feed goes on", async () => {
    const { scene, source, got } = await liveObservers(3, 10)
    const errors = [broken(), broken(), broken()]
    source.failures.push(...errors)
    await scene.write([[{ table: "t", key: "a", value: 1 }]], "advanced")
    await quiet(scene.feed)
    expect(got).toEqual([[errors[1]], [errors[2]], ["2:a=1"]])
    await scene.put("b", 2)
    expect(got[2]).toEqual(["2:a=1", "3:b=2"])
    expect(scene.feed.metrics()).toMatchObject({ subscriptions: 1, failures: 2 })
  })
})
