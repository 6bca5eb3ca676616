// What the application holds: commits from a position on, to be iterated once, or observed any number of times.
//
// A stream that nobody reads holds nothing: it subscribes when it is iterated or observed for the first time. So this is
// also where limits, a cursor that is too old, and an aborted signal show: as a failed `next`, or an observer's error.

import type { Observable } from "rxjs"
import type { Commit } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"
import { Iteration } from "./iteration.ts"
import { CommitObservable, INTEROP_KEYS } from "./observation.ts"
import type { SubscriptionHost, SubscriptionOptions } from "./subscription.ts"

/**
 * Durable commits after a position, each whole, once, in the order of the log.
 *
 * Requires: values are not modified; subscribers share them.
 * Guarantees: the iteration waits for the application; what it does not take stays in the log.
 * Fails with: CursorExpired, LimitExceeded, Corruption, StorageFailed, the signal's reason.
 *
 * @example
 * for await (const commit of stream) {
 *   for (const change of commit.changes) console.log(change.kind, change.table, change.key, change.value)
 * }
 */
export interface ChangeStream<Value = unknown> extends AsyncIterable<Commit<Value>> {
  /** How far the iteration has got: the last commit that was delivered. `after: position` goes on exactly behind it. */
  readonly position: Lsn
  /**
   * The same commits for RxJS: pushed, without back pressure. Every subscriber gets a subscription of its own, which
   * begins where the stream does, and which closing the stream does not end.
   */
  observable(): Observable<Commit<Value>>
  /** The iterator of this stream; always the same one. After `return`, or an error, it is done. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Commit<Value>, undefined>
  /** Ends the iteration: one that waits is done. */
  close(): void
}

export class CommitStream implements ChangeStream {
  readonly #host: SubscriptionHost
  readonly #options: SubscriptionOptions
  readonly #iteration: Iteration
  readonly #iterator: AsyncIterableIterator<Commit, undefined>
  #isStarted = false

  constructor(host: SubscriptionHost, options: SubscriptionOptions) {
    this.#host = host
    this.#options = options
    this.#iteration = new Iteration(host, options)
    this.#iterator = {
      next: () => this.#next(),
      return: async () => {
        this.close()
        return { value: undefined, done: true }
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  get position(): Lsn {
    return this.#iteration.position
  }

  observable(): Observable<Commit> {
    return new CommitObservable(this.#host, this.#options)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Commit, undefined> {
    return this.#iterator
  }

  close(): void {
    this.#isStarted = true
    this.#iteration.close()
  }

  /** Not async: that would cost every commit another turn. */
  #next(): Promise<IteratorResult<Commit, undefined>> {
    if (!this.#isStarted) {
      this.#isStarted = true
      try {
        this.#iteration.start()
      } catch (error) {
        this.#iteration.close()
        return Promise.reject(error)
      }
    }
    return this.#iteration.next()
  }
}

// What makes `from(stream)` of RxJS, and of libraries like it, observe instead of iterate.
for (const key of INTEROP_KEYS) {
  Object.defineProperty(CommitStream.prototype, key, {
    value(this: CommitStream): Observable<Commit> {
      return this.observable()
    },
  })
}
