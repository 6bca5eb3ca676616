// The durable change feed: every commit that became durable, to everybody who asked for it, once, whole, in the order of
// the log. The log is the subscribers' buffer: who is slow or comes late reads it there, and writers wait for nobody.
//
// Who does what: `live-edge` hands on frames as they become durable, `router` finds who wants which change, `subscription`
// knows where one subscriber stands and reads the log for it, `iteration` and `observation` are its two faces.

import { LimitExceeded, Restarting, StoreClosed } from "../model/errors.ts"
import { KEY_SIZE_MAX, LSN_MAX, SUBSCRIPTION_COUNT_MAX } from "../model/limits.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Catalogue } from "../table/catalogue.ts"
import { CommitStream } from "./change-stream.ts"
import type { ChangeStream } from "./change-stream.ts"
import { FeedValues } from "./feed-change.ts"
import type { FeedSource } from "./feed-source.ts"
import { LiveEdge } from "./live-edge.ts"
import { ReadSlots } from "./read-slots.ts"
import { Router } from "./router.ts"
import type { Filter, Topic } from "./router.ts"
import type { FeedCounters, Subscription, SubscriptionHost } from "./subscription.ts"

export type { ChangeStream } from "./change-stream.ts"
export type { FeedSource } from "./feed-source.ts"

export interface ChangesOptions {
  /** Delivers what follows this position. Default: what becomes durable after the call. */
  readonly after?: Lsn | undefined
  /** Only changes of this table, which may be defined later. Default: of all tables. */
  readonly table?: string | undefined
  /** Only changes of keys that begin with this. Default: all keys. */
  readonly prefix?: string | undefined
  /** Ends the iteration, and observers, with its reason. */
  readonly signal?: AbortSignal | undefined
  /** Commits that are kept in memory for an iteration that is slow; beyond, it goes back to the log. Default: 1,024. */
  readonly bufferCommits?: number | undefined
}

export interface ChangeFeedOptions {
  /** The one that the log is folded into: it knows every table and shape that durable frames name. */
  readonly catalogue: Catalogue
  readonly subscriptionCountMax?: number | undefined
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

const BUFFER_COMMIT_COUNT_DEFAULT = 1_024
/** Subscriptions that read the log at the same time. */
const READER_COUNT_MAX = 8

export class ChangeFeed {
  // Constant after construction.
  readonly #catalogue: Catalogue
  readonly #subscriptionCountMax: number
  readonly #values: FeedValues
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
    this.#values = new FeedValues(options.catalogue.shapes)
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
    this.#edge.publish(frame)
  }

  /** Everything up to here became durable, and the bytes are not at hand: they are read from the log. */
  advance(durableLsn: Lsn): void {
    this.#edge.advance(durableLsn)
  }

  /**
   * Commits from a position on. The type parameter is not checked: it is the caller's word for what the table holds.
   * Fails with: TypeError, LimitExceeded, Restarting, StoreClosed; the stream itself: see `ChangeStream`.
   */
  subscribe<Value = unknown>(options: ChangesOptions = {}): ChangeStream<Value> {
    if (this.#ending !== undefined) throw this.#closed()
    const bufferCommits = options.bufferCommits ?? BUFFER_COMMIT_COUNT_DEFAULT
    if (!Number.isSafeInteger(bufferCommits) || bufferCommits < 1) {
      throw new TypeError(`bufferCommits must be a whole number from 1 on, not ${String(bufferCommits)}`)
    }
    const stream = new CommitStream(this.#host, {
      after: this.#startOf(options.after),
      filter: this.#filterOf(options),
      bufferCommits,
      signal: options.signal,
    })
    return stream as ChangeStream as ChangeStream<Value>
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

  #startOf(after: Lsn | undefined): Lsn {
    if (after === undefined) {
      const { source, durableLsn } = this.#edge
      if (!this.#isConnected) throw new Restarting("the change feed")
      // The log may know of more than was published yet. That is not 'after the call'.
      return source === undefined || source.durableLsn < durableLsn ? durableLsn : source.durableLsn
    }
    if (!Number.isSafeInteger(after) || after < 0 || after > LSN_MAX) {
      throw new TypeError(`after must be a position in the log, not ${String(after)}`)
    }
    return after
  }

  #filterOf({ table, prefix = "" }: ChangesOptions): Filter {
    if (table !== undefined && typeof table !== "string") throw new TypeError("table must be a string")
    if (typeof prefix !== "string" || !prefix.isWellFormed()) throw new TypeError("prefix must be a well-formed string")
    const bytes = Buffer.from(prefix)
    if (bytes.length > KEY_SIZE_MAX) {
      throw new LimitExceeded("the prefix's size in bytes", KEY_SIZE_MAX, bytes.length, "No key is that long")
    }
    return { table: table === undefined ? undefined : this.#catalogue.entry(table), prefix: bytes }
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
