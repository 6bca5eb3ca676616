// A subscription that pushes commits into an RxJS observer: at once while it is live, frame by frame while it catches up.
// It has no queue and no back pressure; whoever observes must keep up with the writers, or iterate instead.
//
// An observer that throws harms nobody else: its own subscription ends with what it threw as its error, which RxJS reports
// to the process if nobody handles it. Behind an operator RxJS meets the throw first, and reports it itself.

// The deep imports load in a tenth of the time of the whole package, and are the same classes.
import { Observable } from "rxjs/internal/Observable"
import { Subscriber } from "rxjs/internal/Subscriber"
import type { Subscription as Unsubscribable } from "rxjs/internal/Subscription"
import { observable as observableKey } from "rxjs/internal/symbol/observable"
import type { Observer } from "rxjs/internal/types"
import { reportUnhandledError } from "rxjs/internal/util/reportUnhandledError"
import type { Commit } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Batch } from "./router.ts"
import { Subscription } from "./subscription.ts"
import type { FeedCounters, SubscriptionHost, SubscriptionOptions } from "./subscription.ts"
import type { Buffered } from "./subscription-info.ts"

const NOTHING_BUFFERED: Buffered = { commits: 0, bytes: 0, oldestMs: undefined }

/** The keys under which RxJS looks for a method that makes an observable: its own, and the one without a polyfill. */
export const INTEROP_KEYS: readonly (string | symbol)[] = [...new Set<string | symbol>([observableKey, "@@observable"])]

/** Every subscriber gets a subscription of its own: `connect` makes it, and returns what ends it. */
export class CommitObservable extends Observable<Commit> {
  readonly #counters: FeedCounters

  constructor(counters: FeedCounters, connect: (subscriber: Subscriber<Commit>) => () => void) {
    super(connect)
    this.#counters = counters
  }

  override subscribe(observerOrNext?: Partial<Observer<Commit>> | ((commit: Commit) => void)): Unsubscribable
  override subscribe(
    next?: ((commit: Commit) => void) | null,
    error?: ((reason: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Unsubscribable
  override subscribe(
    target?: Partial<Observer<Commit>> | ((commit: Commit) => void) | null,
    error?: ((reason: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Unsubscribable {
    // An operator's or another library's subscriber handles what is thrown behind it.
    if (isSubscriber(target)) return super.subscribe(target)
    const observer = typeof target === "function" || !target ? { next: target, error, complete } : target
    const subscription = super.subscribe({
      next: (commit: Commit): void => {
        try {
          observer.next?.(commit)
        } catch (reason) {
          this.#counters.observerErrors++
          if (isSubscriber(subscription)) subscription.error(reason)
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

export class Observation extends Subscription {
  readonly isImmediate = true
  readonly #subscriber: Subscriber<Commit>
  #isClosed = false

  constructor(host: SubscriptionHost, options: SubscriptionOptions, subscriber: Subscriber<Commit>) {
    super(host, options)
    this.#subscriber = subscriber
  }

  /** Unsubscribes. The observer hears nothing more. */
  close(): void {
    this.#isClosed = true
    this.end()
  }

  protected override isWanted(): boolean {
    return true
  }

  protected override take(batch: Batch): void {
    const { commits } = batch
    let count = 0
    let changeCount = 0
    while (count < commits.length && !this.isOver) {
      const commit = commits[count++] as Commit
      changeCount += commit.changes.length
      try {
        this.#subscriber.next(commit)
      } catch (reason) {
        this.host.counters.observerErrors++
        this.end({ reason })
      }
    }
    const last = commits[count - 1]
    if (last !== undefined) this.noteDelivery(count, changeCount, last.lsn)
  }

  protected override hasRoomFor(): boolean {
    return true
  }

  protected override merge(): boolean {
    return false
  }

  protected override buffered(): Buffered {
    return NOTHING_BUFFERED
  }

  protected override isFull(): boolean {
    return false
  }

  protected override takenLsn(): Lsn {
    return this.handedLsn
  }

  /** There is nothing that was not handed on. */
  protected override drop(): void {}

  protected override ended(failure: { readonly reason: unknown } | undefined): void {
    if (this.#isClosed) return
    try {
      if (failure === undefined) this.#subscriber.complete()
      else this.#subscriber.error(failure.reason)
    } catch (reason) {
      reportUnhandledError(reason)
    }
  }
}

function isSubscriber(target: unknown): target is Subscriber<Commit> {
  if (target instanceof Subscriber) return true
  return typeof target === "object" && target !== null && "unsubscribe" in target && "next" in target
}
