// A value that follows the store, and its faces: what it is now, a listener, an RxJS Observable, an AsyncIterable. All of
// them show the latest value and leave out those between that nobody had the time to see.
//
// Guarantees: the value is the same object as long as it does not change. Listeners are called behind the commit, when
// every live value of the store has got there, and once for all commits that became durable together. What a listener
// throws harms nobody: it is taken out, and the process is told as RxJS does.

import { Observable } from "rxjs/internal/Observable"
import type { Subscriber } from "rxjs/internal/Subscriber"
import { reportUnhandledError } from "rxjs/internal/util/reportUnhandledError"
import { LiveIterator } from "./live-iterator.ts"
import { INTEROP_KEYS } from "./observation.ts"

/** Stands where nothing was shown yet. */
const NOTHING: unique symbol = Symbol("nothing")

export abstract class LiveValue<Result> implements AsyncIterable<Result, undefined> {
  readonly #isReady: PromiseWithResolvers<void> = Promise.withResolvers()
  #state: "starting" | "live" | "over" = "starting"
  #failure: { readonly reason: unknown } | undefined = undefined
  #hasValue = false
  readonly #listeners: Set<() => void> = new Set()
  /** With what each was told of last. */
  readonly #observers: Map<Subscriber<unknown>, Result | typeof NOTHING> = new Map()
  readonly #iterators: Set<LiveIterator<Result>> = new Set()
  #shown: Result | typeof NOTHING = NOTHING

  constructor() {
    // Who does not wait for it learns of a failure by the other faces.
    this.#isReady.promise.catch(() => undefined)
  }

  /** The value at `lsn`; before it is ready, that of an empty table. */
  abstract get result(): Result
  /** The commit behind which the value holds: every commit up to there is in it, and none behind. */
  abstract get lsn(): number

  /**
   * Resolves when there is a first value, behind everything that was written when it was asked for.
   * Fails with: QueryFailed, StoreClosed, an AbortError where it was closed before.
   */
  get ready(): Promise<void> {
    this.touched()
    return this.#isReady.promise
  }

  get isReady(): boolean {
    return this.#state === "live"
  }

  /** Whether it has ended: closed, or failed. `result` stays what it was. */
  get isOver(): boolean {
    return this.#state === "over"
  }

  /** Why it has failed; undefined where it has not. */
  get error(): unknown {
    return this.#failure?.reason
  }

  /**
   * Calls the listener whenever the value has changed, also for the first time, and when it has failed; until the function
   * that it returns is called. With `getSnapshot` in the shape of React's useSyncExternalStore: both are bound.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.touched()
    if (typeof listener !== "function") throw new TypeError("subscribe takes a function")
    // An entry of its own, so that a function that is given twice is called twice, and taken out once.
    const entry = (): void => listener()
    if (!this.isOver) this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  readonly getSnapshot = (): Result => this.result

  /** The value, and each later one, pushed. Completes when it is closed, fails with what it fails with. */
  observable(): Observable<Result> {
    this.touched()
    return new Observable((subscriber) => {
      this.#observers.set(subscriber, NOTHING)
      if (this.isReady) this.#tell(subscriber, this.result)
      // What it was told may have ended it.
      if (this.isOver) this.#conclude(subscriber)
      return () => {
        this.#observers.delete(subscriber)
      }
    })
  }

  /** The value, and then the latest one whenever it is asked for and has changed. Each iterator is one of its own. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Result, undefined> {
    this.touched()
    let seen: Result | typeof NOTHING = NOTHING
    const take = (): { readonly value: Result } | undefined => {
      if (!this.#hasValue || Object.is(this.result, seen)) return undefined
      const value = this.result
      seen = value
      return { value }
    }
    const iterator: LiveIterator<Result> = new LiveIterator<Result>(take, () => this.#iterators.delete(iterator))
    if (this.isOver) iterator.end(this.#failure)
    else this.#iterators.add(iterator)
    return iterator
  }

  /** Ends it: iterations are done, observables complete. Calling it twice is allowed. */
  close(): void {
    this.end()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Tells of the latest value, if it was not told of before. Called by whoever moves it. */
  show(): void {
    if (this.#state !== "live") return
    if (this.#iterators.size > 0) for (const iterator of Array.from(this.#iterators)) iterator.wake()
    // Nobody looks: a large result is not made for nothing.
    if (this.#observers.size === 0 && this.#listeners.size === 0) return
    const value = this.result
    for (const observer of Array.from(this.#observers.keys())) this.#tell(observer, value)
    if (Object.is(value, this.#shown)) return
    this.#shown = value
    this.#callAll()
  }

  /** It is over, by its owner's word or for a reason. */
  end(failure?: { readonly reason: unknown }): void {
    if (this.isOver) return
    const wasLive = this.#state === "live"
    this.#state = "over"
    this.#failure = failure
    this.ended(failure)
    if (!wasLive) this.#isReady.reject(failure?.reason ?? closedEarly())
    for (const observer of Array.from(this.#observers.keys())) this.#conclude(observer)
    for (const iterator of Array.from(this.#iterators)) iterator.end(failure)
    if (failure !== undefined) this.#callAll()
    this.#listeners.clear()
  }

  /** There is a first value. */
  protected goLive(): void {
    if (this.#state !== "starting") return
    this.#state = "live"
    this.#hasValue = true
    this.#isReady.resolve()
  }

  /** Somebody looks at it. */
  protected touched(): void {}

  /** Lets go of what it holds. */
  protected abstract ended(failure: { readonly reason: unknown } | undefined): void

  #conclude(observer: Subscriber<unknown>): void {
    this.#observers.delete(observer)
    if (this.#failure === undefined) observer.complete()
    else observer.error(this.#failure.reason)
  }

  #tell(observer: Subscriber<unknown>, value: Result): void {
    const told = this.#observers.get(observer)
    if (told === undefined && !this.#observers.has(observer)) return
    if (Object.is(told, value)) return
    this.#observers.set(observer, value)
    observer.next(value)
  }

  #callAll(): void {
    for (const listener of Array.from(this.#listeners)) {
      if (!this.#listeners.has(listener)) continue
      try {
        listener()
      } catch (reason) {
        this.#listeners.delete(listener)
        reportUnhandledError(reason)
      }
    }
  }
}

function closedEarly(): Error {
  return new DOMException("the live query was closed before it had a first result", "AbortError")
}

// What makes `from(value)` of RxJS, and of libraries like it, observe instead of iterate.
for (const key of INTEROP_KEYS) {
  Object.defineProperty(LiveValue.prototype, key, {
    value(this: LiveValue<unknown>): Observable<unknown> {
      return this.observable()
    },
  })
}
