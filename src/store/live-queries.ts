// The live values of a store: one subscription of the change feed for all of them, and their start from a snapshot.
//
// Guarantees: a live value begins with the state of one commit, which is durable by the time it is shown, and goes on with
// every durable commit behind it. Where the feed loses its place, all start anew, from a snapshot each can compare with what
// it shows, so that those who follow deltas see no gap. Those that come together read their tables together.

import type { Engine } from "../actors/engine.ts"
import { LimitExceeded, StoreClosed } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { LIVE_VALUE_COUNT_MAX } from "../model/limits.ts"
import { LiveRouter } from "../streams/live-router.ts"
import type { LiveNode } from "../streams/live-node.ts"
import { FollowedIndex } from "./followed-index.ts"
import type { IndexRegistry } from "./index-registry.ts"
import { READING } from "./live-parts.ts"
import { isPassing, LiveStart } from "./live-start.ts"
import type { SecondaryIndex } from "./secondary-index.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { VersionReader } from "./version-reader.ts"

/** Starts in a row that may come to nothing. Each follows an event, such as a crash, that took its snapshot away. */
const ATTEMPT_COUNT_MAX = 20
/** Milliseconds between two of them. */
const REST_MS_MAX = 100

export interface LiveMetrics {
  /** Live queries and watched keys at the moment. */
  readonly values: number
  /** Rows that they keep. */
  readonly rows: number
  /** Starts from a snapshot, of any number of them at once. */
  readonly starts: number
  /** Those that ended with an error. */
  readonly failed: number
}

interface FeedSubscription {
  subscription: { unsubscribe(): void } | undefined
}

export class LiveQueries {
  readonly #engine: Engine
  readonly #start: LiveStart
  readonly #router: LiveRouter
  readonly #indexes: IndexRegistry
  readonly #followed: WeakMap<SecondaryIndex, FollowedIndex> = new WeakMap()
  #feed: FeedSubscription | undefined = undefined
  /** Those that begin at the end of the turn. */
  readonly #waiting: Set<LiveNode<unknown>> = new Set()
  /** Rises with every loss of the feed, which ends the starts that are under way. */
  #epoch = 0
  /** Losses of the feed since a commit came. */
  #lossCount = 0
  #startCount = 0
  #failedCount = 0

  constructor(engine: Engine, registry: SnapshotRegistry, versions: VersionReader, indexes: IndexRegistry) {
    this.#engine = engine
    this.#indexes = indexes
    this.#start = new LiveStart(engine, registry, versions)
    this.#router = new LiveRouter((node) => this.#forgotten(node))
  }

  /** An index that a live query is to be over. Fails with: NoSuchIndex, what the build of the index failed with. */
  follow(table: string, name: string): FollowedIndex {
    const present = this.#indexes.present(this.#engine.catalogue.entry(table), name)
    const { index } = present
    if (index.state === "failed") index.requireReady()
    let followed = this.#followed.get(index)
    if (followed === undefined) {
      this.#followed.set(index, (followed = new FollowedIndex(present)))
      index.onGone = (reason) => this.#indexGone(index, reason)
    }
    return followed
  }

