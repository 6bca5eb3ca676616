// The queue in front of a full log: first in, first out, bounded. A write that finds the log's backlog full waits here
// until a flush has made room, and so does everything behind it.

import { Overloaded } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"

interface Waiter {
  /** Does the write. Undefined once it has been taken back. */
  run: (() => void) | undefined
  /** Ends the waiting without the write. */
  readonly reject: (reason: unknown) => void
}

/** So many writes that were taken back may lie in the line before it is tidied. */
const TAKEN_BACK_COUNT_MAX = 64

export class Admission {
  readonly #waiters: Waiter[] = []
  #head = 0
  /** Of those behind the head. */
  #takenBackCount = 0
  readonly #countMax: number

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get count(): number {
    return this.#waiters.length - this.#head - this.#takenBackCount
  }

  /**
   * Waits for its turn, then does the write; resolves and rejects with it. The signal takes it back as long as it waits.
   * Fails with: Overloaded, the signal's reason, and what the write fails with.
   */
  wait<T>(write: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.count >= this.#countMax) return Promise.reject(new Overloaded(this.count))
    probe("a write waits for room in the log")
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter = {
        run: () => {
          signal?.removeEventListener("abort", onAbort)
          write().then(resolve, reject)
        },
        reject: (reason) => {
          signal?.removeEventListener("abort", onAbort)
          reject(reason)
        },
      }
      const onAbort = (): void => {
        waiter.run = undefined
        this.#takenBackCount++
        this.#tidy()
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
      if (waiter.run === undefined) this.#takenBackCount--
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
    this.#takenBackCount = 0
    for (const waiter of waiters) if (waiter.run !== undefined) waiter.reject(reason)
  }

  /** Takes writes that were taken back out of the line, when they are most of it. */
  #tidy(): void {
    if (this.#takenBackCount <= Math.max(TAKEN_BACK_COUNT_MAX, this.count)) return
    const waiting = this.#waiters.splice(0).slice(this.#head)
    this.#head = 0
    this.#takenBackCount = 0
    for (const waiter of waiting) if (waiter.run !== undefined) this.#waiters.push(waiter)
  }
}
