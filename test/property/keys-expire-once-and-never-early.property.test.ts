// Any interleaving of puts with and without a time to live, touches, deletes, passing time, clocks that jump, killed actors,
// checkpoints, restarts, and a crash at any step: no key expires before its time, none is there a tick behind it,
// subscribers see one delete of each, and what is recovered is what was committed, without what is overdue.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time goes on.
import "../../src/actors/engine.ts"
import fc from "fast-check"
import { expect, test } from "vitest"
import { EXPIRY_TICK_MS } from "../../src/actors/expiry-actor.ts"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store, TableHandle } from "../../src/index.ts"
import { beginSteadyTime, LEAD_MS_BELIEVED, readSteadyTime } from "../../src/physics/steady-time.ts"
import type { SteadyTime } from "../../src/physics/steady-time.ts"
import type { Platform } from "../../src/platform/platform.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "./store-history.ts"

const SEED = Number(process.env["ORRERY_SEED"] ?? 4_711)
const HISTORY_COUNT = Number(process.env["ORRERY_RUNS"] ?? 100)
const STATES_A_HISTORY = 6
const SHARDS = 2
/** Longer than any time to live. */
const END_MS = 70_000

type Step =
  | { readonly kind: "put"; readonly key: string; readonly ttl: number | undefined }
  | { readonly kind: "batch"; readonly keys: readonly string[]; readonly ttl: number | undefined }
  | { readonly kind: "increment" | "delete" | "persist"; readonly key: string }
  | { readonly kind: "touch"; readonly key: string; readonly ttl: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "jump"; readonly ms: number }
  | { readonly kind: "kill"; readonly actor: string }
  | { readonly kind: "reopen" | "checkpoint" }

const key = fc.constantFrom("a", "b", "c", "d", "ключ", "")
const ttl = fc.constantFrom(1, 20, 25, 100, 1_000, 1_600, 1_601, 10_000, 60_000)
const maybeTtl = fc.option(ttl, { nil: undefined, freq: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), key, ttl: maybeTtl }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      keys: fc.array(key, { minLength: 1, maxLength: 5 }),
      ttl: maybeTtl,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("increment" as const, "delete" as const, "persist" as const), key }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("touch" as const), key, ttl }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 10, 25, 26, 100, 999, 1_600, 10_000, 60_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("jump" as const),
      ms: fc.constantFrom(-36_000_000, -5_000, -1, 1, 5_000, LEAD_MS_BELIEVED),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom(
        "services/expiry",
        "services/expiry",
        "shards/shard-0",
        "log/wal-writer",
        "change-publisher",
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("reopen" as const, "checkpoint" as const) }) },
)

/** What a key holds, and until when. */
interface Held {
  readonly n: number
  readonly atMs: number | undefined
}

/** What a commit of the test made of a key; undefined: nothing is there. */
interface Effect {
  readonly lsn: number
  readonly key: string
  readonly held: Held | undefined
}

class Run {
  readonly platform: SimulatedPlatform
  readonly effects: Effect[] = []
  readonly #options: OpenOptions
  readonly #model: Map<string, Held> = new Map()
  #store: Store
  #table: TableHandle<number>
  #time: SteadyTime
  #n = 0

  private constructor(platform: SimulatedPlatform, store: Store, options: OpenOptions) {
    this.platform = platform
    this.#options = options
    this.#store = store
    this.#table = store.table<number>("t")
    this.#time = beginSteadyTime(platform.clock.wallMs(), platform.clock.monotonicMs())
  }

