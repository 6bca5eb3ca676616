// A stream that begins with a state, and one that gives the values before, tell the truth at every step: the state and the
// commits behind it add up to the tables as a model has them, and each value before is the one that the model had. Over
// killed actors, reopenings, checkpoints that let go of the log, and readers who stop in the middle and go on later.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { ChangesOptions, Commit, Store } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { OrreryError } from "../../src/model/errors.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { historyArbitrary, modelAt, runHistory, untilSettled } from "./store-history.ts"
import type { Entry, HistoryCommit, Model } from "./store-history.ts"

const SCHEDULE_COUNT = Number(process.env["ORRERY_STREAM_SCHEDULES"] ?? 120)
const SEGMENT_BYTES = 4096
/** A stream may fail with these while actors are killed; whoever goes on from its cursor misses nothing. */
const PASSING = [
  "ORRERY_CLOSED",
  "ORRERY_RESTARTING",
  "ORRERY_SNAPSHOT_EXPIRED",
  "ORRERY_LOG_UNAVAILABLE",
  "ORRERY_WRITE_REJECTED",
]
/** With these where checkpoints have let go of the log: whoever asks for the state gets it anew, the others are over. */
const EXPIRED = ["ORRERY_CURSOR_EXPIRED", "ORRERY_HISTORY_EXPIRED"]

interface Plan {
  /** After so many commits it begins. */
  readonly from: number
  readonly options: Pick<ChangesOptions, "before" | "snapshot" | "table" | "keys" | "visibility" | "bufferCommits">
  /** Turns that it waits between two commits, and commits after which it stops and goes on with another stream. */
  readonly turns: number
  readonly patience: number
  /** Whether it takes as many commits at a time as there are. */
  readonly isBatched: boolean
}

const plan: fc.Arbitrary<Plan> = fc.record({
  from: fc.nat(25),
  options: fc.oneof(
    fc.record({ snapshot: fc.constant(true), before: fc.boolean(), table: fc.constantFrom("t0", undefined) }),
    fc.record({ snapshot: fc.constant(true), keys: fc.constantFrom(["a", "ключ"], ["", "b"]), before: fc.boolean() }),
    fc.record({ before: fc.constant(true), table: fc.constantFrom("t0", "t1", undefined) }),
    fc.record({
      snapshot: fc.constant(true),
      before: fc.boolean(),
      visibility: fc.constant("applied" as const),
      bufferCommits: fc.constantFrom(1, 2, 100),
    }),
  ),
  turns: fc.constantFrom(0, 0, 3, 200),
  patience: fc.constantFrom(2, 5, 1_000),
  isBatched: fc.boolean(),
})

/** The commits of batches one by one. */
async function* flat(batches: AsyncIterable<readonly Commit[]>): AsyncIterable<Commit> {
  for await (const commits of batches) yield* commits
}

class Follower {
  readonly plan: Plan
  readonly got: Commit[] = []
  #cursor: string | undefined
  #isDone = false
  isExpired = false
  #store: Store | undefined
  running: Promise<void> = Promise.resolve()

  constructor(plan: Plan) {
    this.plan = plan
  }

