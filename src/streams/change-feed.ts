// The durable change feed: every commit that became durable, to everybody who asked for it, once, whole, in the order of
// the log. The log is the subscribers' buffer: who is slow or comes late reads it there, and writers wait for nobody.
//
// Who does what: `live-edge` hands on frames as they become durable, `router` finds who wants which change, `subscription`
// knows where one subscriber stands and reads the log for it, `iteration` and `observation` are its two faces.

import { LimitExceeded, Restarting, StoreClosed } from "../model/errors.ts"
import { AppliedCommitsLost, CursorRefused } from "../model/feed-errors.ts"
import { SUBSCRIPTION_COUNT_MAX } from "../model/limits.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { LSN_NONE, lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { CommitStream } from "./change-stream.ts"
import type { ChangeStream } from "./change-stream.ts"
import { bufferBoundsOf, checkChangesOptions, filterOf } from "./changes-options.ts"
import type { ChangesOptions } from "./changes-options.ts"
import { Cursors } from "./cursor.ts"
import { DurableTimes } from "./durable-times.ts"
import { FeedValues } from "./feed-change.ts"
import type { FeedSource } from "./feed-source.ts"
import type { FeedStates } from "./feed-state.ts"
import type { Filter } from "./filter.ts"
import { LiveEdge } from "./live-edge.ts"
import type { LostCommits } from "./lost-commits.ts"
import { ReadSlots } from "./read-slots.ts"
import { readersOf } from "./readers.ts"
import { Router } from "./router.ts"
import type { Topic } from "./router.ts"
import type { FeedCounters, Subscription, SubscriptionHost, SubscriptionOptions } from "./subscription.ts"
import type { SubscriptionInfo } from "./subscription-info.ts"

export type { ChangeStream } from "./change-stream.ts"
export type { ChangesOptions } from "./changes-options.ts"
export type { FeedSource } from "./feed-source.ts"

export interface ChangeFeedOptions {
  /** The one that the log is folded into: it knows every table and shape that durable frames name. */
  readonly catalogue: Catalogue
  /** The store's, 16 bytes: cursors carry it. */
  readonly storeId?: Uint8Array
  readonly subscriptionCountMax?: number | undefined
  /** Positions that nobody may go on from. */
  readonly lost?: LostCommits
}

export interface ChangeFeedMetrics extends Readonly<FeedCounters> {
  /** Iterations and observers at the moment. */
  readonly subscriptions: number
  /** How many of them get frames from memory. */
  readonly liveSubscriptions: number
  /** Reads of the log under way, or waiting for their turn. */
  readonly logReads: number
  readonly durableLsn: Lsn
  /** How far the subscription that is most behind is behind the durable end. */
  readonly maxLagLsn: number
}

const AHEAD_REMEDY = "Begin anew with snapshot: true: what the cursor stands for is not in this copy of the store"
/** Subscriptions that read the log at the same time. */
const READER_COUNT_MAX = 8

