// A store that another process writes, read along in this one: its state, its changes, and how far behind it is. Takes no
// lock, changes nothing, and holds nothing up: an owner that lets go of the log before it was read leaves the follower
// behind, which then starts again from the newest checkpoint, or ends, as asked.
//
// What it shows is in the log; for the newest commits that may be a moment before they are on stable storage.

import { Fold } from "../checkpoint/fold.ts"
import { FRAME_COMMITS, frameSize, lastLsnOf } from "../format/frame.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { CursorExpired, OrreryError, Restarting, StoreClosed } from "../model/errors.ts"
import { SUBSCRIPTION_COUNT_MAX } from "../model/limits.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { checkTableName } from "../model/system-tables.ts"
import type { Platform } from "../platform/platform.ts"
import { LogCursor } from "../recovery/log-cursor.ts"
import { ChangeFeed } from "../streams/change-feed.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import { CHANGES_OPTIONS } from "../streams/changes-options.ts"
import type { ChangesOptions } from "../streams/changes-options.ts"
import type { FeedSource } from "../streams/feed-source.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { markFrame } from "../wal/log-directory.ts"
import type { SegmentExtent } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import { logFrameOf } from "../wal/segment-reader.ts"
import type { SegmentFrame } from "../wal/segment-reader.ts"
import { readDirectory } from "./past.ts"
import type { PastReading } from "./past.ts"
import { record, throwIfAborted } from "./option-checks.ts"
import { Reader } from "./reader.ts"
import { TableView } from "./table-view.ts"

export interface FollowSettings {
  /** How long it waits at the end of the log before it looks again. */
  readonly lookMs: number
  readonly whenBehind: "restart" | "fail"
  readonly shardCount: number
}

export interface FollowerMetrics {
  /** The last commit that is applied. */
  readonly lsn: number
  /** Between the last look at the log that found it read to its end, and now. */
  readonly lagMs: number
  /** Commits applied since it was opened, and how often it started again because it was left behind. */
  readonly commits: number
  readonly restarts: number
}

export class FollowingStore {
  /** The directory. */
  readonly path: string
  readonly #platform: Platform
  readonly #settings: FollowSettings
  readonly #catalogue: Catalogue
  readonly #feed: ChangeFeed
  readonly #reader: Reader
  #shards: readonly ShardTables[] | undefined
  #fold: Fold
  #cursor: LogCursor
  #source: FollowedLog
  #lsn: number
  #commits = 0
  #restarts = 0
  /** When it last stood at the end of the log. */
  #caughtUpMs: number
  #failure: OrreryError | undefined
  #isClosed = false
  #wake: () => void = () => undefined
  readonly #running: Promise<void>
  #waiters: { readonly lsn: number; readonly resolve: () => void; readonly reject: (reason: unknown) => void }[] = []

