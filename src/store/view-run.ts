// Keeps a view up. Everything that it does is one commit after another that holds rows, what is kept beside them, and the
// view's record with its position, so that after a crash it goes on exactly there:
//
//   clearing  rows of another definition go, a slice at a time
//   building  a walk over the sources takes in what is there, a slice at a time, while changes since its beginning wait in
//             the log. A record may be taken in newer than the changes that come later are; when those are behind it, so
//             that the position has passed the end of the walk, the rows are those of one state. Views by `fold` cannot
//             take anything in twice: they walk over a snapshot, and begin anew where that was lost
//   ready     changes as they become durable, as many as there are in one commit
//
// The functions of the definition run on the turn of the commit, when the record has said that this one may write.

import type { Engine } from "../actors/engine.ts"
import type { Commit } from "../model/change.ts"
import { CursorExpired, LimitExceeded, OrreryError, StoreClosed } from "../model/errors.ts"
import { InvariantViolation } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import { ViewFailed } from "../model/view-errors.ts"
import { abortable } from "./abortable.ts"
import { CommitIntake } from "./commit-intake.ts"
import type { ConsumerEvent } from "./consumer-event.ts"
import { errorText } from "./consumer-record.ts"
import { FeedWorker, passesByItself, Superseded } from "./feed-worker.ts"
import type { PassEnd } from "./feed-worker.ts"
import type { CheckedDefinition } from "./view-definition.ts"
import type { ViewContent } from "./view-content.ts"
import { ViewLease } from "./view-lease.ts"
import type { ViewRecord } from "./view-record.ts"
import type { ViewTables } from "./view-tables.ts"
import type { ViewWalks, WalkSnapshot } from "./view-walk.ts"
import type { TransactionRunner } from "./transact.ts"
import type { Writer } from "./writer.ts"

/** What all views of a store have done since it was opened. */
export interface ViewCounters {
  /** Changes of sources that were taken in while following. */
  changes: number
  /** Records of sources that were taken in while building. */
  builtRecords: number
  /** Builds that were begun: the first one of a view, and those behind another version or a lost log. */
  builds: number
}

/** What a view needs of its store. */
export interface ViewHost {
  readonly engine: Engine
  readonly tables: ViewTables
  readonly walks: ViewWalks
  readonly transactions: TransactionRunner
  readonly writer: Writer
  readonly counters: ViewCounters
  emit(event: ConsumerEvent): void
  content(name: string, definition: CheckedDefinition): ViewContent
}

/** Changes that one commit takes in at most, and a little more: a commit of a source is not divided. */
const CHANGES_MAX = 1_024
/** Commits of sources that are kept in memory; beyond, they are read from the log again. */
const BUFFER_COMMITS = 16_384
/** Little, so that what waits is young when it is taken in: the collector copies what lives for longer, again and again. */
const BUFFER_BYTES = 1024 * 1024
const UNSAVED_MAX = 1_024
const LOOK_MS = 5

export class ViewRun extends FeedWorker {
  // Constant after construction.
  readonly name: string
  readonly definition: CheckedDefinition
  readonly #host: ViewHost
  readonly #lease: ViewLease
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers()
  // Changed by the pass that runs.
  #intake: CommitIntake | undefined
  #failure: ViewFailed | undefined
  #readyWaiters: PromiseWithResolvers<void>[] = []
  #changesMax = CHANGES_MAX
  /** Whether it works from the position that it has read. */
  #isFollowing = false

  constructor(host: ViewHost, name: string, definition: CheckedDefinition) {
    super(host.engine)
    this.#host = host
    this.name = name
    this.definition = definition
    this.#lease = new ViewLease(host, name)
  }

  get record(): ViewRecord | undefined {
    return this.#lease.record
  }

