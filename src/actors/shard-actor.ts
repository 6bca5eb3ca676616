// The actor that owns one shard. Its mailbox is made of numbers: places in the log's batch where records lie (see
// ShardTables); they are applied in runs, and before anybody reads.
//
// A shard that died is built anew by folding the log: first what is in the files, while the other shards serve and
// writes go on, then, in one turn, what is in memory only. So it comes back with every write, acknowledged or not.

import { Fold } from "../checkpoint/fold.ts"
import { loadState } from "../checkpoint/state-loader.ts"
import { segmentFile } from "../format/file-names.ts"
import type { RecordBuffer } from "../format/record.ts"
import { Corruption } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Timer } from "../platform/clock.ts"
import { ShardTables } from "../table/shard-tables.ts"
import { readLog } from "../wal/log-reader.ts"
import { Actor } from "./actor.ts"
import type { EngineContext, RecoveredLog } from "./engine-context.ts"

/** Records that one step of compaction moves at most. */
const COMPACTION_STEP_RECORDS = 128
/** How long the actor waits before it looks for work: twice as long each time that it finds none, up to 0.8 s. */
const COMPACTION_IDLE_MS = 50
const COMPACTION_IDLE_MS_MAX = 800

export class ShardActor extends Actor<never> {
  /** The shard's state; undefined while it is down. Changed only by start and stop. */
  tables: ShardTables | undefined
  /** How often it was built from the log because it had died. */
  rebuildCount = 0
  readonly #engine: EngineContext
  readonly #index: number
  #compactionTimer: Timer | undefined
  /** Records that were applied when compaction last began. */
  #compactedAt = 0
  /** The table that compaction is at. */
  #compacting: number | undefined
  #idleMs = COMPACTION_IDLE_MS

  constructor(engine: EngineContext, index: number) {
    super({ name: `shard-${index}` })
    this.#engine = engine
    this.#index = index
  }

  /** The state, for a read. Fails with: Restarting. */
  require(): ShardTables {
    if (this.tables === undefined) throw this.#engine.unavailable(this.name)
    return this.tables
  }

  protected override receive(): void {
    invariant(false, "a shard has no other messages than records")
  }

  protected override async start(): Promise<void> {
    this.tables = this.#engine.takeRecovered(this.#index) ?? (await this.#rebuild())
    this.#compactedAt = 0
    this.#compacting = undefined
    this.#idleMs = COMPACTION_IDLE_MS
    this.#compactLater(COMPACTION_IDLE_MS)
    this.#engine.noteActorChange()
  }

  protected override stop(): void {
    this.#compactionTimer?.cancel()
    this.tables = undefined
    this.#engine.noteActorChange()
  }

  /** Applies what is noted, before the batch that the notes point into is reused. */
  drain(buffer: RecordBuffer): void {
    this.tables?.drain(buffer)
  }

  /** Undefined: the log is about to be started anew, and this shard with it. To fail would use up its restarts. */
  async #rebuild(): Promise<ShardTables | undefined> {
    const { log, commit, recovered, status } = this.#engine
    const isStill = status.state === "read-only" && recovered !== undefined
    if (!isStill && (log === undefined || commit === undefined)) {
      probe("a shard waits for the log to be started anew")
      return undefined
    }
    probe("a shard is rebuilt from the log")
    this.rebuildCount++
    const tables = new ShardTables()
    const shards = Array.from({ length: this.#engine.settings.shardCount }, (_, index) =>
      index === this.#index ? tables : undefined,
    )
    const fold = new Fold(this.#engine.catalogue, shards)
    if (log === undefined || commit === undefined) {
      // Nothing was written since that recovery, or is before every shard is up.
      if (recovered !== undefined) await this.#foldRecovered(recovered, shards, tables, fold)
      return tables
    }
    // Each round reads what was written during the one before; reading is much the faster.
    let position = await this.#loadCheckpoint(shards, tables, log.oldestLsn)
    while (position < log.endLsn) {
      const to = log.endLsn
      for await (const frame of log.read(lsnOf(position), to)) fold.apply(frame)
      position = to
    }
    for (const frame of commit.unwritten()) fold.apply(frame)
    return tables
  }

  /** What the last recovery found, where the disk has no room for a log behind it. */
  async #foldRecovered(
    { end }: RecoveredLog,
    shards: readonly (ShardTables | undefined)[],
    tables: ShardTables,
    fold: Fold,
  ): Promise<void> {
    probe("a shard is rebuilt while there is no log")
    const { directory } = this.#engine.settings
    const start = { lsn: end.startLsn }
    const position = await this.#loadCheckpoint(shards, tables, end.startLsn)
    for await (const frame of readLog(directory, end.segments, start, new Map(), position, end.lastLsn))
      fold.apply(frame)
  }

  /** Loads this shard's part of the newest good checkpoint. Returns the LSN that the log is to be read behind. */
  async #loadCheckpoint(
    shards: readonly (ShardTables | undefined)[],
    tables: ShardTables,
    oldestLsn: number,
  ): Promise<number> {
    const { catalogue, checkpoints, settings } = this.#engine
    for (const { number, throughLsn } of checkpoints.toReversed()) {
      if (throughLsn + 1 < oldestLsn) break
      try {
        await loadState(settings.directory, number, catalogue, shards)
        return throughLsn
      } catch (error) {
        if (!(error instanceof Corruption)) throw error
        tables.clear()
      }
    }
    if (oldestLsn > 1) throw new Corruption(segmentFile(0), 0, 0, "the log's beginning is in no good checkpoint")
    return 0
  }

  /** Gives back what deletes and overwrites left: one step of one table at a time, table after table. */
  #compactLater(delayMs: number): void {
    this.#compactionTimer = this.#engine.clock.after(delayMs, () => {
      const { tables } = this
      if (tables === undefined) return
      if (this.#enterNext()) return this.#compactLater(0)
      if (this.#compacting === undefined && tables.appliedCount !== this.#compactedAt && !tables.isDeferred) {
        this.#compactedAt = tables.appliedCount
        this.#compacting = 0
      }
      if (this.#compacting === undefined) {
        this.#compactLater(this.#idleMs)
        this.#idleMs = Math.min(this.#idleMs * 2, COMPACTION_IDLE_MS_MAX)
        return
      }
      this.#compacting = this.#compactStep(tables, this.#compacting)
      this.#idleMs = COMPACTION_IDLE_MS
      this.#compactLater(0)
    })
  }

  /** Enters records that are put off. One shard does so for all: a range is entered for all of them, in one step. */
  #enterNext(): boolean {
    const { shards } = this.#engine
    const first = shards.find(({ tables }) => tables !== undefined)
    return first === this && shards.some(({ tables }) => tables?.enterNext() === true)
  }

  /** Returns the table to go on with, or undefined behind the last. */
  #compactStep(tables: ShardTables, tableId: number): number | undefined {
    const partition = tables.partitions[tableId]
    if (partition !== undefined) {
      // Notes are applied first: the compaction may move what they are about to overwrite.
      if (partition.pending > 0) partition.drain(this.#engine.requireBuffer())
      if (partition.table.compactStep(COMPACTION_STEP_RECORDS)) return tableId
    }
    return tableId + 1 < tables.partitions.length ? tableId + 1 : undefined
  }
}
