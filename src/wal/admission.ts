// The queue in front of a full log: first in, first out, bounded. A write that finds the log's backlog full waits here
// until a flush has made room, and so does everything behind it.

import { Overloaded } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"

interface Waiter {
  /** Does the write. Undefined once it has been taken back. */
  run: (() => void) | undefined
  readonly reject: (reason: unknown) => void
}

export class Admission {
  readonly #waiters: Waiter[] = []
  #head = 0
  readonly #countMax: number

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get count(): number {
    return this.#waiters.length - this.#head
  }

  /**
   * Waits for its turn, then does the write; resolves and rejects with it. The signal takes it back as long as it waits.
   * Fails with: Overloaded, the signal's reason, and what the write fails with.
   */
  wait<T>(write: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.count >= this.#countMax) return Promise.reject(new Overloaded(this.count))
    probe("a write waits for room in the log")
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter = {
        run: () => {
          signal?.removeEventListener("abort", onAbort)
          write().then(resolve, reject)
        },
        reject,
      }
      const onAbort = (): void => {
        waiter.run = undefined
        reject(signal?.reason)
      }
      signal?.addEventListener("abort", onAbort, { once: true })
      this.#waiters.push(waiter)
    })
  }

  /** Lets writes in, in order, for as long as there is room. */
  admit(hasRoom: () => boolean): void {
    while (this.#head < this.#waiters.length && hasRoom()) {
      const waiter = this.#waiters[this.#head++] as Waiter
      if (this.#head === this.#waiters.length || this.#head > 4096) {
        this.#waiters.splice(0, this.#head)
        this.#head = 0
      }
      waiter.run?.()
    }
  }

  /** Sends everybody away. */
  rejectAll(reason: unknown): void {
    const waiters = this.#waiters.splice(0).slice(this.#head)
    this.#head = 0
    for (const waiter of waiters) if (waiter.run !== undefined) waiter.reject(reason)
  }
}