  /** What its record became by the hand of another. */
  adopt(record: ViewRecord): void {
    if (this.#lease.isTaken) this.#lease.record = record
  }

  get done(): Promise<void> {
    return this.#over.promise
  }

  get failure(): ViewFailed | undefined {
    return this.#failure
  }

  override get hasFailed(): boolean {
    return this.#lease.record?.standing === "failed"
  }

  /** Undefined between two passes: what it knows may have been lost with the log. */
  get lag(): number | undefined {
    if (!this.#isFollowing) return undefined
    const { durableLsn } = this.engine.feed.metrics()
    const position = this.#lease.record?.standing === "clearing" ? 0 : (this.#lease.record?.position ?? 0)
    return Math.max(0, durableLsn - Math.max(position, this.#intake?.drainedLsn ?? 0))
  }

  /** Resolves when the rows are those of the sources. Fails with: ViewFailed, StoreClosed. */
  ready(): Promise<void> {
    if (this.#lease.record?.standing === "ready") return Promise.resolve()
    if (this.hasFailed) return Promise.reject(this.#failed())
    if (!this.isAlive && this.engine.status.state === "closed") return Promise.reject(this.engine.closedError())
    const waiter = Promise.withResolvers<void>()
    this.#readyWaiters.push(waiter)
    return waiter.promise
  }

  protected override get isAwaited(): boolean {
    return this.#readyWaiters.length > 0
  }

  override look(): void {
    const record = this.#lease.record
    const lsn = this.#isFollowing ? this.#intake?.drainedLsn : undefined
    if (lsn === undefined || record?.standing !== "ready") return
    const oldestLsn = this.engine.log?.oldestLsn ?? 0
    const isDue = lsn - record.position >= UNSAVED_MAX || (record.position + 1 < oldestLsn && lsn > record.position)
    if (isDue) void this.#lease.move(lsn).catch(ignore)
  }

  override finished(): void {
    this.#over.resolve()
    const { state } = this.engine.status
    const isOpen = state !== "closed" && state !== "closing"
    const reason = isOpen ? new StoreClosed("the view was stopped", "Call view() again") : this.engine.closedError()
    for (const { reject } of this.#readyWaiters.splice(0)) reject(reason)
  }

  protected override async work(signal: AbortSignal): Promise<PassEnd> {
    const record = await this.#begin(signal)
    if (record === undefined) return "over"
    if (record.standing === "failed") {
      this.#tellFailed()
      return "wait"
    }
    try {
      if (this.#lease.record?.standing === "clearing") await this.#clear(signal)
      await (this.definition.kind === "fold" ? this.#followFold(signal) : this.#follow(signal))
      return "again"
    } catch (error) {
      if (signal.aborted || error instanceof Superseded || error instanceof InvariantViolation) throw error
      if (error instanceof CursorExpired) return await this.#rebuild()
      if (passesByItself(error) || error instanceof StoreClosed) throw error
      if (error instanceof LimitExceeded && this.#changesMax > 1) {
        // More than one commit holds, perhaps: less at a time.
        this.#changesMax >>= 1
        throw new Superseded()
      }
      return await this.#standStill(error)
    } finally {
      this.#isFollowing = false
    }
  }

  protected override async settle(): Promise<void> {
    const lsn = this.#intake?.drainedLsn
    const record = this.#lease.record
    this.#intake = undefined
    if (lsn === undefined || record?.standing !== "ready" || lsn <= record.position) return
    if (this.engine.status.state === "open") await this.#lease.move(lsn).catch(ignore)
  }

  /** Undefined: the view was removed. */
  async #begin(signal: AbortSignal): Promise<ViewRecord | undefined> {
    const { isTaken } = this.#lease
    const record = await this.#lease.begin(this.definition, signal)
    if (record?.standing === "clearing" && !isTaken) this.#host.counters.builds++
    return record
  }

  /** Removes the rows, and what is kept beside them. */
  async #clear(signal: AbortSignal): Promise<void> {
    const { walks, tables } = this.#host
    const { mark, from } = this.definition
    const sourceCount = Math.max(from.length, this.#lease.record?.from.length ?? 0)
    for (const operations of walks.removals(tables.partsOf(this.name, sourceCount))) {
      await this.#lease.commit((record) => ({ operations, record }), signal)
      await this.#breathe(signal)
    }
    await this.#lease.commit((record) => {
      const position = this.engine.commit?.lastLsn ?? record.position
      const walk = walks.first()
      const begun = { mark, from, position, walk, builtLsn: 0, error: undefined } as const
      return { operations: [], record: { ...record, ...begun, standing: "building" } }
    }, signal)
    await this.#lease.landed()
  }

  /** Takes in what is there and what changes, until the pass ends. */
  async #follow(signal: AbortSignal): Promise<void> {
    const intake = this.#subscribe(signal)
    for (;;) {
      const walk = this.#lease.record?.walk
      const isBuilding = this.#lease.record?.standing === "building"
      const commits = await this.#next(intake, isBuilding, walk !== undefined)
      if (commits.length > 0) await this.#takeIn(commits, signal)
      else if (!isBuilding || intake.hasEnded) return
      if (walk !== undefined) await this.#walkOn(signal)
      if (isBuilding) {
        const drainedLsn = await this.#breathe(signal, walk === undefined && commits.length === 0 ? LOOK_MS : 0)
        if (drainedLsn !== undefined) await this.#becomeReady(drainedLsn, signal)
      }
    }
  }

  /** The same for views that take everything in once. */
  async #followFold(signal: AbortSignal): Promise<void> {
    if (this.#lease.record?.standing === "building") {
      const snapshot = this.#host.walks.snapshot()
      try {
        await this.#foldIn(snapshot, signal)
      } finally {
        snapshot[Symbol.dispose]()
      }
    }
    const intake = this.#subscribe(signal)
    this.#tellReady()
    for (;;) {
      const commits = await this.#next(intake, false, false)
      if (commits.length === 0) return
      await this.#takeIn(commits, signal)
    }
  }

  /** What is there already, as the snapshot has it. */
  async #foldIn(snapshot: WalkSnapshot, signal: AbortSignal): Promise<void> {
    const { walks, counters } = this.#host
    for (const slice of walks.slices(snapshot, this.definition.from)) {
      await this.#lease.commit((record) => {
        const content = this.#content()
        for (const [source, table, key, value] of slice()) content.put(source, table, key, value)
        counters.builtRecords += content.count
        return {
          operations: content.operations(),
          record: { ...record, walk: { ...walks.first(), source: content.source } },
        }
      }, signal)
      await this.#breathe(signal)
    }
    await this.#lease.commit(
      (record) => ({
        operations: [],
        record: { ...record, position: snapshot.lsn, walk: undefined, standing: "ready" },
      }),
      signal,
    )
    await this.#lease.landed()
  }

