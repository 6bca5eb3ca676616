// The actor that makes keys expire: keeps their deadlines on a timer wheel, and has those that are due deleted, in order, in
// bounded commits. The deletes are commits like any other, so everybody sees them; until then a key is there.
//
// It never waits in line: while the log is down or full, or a shard is being built anew, it tries again a little later,
// and users' writes go first. Killed, it loses an index: the next life builds it from the records. Must not decide what
// has expired: that is looked at again in the turn of the delete, by whoever knows the records (`ExpiryWork`).

import { OrreryError } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { beginSteadyTime, readSteadyTime } from "../physics/steady-time.ts"
import type { SteadyTime } from "../physics/steady-time.ts"
import type { Timer } from "../platform/clock.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { Deadlines } from "../table/deadlines.ts"
import type { Deadline } from "../table/deadlines.ts"
import { Actor } from "./actor.ts"
import type { EngineContext } from "./engine-context.ts"

/** Milliseconds that a deadline may be passed before its key is looked at. */
export const EXPIRY_TICK_MS = 25
/** Keys that are deleted in one commit, and records that are read on one turn, at most. */
export const EXPIRY_BATCH_COUNT = 1_000
/** How often the wall clock is looked at while deadlines are pending, and what could not be done is tried again. */
const LOOK_MS_MAX = 1_000
const RETRY_MS = 50

/** What the store does for the actor. Both fail as reads do. */
export interface ExpiryWork {
  /** All keys that have a deadline, and those alone. */
  deadlines(): Iterable<Deadline>
  /** Deletes, as one commit, those of the keys that are due by now, and returns how many these were. */
  expire(keys: readonly Deadline[], nowMs: number): Promise<number>
}

export interface ExpiryMetrics {
  /** Keys that have a deadline. */
  readonly pending: number
  /** Keys that were deleted because theirs had passed. */
  readonly expired: number
  /** Milliseconds by which the oldest deadline that has passed is overdue. */
  readonly lagMs: number
}

/** What it needs of the engine. */
export type ExpiryEngine = Pick<EngineContext, "clock"> & {
  /** Where writes go; undefined: they wait in line. */
  readonly intake: unknown
  readonly admission: { readonly count: number }
}

export class ExpiryActor extends Actor<never> {
  readonly #engine: ExpiryEngine
  readonly #deadlines = new Deadlines(EXPIRY_TICK_MS)
  #work: ExpiryWork | undefined
  #time: SteadyTime
  #expiredCount = 0
  /** The present life; what another one began must touch nothing. */
  #life: object | undefined
  /** Whether all records have been read in this life. */
  #isLoaded = false
  #isWorking = false
  #timer: Timer | undefined
  /** When the timer is due, by `nowMs`. */
  #wakeMs = Number.POSITIVE_INFINITY
  readonly #caughtUp: PromiseWithResolvers<void> = Promise.withResolvers()
  #hasCaughtUp = false

  constructor(engine: ExpiryEngine) {
    super({ name: "expiry" })
    this.#engine = engine
    this.#time = beginSteadyTime(engine.clock.wallMs(), engine.clock.monotonicMs())
  }

  /** Begins its work. Requires: called once, when the tree is up. */
  attach(work: ExpiryWork): void {
    this.#work = work
    this.#proceed()
  }

  /** Resolves when what was overdue at first is deleted; also where that cannot be done now. */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  /** The time that deadlines are judged by, in milliseconds since 1970. */
  nowMs(): number {
    const { clock } = this.#engine
    this.#time = readSteadyTime(this.#time, clock.wallMs(), clock.monotonicMs())
    return this.#time.nowMs
  }