  /** Made by `open` with `readOnly: true, follow: true`. */
  constructor(platform: Platform, path: string, reading: PastReading, settings: FollowSettings) {
    const { catalogue, manifest, shards, state } = reading
    this.path = path
    this.#platform = platform
    this.#settings = settings
    this.#catalogue = catalogue
    this.#shards = shards
    this.#fold = new Fold(catalogue, shards)
    this.#cursor = new LogCursor(reading.directory, state.next.segment, state.next.start)
    this.#source = new FollowedLog(reading)
    this.#lsn = state.lsn
    this.#caughtUpMs = platform.clock.monotonicMs()
    const { storeId } = manifest
    this.#feed = new ChangeFeed({ catalogue, storeId, subscriptionCountMax: SUBSCRIPTION_COUNT_MAX })
    this.#feed.connect(this.#source)
    this.#reader = new Reader({
      catalogue,
      manifest,
      shards: shards.map((_, index) => ({ name: `shard-${index}`, require: () => this.#require(index) })),
      requireBuffer: () => {
        throw new Restarting("the follower")
      },
      unavailable: () => this.#refusal() ?? new Restarting("the follower"),
    })
    this.#running = this.#run()
  }

  /** The last commit that is applied. */
  get lsn(): number {
    return this.#lsn
  }

  /** Names of the tables that hold, or held, records. */
  tables(): string[] {
    return this.#catalogue.userNames()
  }

  /** The table, as new as what has been read of the log. Fails with: StoreClosed. */
  table<Value = unknown>(name: string): TableView<Value> {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    checkTableName(name)
    return new TableView<Value>(this.#reader, this.#catalogue.entry(name))
  }

  /** Commits after a position (default: from now on), each exactly once, in the order of the log; see `Store.changes`. */
  changes(options: ChangesOptions = {}): ChangeStream {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    record("options", options, CHANGES_OPTIONS)
    if (options.table !== undefined) checkTableName(options.table)
    return this.#feed.subscribe(options)
  }

  /** Resolves when the commit is applied. Fails with: StoreClosed, what ended the follower, the signal's reason. */
  async whenAt(lsn: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(options.signal)
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    if (this.#lsn >= lsn) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(options.signal?.reason)
    options.signal?.addEventListener("abort", onAbort, { once: true })
    const waiter = { lsn, resolve, reject }
    this.#waiters.push(waiter)
    try {
      await promise
    } finally {
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
      options.signal?.removeEventListener("abort", onAbort)
    }
  }

  /** Looks at the log now, and not when the time has come. */
  lookNow(): void {
    this.#wake()
  }

  metrics(): FollowerMetrics {
    const lagMs = this.#platform.clock.monotonicMs() - this.#caughtUpMs
    return { lsn: this.#lsn, lagMs, commits: this.#commits, restarts: this.#restarts }
  }

  /** Ends it, and lets go of the memory. Calling it twice is allowed. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#wake()
    await this.#running
    this.#end(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(): Promise<void> {
    while (!this.#isClosed && this.#failure === undefined) {
      try {
        if ((await this.#advance()) || (await this.#isBehind())) continue
        this.#caughtUpMs = this.#platform.clock.monotonicMs()
        await this.#pause()
      } catch (error) {
        await this.#meet(error)
      }
    }
  }

  /** Applies what there is. Whether there was anything. */
  async #advance(): Promise<boolean> {
    const reader = await this.#cursor.open()
    if (reader === undefined) return false
    let hasRead = false
    try {
      while (!this.#isClosed) {
        const offset = this.#cursor.offset
        const frame = await this.#cursor.next(reader)
        if (frame === undefined) break
        hasRead = true
        this.#take(frame, this.#cursor.segment, offset)
      }
    } finally {
      await reader.close()
    }
    if (this.#cursor.isSealed) this.#cursor.nextSegment()
    return hasRead
  }

  #take(read: SegmentFrame, segment: number, offset: number): void {
    const { header } = read
    const lastLsn = lastLsnOf(header)
    this.#source.note(segment, offset, header.firstLsn, lastLsn, read.end - read.start)
    if (header.kind !== FRAME_COMMITS || lastLsn <= this.#lsn) return
    const frame = logFrameOf(read)
    this.#fold.apply(frame)
    this.#lsn = lastLsn
    this.#commits += header.commitCount
    this.#feed.publish(frame)
    this.#settle()
  }

  /** Whether the log goes on elsewhere than behind what was read: then it starts again. */
  async #isBehind(): Promise<boolean> {
    if (!(await this.#cursor.isLeftBehind())) return false
    // The seal may have been written between the two looks.
    if (await this.#advance()) return true
    throw new CursorExpired(this.#lsn, this.#lsn + 1)
  }

  async #meet(error: unknown): Promise<void> {
    const mayRestart = error instanceof CursorExpired && this.#settings.whenBehind === "restart"
    if (!mayRestart) return this.#end(error)
    try {
      await this.#restart()
    } catch (failure) {
      this.#end(failure)
    }
  }

  async #restart(): Promise<void> {
    this.#feed.disconnect()
    this.#shards = undefined
    this.#catalogue.reset()
    const { shardCount } = this.#settings
    const reading = await readDirectory(this.#platform, this.path, undefined, shardCount, undefined, this.#catalogue)
    if (reading.state.lsn < this.#lsn) throw new CursorExpired(this.#lsn, reading.state.oldestLsn)
    this.#restarts++
    this.#shards = reading.shards
    this.#fold = new Fold(this.#catalogue, reading.shards)
    this.#cursor = new LogCursor(reading.directory, reading.state.next.segment, reading.state.next.start)
    this.#source = new FollowedLog(reading)
    this.#lsn = reading.state.lsn
    this.#feed.connect(this.#source)
    this.#settle()
  }

  #end(error: unknown): void {
    if (error !== undefined) {
      this.#failure =
        error instanceof OrreryError ? error : new StoreClosed("following it failed", "Open it again", error)
    }
    this.#shards = undefined
    const refusal = this.#refusal()
    this.#feed.end(error === undefined ? undefined : refusal)
    for (const { reject } of this.#waiters.splice(0)) reject(refusal)
  }

  #settle(): void {
    for (const { resolve } of this.#waiters.filter(({ lsn }) => lsn <= this.#lsn)) resolve()
    this.#waiters = this.#waiters.filter(({ lsn }) => lsn > this.#lsn)
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#platform.clock.after(this.#settings.lookMs, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
      if (this.#isClosed) this.#wake()
    })
  }

  #refusal(): OrreryError | undefined {
    if (this.#failure !== undefined) return this.#failure
    return this.#isClosed ? new StoreClosed("it was closed by its user", "Open it again") : undefined
  }

  #require(index: number): ShardTables {
    const tables = this.#shards?.[index]
    if (tables === undefined) throw this.#refusal() ?? new Restarting("the follower")
    return tables
  }
}

/** The log as far as it was read: where the feed reads what it does not have in memory. */
class FollowedLog implements FeedSource {
  durableLsn: Lsn
  readonly oldestLsn: Lsn
  readonly #reading: PastReading
  readonly #extents: SegmentExtent[]

  constructor(reading: PastReading) {
    const { state } = reading
    this.#reading = reading
    this.#extents = state.extents.map((extent) => ({ ...extent, marks: [...extent.marks] }))
    this.durableLsn = lsnOf(state.lsn)
    this.oldestLsn = lsnOf(state.oldestLsn)
  }

  note(segment: number, offset: number, firstLsn: number, lastLsn: number, payloadSize: number): void {
    let extent = this.#extents.at(-1)
    if (extent === undefined || extent.segment !== segment) {
      extent = { segment, firstLsn, lastLsn: firstLsn, endOffset: 0, marks: [] }
      this.#extents.push(extent)
    }
    extent.lastLsn = Math.max(extent.lastLsn, lastLsn)
    extent.endOffset = offset + frameSize(payloadSize)
    markFrame(extent, firstLsn, offset)
    this.durableLsn = lsnOf(Math.max(this.durableLsn, lastLsn))
  }

  read(after: Lsn, to?: Lsn): AsyncIterableIterator<LogFrame> {
    const start = { lsn: this.oldestLsn }
    return readLog(this.#reading.directory, this.#extents, start, new Map(), after, to ?? this.durableLsn)
  }
}
