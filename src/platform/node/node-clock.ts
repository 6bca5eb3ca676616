// The process's clocks. `after` keeps its promise 'not earlier', which `setTimeout` alone does not: that one counts whole
// milliseconds from the start of the loop's turn, and turns delays beyond 24 days into one millisecond.

import type { Clock, Timer } from "../clock.ts"

/** The longest delay that setTimeout takes. */
const DELAY_MS_MAX = 2 ** 31 - 1

export const nodeClock: Clock = {
  wallMs(): number {
    return Date.now()
  },

  monotonicMs(): number {
    return performance.now()
  },

  after(delayMs: number, callback: () => void, holds = false): Timer {
    return new NodeTimer(performance.now() + delayMs, callback, holds)
  },
}

class NodeTimer implements Timer {
  // Constant after construction.
  readonly #dueMs: number
  readonly #callback: () => void
  readonly #holds: boolean

  #timeout: NodeJS.Timeout

  constructor(dueMs: number, callback: () => void, holds: boolean) {
    this.#dueMs = dueMs
    this.#callback = callback
    this.#holds = holds
    this.#timeout = this.#arm()
  }

  cancel(): void {
    clearTimeout(this.#timeout)
  }

  #arm(): NodeJS.Timeout {
    const delayMs = Math.min(Math.max(1, Math.ceil(this.#dueMs - performance.now())), DELAY_MS_MAX)
    const timeout = setTimeout(() => this.#wake(), delayMs)
    return this.#holds ? timeout : timeout.unref()
  }

  #wake(): void {
    if (performance.now() < this.#dueMs) this.#timeout = this.#arm()
    else this.#callback()
  }
}
