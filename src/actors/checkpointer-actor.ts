// The actor that keeps the log short: folds it into checkpoints, and lets go of what no rule keeps. Reads files only, so
// the shards do not know of it. The folding is done by a worker thread, whose death costs the attempt and nothing else;
// small ones, and all where no worker is wanted, on this thread in slices of a millisecond.
//
// Order, so that a crash between any two steps leaves a store that opens: the new checkpoint is whole, durable and read
// back; then the manifest says where the log begins from now on; then segments go; then older checkpoints.

import { listCheckpoints, removeCheckpoint } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { CheckpointSize } from "../checkpoint/checkpoint-size.ts"
import { checkpointFile } from "../format/file-names.ts"
import { Corruption, OrreryError } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { Timer } from "../platform/clock.ts"
import type { FileLog } from "../wal/file-log.ts"
import { Actor } from "./actor.ts"
import { oldestNeeded, planCheckpoint } from "./checkpoint-plan.ts"
import type { CheckpointPlan } from "./checkpoint-plan.ts"
import type { CheckpointMetrics, CheckpointReport } from "./checkpoint-report.ts"
import { dueBytes, isByHand, isCrowded, isHurried, redundancyOf } from "./checkpoint-rules.ts"
import type { CheckpointRules } from "./checkpoint-rules.ts"
import type { EngineContext } from "./engine-context.ts"
import { FoldRunner, STOPPED } from "./fold-runner.ts"
import type { FoldListener } from "./fold-runner.ts"

/** How often it looks whether a checkpoint is due. */
const LOOK_MS = 250
/** After a failure: the first pause until the next attempt, doubled up to the longest. */
const RETRY_MS_FIRST = 1000
const RETRY_MS_MAX = 60_000

export class CheckpointerActor extends Actor<never> {
  readonly #engine: EngineContext
  readonly #rules: CheckpointRules
  readonly #size: CheckpointSize
  readonly #runner: FoldRunner
  /** Checkpoints that are there and have a good head, oldest first. */
  #kept: readonly CheckpointInfo[] = []
  /** The recovery that they were found behind. */
  #recovered: EngineContext["recovered"]
  #nextNumber = 1
  #timer: Timer | undefined
  #running: Promise<CheckpointReport | undefined> | undefined
  /** The last commit that the one that runs takes. */
  #takesThroughLsn = 0
  /** The end of the log when it was last looked at. */
  #seenLsn = 0
  #lastMs = 0
  #retryDelayMs = RETRY_MS_FIRST
  #notBeforeMs = 0
  #made = 0
  #failures = 0
  #failuresInARow = 0
  #lastDurationMs = 0
  #writtenBytes = 0
  #returnedBytes = 0

  constructor(engine: EngineContext, rules: CheckpointRules) {
    super({ name: "checkpointer" })
    this.#engine = engine
    this.#rules = rules
    this.#size = new CheckpointSize(engine.catalogue)
    this.#runner = new FoldRunner(engine)
  }

  /** The checkpoints that state can be loaded from, oldest first. */
  get kept(): readonly CheckpointInfo[] {
    return this.#kept
  }

  /**
   * Makes a checkpoint of everything that is durable now, if anything was written since the last one, and lets go of what
   * the rules do not keep. Undefined where there was nothing to do.
   * Fails with: StorageFailed, Corruption, Restarting, StoreClosed.
   */
  async checkpoint(onBytes: FoldListener = () => undefined): Promise<CheckpointReport | undefined> {
    // One that has begun may miss what its caller wants in it.
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    return this.#run(onBytes)
  }

