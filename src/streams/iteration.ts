// A subscription that the application pulls from: it queues commits up to a bound while it is live, and reads the log only
// while somebody waits for a commit. Nobody is called: promises are resolved, and the application goes on in its own turn.

import type { Commit } from "../model/change.ts"
import { LimitExceeded } from "../model/errors.ts"
import type { Lsn } from "../model/lsn.ts"
import { DONE } from "./commit-source.ts"
import type { CommitSource } from "./commit-source.ts"
import { Conflation } from "./conflation.ts"
import type { Batch } from "./router.ts"
import { Subscription } from "./subscription.ts"
import type { SubscriptionHost, SubscriptionOptions } from "./subscription.ts"
import type { Buffered } from "./subscription-info.ts"

/** Calls of `next` that may wait at the same time. */
const WAITER_COUNT_MAX = 1_024

/** Somebody who asked for more than there was. */
interface Waiter {
  /** Gives him what there is now, if anything. */
  readonly serve: () => void
  readonly finish: (end: Promise<IteratorReturnResult<undefined>>) => void
}

export class Iteration extends Subscription implements CommitSource {
  readonly isImmediate = false
  /** What was handed on and not taken. The first batch is taken up to `#index`. */
  readonly #queue: Batch[] = []
  #index = 0
  #count = 0
  #size = 0
  /** What waits instead of the queue, once that was full: with "latest-per-key" only. */
  readonly #merged: Conflation | undefined
  #isStarted = false
  readonly #waiters: Waiter[] = []
  #taken: Lsn
  #failure: { readonly reason: unknown } | undefined = undefined

  constructor(host: SubscriptionHost, options: SubscriptionOptions) {
    super(host, options)
    this.#taken = options.after
    this.#merged = options.bounds.overflow === "latest-per-key" ? new Conflation() : undefined
  }

  /** Everything that matches up to here was taken: the last commit, or further if somebody waits for the next. */
  get position(): Lsn {
    return this.#waiters.length > 0 ? this.handedLsn : this.#taken
  }

  get isWaiting(): boolean {
    return this.#waiters.length > 0
  }

  get cursor(): string {
    return this.host.cursors.at(this.position)
  }

  /** Subscribes, and gets nothing yet: so that it hears of what happens to what was delivered before. */
  begin(): void {
    this.#isStarted = true
    this.start()
  }

  /** The first call subscribes. Not async: that would cost every commit another turn. */
  next(): Promise<IteratorResult<Commit, undefined>> {
    const refused = this.#isStarted ? undefined : this.#beginOrRefuse()
    if (refused !== undefined) return refused
    const value = this.#shift()
    return value === undefined ? this.#wait(this.#shiftOne) : Promise.resolve({ value, done: false })
  }

  nextBatch(): Promise<IteratorResult<readonly Commit[], undefined>> {
    const refused = this.#isStarted ? undefined : this.#beginOrRefuse()
    if (refused !== undefined) return refused
    const value = this.#shiftBatch()
    return value === undefined ? this.#wait(this.#shiftAll) : Promise.resolve({ value, done: false })
  }

  /** Unsubscribes and forgets what was not taken. */
  close(): void {
    this.#isStarted = true
    this.drop()
    this.#failure = undefined
    this.end()
  }

  protected override isWanted(): boolean {
    return this.#waiters.length > 0
  }