  /** Commits that are there; waits for some unless it builds. Where there are none, all before them has landed. */
  async #next(intake: CommitIntake, isBuilding: boolean, isWalking: boolean): Promise<readonly Commit[]> {
    const commits = await intake.poll(this.#changesMax, this.#changesMax)
    if (commits.length > 0 || isWalking) return commits
    await this.#lease.landed()
    intake.release()
    return isBuilding ? [] : intake.take(this.#changesMax, this.#changesMax)
  }

  #subscribe(signal: AbortSignal): CommitIntake {
    const { from } = this.definition
    const after = lsnOf(this.#lease.record?.position ?? 0)
    const table = from.length === 1 ? from[0] : undefined
    const bounds = { bufferCommits: BUFFER_COMMITS, bufferBytes: BUFFER_BYTES }
    const intake = new CommitIntake(this.engine.feed.subscribe({ after, table, signal, ...bounds }))
    this.#intake = intake
    this.#isFollowing = true
    if (this.#lease.record?.standing === "ready") this.#tellReady()
    return intake
  }

  async #takeIn(commits: readonly Commit[], signal: AbortSignal): Promise<void> {
    const { counters } = this.#host
    const position = commits.at(-1)?.lsn ?? 0
    const { from } = this.definition
    // Who is given all tables passes over the others, its own rows among them.
    if (!commits.some(({ changes }) => changes.some(({ table }) => from.includes(table)))) return
    await this.#lease.commit((record) => {
      const content = this.#content()
      for (const { changes } of commits) for (const change of changes) content.change(change)
      const operations = content.operations()
      counters.changes += content.count
      return { operations, record: { ...record, position } }
    }, signal)
  }

  async #walkOn(signal: AbortSignal): Promise<void> {
    const { walks, counters } = this.#host
    await this.#lease.commit((record) => {
      if (record.walk === undefined) throw new Superseded()
      const content = this.#content()
      const walk = walks.step(this.definition.from, record.walk, (source, table, key, value) => {
        content.put(source, table, key, value)
      })
      const operations = content.operations()
      counters.builtRecords += content.count
      const builtLsn = walk === undefined ? (this.engine.commit?.lastLsn ?? 0) : 0
      return { operations, record: { ...record, walk, builtLsn } }
    }, signal)
  }

  /** Behind the end of the walk, the rows are those of one state. */
  async #becomeReady(drainedLsn: number, signal: AbortSignal): Promise<void> {
    const isBehind = ({ walk, builtLsn, standing }: ViewRecord): boolean =>
      standing === "building" && walk === undefined && drainedLsn >= builtLsn
    if (this.#lease.record === undefined || !isBehind(this.#lease.record)) return
    await this.#lease.commit(
      (record) => ({ operations: [], record: { ...record, position: drainedLsn, standing: "ready" } }),
      signal,
    )
    await this.#lease.landed()
    this.#tellReady()
  }

  #content(): ViewContent {
    return this.#host.content(this.name, this.definition)
  }

  /** Lets others have their turn. Resolves to how far everything was taken out of the feed at the end of the wait. */
  async #breathe(signal: AbortSignal, delayMs: number = 0): Promise<number | undefined> {
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    this.engine.clock.after(delayMs, () => resolve(this.#intake?.drainedLsn), this.isAwaited)
    return abortable(promise, signal)
  }

  /** The log has let go of changes that are not in the rows: everything is taken in anew. */
  async #rebuild(): Promise<PassEnd> {
    await this.#lease.change((record) => ({ ...record, standing: "clearing", walk: undefined, error: undefined }))
    this.#host.counters.builds++
    return "again"
  }

  /** Says so, durably. */
  async #standStill(cause: unknown): Promise<PassEnd> {
    const text = cause instanceof ViewFailed ? cause.summary : errorText(cause)
    await this.#lease.change((record) => ({ ...record, standing: "failed", error: text }))
    const isRefused = cause instanceof OrreryError || cause instanceof TypeError
    this.#failure =
      cause instanceof ViewFailed
        ? cause
        : new ViewFailed(this.name, undefined, isRefused ? cause.message : errorText(cause), cause)
    this.#host.emit({ kind: "view-failed", view: this.name, error: this.#failure })
    this.#tellFailed()
    return "again"
  }

  #failed(): ViewFailed {
    return (
      this.#failure ??
      new ViewFailed(this.name, undefined, this.#lease.record?.error ?? "its cause is not known any more")
    )
  }

  #tellReady(): void {
    this.#failure = undefined
    for (const { resolve } of this.#readyWaiters.splice(0)) resolve()
  }

  #tellFailed(): void {
    for (const { reject } of this.#readyWaiters.splice(0)) reject(this.#failed())
  }
}

/** Who waits for the write learns of it; what only saves a position is worth trying and no more. */
function ignore(): void {}
