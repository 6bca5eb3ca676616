// Group commit (DeWitt et al. 1984; the pipelined form of Aether, Johnson et al. 2010): writers encode into the batch
// that fills while the one before it is on its way to the disk. One append is in flight; it goes out as soon as the one
// before has ended, or when a trigger says so. Synchronous up to the append; nothing here is done once a record but
// encoding.
//
// Outcomes when the log fails: the batch in flight is unknown; the batch that fills was never handed over and is
// rejected. After that this object is of no more use; recovery makes a new one.

import { FRAME_HEADER_SIZE } from "../format/frame.ts"
import { CommitUnknown, StorageFailed, WriteRejected } from "../model/errors.ts"
import type { Durability } from "../model/durability.ts"
import { invariant } from "../model/invariant.ts"
import { FRAME_PAYLOAD_SIZE_MAX } from "../model/limits.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Clock, Timer } from "../platform/clock.ts"
import { AppliedTeller } from "./applied-teller.ts"
import { CommitBatch } from "./commit-batch.ts"
import type { Receipt } from "./commit-batch.ts"
import { FlushPace } from "./flush-pace.ts"
import type { FlushTriggers } from "./flush-pace.ts"
import { LatencyHistogram } from "./latency-histogram.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { Log } from "./log.ts"
import { SyncWaiters } from "./sync-waiters.ts"

export interface GroupCommitListener {
  /** The batch's buffer is about to change hands: whoever holds offsets into it must use them now. */
  beforeSwitch(): void
  /** A frame was written, durable or not yet. Its bytes are valid during the call. */
  onWritten?(frame: LogFrame): void
  /** A frame is durable. Its bytes are valid during the call. */
  onDurable(frame: LogFrame): void
  /** Earlier frames, which were written without a sync, are durable up to that position. */
  onAdvance(durableLsn: Lsn): void
  /** The backlog has shrunk. */
  onRoom(): void
  /** The log failed; the batches have been told. */
  onFailure(reason: unknown): void
}

export interface GroupCommitCounters {
  flushes: number
  syncs: number
  bytes: number
  commits: number
  batchCommitsMax: number
}

export class GroupCommit {
  /** The batch that fills. Changed only by #flush. */
  batch: CommitBatch = new CommitBatch()
  readonly counters: GroupCommitCounters = { flushes: 0, syncs: 0, bytes: 0, commits: 0, batchCommitsMax: 0 }
  /** Milliseconds from handing a batch over until it is written or synced, as asked. */
  readonly flushLatency: LatencyHistogram = new LatencyHistogram()
  readonly #log: Log
  readonly #clock: Clock
  readonly #triggers: FlushTriggers
  readonly #backlogBytes: number
  readonly #listener: GroupCommitListener
  readonly #pool: CommitBatch[] = [new CommitBatch()]
  readonly #syncWaiters: SyncWaiters = new SyncWaiters()
  readonly #pace: FlushPace
  #inFlight: CommitBatch | undefined
  #isSyncing = false
  #lastLsn: number
  #isScheduled = false
  #delayTimer: Timer | undefined
  #syncTimer: Timer | undefined
  /** Undefined: nobody wants to hear of commits before they are durable. */
  #teller: AppliedTeller | undefined
  #failure: unknown
  #idle: (() => void)[] = []

  constructor(log: Log, clock: Clock, triggers: FlushTriggers, backlogBytes: number, listener: GroupCommitListener) {
    this.#log = log
    this.#clock = clock
    this.#triggers = triggers
    this.#pace = new FlushPace(triggers)
    this.#backlogBytes = backlogBytes
    this.#listener = listener
    this.#lastLsn = log.endLsn
  }

