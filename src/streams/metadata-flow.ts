// Where metadata leaves the data path: samples of accesses and sums of writes, gathered while somebody wants them, and given
// out in batches to RxJS subscribers. Nobody subscribed: nothing is gathered, and a get or a frame pays a look at a boolean.
//
// Bounded: at most 4,096 samples are held, what does not fit is shed and counted; sums grow with tables and shards, not with
// writes. A subscriber that throws ends its own subscription and is counted; the others go on. When batches are given out is
// decided by whoever calls `deliver` (actors/metadata-actor.ts). Must not keep a writer or a reader waiting.

import { Observable } from "rxjs/internal/Observable"
import { Subscriber } from "rxjs/internal/Subscriber"
import type { Subscription } from "rxjs/internal/Subscription"
import type { Observer } from "rxjs/internal/types"
import { reportUnhandledError } from "rxjs/internal/util/reportUnhandledError"
import type { LogFrame } from "../format/log-frame.ts"
import { shardOf } from "../physics/placement.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { AccessSampler, SAMPLE_EVERY } from "./access-sampler.ts"
import type { Samples } from "./access-sampler.ts"
import type { AccessBatch, WriteBatch } from "./metadata-batch.ts"
import { WriteStatistics } from "./write-statistics.ts"

export interface MetadataFlowCounters {
  /** Batches that were given out, of both kinds, each counted once. */
  batches: number
  /** Times that a subscriber threw. */
  failures: number
  /** Milliseconds that subscribers took. */
  busyMs: number
}

export class MetadataFlow {
  /** Hot. */
  readonly sampler: AccessSampler
  readonly counters: MetadataFlowCounters = { batches: 0, failures: 0, busyMs: 0 }
  /** Samples of reads and writes. */
  readonly accesses: Observable<AccessBatch>
  /** Everything that was written, in sums. */
  readonly writes: Observable<WriteBatch>
  /** Called when the first one subscribes. */
  onWanted: () => void = () => undefined
  /** Called when all subscriptions have ended, for good. */
  onEnded: () => void = () => undefined
  readonly #catalogue: Catalogue
  readonly #shardCount: number
  readonly #nowMs: () => number
  readonly #statistics: WriteStatistics
  readonly #accessTaps: Set<Subscriber<AccessBatch>> = new Set()
  readonly #writeTaps: Set<Subscriber<WriteBatch>> = new Set()
  #hasEnded = false

  /** `seed`: what chance begins with. */
  constructor(catalogue: Catalogue, shardCount: number, seed: number, clock: { monotonicMs(): number }) {
    this.#catalogue = catalogue
    this.#shardCount = shardCount
    this.#nowMs = () => clock.monotonicMs()
    this.sampler = new AccessSampler(seed)
    this.#statistics = new WriteStatistics(catalogue, shardCount, this.sampler)
    const onFailure = (): void => {
      this.counters.failures++
    }
    this.accesses = new TapObservable(this.#accessTaps, (taps) => this.#tapped(taps), onFailure)
    this.writes = new TapObservable(this.#writeTaps, (taps) => this.#tapped(taps), onFailure)
  }

  get subscriberCount(): number {
    return this.#accessTaps.size + this.#writeTaps.size
  }

  /** A read that the sampler's countdown has come to. */
  takeRead(tableId: number, isHit: boolean, key: string, hash: number): void {
    this.sampler.countdown = this.sampler.distance()
    const entry = this.#catalogue.byId(tableId)
    if (entry === undefined || entry.isSystem) return
    this.sampler.add(tableId, isHit ? 0 : 1, key, hash, shardOf(hash, this.#shardCount), this.#nowMs())
  }

  /** A frame that was written. Its bytes are looked at during the call only. */
  note(frame: LogFrame): void {
    if (this.sampler.isOn) this.#statistics.note(frame, this.#nowMs())
  }

  /** Gives out what has gathered. Returns the milliseconds that subscribers took. */
  deliver(): number {
    const samples = this.sampler.drain()
    const { sums, commits } = this.#statistics.drain()
    const atMs = this.#nowMs()
    if (samples.count > 0) this.#give(this.#accessTaps, this.#accessBatch(samples, atMs))
    if (commits > 0) this.#give(this.#writeTaps, { sums, commits, atMs })
    const tookMs = this.#nowMs() - atMs
    this.counters.busyMs += tookMs
    return tookMs
  }

  /** Ends all subscriptions, for good. */
  end(): void {
    this.#hasEnded = true
    this.sampler.switchOff()
    for (const tap of [...this.#accessTaps, ...this.#writeTaps]) tap.complete()
    this.onEnded()
  }

  #give<Batch>(taps: ReadonlySet<Subscriber<Batch>>, batch: Batch): void {
    if (taps.size === 0) return
    this.counters.batches++
    for (const tap of taps) tap.next(batch)
  }

  #accessBatch(samples: Samples, atMs: number): AccessBatch {
    const tables = Array.from(samples.tableIds, (id) => this.#catalogue.byId(id)?.name ?? "")
    const { count, kinds, keys, hashes, shards, timesMs } = samples
    return { count, every: SAMPLE_EVERY, kinds, tables, keys, hashes, shards, timesMs, atMs }
  }

  /** Somebody came or went. */
  #tapped(taps: Set<Subscriber<never>>): void {
    if (this.#hasEnded) for (const tap of taps) tap.complete()
    const isWanted = this.subscriberCount > 0
    if (isWanted === this.sampler.isOn) return
    if (isWanted) {
      this.sampler.switchOn()
      this.onWanted()
    } else {
      this.sampler.switchOff()
      this.#statistics.clear()
    }
  }
}

/** Adds its subscribers to a set. What one throws ends its subscription, with that as its error. */
class TapObservable<Batch> extends Observable<Batch> {
  readonly #onFailure: () => void

  constructor(taps: Set<Subscriber<Batch>>, onChange: (taps: Set<Subscriber<Batch>>) => void, onFailure: () => void) {
    super((subscriber) => {
      taps.add(subscriber)
      onChange(taps)
      return (): void => {
        taps.delete(subscriber)
        onChange(taps)
      }
    })
    this.#onFailure = onFailure
  }

  override subscribe(observerOrNext?: Partial<Observer<Batch>> | ((batch: Batch) => void)): Subscription
  override subscribe(
    next?: ((batch: Batch) => void) | null,
    error?: ((reason: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription
  override subscribe(
    target?: Partial<Observer<Batch>> | ((batch: Batch) => void) | null,
    error?: ((reason: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // An operator's subscriber handles what is thrown behind it.
    if (target instanceof Subscriber) return super.subscribe(target)
    const observer = typeof target === "function" || !target ? { next: target, error, complete } : target
    const subscription = super.subscribe({
      next: (batch: Batch): void => {
        try {
          observer.next?.(batch)
        } catch (reason) {
          this.#onFailure()
          if (subscription instanceof Subscriber) subscription.error(reason)
        }
      },
      error: (reason: unknown): void => {
        if (observer.error) observer.error(reason)
        else reportUnhandledError(reason)
      },
      complete: (): void => observer.complete?.(),
    })
    return subscription
  }
}