  /** Goes on with this life of the store. */
  join(store: Store): void {
    if (this.#store === store) return
    this.#store = store
    this.running = this.running.then(() => this.#follow(store))
  }

  stop(): void {
    this.#isDone = true
  }

  async #follow(store: Store): Promise<void> {
    const { isBatched, options, patience, turns } = this.plan
    for (let failures = 0; !this.#isDone && failures < 1_000;) {
      try {
        // Without a state it begins with the first commit.
        const first = options.snapshot === true ? {} : { after: 0 }
        const stream = store.changes({ ...options, ...(this.#cursor === undefined ? first : { after: this.#cursor }) })
        let count = 0
        for await (const commit of isBatched ? flat(stream.batches()) : stream) {
          this.got.push(commit)
          this.#cursor = commit.cursor
          for (let turn = 0; turn < turns; turn++) await Promise.resolve()
          if (this.#isDone || ++count === patience) break
        }
        if (store.status.state === "closing" || store.status.state === "closed") return
      } catch (error) {
        if (!(error instanceof OrreryError)) throw error
        this.isExpired = EXPIRED.includes(error.code) && options.snapshot !== true
        if (this.isExpired) return this.stop()
        if (!PASSING.includes(error.code) && !EXPIRED.includes(error.code)) throw error
        if (error.code === "ORRERY_CLOSED") return
        failures++
        await new Promise<void>((resolve) => {
          setImmediate(resolve)
        })
      }
    }
  }
}

function wants({ table, keys }: Plan["options"], target: string): boolean {
  const slash = target.indexOf("/")
  return (table === undefined || table === target.slice(0, slash)) && (keys?.includes(target.slice(slash + 1)) ?? true)
}

/** Checks everything that was delivered against the model. */
function check({ got, plan: { options } }: Follower, commits: readonly HistoryCommit[]): void {
  const matching = commits.flatMap(({ lsn, effects }) => {
    const own = effects.filter(([target]) => wants(options, target))
    return lsn === undefined || own.length === 0 ? [] : [{ lsn, effects: own }]
  })
  const state: Model = new Map()
  let lsn = 0
  let isWhole = options.snapshot !== true
  for (const { changes, lsn: at, state: piece } of got) {
    if (piece?.isFirst === true) {
      state.clear()
      isWhole = false
    }
    if (piece === undefined) {
      expect(isWhole).toBe(true)
      const [next] = matching.filter((commit) => commit.lsn > lsn)
      const effects = changes.map(({ table, key, value }) => [`${table}/${key}`, (value as Entry | undefined)?.n])
      expect({ lsn: at, effects }).toEqual(next)
    }
    for (const { table, key, value, before, kind } of changes) {
      const target = `${table}/${key}`
      if (options.before === true && piece === undefined) {
        expect((before as Entry | undefined)?.n, `before ${target} at ${at}`).toBe(state.get(target))
      }
      if (kind === "put") state.set(target, (value as Entry).n)
      else state.delete(target)
    }
    lsn = at
    if (piece?.isLast === false) continue
    isWhole = true
    const model = [...modelAt(commits, at)].filter(([target]) => wants(options, target))
    expect(Object.fromEntries(state)).toEqual(Object.fromEntries(model))
  }
}

test("state and commits add up to the tables at every step, and values before are those of the model", async () => {
  await fc.assert(
    fc.asyncProperty(
      historyArbitrary(40, 6).chain((steps) =>
        fc.array(fc.nat(steps.length), { maxLength: 4 }).map((places) => {
          const withCheckpoints = [...steps]
          for (const place of places) withCheckpoints.splice(place, 0, { kind: "checkpoint" })
          return withCheckpoints
        }),
      ),
      fc.array(plan, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      async (steps, plans, seed) => {
        const disk = new SimulatedDisk({ seed, keepsTrace: false })
        const platform = simulatePlatform({ seed, disk })
        const followers = plans.map((one) => new Follower(one))
        const { store, commits } = await runHistory(
          platform,
          steps,
          SEGMENT_BYTES,
          ({ store: current, commits: made }) => {
            for (const follower of followers) if (made.length >= follower.plan.from) follower.join(current)
          },
          { checkpoints: 3 },
        )
        await untilSettled(platform, store.flush())
        for (const follower of followers) follower.join(store)
        const isBehind = (follower: Follower): boolean => {
          if (follower.isExpired) return false
          const wanted = commits.filter(({ effects }) =>
            effects.some(([target]) => wants(follower.plan.options, target)),
          )
          const end = Math.max(0, ...wanted.map(({ lsn }) => lsn ?? 0))
          return (follower.got.at(-1)?.lsn ?? (follower.plan.options.snapshot === true ? -1 : 0)) < end
        }
        for (let round = 0; round < 2_000 && followers.some(isBehind); round++) {
          await new Promise<void>((resolve) => {
            setImmediate(resolve)
          })
          if (round > 3) platform.clock.advance(50)
        }
        for (const follower of followers) follower.stop()
        await untilSettled(platform, store.close())
        await untilSettled(platform, Promise.all(followers.map(({ running }) => running)))
        for (const follower of followers) {
          check(follower, commits)
          expect(isBehind(follower), JSON.stringify(follower.plan)).toBe(false)
        }
      },
    ),
    { numRuns: SCHEDULE_COUNT },
  )
})

test("the schedules reached what is rare", () => {
  const reached = probes()
  for (const name of ["a stream with the values before has lost its base", "a stream reads a state of the past"]) {
    expect(reached.get(name) ?? 0, name).toBeGreaterThan(0)
  }
})
