// Whatever happens around a subscription, it gets exactly the durable commits behind its start that match its filter:
// none is missing, none comes twice, none is out of order, torn apart, or one that a recovery took back. A case is a
// schedule as plain data over a real log on a simulated disk, whose operations end in an order that the seed decides.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { Commit } from "../../src/model/change.ts"
import { probes } from "../../src/model/invariant.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { Lsn } from "../../src/model/lsn.ts"
import { shuffled } from "../../src/simulation/completion-order.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import type { ChangeStream } from "../../src/streams/change-feed.ts"
import { FeedScene, quiet } from "../streams/feed-scene.ts"
import type { Level, Operation } from "../streams/feed-scene.ts"

/** Schedules in the default run; ORRERY_FEED_SCHEDULES asks for more. */
const SCHEDULE_COUNT = Number(process.env["ORRERY_FEED_SCHEDULES"] ?? 1_200)

interface Filter {
  readonly table: string | undefined
  readonly prefix?: string
  readonly keys?: readonly string[]
  readonly types: readonly ("put" | "delete")[] | undefined
}

type Step =
  | { readonly kind: "write"; readonly level: Level; readonly commits: readonly (readonly Operation[])[] }
  | { readonly kind: "sync" | "recover" | "reconnect" }
  | { readonly kind: "turns"; readonly count: number }
  | {
      readonly kind: "subscribe"
      readonly filter: Filter
      /** Undefined: now. Else so many positions from the start, or beyond the end. */
      readonly after: number | undefined
      readonly bufferCommits: number
      readonly isObserver: boolean
    }
  | { readonly kind: "read"; readonly who: number; readonly count: number; readonly isBatched: boolean }
  | { readonly kind: "resume"; readonly who: number }

const table = fc.constantFrom("t0", "t1", "t2")
const operation = fc.record({
  table,
  key: fc.constantFrom("a", "ab", "abc", "abcde", "abcdf", "b", "ключ", "кл", ""),
  value: fc.oneof(fc.nat(9), fc.record({ n: fc.nat(9), name: fc.constant("x") }), fc.constant(undefined)),
})
const types = fc.constantFrom<Filter["types"]>(undefined, undefined, undefined, ["put"], ["delete"], ["delete", "put"])
const wantedTable = fc.option(fc.constantFrom("t0", "t1", "t2", "never defined"), { nil: undefined })
const filter: fc.Arbitrary<Filter> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      table: wantedTable,
      prefix: fc.constantFrom("", "", "", "a", "ab", "abcd", "b", "к", "ключ"),
      types,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      table: wantedTable,
      keys: fc.constantFrom(["a"], ["ab", "abcde"], ["abcdf", "", "ключ"], ["never"]),
      types,
    }),
  },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      level: fc.constantFrom<Level>("published", "published", "published", "advanced", "written"),
      commits: fc.array(fc.array(operation, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "sync" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "recover" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reconnect" as const }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.nat(60) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("subscribe" as const),
      filter,
      after: fc.option(fc.nat(40), { nil: undefined }),
      bufferCommits: fc.integer({ min: 1, max: 6 }),
      isObserver: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      who: fc.nat(7),
      count: fc.integer({ min: 1, max: 5 }),
      isBatched: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("resume" as const), who: fc.nat(7) }) },
)

/** Somebody who wants the commits after `after`, through one subscription or several in turn. */
interface Subscriber {
  readonly after: Lsn
  readonly filter: Filter
  readonly isObserver: boolean
  readonly bufferCommits: number
  readonly got: string[]
  readonly failures: unknown[]
  readonly endings: string[]
  stream: ChangeStream
  waiting: number
}

class Schedule {
  readonly scene: FeedScene
  readonly subscribers: Subscriber[] = []
  /** Writes run one after the other, beside everything else. */
  writing: Promise<void> = Promise.resolve()

  constructor(scene: FeedScene) {
    this.scene = scene
  }

  async run(step: Step): Promise<void> {
    const { scene } = this
    switch (step.kind) {
      case "write":
        this.writing = this.writing.then(async () => {
          await scene.write(step.commits, step.level)
        })
        return
      case "sync":
        this.writing = this.writing.then(() => scene.sync())
        return
      case "recover":
        await this.writing
        await scene.recover()
        return
      case "reconnect":
        await this.writing
        scene.feed.disconnect()
        await turns(20)
        scene.feed.connect(scene.log)
        return
      case "turns":
        await turns(step.count)
        return
      case "subscribe":
        this.#subscribe(step.filter, step.after, step.bufferCommits, step.isObserver)
        return
      case "read":
        this.#read(this.subscribers[step.who], step.count, step.isBatched)
        return
      case "resume":
        await this.#resume(this.subscribers[step.who])
    }
  }

