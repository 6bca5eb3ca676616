// What the application holds: commits from a position on, to be iterated once, or observed any number of times.
//
// A stream that nobody reads holds nothing: it subscribes when it is iterated or observed for the first time. So this is
// also where limits, a cursor that is too old, and an aborted signal show: as a failed `next`, or an observer's error.

import type { Observable } from "rxjs"
import type { Subscriber } from "rxjs/internal/Subscriber"
import type { Change, Commit } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"
import { DONE } from "./commit-source.ts"
import type { CommitSource } from "./commit-source.ts"
import { CommitObservable, INTEROP_KEYS } from "./observation.ts"
import { eachChange } from "./operators.ts"
import { readableOf } from "./readable.ts"
import type { FeedCounters } from "./subscription.ts"

/**
 * Durable commits after a position, each whole, once, in the order of the log.
 *
 * Requires: values are not modified; subscribers share them.
 * Guarantees: the iteration waits for the application; what it does not take stays in the log.
 * Fails with: CursorExpired, LimitExceeded, Corruption, StorageFailed, the signal's reason; with the options that say so
 * also SubscriberOverflowed, AppliedCommitsLost, SnapshotExpired, HistoryExpired.
 *
 * @example
 * for await (const commit of stream) {
 *   for (const change of commit.changes) console.log(change.kind, change.table, change.key, change.value)
 * }
 */
export interface ChangeStream<Value = unknown> extends AsyncIterable<Commit<Value>> {
  /** How far the iteration has got: the last commit that was delivered. `after: position` goes on exactly behind it. */
  readonly position: Lsn
  /** The same as a text that knows its store: for `after` in another process, another life, a follower, a backup. */
  readonly cursor: string
  /**
   * The same commits for RxJS: pushed, without back pressure. Every subscriber gets a subscription of its own, which
   * begins where the stream does, and which closing the stream does not end.
   */
  observable(): Observable<Commit<Value>>
  /** Like `observable()`, each change by itself. */
  observableChanges(): Observable<Change<Value>>
  /**
   * The same commits as a Web stream, which asks for one when one is wanted: with back pressure. Each call gives another,
   * with a subscription of its own, which begins where the stream does.
   */
  readable(): ReadableStream<Commit<Value>>
  /**
   * The same iteration, as many commits at a time as are at hand, in order: one turn for all of them, where the loop over
   * commits takes one for each. Where many small commits are made, this is the cheapest way to wait for the reader.
   * The array is shared, as values are: it must not be modified.
   *
   * @example
   * for await (const commits of stream.batches()) {
   *   for (const { changes } of commits) for (const { kind, key } of changes) console.log(kind, key)
   * }
   */
  batches(): AsyncIterableIterator<readonly Commit<Value>[], undefined>
  /** The iterator of this stream; always the same one. After `return`, or an error, it is done. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Commit<Value>, undefined>
  /** Ends the iteration: one that waits is done. */
  close(): void
}

/** How a stream is read: each call begins at the stream's position, with a subscription of its own. */
export interface StreamReaders {
  readonly counters: FeedCounters
  pull(): CommitSource
  /** Pushes into the subscriber, and returns what ends that. Throws what keeps it from beginning. */
  push(subscriber: Subscriber<Commit>): () => void
}

export class CommitStream implements ChangeStream {
  readonly #readers: StreamReaders
  readonly #source: CommitSource
  readonly #iterator: AsyncIterableIterator<Commit, undefined>
  readonly #batches: AsyncIterableIterator<readonly Commit[], undefined>

  constructor(readers: StreamReaders) {
    this.#readers = readers
    const source = readers.pull()
    this.#source = source
    this.#iterator = iteratorOf(source, () => source.next())
    this.#batches = iteratorOf(source, () => source.nextBatch())
  }

  get position(): Lsn {
    return this.#source.position
  }

  get cursor(): string {
    return this.#source.cursor
  }

  observable(): Observable<Commit> {
    return new CommitObservable(this.#readers.counters, (subscriber) => this.#readers.push(subscriber))
  }

  observableChanges(): Observable<Change> {
    return this.observable().pipe(eachChange())
  }

  readable(): ReadableStream<Commit> {
    return readableOf(() => this.#readers.pull())
  }

  batches(): AsyncIterableIterator<readonly Commit[], undefined> {
    return this.#batches
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Commit, undefined> {
    return this.#iterator
  }

  close(): void {
    this.#source.close()
  }
}

function iteratorOf<Value>(
  source: CommitSource,
  next: () => Promise<IteratorResult<Value, undefined>>,
): AsyncIterableIterator<Value, undefined> {
  return {
    next,
    return: async () => {
      source.close()
      return DONE
    },
    [Symbol.asyncIterator]() {
      return this
    },
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