  /** The last LSN given out. */
  get lastLsn(): Lsn {
    return lsnOf(this.#lastLsn)
  }
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }
  /** Whether the filling batch takes another commit. */
  get hasRoom(): boolean {
    return this.batch.sizeBytes < this.#backlogBytes
  }
  get backlogBytes(): number {
    return this.batch.sizeBytes + (this.#inFlight?.sizeBytes ?? 0)
  }

  /** From now on the listener hears of commits at the end of the turn that made them, whatever becomes of them. */
  tellApplied(listener: (frame: LogFrame) => void): void {
    this.#teller = new AppliedTeller(this.#clock, this.#log.epoch, listener)
    for (const batch of [this.batch, this.#inFlight]) if (batch !== undefined) this.#teller.skip(batch)
  }

  /** More room for a commit that does not fit. False where the batch is as large as a frame may be. */
  makeRoom(): boolean {
    if (!this.batch.canGrow) return false
    this.#listener.beforeSwitch()
    this.batch.grow()
    return true
  }

  /** The LSN that the next commit takes. */
  get nextLsn(): Lsn {
    return lsnOf(this.#lastLsn + 1)
  }

  /**
   * Takes the records from `batch.position` to `end` as one commit, and sees to their flush. Resolves to its receipt at
   * its durability. May hand the batch over: whoever needs offsets into it must have used them or taken note before.
   */
  commit(end: number, recordCount: number, durability: Durability): Promise<Receipt> {
    const lsn = this.nextLsn
    return this.add(end, recordCount, durability).receiptAt(lsn, durability)
  }

  /** The same for those who make a promise of their own: returns the batch, which has the commit as `lastLsn`. */
  add(end: number, recordCount: number, durability: Durability): CommitBatch {
    const batch = this.batch
    const lsn = lsnOf(++this.#lastLsn)
    if (batch.commitCount === 0) {
      batch.firstLsn = lsn
      this.#pace.begin(this.#clock.monotonicMs())
    }
    batch.commitCount++
    batch.recordCount += recordCount
    batch.position = end
    if (this.#teller !== undefined) this.#teller.note(batch)
    if (durability === "synced") batch.needsSync = true
    else if (durability === "written") batch.needsWrite = true
    if (this.#pace.isFull(batch)) this.#flushEarly()
    else if (!this.#isScheduled) this.#schedule(batch)
    else if (batch.sizeBytes >= this.#pace.nextLookSize && this.#pace.isDue(batch, this.#now)) this.#flushEarly()
    return batch
  }

  /** Resolves when everything up to now is on stable storage. Fails with: CommitUnknown, WriteRejected. */
  flush(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const lsn = this.#lastLsn
    if (this.#log.durableLsn >= lsn) return Promise.resolve()
    const done = this.#syncWaiters.wait(lsn)
    if (!this.batch.isEmpty) this.batch.needsSync = true
    // Not within the call: it may come from a value's getter, while a record is half written into the batch.
    queueMicrotask(() => this.#kick())
    return done
  }

  /** Resolves when nothing is in flight. */
  whenIdle(): Promise<void> {
    if (this.#inFlight === undefined && !this.#isSyncing) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Commits that are not in the log yet, as frames, oldest first: what a rebuild from the log must add. */
  *unwritten(): Generator<LogFrame, undefined> {
    for (const batch of [this.#inFlight, this.batch]) {
      if (batch !== undefined && !batch.isEmpty && batch.firstLsn > this.#log.endLsn) yield batch.frame(this.#log.epoch)
    }
  }

  /**
   * Ends the use of the log, without touching it: the filling batch was never handed over and is rejected; the batch in
   * flight still learns its outcome. Calling it twice is allowed.
   */
  abandon(reason: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    this.#delayTimer?.cancel()
    this.#syncTimer?.cancel()
    this.#teller?.end()
    this.batch.fail(
      new WriteRejected("the log ended before it was handed over", "Write again once the store has recovered", reason),
    )
    this.#syncWaiters.reject(reason)
  }

  #schedule(batch: CommitBatch): void {
    if (this.#inFlight !== undefined || this.#isSyncing) {
      // The end of the flush looks at the batch again.
      this.#isScheduled = true
      return
    }
    if (!batch.needsSync && !batch.needsWrite) {
      // Nobody waits: the sync timer takes it along. Looked at again with the next commit.
      this.#startSyncTimer()
      return
    }
    this.#isScheduled = true
    if (this.#triggers.delayMs === 0) queueMicrotask(this.#onTurnEnd)
    else this.#delayTimer = this.#clock.after(this.#triggers.delayMs, this.#onTurnEnd, true)
  }

  /** A trigger fired within the turn. */
  #flushEarly(): void {
    if (this.#inFlight === undefined && !this.#isSyncing) this.#onTurnEnd()
  }

  #kick(): void {
    if (this.#failure !== undefined) return
    if (this.#inFlight !== undefined || this.#isSyncing) return
    if (!this.batch.isEmpty) this.#onTurnEnd()
    else if (this.#log.durableLsn < this.#log.endLsn) this.#sync()
  }

  readonly #now = (): number => this.#clock.monotonicMs()

  readonly #onTurnEnd = (): void => {
    this.#delayTimer?.cancel()
    this.#delayTimer = undefined
    if (this.#failure !== undefined || this.#inFlight !== undefined || this.#isSyncing || this.batch.isEmpty) return
    this.#isScheduled = false
    this.#flush()
  }

  #flush(): void {
    const batch = this.batch
    this.#listener.beforeSwitch()
    this.batch = this.#pool.pop() ?? new CommitBatch()
    this.#inFlight = batch
    const sync = batch.needsSync || !batch.needsWrite
    batch.timeMs = this.#clock.wallMs()
    const startMs = this.#clock.monotonicMs()
    invariant(batch.sizeBytes <= FRAME_PAYLOAD_SIZE_MAX, "I7: a frame has a bound")
    this.#log
      .append(
        {
          buffer: batch.buffer,
          start: FRAME_HEADER_SIZE,
          end: batch.position,
          commitCount: batch.commitCount,
          recordCount: batch.recordCount,
          timeMs: batch.timeMs,
          sync,
        },
        lsnOf(batch.firstLsn - 1),
      )
      .then(
        () => this.#onAppended(batch, sync, startMs),
        (error: unknown) => this.#onFailed(error),
      )
      // A defect in a listener ends the log as a failing disk does.
      .catch((error: unknown) => this.#onFailed(error))
    this.#listener.onRoom()
  }

  #onAppended(batch: CommitBatch, sync: boolean, startMs: number): void {
    const durationMs = this.#clock.monotonicMs() - startMs
    this.#pace.noteFlush(durationMs)
    this.flushLatency.record(durationMs)
    this.counters.flushes++
    if (sync) this.counters.syncs++
    this.counters.bytes += batch.sizeBytes
    this.counters.commits += batch.commitCount
    if (batch.commitCount > this.counters.batchCommitsMax) this.counters.batchCommitsMax = batch.commitCount
    this.#inFlight = undefined
    if (this.#failure !== undefined) {
      batch.settle()
      return this.#notifyIdle()
    }
    this.#isScheduled = false
    // The next flush starts before this one's writers are told: the disk works while they think.
    if (this.batch.needsSync || this.batch.needsWrite || this.#pace.isFull(this.batch)) {
      if (this.#triggers.delayMs === 0 || this.#pace.isFull(this.batch)) this.#flush()
      else this.#schedule(this.batch)
    }
    batch.settle()
    this.#listener.onWritten?.(batch.frame(this.#log.epoch))
    if (sync) {
      this.#syncTimer?.cancel()
      this.#syncTimer = undefined
      this.#listener.onDurable(batch.frame(this.#log.epoch))
      this.#syncWaiters.resolve(this.#log.durableLsn)
    } else this.#startSyncTimer()
    this.#teller?.tell()
    batch.reset()
    this.#pool.push(batch)
    this.#afterWork()
  }

  #sync(): void {
    this.#syncTimer?.cancel()
    this.#syncTimer = undefined
    this.#isSyncing = true
    this.#log.sync().then(
      () => {
        this.#isSyncing = false
        this.counters.syncs++
        if (this.#failure !== undefined) return this.#notifyIdle()
        this.#listener.onAdvance(this.#log.durableLsn)
        this.#syncWaiters.resolve(this.#log.durableLsn)
        this.#isScheduled = false
        if (!this.batch.isEmpty) this.#schedule(this.batch)
        this.#afterWork()
      },
      (error: unknown) => {
        this.#isSyncing = false
        this.#onFailed(error)
      },
    )
  }

  /** Somebody may have asked for a sync, or wait for quiet, meanwhile. */
  #afterWork(): void {
    if (this.#inFlight !== undefined || this.#isSyncing) return
    if (!this.#syncWaiters.isEmpty) this.#kick()
    else if (!this.batch.isEmpty && !this.#isScheduled) this.#schedule(this.batch)
    if (this.#inFlight === undefined && !this.#isSyncing) this.#notifyIdle()
  }

  #onFailed(error: unknown): void {
    const batch = this.#inFlight
    this.#inFlight = undefined
    // StorageFailed: nothing was written, so these writers are told that, and not that it is unknown.
    if (error instanceof StorageFailed) batch?.fail(new WriteRejected(error.summary, error.remedy, error))
    else batch?.fail(new CommitUnknown(batch.firstLsn, error))
    const isFirst = this.#failure === undefined
    this.abandon(error)
    this.#notifyIdle()
    if (isFirst) this.#listener.onFailure(error)
  }

  #startSyncTimer(): void {
    this.#syncTimer ??= this.#clock.after(this.#triggers.syncDelayMs, () => {
      this.#syncTimer = undefined
      if (this.#failure !== undefined) return
      if (this.#inFlight !== undefined || this.#isSyncing) return this.#startSyncTimer()
      if (!this.batch.isEmpty) {
        this.batch.needsSync = true
        this.#onTurnEnd()
      } else if (this.#log.durableLsn < this.#log.endLsn) this.#sync()
    })
  }

  #notifyIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
