// The deltas of a live query, for whoever keeps a copy of its result: applied in order to an empty list they give the
// result, at every step exactly. The first batch brings the rows that there are.
//
// An observer is pushed each commit's deltas as they are made. An iteration queues them up to a bound; where it is too slow
// for that, it lets go of them, and gets the difference between what it has and what there is as one batch.

import { Observable } from "rxjs/internal/Observable"
import type { Subscriber } from "rxjs/internal/Subscriber"
import { probe } from "../model/invariant.ts"
import { differenceOf } from "./live-difference.ts"
import { LiveIterator } from "./live-iterator.ts"
import type { Taken } from "./live-iterator.ts"
import { revertDeltas } from "./live-row.ts"
import type { LiveDelta, LiveDeltas, LiveRow } from "./live-row.ts"
import { INTEROP_KEYS } from "./observation.ts"

/** Deltas that an iteration keeps at most, beyond those of one commit. */
export const QUEUED_DELTA_COUNT_MAX = 4_096

/** The query, as far as its deltas need it. */
export interface DeltaSource<Value> {
  readonly isReady: boolean
  readonly result: readonly LiveRow<Value>[]
  readonly lsn: number
  /** How many batches there have been. */
  readonly batchCount: number
}

interface Taker<Value> {
  /** The batch up to which it has everything. */
  readonly since: number
  take(batch: LiveDeltas<Value>): void
  end(failure: { readonly reason: unknown } | undefined): void
}

export class LiveDeltaHub<Value> {
  readonly #source: DeltaSource<Value>
  readonly #takers: Set<Taker<Value>> = new Set()
  #ended: { readonly failure: { readonly reason: unknown } | undefined } | undefined = undefined

  constructor(source: DeltaSource<Value>) {
    this.#source = source
  }

  /** Whether nobody would notice if there were no deltas. */
  get isIdle(): boolean {
    return this.#takers.size === 0
  }

  /** Hands a batch to those who have not seen the result behind it. */
  publish(batch: LiveDeltas<Value>, batchCount: number): void {
    if (this.isIdle) return
    for (const taker of Array.from(this.#takers)) {
      if (this.#takers.has(taker) && taker.since < batchCount) taker.take(batch)
    }
  }

  end(failure: { readonly reason: unknown } | undefined): void {
    if (this.#ended !== undefined) return
    this.#ended = { failure }
    for (const taker of Array.from(this.#takers)) taker.end(failure)
    this.#takers.clear()
  }

  observe(subscriber: Subscriber<LiveDeltas<Value>>): () => void {
    const taker: Taker<Value> = {
      since: this.#source.batchCount,
      take: (batch) => subscriber.next(batch),
      end: (failure) => {
        if (failure === undefined) subscriber.complete()
        else subscriber.error(failure.reason)
      },
    }
    this.#join(taker)
    return () => this.#takers.delete(taker)
  }

  iterate(): AsyncIterableIterator<LiveDeltas<Value>, undefined> {
    const queue = new DeltaQueue(this.#source)
    const iterator = new LiveIterator<LiveDeltas<Value>>(
      () => queue.shift(),
      () => this.#takers.delete(taker),
    )
    const taker: Taker<Value> = {
      get since() {
        return queue.since
      },
      take: (batch) => {
        queue.push(batch)
        iterator.wake()
      },
      end: (failure) => iterator.end(failure),
    }
    this.#join(taker)
    return iterator
  }

  #join(taker: Taker<Value>): void {
    const { isReady, result, lsn } = this.#source
    if (this.#ended === undefined) this.#takers.add(taker)
    if (isReady) taker.take({ lsn, deltas: entersOf(result) })
    if (this.#ended !== undefined) taker.end(this.#ended.failure)
  }
}

/** Deltas of a live query: to be iterated, and observed, any number of times. */
export class LiveDeltaStream<Value> implements AsyncIterable<LiveDeltas<Value>, undefined> {
  readonly #hub: LiveDeltaHub<Value>

  constructor(hub: LiveDeltaHub<Value>) {
    this.#hub = hub
  }

  /** Pushed, a batch for each commit that changed the result, without back pressure. */
  observable(): Observable<LiveDeltas<Value>> {
    return new Observable((subscriber) => this.#hub.observe(subscriber))
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<LiveDeltas<Value>, undefined> {
    return this.#hub.iterate()
  }
}

/** What an iteration has not taken. */
class DeltaQueue<Value> {
  /** See Taker. */
  since: number
  readonly #source: DeltaSource<Value>
  #batches: LiveDeltas<Value>[] = []
  #count = 0
  /** The result that the iteration has, where it was too slow for the deltas. */
  #base: readonly LiveRow<Value>[] | undefined = undefined

  constructor(source: DeltaSource<Value>) {
    this.#source = source
    this.since = source.batchCount
  }

  push(batch: LiveDeltas<Value>): void {
    if (this.#base !== undefined) return
    const isEmpty = this.#batches.length === 0
    this.#batches.push(batch)
    this.#count += batch.deltas.length
    if (isEmpty || this.#count <= QUEUED_DELTA_COUNT_MAX) return
    probe("an iteration of deltas is too slow for them")
    const deltas = this.#batches.flatMap((queued) => queued.deltas)
    this.#base = revertDeltas(this.#source.result, deltas)
    this.#batches = []
    this.#count = 0
  }

  shift(): Taken<LiveDeltas<Value>> | undefined {
    const base = this.#base
    if (base !== undefined) {
      this.#base = undefined
      this.since = this.#source.batchCount
      return { value: { lsn: this.#source.lsn, deltas: differenceOf(base, this.#source.result) } }
    }
    const batch = this.#batches.shift()
    if (batch === undefined) return undefined
    this.#count -= batch.deltas.length
    return { value: batch }
  }
}

/** What turns no rows into these. */
export function entersOf<Value>(rows: readonly LiveRow<Value>[]): LiveDelta<Value>[] {
  return rows.map(({ key, value }, index) => ({ type: "enter", key, value, index }))
}

for (const key of INTEROP_KEYS) {
  Object.defineProperty(LiveDeltaStream.prototype, key, {
    value(this: LiveDeltaStream<unknown>): Observable<LiveDeltas> {
      return this.observable()
    },
  })
}