  /** What `checkpoint` would do now, if nothing is written before. Fails as it does. */
  async plan(): Promise<CheckpointPlan | undefined> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    const { clock, log, settings } = this.#engine
    if (log === undefined || this.#runner.isStopping) throw this.#engine.unavailable(this.name)
    const { directory, segmentBytes } = settings
    const given = { directory, segmentBytes, log, rules: this.#rules, isRooted: settings.merkle.isKept }
    const pace = (): Promise<void> | undefined => this.#runner.pace()
    return planCheckpoint({ ...given, kept: this.#kept, number: this.#nextNumber, nowMs: clock.wallMs(), pace }).catch(
      (error: unknown) => Promise.reject(error === STOPPED ? this.#engine.unavailable(this.name) : error),
    )
  }

  /** Before the store is closed. Fails as `checkpoint` does. */
  async checkpointOnClose(): Promise<void> {
    if (this.#rules.onClose || (!isByHand(this.#rules) && this.#isCrowded())) await this.checkpoint()
  }

  /** Begins one if it is due. */
  look(): void {
    if (this.#running === undefined && this.#isDue()) this.#run().catch(() => undefined)
  }

  /** Begins one now, also where one that failed waits for its next turn; but none where its user makes them by hand. */
  urge(): void {
    if (this.#running === undefined && !isByHand(this.#rules)) this.#run().catch(() => undefined)
  }

  /** Part of what recovery would read that a checkpoint made now would do without. Undefined: a part is down. */
  redundancy(): number | undefined {
    const shards = this.#engine.shards.flatMap(({ tables }) => (tables === undefined ? [] : [tables]))
    const { log } = this.#engine
    if (log === undefined || shards.length < this.#engine.shards.length) return undefined
    const last = this.#kept.at(-1)
    return redundancyOf(this.#size.of(shards), last?.sizeBytes ?? 0, log.bytesAfter(last?.throughLsn ?? 0))
  }

  /**
   * Bytes of log beyond what the rules let gather; all where they are made by hand. What the one that runs takes is seen
   * to already. Undefined while there is no log.
   */
  overdueBytes(): number | undefined {
    const { log } = this.#engine
    if (log === undefined) return undefined
    const last = this.#kept.at(-1)
    const through = Math.max(last?.throughLsn ?? 0, this.#running === undefined ? 0 : this.#takesThroughLsn)
    const bytes = log.bytesAfter(through)
    if (isByHand(this.#rules)) return bytes
    return Math.max(0, bytes - dueBytes(this.#rules, last?.sizeBytes ?? 0, bytes, () => this.redundancy()))
  }

  get failuresInARow(): number {
    return this.#failuresInARow
  }

  metrics(): CheckpointMetrics {
    const { clock, log, manifest } = this.#engine
    const last = this.#kept.at(-1)
    const throughLsn = last?.throughLsn ?? 0
    return {
      kept: this.#kept.length,
      made: this.#made,
      failures: this.#failures,
      workersLost: this.#runner.workersLost,
      lastLsn: last?.throughLsn ?? 0,
      lastRecords: last?.records ?? 0,
      lastSizeBytes: last?.sizeBytes ?? 0,
      lastDurationMs: this.#lastDurationMs,
      lastMs: last?.createdMs ?? 0,
      writtenBytes: this.#writtenBytes,
      returnedBytes: this.#returnedBytes,
      ageMs: Math.max(0, clock.wallMs() - (last?.createdMs ?? manifest.createdMs)),
      replayBytes: log?.bytesAfter(throughLsn) ?? 0,
      replayCommits: Math.max(0, (log?.durableLsn ?? 0) - throughLsn),
      redundancy: this.redundancy() ?? 0,
    }
  }

  protected override receive(): void {
    invariant(false, "the checkpointer has no messages")
  }

  protected override async start(): Promise<void> {
    this.#runner.start()
    this.#lastMs = this.#engine.clock.monotonicMs()
    await this.#findKept()
    this.#lookLater()
  }

  protected override async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#runner.stop()
    await this.#running?.catch(() => undefined)
  }

  /** What earlier owners left. A checkpoint whose head is damaged is passed over, as recovery does. */
  async #findKept(): Promise<void> {
    const { directory } = this.#engine.settings
    const { recovered } = this.#engine
    const loaded = recovered?.checkpoint
    // Made since that recovery, in a life before this one.
    const made = recovered === this.#recovered ? this.#kept : []
    this.#recovered = recovered
    const kept: CheckpointInfo[] = []
    for (const number of await listCheckpoints(directory)) {
      this.#nextNumber = Math.max(this.#nextNumber, number + 1)
      const known = made.find((info) => info.number === number)
      if (known !== undefined) kept.push(known)
      else if (number === loaded?.number) kept.push(loaded)
      // Newer than what recovery loaded: it was passed over, because it is damaged.
      else if (number < (loaded?.number ?? 0)) {
        const info = await headOf(directory, number)
        if (info !== undefined) kept.push(info)
      }
    }
    this.#kept = kept
  }

  #lookLater(): void {
    this.#timer = this.#engine.clock.after(LOOK_MS, () => {
      this.look()
      this.#setPace()
      this.#lookLater()
    })
  }

  #setPace(): void {
    const { log } = this.#engine
    if (this.#running === undefined || log === undefined) return
    const isIdle = log.endLsn === this.#seenLsn
    this.#seenLsn = log.endLsn
    this.#runner.hurry(isHurried(isIdle, log.bytesAfter(this.#takesThroughLsn), this.#rules))
  }

  #isDue(): boolean {
    const { log, clock } = this.#engine
    if (log === undefined || clock.monotonicMs() < this.#notBeforeMs) return false
    const last = this.#kept.at(-1)
    const throughLsn = last?.throughLsn ?? 0
    if (log.durableLsn <= throughLsn) return false
    const { commits, intervalMs } = this.#rules
    if (intervalMs > 0 && clock.monotonicMs() - this.#lastMs >= intervalMs) return true
    if (log.durableLsn - throughLsn >= commits) return true
    if (!isByHand(this.#rules) && this.#isCrowded()) return true
    const bytes = log.bytesAfter(throughLsn)
    return bytes >= dueBytes(this.#rules, last?.sizeBytes ?? 0, bytes, () => this.redundancy())
  }

  /** Whether a checkpoint is wanted to let go of small segments, whatever is in them. */
  #isCrowded(): boolean {
    const { log, settings } = this.#engine
    const throughLsn = this.#kept.at(-1)?.throughLsn ?? 0
    if (log === undefined) return false
    return isCrowded(log.segmentsAfter(throughLsn), log.bytesAfter(throughLsn), settings.segmentBytes)
  }

  #run(onBytes: FoldListener = () => undefined): Promise<CheckpointReport | undefined> {
    const running = this.#make(onBytes).finally(() => {
      this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #make(onBytes: FoldListener): Promise<CheckpointReport | undefined> {
    const { log, clock } = this.#engine
    if (log === undefined || this.#runner.isStopping) throw this.#engine.unavailable(this.name)
    const startMs = clock.monotonicMs()
    try {
      const made = await this.#fold(log, onBytes)
      this.#lastMs = startMs
      this.#retryDelayMs = RETRY_MS_FIRST
      this.#failuresInARow = 0
      // Also without a new one: the rules may be other ones than those of the owner before.
      const returnedBytes = await this.#letGo(log)
      this.#returnedBytes += returnedBytes
      const newest = this.#kept.at(-1)
      if (newest === undefined || (made === undefined && returnedBytes === 0)) return undefined
      const durationMs = clock.monotonicMs() - startMs
      if (made !== undefined) this.#lastDurationMs = durationMs
      const report: CheckpointReport = {
        number: newest.number,
        lsn: newest.throughLsn,
        records: newest.records,
        sizeBytes: newest.sizeBytes,
        durationMs,
        returnedBytes,
        oldestLsn: log.oldestLsn,
      }
      this.#engine.emit({ kind: "checkpointed", report })
      return report
    } catch (error) {
      if (error === STOPPED) throw this.#engine.unavailable(this.name)
      this.#failures++
      this.#failuresInARow++
      this.#engine.emit({ kind: "checkpoint-failed", error, retryMs: this.#retryDelayMs })
      this.#notBeforeMs = clock.monotonicMs() + this.#retryDelayMs
      this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, RETRY_MS_MAX)
      // Whatever is not the disk's fault is a defect, and met as one: the supervisor begins anew.
      if (!(error instanceof OrreryError)) this.kill(error)
      throw error
    }
  }

  /** One or more folds, because one takes a bounded part of the log. Returns the last. */
  async #fold(log: FileLog, onBytes: FoldListener): Promise<CheckpointInfo | undefined> {
    const through = log.durableLsn
    this.#takesThroughLsn = through
    const isKept = this.#engine.settings.merkle.isKept && (this.#kept.at(-1)?.throughLsn ?? 0) < through
    // Where the Merkle tree is kept, its root goes along, and the checkpoint ends where that holds.
    const root = isKept ? await this.#engine.merkle.rootForCheckpoint() : undefined
    const end = root?.lsn ?? through
    this.#takesThroughLsn = end
    let made: CheckpointInfo | undefined
    while ((this.#kept.at(-1)?.throughLsn ?? 0) < end) {
      const next = await this.#foldOnce(log, end, root, onBytes)
      if (next === undefined) break
      made = next
      this.#made++
      this.#writtenBytes += made.sizeBytes
      this.#kept = [...this.#kept, made]
    }
    return made
  }

  async #foldOnce(
    log: FileLog,
    through: number,
    root: MerkleRoot | undefined,
    onBytes: FoldListener,
  ): Promise<CheckpointInfo | undefined> {
    const { clock, settings } = this.#engine
    for (;;) {
      const base = this.#kept.at(-1)
      const number = this.#nextNumber++
      try {
        const { path, storeId, checksumSeed } = settings.directory
        const extents = log.extentsThrough(through)
        const part = { extents, startLsn: log.oldestLsn, throughLsn: through }
        const job = {
          path,
          storeId,
          checksumSeed,
          ...part,
          number,
          base: base?.number,
          createdMs: clock.wallMs(),
          root,
          isForced: this.#isCrowded(),
        }
        return await this.#runner.run(job, base, onBytes)
      } catch (error) {
        // A base that has rotted since: the one before and its log say the same.
        if (!(error instanceof Corruption) || base === undefined || error.file !== checkpointFile(base.number))
          throw error
        const before = this.#kept.at(-2)
        if ((before?.throughLsn ?? 0) + 1 < log.oldestLsn) return this.#foldLive(error, onBytes)
        probe("a checkpoint is made from an older one")
        this.#kept = this.#kept.slice(0, -1)
      }
    }
  }

  /** Nothing on the disk leads to the state any more, but it is in memory. */
  async #foldLive(damage: Corruption, onBytes: FoldListener): Promise<CheckpointInfo> {
    const made = await this.#runner.runLive(this.#nextNumber++, onBytes)
    if (made === undefined) throw damage
    probe("a checkpoint is made from the running tables")
    this.#kept = []
    return made
  }

  /** Lets go of what the rules do not keep. Returns the bytes that the disk has back. */
  async #letGo(log: FileLog): Promise<number> {
    const { directory } = this.#engine.settings
    const first = oldestNeeded(this.#kept, this.#rules, this.#engine.clock.wallMs(), (lsn) => log.bytesAfter(lsn))
    const oldest = this.#kept[first]
    if (oldest === undefined || this.#runner.isStopping) return 0
    let bytes = await log.truncate(lsnOf(oldest.throughLsn))
    this.#kept = this.#kept.slice(first)
    for (const number of await listCheckpoints(directory)) {
      if (number < oldest.number) bytes += await removeCheckpoint(directory, number)
    }
    return bytes
  }
}
