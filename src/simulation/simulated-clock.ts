// Time that stands still until a test moves it. Timers run in the order of their due time, then of their creation, and
// see the time that they were due at. The wall clock can jump either way; the monotonic one cannot.

import { invariant } from "../model/invariant.ts"
import type { Clock, Timer } from "../platform/clock.ts"

/** 2026-01-01T00:00:00Z. */
const WALL_START_MS = Date.UTC(2026, 0, 1)

interface PendingTimer {
  readonly dueMs: number
  readonly callback: () => void
}

export class SimulatedClock implements Clock {
  #nowMs = 0
  #wallOffsetMs: number
  /** Sorted: the next to run is the last, and of those due together the one created first. */
  readonly #timers: PendingTimer[] = []

  constructor(wallStartMs: number = WALL_START_MS) {
    this.#wallOffsetMs = wallStartMs
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback }
    this.#timers.splice(this.#placeOf(timer), 0, timer)
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer)
        if (index !== -1) this.#timers.splice(index, 1)
      },
    }
  }

  /** When the next timer is due, on the monotonic clock; undefined without timers. */
  get nextDueMs(): number | undefined {
    return this.#timers.at(-1)?.dueMs
  }

  /** Moves on by `ms` and runs every timer that is due by then, also those that are set meanwhile. */
  advance(ms: number): void {
    invariant(ms >= 0, "time does not go back")
    const targetMs = this.#nowMs + ms
    for (let dueMs = this.nextDueMs; dueMs !== undefined && dueMs <= targetMs; dueMs = this.nextDueMs) {
      this.advanceToNext()
    }
    // A callback may have advanced it further.
    this.#nowMs = Math.max(this.#nowMs, targetMs)
  }

  /** Moves on to the next timer and runs it alone. False without timers. */
  advanceToNext(): boolean {
    const timer = this.#timers.pop()
    if (timer === undefined) return false
    this.#nowMs = timer.dueMs
    timer.callback()
    return true
  }

  /** Sets the wall clock forward, or back with a negative number. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Where it belongs in the order: behind all that run after it. */
  #placeOf(timer: PendingTimer): number {
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#timers[middle] as PendingTimer
      if (other.dueMs > timer.dueMs) low = middle + 1
      else high = middle
    }
    return low
  }
}