  /** Makes a live value and sees to it that it follows its tables. Fails with: LimitExceeded, StoreClosed. */
  open<Node extends LiveNode<unknown>>(make: (host: LiveRouter) => Node): Node {
    const { state } = this.#engine.status
    if (state === "closed" || state === "closing") throw this.#engine.closedError()
    const count = this.#router.nodes.size + 1
    if (count > LIVE_VALUE_COUNT_MAX) {
      const remedy = "Close those that are not looked at any more, or let several share one"
      throw new LimitExceeded("the number of live queries", LIVE_VALUE_COUNT_MAX, count, remedy)
    }
    const node = make(this.#router)
    this.#router.add(node)
    // Before the snapshot: what is committed behind that must not be missed.
    this.#connect()
    this.#restart([node])
    return node
  }

  metrics(): LiveMetrics {
    let rows = 0
    for (const node of this.#router.nodes) rows += node.rowCount
    return { values: this.#router.nodes.size, rows, starts: this.#startCount, failed: this.#failedCount }
  }

  /** Without it nobody sees to it that values have a key in it. */
  #indexGone(index: SecondaryIndex, reason: unknown): void {
    const followed = this.#followed.get(index)
    // Where the store closes, everything ends.
    if (reason instanceof StoreClosed) return
    for (const node of Array.from(this.#router.nodes)) {
      if (node.sources.some(({ part }) => part?.index === followed)) node.fail("it followed its index", reason)
    }
  }

  #connect(): void {
    if (this.#feed !== undefined) return
    const stream = this.#engine.feed.subscribe()
    // Set before: what ends the subscription may do so within the call.
    const feed: FeedSubscription = { subscription: undefined }
    this.#feed = feed
    feed.subscription = stream.observable().subscribe({
      next: (commit) => {
        this.#lossCount = 0
        this.#router.commit(commit)
      },
      error: (reason: unknown) => {
        if (this.#feed === feed) this.#lost(reason)
      },
      complete: () => this.#endAll(),
    })
  }

  /** The feed cannot say what came next. */
  #lost(reason: unknown): void {
    this.#feed = undefined
    if (reason instanceof StoreClosed) {
      this.#endAll(reason)
      return
    }
    probe("live queries start anew because the feed has lost its place")
    const nodes = [...this.#router.nodes]
    if (++this.#lossCount > ATTEMPT_COUNT_MAX) {
      for (const node of nodes) node.fail("it followed its tables", reason)
      return
    }
    this.#epoch++
    for (const node of nodes) node.interrupt()
    this.#connect()
    this.#restart(nodes)
  }

  #endAll(reason?: StoreClosed): void {
    this.#feed = undefined
    for (const node of Array.from(this.#router.nodes)) {
      if (reason !== undefined) node.end({ reason })
      else if (node.isReady) node.end()
      else node.end({ reason: this.#engine.closedError() })
    }
  }

  #forgotten(node: LiveNode<unknown>): void {
    this.#waiting.delete(node)
    if (node.error !== undefined) this.#failedCount++
    if (this.#router.nodes.size > 0) return
    const feed = this.#feed
    this.#feed = undefined
    feed?.subscription?.unsubscribe()
  }

  /** Those that are to begin on the same turn begin together. */
  #restart(nodes: readonly LiveNode<unknown>[]): void {
    if (this.#waiting.size === 0) {
      queueMicrotask(() => {
        const together = [...this.#waiting]
        this.#waiting.clear()
        void this.#begin(together)
      })
    }
    for (const node of nodes) this.#waiting.add(node)
  }

  /** Lets them begin, again and again where that comes to nothing. A loss of the feed ends it: all begin anew then. */
  async #begin(nodes: readonly LiveNode<unknown>[]): Promise<void> {
    const epoch = this.#epoch
    const isCurrent = (): boolean => this.#epoch === epoch
    for (let attempt = 1; isCurrent(); attempt++) {
      const open = nodes.filter((node) => !node.isOver)
      if (open.length === 0) return
      this.#startCount++
      try {
        if (await this.#start.run(open, isCurrent)) this.#router.shown(open)
        return
      } catch (cause) {
        if (!isCurrent()) return
        this.#failedStart(open, cause, attempt)
      }
      // What took the snapshot away needs its time.
      await this.#start.rest(Math.min(2 ** attempt, REST_MS_MAX))
    }
  }

  #failedStart(nodes: readonly LiveNode<unknown>[], cause: unknown, attempt: number): void {
    for (const node of nodes) {
      if (node.isOver) continue
      node.interrupt()
      if (cause instanceof StoreClosed) node.end({ reason: cause })
      else if (!isPassing(cause) || attempt >= ATTEMPT_COUNT_MAX) node.fail(READING, cause)
    }
  }
}