  protected override take(batch: Batch): void {
    this.#queue.push(batch)
    this.#count += batch.commits.length
    this.#size += batch.size
    while (this.#waiters.length > 0 && this.#count > 0) this.#waiters.shift()?.serve()
  }

  /** One frame is always taken, however many commits it holds: nobody can take any while it is handed on. */
  protected override hasRoomFor(batch: Batch): boolean {
    if (this.#merged?.isEmpty === false) return false
    if (this.#count === 0) return true
    const { commits, bytes } = this.bounds
    return this.#count + batch.commits.length <= commits && this.#size + batch.size <= bytes
  }

  protected override merge(batch: Batch): boolean {
    const merged = this.#merged
    if (merged === undefined) return false
    const queued: Commit[] = []
    for (let commit = this.#dequeue(); commit !== undefined; commit = this.#dequeue()) queued.push(commit)
    merged.add(queued)
    merged.add(batch.commits)
    return merged.size <= this.bounds.bytes
  }

  protected override buffered(): Buffered {
    const commits = this.#count + (this.#merged?.commitCount ?? 0)
    const oldestMs = this.#queue[0]?.commits[this.#index]?.timeMs ?? this.#merged?.timeMs
    return { commits, bytes: this.#size + (this.#merged?.size ?? 0), oldestMs }
  }

  protected override isFull(): boolean {
    return this.#count >= this.bounds.commits || this.#size >= this.bounds.bytes
  }

  protected override takenLsn(): Lsn {
    return this.#taken
  }

  protected override drop(): void {
    this.#queue.length = 0
    this.#index = 0
    this.#count = 0
    this.#size = 0
    this.#merged?.clear()
  }

  protected override ended(failure: { readonly reason: unknown } | undefined): void {
    if (this.#waiters.length > 0) this.#taken = this.handedLsn
    this.#failure = failure
    for (const waiter of this.#waiters.splice(0)) waiter.finish(this.#last())
  }

  #beginOrRefuse(): Promise<never> | undefined {
    try {
      this.begin()
      return undefined
    } catch (error) {
      this.close()
      return Promise.reject(error)
    }
  }

  /** For what is not there yet; the end where nothing will come. */
  #wait<Value>(shift: () => Value | undefined): Promise<IteratorResult<Value, undefined>> {
    if (this.isOver) return this.#last()
    if (this.#waiters.length >= WAITER_COUNT_MAX) {
      const remedy = "Await a commit before asking for the next"
      const count = this.#waiters.length + 1
      return Promise.reject(new LimitExceeded("the number of waiting calls of next", WAITER_COUNT_MAX, count, remedy))
    }
    return new Promise((resolve, reject) => {
      const serve = (): void => {
        const value = shift()
        if (value !== undefined) resolve({ value, done: false })
      }
      this.#waiters.push({ serve, finish: (end) => void end.then(resolve, reject) })
      this.proceed()
    })
  }

  readonly #shiftOne = (): Commit | undefined => this.#shift()
  readonly #shiftAll = (): readonly Commit[] | undefined => this.#shiftBatch()

  /** The next commit for the application. */
  #shift(): Commit | undefined {
    const merged = this.#merged
    const commit = this.#dequeue() ?? (merged?.isEmpty === false ? merged.take(this.host.cursors) : undefined)
    if (commit === undefined) return undefined
    this.#taken = commit.lsn
    this.noteDelivery(1, commit.changes.length, commit.lsn)
    return commit
  }

  /** What is left of the first batch; after the last, what was merged. */
  #shiftBatch(): readonly Commit[] | undefined {
    const batch = this.#queue.shift()
    if (batch === undefined) {
      const merged = this.#shift()
      return merged === undefined ? undefined : [merged]
    }
    const commits = this.#index === 0 ? batch.commits : batch.commits.slice(this.#index)
    this.#index = 0
    this.#count -= commits.length
    this.#size -= batch.size
    let changeCount = 0
    for (let index = 0; index < commits.length; index++) changeCount += commits[index]?.changes.length ?? 0
    this.#taken = commits.at(-1)?.lsn ?? this.#taken
    this.noteDelivery(commits.length, changeCount, this.#taken)
    return commits
  }

  #dequeue(): Commit | undefined {
    const batch = this.#queue[0]
    const commit = batch?.commits[this.#index]
    if (batch === undefined || commit === undefined) return undefined
    this.#index++
    this.#count--
    if (this.#index === batch.commits.length) {
      this.#queue.shift()
      this.#index = 0
      this.#size -= batch.size
    }
    return commit
  }

  /** The end of the iteration: it fails once, and is done from then on. */
  async #last(): Promise<IteratorReturnResult<undefined>> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.reason
    return DONE
  }
}
