// Looks once a second after transactions that have been in doubt for long: tells of each once, and, only where that was
// asked for, aborts those whose coordinator has said nothing for too long ("presumed abort", Mohan, Lindsay 1983). Costs
// nothing while none is in doubt, and never keeps the process. Must not commit anything.

import type { Clock, Timer } from "../platform/clock.ts"
import type { PreparedOptions } from "./options.ts"

export interface Watched {
  /** By the wall clock: what operators count from. */
  readonly preparedAtMs: number
  /**
   * By the monotonic clock: what presumption counts from. The time in which the store was closed does not count: its
   * coordinator could not have reached it. Nor does a jump of the wall clock.
   */
  readonly seenMs: number
}

export interface WatchActions<Item> {
  readonly tell: (item: Item, ageMs: number) => void
  readonly abort: (item: Item, ageMs: number) => Promise<void>
}

const TICK_MS = 1000
/** Aborts that one tick begins. */
const ABORT_COUNT_MAX = 1_000

export class PreparedWatch<Item extends Watched> {
  readonly #clock: Clock
  readonly #settings: Required<PreparedOptions>
  readonly #actions: WatchActions<Item>
  /** Those not told of yet, and those that may be aborted, oldest first. */
  readonly #untold: Set<Item> = new Set()
  readonly #undecided: Set<Item> = new Set()
  /** Those whose abort is under way. */
  readonly #aborting: Set<Item> = new Set()
  #timer: Timer | undefined

  constructor(clock: Clock, settings: Required<PreparedOptions>, actions: WatchActions<Item>) {
    this.#clock = clock
    this.#settings = settings
    this.#actions = actions
  }

  add(item: Item): void {
    const { warnMs, abortMs } = this.#settings
    if (warnMs > 0) this.#untold.add(item)
    if (abortMs > 0) this.#undecided.add(item)
    this.#arm()
  }

  remove(item: Item): void {
    this.#untold.delete(item)
    this.#undecided.delete(item)
    this.#aborting.delete(item)
  }

  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#untold.clear()
    this.#undecided.clear()
    this.#aborting.clear()
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#untold.size + this.#undecided.size === 0) return
    this.#timer = this.#clock.after(TICK_MS, () => {
      this.#timer = undefined
      this.#look()
      this.#arm()
    })
  }

  #look(): void {
    const { warnMs, abortMs } = this.#settings
    const wallMs = this.#clock.wallMs()
    for (const item of this.#untold) {
      const ageMs = wallMs - item.preparedAtMs
      if (ageMs < warnMs) break
      this.#untold.delete(item)
      this.#actions.tell(item, ageMs)
    }
    const monotonicMs = this.#clock.monotonicMs()
    for (const item of this.#undecided) {
      const ageMs = monotonicMs - item.seenMs
      if (ageMs < abortMs || this.#aborting.size === ABORT_COUNT_MAX) break
      if (this.#aborting.has(item)) continue
      this.#aborting.add(item)
      // Where it fails, because the log or a shard is down, the next look tries again.
      void this.#actions.abort(item, ageMs).catch(() => this.#aborting.delete(item))
    }
  }
}