export class ChangeFeed {
  // Constant after construction.
  readonly #catalogue: Catalogue
  readonly #subscriptionCountMax: number
  readonly #values: FeedValues
  readonly #cursors: Cursors
  readonly #lostCommits: LostCommits | undefined
  readonly #times: DurableTimes = new DurableTimes()
  readonly #router: Router
  readonly #edge: LiveEdge
  readonly #host: SubscriptionHost
  readonly #counters: FeedCounters = {
    deliveredCommits: 0,
    deliveredChanges: 0,
    catchUps: 0,
    overflows: 0,
    failures: 0,
    observerErrors: 0,
  }

  readonly #subscriptions: Set<Subscription> = new Set()
  /** Those that wait for `liveLsn` to get to them. */
  readonly #awaiting: Set<Subscription> = new Set()
  #liveCount = 0
  #readCount = 0
  #isConnected = false
  /** Set by `end`: nobody may subscribe any more. */
  #ending: { readonly failure: { readonly reason: unknown } | undefined } | undefined = undefined
  #idleWaiters: (() => void)[] = []

  constructor(options: ChangeFeedOptions) {
    this.#catalogue = options.catalogue
    this.#subscriptionCountMax = options.subscriptionCountMax ?? SUBSCRIPTION_COUNT_MAX
    this.#lostCommits = options.lost
    this.#cursors = new Cursors(options.storeId ?? new Uint8Array(16))
    this.#values = new FeedValues(options.catalogue.shapes, this.#cursors)
    this.#router = new Router(options.catalogue, this.#values)
    this.#edge = new LiveEdge(this.#router, { moved: () => this.#moved(), lost: () => this.#lost() })
    this.#host = this.#makeHost()
  }

  /**
   * Goes on with this log: at first, and after each recovery. Subscriptions continue from where they are, exactly once.
   * Requires: the log holds everything that was durable before, and the catalogue everything that it names.
   */
  connect(source: FeedSource): void {
    this.disconnect()
    this.#values.resume()
    this.#isConnected = true
    this.#edge.connect(source)
    for (const subscription of this.#subscriptions) subscription.proceed()
  }

  /** The log is gone for now: subscribers wait. To be called before the catalogue is reset. */
  disconnect(): void {
    if (this.#edge.source === undefined) return
    this.#values.keep()
    this.#edge.disconnect()
    for (const subscription of this.#subscriptions) subscription.interrupt()
    this.#settle()
  }

  /** A frame that became durable. Its bytes are looked at during the call only. Frames that are known are ignored. */
  publish(frame: LogFrame): void {
    if (frame.lastLsn > this.#edge.durableLsn) this.#times.note(frame.lastLsn, frame.timeMs)
    this.#edge.publish(frame)
  }

  /** Everything up to here became durable, and the bytes are not at hand: they are read from the log. */
  advance(durableLsn: Lsn): void {
    this.#edge.advance(durableLsn)
  }

  /**
   * Commits from a position on. The type parameter is not checked: it is the caller's word for what the table holds.
   * `states` is needed for `snapshot` and `before`.
   * Fails with: TypeError, CursorRefused, AppliedCommitsLost, LimitExceeded, Restarting, StoreClosed; the stream itself: see `ChangeStream`.
   */
  subscribe<Value = unknown>(options: ChangesOptions = {}, states?: FeedStates): ChangeStream<Value> {
    if (this.#ending !== undefined) throw this.#closed()
    checkChangesOptions(options)
    const after = this.#startOf(options, states)
    // Who says where he is has what is before it, be it lost by the time that he goes on.
    const isResumed = options.after !== undefined && options.after !== "now" && options.after !== "beginning"
    const subscription: SubscriptionOptions = {
      after,
      ...(isResumed ? { deliveredLsn: after } : {}),
      filter: filterOf(options, this.#catalogue),
      bounds: bufferBoundsOf(options),
      name: options.name ?? "changes",
      signal: options.signal,
    }
    const readers = readersOf(this.#host, options, subscription, states)
    return new CommitStream(readers) as ChangeStream as ChangeStream<Value>
  }

  /** What came behind this position is not in the log: whoever got any of it fails, the others go on. While disconnected. */
  takeBack(keptLsn: Lsn): void {
    for (const subscription of this.#subscriptions) subscription.takeBack(keptLsn)
  }

  /** Where everybody stands who is subscribed, at this time of the wall clock. */
  subscriptions(nowMs: number): SubscriptionInfo[] {
    const { durableLsn } = this.#edge
    return Array.from(this.#subscriptions, (one) => one.info(durableLsn, nowMs, (lsn) => this.#times.behind(lsn)))
  }

  /**
   * Ends every subscription, for good. Without a reason: behind what is durable for those who are live, and behind what
   * they have read for the others; whoever goes on later from its position misses nothing. With a reason: fails with it.
   */
  end(reason?: unknown): void {
    if (this.#ending !== undefined) return
    this.#ending = { failure: reason === undefined ? undefined : { reason } }
    if (reason !== undefined || !this.#edge.isBusy) this.#endAll()
  }

  /**
   * Resolves when nobody who waits for commits has any to get: all that is durable was handed on, or the log is gone.
   * Before `end`, it lets those who are a little behind arrive.
   */
  async idle(): Promise<void> {
    if (this.#isIdle) return
    await new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
    })
  }

  metrics(): ChangeFeedMetrics {
    const { durableLsn } = this.#edge
    let maxLagLsn = 0
    for (const { handedLsn } of this.#subscriptions) maxLagLsn = Math.max(maxLagLsn, durableLsn - handedLsn)
    return {
      ...this.#counters,
      subscriptions: this.#subscriptions.size,
      liveSubscriptions: this.#liveCount,
      logReads: this.#readCount,
      durableLsn,
      maxLagLsn,
    }
  }

  get #isIdle(): boolean {
    return this.#readCount === 0 && !this.#edge.isBusy
  }

  #moved(): void {
    const { liveLsn } = this.#edge
    for (const subscription of this.#awaiting) {
      if (subscription.handedLsn > liveLsn) continue
      this.#awaiting.delete(subscription)
      subscription.proceed()
    }
    this.#settle()
  }

  #lost(): void {
    for (const subscription of this.#subscriptions) {
      subscription.fallBack()
      this.#awaiting.add(subscription)
    }
  }

  /** Does what waits for everything to be handed on. */
  #settle(): void {
    if (this.#ending !== undefined && !this.#edge.isBusy) this.#endAll()
    if (!this.#isIdle) return
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  #endAll(): void {
    for (const subscription of this.#subscriptions) subscription.end(this.#ending?.failure)
    this.#edge.disconnect()
  }

  #closed(): StoreClosed {
    return new StoreClosed("its change feed has ended", "Open the store again", this.#ending?.failure?.reason)
  }

  #startOf({ after, before, snapshot }: ChangesOptions, states: FeedStates | undefined): Lsn {
    if (typeof after === "number") return this.#kept(lsnOf(after), snapshot)
    if (after !== undefined && after !== "now" && after !== "beginning") {
      const position = this.#kept(this.#cursors.positionOf(after) ?? unfinished(after, snapshot), snapshot)
      // A follower may well be behind its store. The store itself has lost what was behind its end, or is an old copy.
      if (states === undefined || position <= states.lastLsn) return position
      throw new CursorRefused(after, `is ahead of the store, whose last commit is ${states.lastLsn}`, AHEAD_REMEDY)
    }
    const { source, durableLsn } = this.#edge
    if (!this.#isConnected) throw new Restarting("the change feed")
    if (after === "beginning") {
      if (source === undefined) throw new Restarting("the change feed")
      return lsnOf(source.oldestLsn - 1)
    }
    if (before === true && states !== undefined) return states.lastLsn
    // The log may know of more than was published yet. That is not 'after the call'.
    return source === undefined || source.durableLsn < durableLsn ? durableLsn : source.durableLsn
  }

  /** A position that was lost leads to the state anew, or nowhere. */
  #kept(position: Lsn, snapshot: boolean | undefined): Lsn {
    const keptLsn = this.#lostCommits?.keptBefore(position)
    if (keptLsn === undefined) return position
    if (snapshot === true) return LSN_NONE
    throw new AppliedCommitsLost(keptLsn, position)
  }

  #register(subscription: Subscription): void {
    if (this.#ending !== undefined) throw this.#closed()
    const count = this.#subscriptions.size + 1
    if (count > this.#subscriptionCountMax) {
      const remedy = "Close streams that are not read any more, or let several readers share one"
      throw new LimitExceeded("the number of change subscriptions", this.#subscriptionCountMax, count, remedy)
    }
    this.#subscriptions.add(subscription)
  }

  #join(subscription: Subscription, filter: Filter): Topic {
    const topic = this.#router.topic(filter)
    topic.add(subscription)
    this.#liveCount++
    return topic
  }

  #leave(subscription: Subscription, topic: Topic): void {
    topic.remove(subscription)
    this.#liveCount--
    if (topic.isEmpty) this.#router.remove(topic)
  }

  #makeHost(): SubscriptionHost {
    return {
      counters: this.#counters,
      cursors: this.#cursors,
      slots: new ReadSlots(READER_COUNT_MAX),
      source: () => this.#edge.source,
      liveLsn: () => this.#edge.liveLsn,
      register: (subscription) => this.#register(subscription),
      forget: (subscription) => {
        this.#subscriptions.delete(subscription)
        this.#awaiting.delete(subscription)
      },
      join: (subscription, filter) => this.#join(subscription, filter),
      leave: (subscription, topic) => this.#leave(subscription, topic),
      await: (subscription) => this.#awaiting.add(subscription),
      ownRouter: () => new Router(this.#catalogue, this.#values),
      readBegan: () => {
        this.#readCount++
      },
      readEnded: () => {
        this.#readCount--
        this.#settle()
      },
    }
  }
}

/** A cursor from the middle of a state leads to the state anew. */
function unfinished(cursor: string, snapshot: boolean | undefined): Lsn {
  if (snapshot === true) return LSN_NONE
  const reason = "is from the middle of a state that was being delivered"
  throw new CursorRefused(cursor, reason, "Give it together with snapshot: true, which begins with the state anew")
}
