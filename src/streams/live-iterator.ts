// An iterator over what is there at the moment: it takes the next value when it is asked, and waits where there is none.
// What it takes, and how much may gather meanwhile, is the business of who makes it.

import { LimitExceeded } from "../model/errors.ts"

/** Calls of `next` that may wait at the same time. */
const WAITER_COUNT_MAX = 1_024

export interface Taken<T> {
  readonly value: T
}

// Methods, so that an iterator of something is one of something wider, too.
interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(reason: unknown): void
}

export class LiveIterator<T> implements AsyncIterableIterator<T, undefined> {
  readonly #take: () => Taken<T> | undefined
  readonly #onEnd: () => void
  #waiters: Waiter<T>[] = []
  #isOver = false
  #failure: { readonly reason: unknown } | undefined = undefined

  /** `take`: the next value, if there is one. `onEnd`: nobody asks any more. */
  constructor(take: () => Taken<T> | undefined, onEnd: () => void) {
    this.#take = take
    this.#onEnd = onEnd
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const taken = this.#waiters.length > 0 ? undefined : this.#take()
    if (taken !== undefined) return Promise.resolve({ value: taken.value, done: false })
    if (this.#isOver) return this.#last()
    if (this.#waiters.length >= WAITER_COUNT_MAX) {
      const remedy = "Await a value before asking for the next"
      const count = this.#waiters.length + 1
      return Promise.reject(new LimitExceeded("the number of waiting calls of next", WAITER_COUNT_MAX, count, remedy))
    }
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.end()
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** There may be something to take now. */
  wake(): void {
    while (this.#waiters.length > 0) {
      const taken = this.#take()
      if (taken === undefined) return
      this.#waiters.shift()?.resolve({ value: taken.value, done: false })
    }
  }

  /** What can be taken still is; then it is done, or fails once. */
  end(failure?: { readonly reason: unknown }): void {
    if (this.#isOver) return
    this.wake()
    this.#isOver = true
    this.#failure = failure
    this.#onEnd()
    for (const waiter of this.#waiters.splice(0)) {
      this.#last().then(
        (result) => waiter.resolve(result),
        (reason: unknown) => waiter.reject(reason),
      )
    }
  }

  async #last(): Promise<IteratorResult<T, undefined>> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.reason
    return { value: undefined, done: true }
  }
}
