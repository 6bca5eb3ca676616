// Waits between one try and the next: twice as long each time up to a bound, and a part of that left to chance, so that
// those who failed together do not come back together.

import type { Clock } from "../platform/clock.ts"
import { abortable } from "./abortable.ts"

export interface BackOffBounds {
  readonly firstMs: number
  readonly mostMs: number
}

export class BackOff {
  readonly #clock: Clock
  readonly #bounds: BackOffBounds
  #chance: number

  /** `seed`: any number; the same one gives the same waits. */
  constructor(clock: Clock, bounds: BackOffBounds, seed: number) {
    this.#clock = clock
    this.#bounds = bounds
    this.#chance = seed | 1
  }

  /** Milliseconds to wait behind the nth failure in a row, from 1: between half of the bound and all of it. */
  delayMs(failures: number): number {
    const { firstMs, mostMs } = this.#bounds
    const most = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 40))
    return most * (0.5 + this.#random() / 2)
  }

  /** Waits so long. Fails with the signal's reason. Keeps the process alive only if `holds` says so. */
  async wait(failures: number, signal: AbortSignal | undefined, holds: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#clock.after(this.delayMs(failures), resolve, holds)
    try {
      await abortable(promise, signal)
    } finally {
      timer.cancel()
    }
  }

  /** From 0 to 1 (Marsaglia 2003: xorshift). */
  #random(): number {
    let chance = this.#chance
    chance ^= chance << 13
    chance ^= chance >>> 17
    chance ^= chance << 5
    this.#chance = chance
    return (chance >>> 0) / 2 ** 32
  }
}