  static async begin(seed: number): Promise<Run> {
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: true }) })
    const options = optionsOn(platform)
    return new Run(platform, await open("/data", options), options)
  }

  async #do(what: Step): Promise<void> {
    const { clock } = this.platform
    switch (what.kind) {
      case "put":
        await this.#put([what.key], what.ttl)
        break
      case "batch":
        await this.#put(what.keys, what.ttl)
        break
      case "increment": {
        const before = this.#model.get(what.key)
        const { lsn, value } = await this.#done(this.#table.increment(what.key))
        expect(value).toBe((before?.n ?? 0) + 1)
        this.#note(lsn, what.key, { n: Number(value), atMs: before?.atMs })
        break
      }
      case "delete":
        this.#note((await this.#done(this.#table.delete(what.key))).lsn, what.key, undefined)
        break
      case "touch":
      case "persist": {
        const before = this.#model.get(what.key)
        const earliestMs = this.#nowMs()
        const work =
          what.kind === "touch" ? this.#table.touch(what.key, { ttl: what.ttl }) : this.#table.persist(what.key)
        const { lsn, isThere } = await this.#done(work)
        expect(isThere).toBe(before !== undefined)
        // Where there is nothing to change there is no commit.
        const isChanged = before !== undefined && (what.kind === "touch" || before.atMs !== undefined)
        if (isChanged) this.#note(lsn, what.key, { n: before.n, atMs: this.#deadline(what, earliestMs) })
        break
      }
      case "pass":
        clock.advance(what.ms)
        break
      case "jump":
        clock.jumpWall(what.ms)
        this.#nowMs()
        // A jump is noticed within a second.
        if (what.ms > 0) clock.advance(1_000)
        break
      case "kill":
        await this.#done(this.#store.killActor(`store/${what.actor}`, new Error("killed by the test")))
        await this.#done(this.#store.ready())
        clock.advance(100)
        break
      case "checkpoint":
        await this.#done(this.#store.checkpoint())
        break
      case "reopen":
        await this.#done(this.#store.close())
        this.#store = await this.#done(open("/data", this.#options))
        this.#table = this.#store.table<number>("t")
        this.#time = beginSteadyTime(clock.wallMs(), clock.monotonicMs())
        break
    }
    await this.#settle()
    this.#check()
  }

  /** Does the steps, lets everything expire that will, and returns what subscribers saw from the first commit on. */
  async all(steps: readonly Step[]): Promise<{ readonly lsn: number; readonly key: string; readonly kind: string }[]> {
    for (const what of steps) await this.#do(what)
    this.platform.clock.advance(END_MS)
    await this.#settle()
    this.#check()
    await this.#done(this.#store.flush())
    const seen: { lsn: number; key: string; kind: string }[] = []
    const { lastLsn } = this.#store.metrics().log
    const changes = this.#store.changes({ after: 0 })
    const reading = (async () => {
      for await (const commit of changes) {
        for (const change of commit.changes) {
          if (change.table === "t") seen.push({ lsn: commit.lsn, key: change.key, kind: change.kind })
        }
        if (commit.lsn > lastLsn) break
      }
    })()
    await this.#done(this.#store.table<number>("end").put("end", 1))
    await this.#done(reading)
    await this.#done(this.#store.close())
    return seen
  }

  async #put(keys: readonly string[], ttlMs: number | undefined): Promise<void> {
    const n = ++this.#n
    const earliestMs = this.#nowMs()
    const options = ttlMs === undefined ? {} : { ttl: ttlMs }
    const receipt =
      keys.length === 1
        ? this.#table.put(keys[0] ?? "", n, options)
        : this.#store.batch((batch) => keys.forEach((one) => batch.put(this.#table, one, n, options)))
    // Read on the turn of the write: it may be over soon.
    const atMs = this.#deadline({ key: keys[0] ?? "", ttl: ttlMs }, earliestMs)
    const { lsn } = await this.#done(receipt)
    for (const one of new Set(keys)) this.#note(lsn, one, { n, atMs })
  }

  /** The deadline that the store has for a key which was just given this ttl. */
  #deadline(
    given: { readonly key: string; readonly ttl?: number | undefined },
    earliestMs: number,
  ): number | undefined {
    const atMs = this.#table.expiresAt(given.key)?.getTime()
    if (given.ttl === undefined) expect(atMs).toBeUndefined()
    else if (atMs !== undefined) {
      expect(atMs).toBeGreaterThanOrEqual(earliestMs + given.ttl)
      expect(atMs).toBeLessThanOrEqual(Math.ceil(this.#nowMs() + given.ttl))
    }
    return given.ttl === undefined ? undefined : (atMs ?? earliestMs + given.ttl)
  }

  #note(lsn: number, what: string, held: Held | undefined): void {
    this.effects.push({ lsn, key: what, held })
    if (held === undefined) this.#model.delete(what)
    else this.#model.set(what, held)
  }

  #check(): void {
    const nowMs = this.#nowMs()
    for (const [what, { n, atMs }] of this.#model) {
      const value = this.#table.get(what)
      if (atMs === undefined || atMs > nowMs) expect(value, `"${what}" expired early`).toBe(n)
      else if (atMs <= nowMs - EXPIRY_TICK_MS) expect(value, `"${what}" is overdue`).toBeUndefined()
      else expect([n, undefined]).toContain(value)
      if (value === undefined) this.#model.delete(what)
    }
    expect([...this.#table.keys()].toSorted()).toEqual([...this.#model.keys()].toSorted())
    const expiring = [...this.#model.values()].filter(({ atMs }) => atMs !== undefined)
    expect(this.#store.metrics().expiry.pending).toBe(expiring.length)
  }

  /** The store's time, read by the store as well. */
  #nowMs(): number {
    const { clock } = this.platform
    this.#store.metrics()
    this.#time = readSteadyTime(this.#time, clock.wallMs(), clock.monotonicMs())
    return this.#time.nowMs
  }

  #done<T>(work: Promise<T>): Promise<T> {
    return untilSettled(this.platform, work)
  }

  async #settle(): Promise<void> {
    for (let round = 0; round < 6; round++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      this.platform.clock.advance(0)
    }
  }
}

