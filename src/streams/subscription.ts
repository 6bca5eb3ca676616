// One subscription: where it stands in the log, and how it gets on. It is in one of three places:
//
//   behind  reads the log, a bounded piece at a time, while somebody wants commits
//   live    gets batches from its topic, as frames become durable
//   ahead   its position is not durable yet: waits
//
// Guarantees: every commit after the position is handed on once, in order, whatever it is doing when frames arrive. It
// goes live only where its position is the feed's, in one turn. Shortly before, it listens already and keeps what comes
// until it has read up to there; otherwise a steady writer could stay one frame ahead of it for ever.

import { CursorExpired } from "../model/errors.ts"
import { AppliedCommitsLost, SubscriberOverflowed } from "../model/feed-errors.ts"
import { probe } from "../model/invariant.ts"
import { LSN_NONE, lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { BufferBounds } from "./changes-options.ts"
import type { Cursors } from "./cursor.ts"
import type { FeedSource } from "./feed-source.ts"
import type { Filter } from "./filter.ts"
import type { ReadSlots } from "./read-slots.ts"
import type { Batch, Receiver, Router, Topic } from "./router.ts"
import type { Buffered, SubscriptionInfo } from "./subscription-info.ts"

/** Bytes that one subscription reads before it lets others read that wait. */
const READ_SIZE_MAX = 4 * 1024 * 1024

/** What happened since the feed was made. */
export interface FeedCounters {
  deliveredCommits: number
  deliveredChanges: number
  catchUps: number
  overflows: number
  failures: number
  observerErrors: number
}

/** The feed, as far as its subscriptions need it. */
export interface SubscriptionHost {
  readonly counters: FeedCounters
  readonly cursors: Cursors
  readonly slots: ReadSlots
  /** Undefined while the log recovers. */
  source(): FeedSource | undefined
  /** How far live subscriptions have got. */
  liveLsn(): Lsn
  /** Fails with: LimitExceeded, StoreClosed. */
  register(subscription: Subscription): void
  forget(subscription: Subscription): void
  join(subscription: Subscription, filter: Filter): Topic
  leave(subscription: Subscription, topic: Topic): void
  /** Calls `proceed` once the live subscriptions have got as far as this one. */
  await(subscription: Subscription): void
  /** A router for one subscription alone. */
  ownRouter(): Router
  readBegan(): void
  readEnded(): void
}

export interface SubscriptionOptions {
  readonly after: Lsn
  /** The application has a state up to here already, which stands for all commits. */
  readonly deliveredLsn?: Lsn
  readonly filter: Filter
  readonly bounds: BufferBounds
  readonly name: string
  readonly signal: AbortSignal | undefined
}

export abstract class Subscription implements Receiver {
  abstract readonly isImmediate: boolean
  protected readonly host: SubscriptionHost
  protected readonly bounds: BufferBounds
  readonly #name: string
  readonly #filter: Filter
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.abort(this.#signal?.reason)
  /** Everything that matches up to here was handed on. Behind the truth while live: see `handedLsn`. */
  #handedLsn: Lsn
  #topic: Topic | undefined = undefined
  /** The read that is under way. A stale one finds another here, or none, and must touch nothing. */
  #read: object | undefined = undefined
  /** Live batches that arrived during the read. */
  #kept: Batch[] = []
  #keptCount = 0
  #keptSize = 0
  #isCatchingUp = false
  /** Whether the last read got to where the live subscriptions were when it began. */
  #isNear = false
  #isOver = false
  /** The last commit that the application got, or the start. */
  #deliveredLsn: Lsn
  readonly #after: Lsn
  #deliveredCommits = 0
  #deliveredChanges = 0
  #overflows = 0

  constructor(host: SubscriptionHost, options: SubscriptionOptions) {
    this.host = host
    this.bounds = options.bounds
    this.#name = options.name
    this.#filter = options.filter
    this.#signal = options.signal
    this.#handedLsn = options.after
    this.#after = options.after
    this.#deliveredLsn = options.deliveredLsn ?? LSN_NONE
  }

  /** Whether somebody waits for commits. */
  protected abstract isWanted(): boolean
  /** Takes the commits, in order. The only caller of the application, if `isImmediate`. */
  protected abstract take(batch: Batch): void
  /** Whether there is room for a live batch. */
  protected abstract hasRoomFor(batch: Batch): boolean
  /** Merges a batch for which there is no room into what waits; false where that must not be, or is too much as well. */
  protected abstract merge(batch: Batch): boolean
  protected abstract buffered(): Buffered
  /** Whether reading on must wait until what there is has been taken. */
  protected abstract isFull(): boolean
  /** The position of the last commit that the application got: what a full queue goes back to. */
  protected abstract takenLsn(): Lsn
  /** Forgets commits that were not handed to the application. */
  protected abstract drop(): void
  /** It is over, for a reason or without one. */
  protected abstract ended(failure: { readonly reason: unknown } | undefined): void

  get isOver(): boolean {
    return this.#isOver
  }
  get isLive(): boolean {
    return this.#topic !== undefined && this.#read === undefined
  }
  /** Everything that matches up to here was handed on. */
  get handedLsn(): Lsn {
    return this.isLive ? laterOf(this.#handedLsn, this.host.liveLsn()) : this.#handedLsn
  }

  /** Fails with: LimitExceeded, StoreClosed, the signal's reason. */
  start(): void {
    this.#signal?.throwIfAborted()
    this.host.register(this)
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true })
    this.proceed()
  }

  /** Does what is to be done next, if anything. Called after whatever may have changed that. */
  proceed(): void {
    if (this.#isOver || this.#read !== undefined || this.#topic !== undefined || !this.isWanted()) return
    const liveLsn = this.host.liveLsn()
    const source = this.host.source()
    if (this.#handedLsn === liveLsn) {
      this.#isCatchingUp = false
      this.#topic = this.host.join(this, this.#filter)
    } else if (this.#handedLsn > liveLsn) {
      this.host.await(this)
    } else if (source !== undefined) {
      void this.#catchUp(source)
    }
  }

  receive(batch: Batch, topic: Topic): void {
    // Who joined while this batch was being handed on stands behind it already.
    if (topic !== this.#topic || batch.lastLsn <= this.#handedLsn) return
    if (this.#read !== undefined) {
      this.#keep(batch)
    } else if (this.hasRoomFor(batch)) {
      this.#handedLsn = batch.lastLsn
      this.take(batch)
    } else if (this.merge(batch)) {
      this.#handedLsn = batch.lastLsn
    } else {
      this.#overflow()
    }
  }

  #overflow(): void {
    this.host.counters.overflows++
    this.#overflows++
    if (this.bounds.overflow === "error") {
      this.abort(new SubscriberOverflowed(this.#name, this.takenLsn()))
      return
    }
    probe("a slow subscriber goes back to the log")
    this.#isNear = false
    this.#leave()
    this.drop()
    this.#handedLsn = this.takenLsn()
  }

  /** Where it stands. `lagMs` is that of what waits for it in the log. */
  info(durableLsn: Lsn, nowMs: number, timeOf: (lsn: Lsn) => number | undefined): SubscriptionInfo {
    const { commits, bytes, oldestMs } = this.buffered()
    const lsn = commits > 0 ? this.takenLsn() : this.handedLsn
    const sinceMs = commits > 0 ? oldestMs : timeOf(lsn)
    const lagLsn = Math.max(0, durableLsn - lsn)
    const { table, prefix, keys } = this.#filter
    return {
      name: this.#name,
      table: table?.name,
      prefix: Buffer.from(prefix).toString(),
      keyCount: keys?.length,
      isPushed: this.isImmediate,
      isLive: this.isLive,
      lsn,
      lagLsn,
      lagMs: lagLsn === 0 || sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs),
      deliveredCommits: this.#deliveredCommits,
      deliveredChanges: this.#deliveredChanges,
      bufferedCommits: commits + this.#keptCount,
      bufferedBytes: bytes + this.#keptSize,
      overflows: this.#overflows,
    }
  }

  /** The application has got so many, the last of them at this position. */
  protected noteDelivery(commitCount: number, changeCount: number, lsn: Lsn): void {
    const { counters } = this.host
    counters.deliveredCommits += commitCount
    counters.deliveredChanges += changeCount
    this.#deliveredCommits += commitCount
    this.#deliveredChanges += changeCount
    this.#deliveredLsn = lsn
  }

  /** The log recovers: a read of it that is under way means nothing any more. */
  interrupt(): void {
    if (this.#read === undefined) return
    probe("a catch-up is interrupted by a recovery")
    this.#leave()
    this.#read = undefined
  }

  /** Gives up being live; what is missing is read from the log. */
  fallBack(): void {
    this.#leave()
  }

  /** What came behind this position is not in the log: of a feed of applied commits only. */
  takeBack(keptLsn: Lsn): void {
    const delivered = this.#deliveredLsn
    if (delivered > keptLsn) return this.abort(new AppliedCommitsLost(keptLsn, delivered))
    this.interrupt()
    this.#leave()
    this.drop()
    this.#handedLsn = laterOf(this.#after, delivered)
  }

  /** Ends it after what was handed on already. */
  end(failure?: { readonly reason: unknown }): void {
    if (this.#isOver) return
    this.#leave()
    this.#isOver = true
    this.#read = undefined
    this.#signal?.removeEventListener("abort", this.#onAbort)
    this.host.forget(this)
    if (failure !== undefined) this.host.counters.failures++
    this.ended(failure)
  }

  /** Ends it at once, for this reason. */
  abort(reason: unknown): void {
    if (this.#isOver) return
    this.drop()
    this.end({ reason })
  }

  async #catchUp(source: FeedSource): Promise<void> {
    const read = {}
    this.#read = read
    if (!this.#isCatchingUp) this.host.counters.catchUps++
    this.#isCatchingUp = true
    this.host.readBegan()
    await this.host.slots.take()
    try {
      if (this.#read === read) await this.#readFrames(source, read)
    } catch (error) {
      // A read that was interrupted may well fail: its files are being repaired.
      if (this.#read === read) this.end({ reason: error })
    } finally {
      this.host.slots.give()
      this.host.readEnded()
    }
  }

  async #readFrames(source: FeedSource, read: object): Promise<void> {
    const to = this.host.liveLsn()
    const after = this.#handedLsn
    if (after + 1 < source.oldestLsn) throw new CursorExpired(after, source.oldestLsn)
    if (this.#isNear || to - after <= this.bounds.commits) this.#topic = this.host.join(this, this.#filter)
    const router = this.host.ownRouter()
    router.topic(this.#filter)
    let size = 0
    let isWhole = true
    for await (const frame of source.read(after, to)) {
      if (this.#read !== read) return
      const share = router.route(frame, this.#handedLsn)[0]
      this.#handedLsn = laterOf(this.#handedLsn, frame.lastLsn)
      size += frame.end - frame.start
      if (share !== undefined) this.take(share.batch)
      if (this.#read !== read) return
      if (this.#handedLsn < to && (this.isFull() || (size >= READ_SIZE_MAX && this.host.slots.isContended))) {
        isWhole = false
        break
      }
    }
    // Leaving the loop closes files, which takes its time.
    if (this.#read === read) this.#finishRead(read, to, isWhole)
  }

  #finishRead(read: object, to: Lsn, isWhole: boolean): void {
    this.#isNear = isWhole
    if (isWhole) {
      this.#handedLsn = laterOf(this.#handedLsn, to)
      for (let batch = this.#nextKept(); batch !== undefined; batch = this.#nextKept()) {
        this.#handedLsn = batch.lastLsn
        this.take(batch)
        if (this.#read !== read) return
      }
    } else {
      this.#leave()
    }
    this.#read = undefined
    if (this.#topic !== undefined) this.#isCatchingUp = false
    this.proceed()
  }

  #nextKept(): Batch | undefined {
    const batch = this.#kept.shift()
    if (batch !== undefined) {
      this.#keptCount -= batch.commits.length
      this.#keptSize -= batch.size
    }
    return batch
  }

  /** Keeps a live batch for after the read, within bounds: of bytes alone if it will not have to queue then. */
  #keep(batch: Batch): void {
    const isEmpty = this.#kept.length === 0
    const count = this.#keptCount + batch.commits.length
    const size = this.#keptSize + batch.size
    const countMax = this.isImmediate ? Number.POSITIVE_INFINITY : this.bounds.commits
    if (!isEmpty && (count > countMax || size > this.bounds.bytes)) {
      probe("a subscription that listens while it reads has too much to keep")
      this.#leave()
      return
    }
    this.#kept.push(batch)
    this.#keptCount = count
    this.#keptSize = size
  }

  #leave(): void {
    this.#handedLsn = this.handedLsn
    this.#kept = []
    this.#keptCount = 0
    this.#keptSize = 0
    const topic = this.#topic
    this.#topic = undefined
    if (topic !== undefined) this.host.leave(this, topic)
  }
}

function laterOf(left: Lsn, right: Lsn): Lsn {
  return lsnOf(Math.max(left, right))
}