  /** Lets everybody get what there is. */
  async drain(): Promise<void> {
    await this.writing
    await this.scene.sync()
    for (let progress = -1; progress !== this.#gotCount();) {
      progress = this.#gotCount()
      for (const subscriber of this.subscribers) this.#read(subscriber, 64 - subscriber.waiting, false)
      await quiet(this.scene.feed)
    }
  }

  #gotCount(): number {
    return this.subscribers.reduce((sum, { got }) => sum + got.length, 0)
  }

  #subscribe(filter: Filter, after: number | undefined, bufferCommits: number, isObserver: boolean): void {
    const start = after === undefined ? undefined : lsnOf(after)
    const stream = this.#open(filter, start, bufferCommits)
    const subscriber: Subscriber = {
      after: stream.position,
      filter,
      isObserver,
      bufferCommits,
      got: [],
      failures: [],
      endings: [],
      stream,
      waiting: 0,
    }
    this.subscribers.push(subscriber)
    if (!isObserver) return
    stream.observable().subscribe({
      next: (commit) => subscriber.got.push(textOf(commit)),
      error: (reason: unknown) => subscriber.failures.push(reason),
      complete: () => subscriber.endings.push("complete"),
    })
  }

  #open(filter: Filter, after: Lsn | undefined, bufferCommits: number): ChangeStream {
    return this.scene.feed.subscribe({ ...filter, after, bufferCommits })
  }

  #read(subscriber: Subscriber | undefined, count: number, isBatched: boolean): void {
    if (subscriber === undefined || subscriber.isObserver) return
    const { stream, got, failures } = subscriber
    const took = (commits: readonly Commit[]): void => {
      if (subscriber.stream === stream) subscriber.waiting--
      got.push(...commits.map(textOf))
    }
    const failed = (reason: unknown): void => {
      failures.push(reason)
    }
    const one = ({ done, value }: IteratorResult<Commit, undefined>): void => took(done === true ? [] : [value])
    const all = ({ done, value }: IteratorResult<readonly Commit[], undefined>): void =>
      took(done === true ? [] : value)
    for (let index = 0; index < count; index++) {
      subscriber.waiting++
      if (isBatched) stream.batches().next().then(all, failed)
      else stream[Symbol.asyncIterator]().next().then(one, failed)
    }
  }

  /** Closes the iteration, and goes on from its position with another. */
  async #resume(subscriber: Subscriber | undefined): Promise<void> {
    if (subscriber === undefined || subscriber.isObserver) return
    const { stream } = subscriber
    stream.close()
    const { position } = stream
    subscriber.stream = this.#open(subscriber.filter, position, subscriber.bufferCommits)
    subscriber.waiting = 0
    // Results of the closed one are on their way through promises still.
    await turns(5)
  }
}

test("every subscriber gets exactly the durable commits after its start that match", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(step, { minLength: 10, maxLength: 45, size: "max" }), async (seed, steps) => {
      const completion = shuffled(new SimulatedRandom(seed))
      const scene = await FeedScene.open({ completion, segmentSize: 4 * 1024 })
      const schedule = new Schedule(scene)
      for (const next of steps) await schedule.run(next)
      await schedule.drain()
      for (const { after, filter: wanted, got, failures, endings } of schedule.subscribers) {
        expect(failures).toEqual([])
        expect(endings).toEqual([])
        expect(got).toEqual(expectedOf(scene, after, wanted))
      }
      scene.feed.end()
      expect(scene.feed.metrics()).toMatchObject({
        subscriptions: 0,
        liveSubscriptions: 0,
        failures: 0,
        observerErrors: 0,
      })
      await quiet(scene.feed)
      expect(scene.feed.metrics().logReads).toBe(0)
    }),
    { numRuns: SCHEDULE_COUNT },
  )
})

test("the schedules reached what is rare", () => {
  const reached = probes()
  for (const name of [
    "a slow subscriber goes back to the log",
    "a catch-up is interrupted by a recovery",
    "a subscription that listens while it reads has too much to keep",
  ]) {
    expect(reached.get(name) ?? 0, name).toBeGreaterThan(0)
  }
})

function expectedOf(scene: FeedScene, after: Lsn, { table, prefix = "", keys, types }: Filter): string[] {
  return scene.commits.flatMap(({ lsn, operations }) => {
    const matching = operations.filter(
      (operation) =>
        (table === undefined || operation.table === table) &&
        operation.key.startsWith(prefix) &&
        (keys?.includes(operation.key) ?? true) &&
        (types?.includes(operation.value === undefined ? "delete" : "put") ?? true),
    )
    return lsn > after && matching.length > 0 ? [`${lsn} ${matching.map(operationText).join(" ")}`] : []
  })
}

function textOf(commit: Commit): string {
  return `${commit.lsn} ${commit.changes.map(operationText).join(" ")}`
}

function operationText({ table, key, value }: Operation): string {
  return `${table}/${key}=${JSON.stringify(value)}`
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve()
}