function optionsOn(platform: Platform): OpenOptions {
  return { platform, shards: SHARDS, segmentBytes: 4096, keep: { checkpoints: 1_000 } }
}

/** What is there behind the commit with that LSN: what the test wrote, without what subscribers saw expire by then. */
function stateAt(effects: readonly Effect[], expired: readonly Effect[], lsn: number): Map<string, Held> {
  const state = new Map<string, Held>()
  const all = [...effects, ...expired].toSorted((one, other) => one.lsn - other.lsn)
  for (const { lsn: at, key: what, held } of all) {
    if (at > lsn) continue
    if (held === undefined) state.delete(what)
    else state.set(what, held)
  }
  return state
}

test("keys expire once, in time and never early, whatever clocks and crashes do", async () => {
  const histories = fc.sample(fc.tuple(fc.array(step, { minLength: 8, maxLength: 40, size: "max" }), fc.nat()), {
    numRuns: HISTORY_COUNT,
    seed: SEED,
  })
  const counts = { histories: 0, expired: 0, states: 0, overdue: 0 }
  for (const [steps, seed] of histories) {
    counts.histories++
    const run = await Run.begin(seed)
    const tell = (): string => `history ${counts.histories} of ORRERY_SEED=${SEED}: ${JSON.stringify(steps)}`
    const seen = await run.all(steps).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${tell()}`, { cause: error })
    })
    const own = new Set(run.effects.map(({ lsn }) => lsn))
    const expired: Effect[] = []
    for (const { lsn, key: what, kind } of seen) {
      if (own.has(lsn)) continue
      expect(kind, tell()).toBe("delete")
      const held = stateAt(run.effects, expired, lsn - 1).get(what)
      expect(held?.atMs, `a delete of "${what}", which had no deadline: ${tell()}`).toBeDefined()
      expired.push({ lsn, key: what, held: undefined })
    }
    counts.expired += expired.length

    const wallMs = run.platform.clock.wallMs()
    for (const state of crashStates(run.platform.fileSystem.trace(), { seed, limit: STATES_A_HISTORY })) {
      counts.states++
      const openedMs = wallMs - END_MS + (seed % 3) * 20_000
      const clock = new SimulatedClock(openedMs)
      const platform = simulatePlatform({ seed, disk: state.mount({ keepsTrace: false }), clock })
      const store = await untilSettled(platform, open("/data", optionsOn(platform)))
      const { lastLsn } = store.recovery
      const where = (): string => `${tell()}\n${state.describe()}`
      const found = new Map(store.table<number>("t").entries())
      for (const [what, { n, atMs }] of stateAt(run.effects, expired, lastLsn)) {
        const isOverdue = atMs !== undefined && atMs <= openedMs - EXPIRY_TICK_MS
        const isAlive = atMs === undefined || atMs > clock.wallMs()
        if (isOverdue) counts.overdue++
        // In between it may be either.
        if (isOverdue || isAlive) expect(found.get(what), `"${what}": ${where()}`).toBe(isAlive ? n : undefined)
        found.delete(what)
      }
      expect([...found], where()).toEqual([])
      await untilSettled(platform, store.close())
    }
  }
  console.log(`${JSON.stringify(counts)}, ORRERY_SEED=${SEED}`)
  expect(counts.expired).toBeGreaterThan(counts.histories)
  expect(counts.overdue).toBeGreaterThan(counts.states / 20)
})