  /** A commit gave the key a deadline. */
  set(deadline: Deadline): void {
    this.#deadlines.set(deadline)
    if (deadline.atMs < this.#wakeMs && !this.#isWorking) this.#look(0)
  }

  /** A commit took the key's deadline away. */
  cancel(entry: TableEntry, key: string): void {
    this.#deadlines.cancel(entry, key)
  }

  metrics(): ExpiryMetrics {
    const nowMs = this.nowMs()
    this.#deadlines.advance(nowMs)
    const { count, oldestDueMs } = this.#deadlines
    const lagMs = oldestDueMs === undefined ? 0 : nowMs - oldestDueMs
    return { pending: count, expired: this.#expiredCount, lagMs }
  }

  protected override receive(): void {
    invariant(false, "the expiry actor has no messages")
  }

  protected override start(): void {
    this.#life = {}
    this.#isLoaded = false
    this.#isWorking = false
    this.#deadlines.clear()
    this.#proceed()
  }

  protected override stop(): void {
    this.#life = undefined
    this.#timer?.cancel()
    this.#wakeMs = Number.POSITIVE_INFINITY
    this.#settle()
  }

  /** Does what there is to be done, and sets the timer for the next time. */
  #proceed(): void {
    const life = this.#life
    const work = this.#work
    if (life === undefined || work === undefined || this.#isWorking) return
    this.#isWorking = true
    this.#worked(work, life)
      .catch((error: unknown) => {
        // What the store's state forbids is tried again; the rest is a defect.
        if (error instanceof OrreryError) return RETRY_MS
        throw error
      })
      .then(
        (pauseMs) => {
          if (this.#life !== life) return
          this.#isWorking = false
          this.#settle()
          this.#look(pauseMs)
        },
        (error: unknown) => {
          if (this.#life === life) this.kill(error)
        },
      )
  }

  /** Resolves to the milliseconds for which it is of no use to try again. */
  async #worked(work: ExpiryWork, life: object): Promise<number> {
    if (!this.#isLoaded) await this.#load(work, life)
    while (this.#life === life) {
      const nowMs = this.nowMs()
      this.#deadlines.advance(nowMs)
      if (this.#deadlines.oldestDueMs === undefined) return 0
      if (this.#engine.intake === undefined || this.#engine.admission.count > 0) {
        probe("keys that are due wait for users' writes")
        return RETRY_MS
      }
      const due = this.#deadlines.takeDue(EXPIRY_BATCH_COUNT)
      try {
        const count = await work.expire(due, nowMs)
        this.#expiredCount += count
      } catch (error) {
        if (this.#life === life) for (const deadline of due) this.#deadlines.set(deadline)
        throw error
      }
      if (due.length === EXPIRY_BATCH_COUNT) await this.#pause()
    }
    return 0
  }

  /** Reads all records, a bounded piece a turn. Commits go on meanwhile, and tell of what they change. */
  async #load(work: ExpiryWork, life: object): Promise<void> {
    let count = 0
    for (const deadline of work.deadlines()) {
      this.#deadlines.set(deadline)
      if (++count % EXPIRY_BATCH_COUNT !== 0) continue
      await this.#pause()
      if (this.#life !== life) return
    }
    this.#isLoaded = true
  }

  /** Sets the timer for the next deadline, after that many milliseconds at the earliest. */
  #look(leastMs: number): void {
    const { nextMs } = this.#deadlines
    if (this.#life === undefined || (nextMs === Number.POSITIVE_INFINITY && this.#isLoaded)) return
    const nowMs = this.nowMs()
    const delayMs = Math.max(leastMs, Math.min(nextMs - nowMs, LOOK_MS_MAX))
    this.#timer?.cancel()
    this.#wakeMs = nowMs + delayMs
    this.#timer = this.#engine.clock.after(delayMs, () => {
      this.#wakeMs = Number.POSITIVE_INFINITY
      this.#proceed()
    })
  }

  /** Lets others have their turn. Keeps the process alive where somebody waits. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#engine.clock.after(0, resolve, !this.#hasCaughtUp)
    })
  }

  #settle(): void {
    this.#hasCaughtUp = true
    this.#caughtUp.resolve()
  }
}
