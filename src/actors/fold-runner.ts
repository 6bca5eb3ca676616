// Makes one checkpoint for the checkpointer: on a worker thread, whose loss costs the attempt, or on this one in slices.
// One at a time. The thread is kept for the next one for a while: what runs often in it is compiled once then.

import { requireRoom } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { DELTA_SIZE_MAX, foldCheckpoint } from "../checkpoint/fold-checkpoint.ts"
import { liveFrames } from "../checkpoint/live-frames.ts"
import { probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import { isOutcomeTrue, resultOf, runFoldJob } from "../recovery/fold-job.ts"
import type { Timer } from "../platform/clock.ts"
import type { FoldJob, FoldOutcome, FoldRun } from "../recovery/fold-job.ts"
import type { EngineContext } from "./engine-context.ts"

/** Work at a time, and the pause behind it, in which others have the event loop. */
const SLICE_MS = 1
const PAUSE_MS = 1
/** State and log of less are folded on this thread: starting another takes longer. */
const WORKER_SIZE_MIN = 4 * 1024 * 1024
/** Workers that may be lost over one checkpoint, before this thread makes it. */
const WORKER_ATTEMPT_COUNT = 3

/** A thread that was given nothing for so long is ended: it has a heap of its own. */
const KEPT_MS = 60_000

/** The work was given up because the actor is stopped. */
export const STOPPED: Error = new Error("the checkpointer is stopped")

/** Told how many bytes of a checkpoint are written, and about how many there will be. Must not throw. */
export type FoldListener = (doneBytes: number, totalBytes: number) => void

export class FoldRunner {
  readonly #engine: EngineContext
  /** The worker thread that is at work. */
  #worker: FoldRun | undefined
  /** One that has answered, and when it is ended. */
  #kept: { readonly run: FoldRun; readonly timer: Timer } | undefined
  #workersLost = 0
  #isStopping = false
  #sliceStartMs = 0

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  /** Workers that ended without an answer. */
  get workersLost(): number {
    return this.#workersLost
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  /** Work may begin. */
  start(): void {
    this.#isStopping = false
  }

  /** Whether a worker at work takes all of a processor, or leaves most of it to others. */
  hurry(isHurried: boolean): void {
    this.#worker?.hurry(isHurried)
  }

  /** Ends what is under way, which fails with STOPPED. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all([this.#worker?.end(), this.#takeKept()?.end()])
  }

  /**
   * Makes the checkpoint from its base, `last`, and the log behind it. Undefined where there is nothing to make.
   * Fails with: Corruption, StorageFailed, STOPPED.
   */
  async run(
    job: FoldJob,
    last: CheckpointInfo | undefined,
    onBytes: FoldListener,
  ): Promise<CheckpointInfo | undefined> {
    const { log, settings } = this.#engine
    const { startFold, directory } = settings
    this.#sliceStartMs = this.#engine.clock.monotonicMs()
    const logBytes = log?.bytesAfter(last?.throughLsn ?? 0) ?? 0
    const sizeBytes = (last?.sizeBytes ?? 0) + Math.min(logBytes, DELTA_SIZE_MAX)
    await requireRoom(directory, job.number, sizeBytes, settings.segmentBytes)
    const told = (doneBytes: number): void => onBytes(doneBytes, Math.max(doneBytes, sizeBytes))
    if (startFold !== undefined && (last?.sizeBytes ?? 0) + logBytes >= WORKER_SIZE_MIN) {
      for (let attempt = 0; attempt < WORKER_ATTEMPT_COUNT; attempt++) {
        const outcome = await this.#tryWorker(this.#nextOfKept(job, told) ?? startFold(job, told), job)
        if (outcome !== undefined) return resultOf(outcome)
      }
    }
    return runFoldJob(job, directory.fileSystem, directory.checksum, (doneBytes) => {
      if (doneBytes !== undefined) told(doneBytes)
      return this.pace()
    })
  }

  /**
   * Makes the checkpoint from the running tables and the log behind the moment in which it began, on this thread. Takes
   * about as much memory as the state. Undefined where a part of the state is down.
   * Fails with: StorageFailed, Corruption, CommitUnknown, STOPPED.
   */
  async runLive(number: number, onBytes: FoldListener): Promise<CheckpointInfo | undefined> {
    const engine = this.#engine
    const { catalogue, clock, commit, log, settings } = engine
    const shards = engine.shards.flatMap(({ tables }) => (tables === undefined ? [] : [tables]))
    if (log === undefined || commit === undefined || shards.length < engine.shards.length) return undefined
    this.#sliceStartMs = clock.monotonicMs()
    engine.drainShards()
    const lsn = lsnOf(commit.lastLsn)
    const isStill = (): boolean => engine.log === log && engine.shards.every(({ tables }, at) => tables === shards[at])
    const pace = (doneBytes = 0): Promise<void> | undefined => {
      // What comes up in the place of a shard or a log that failed may be of an earlier moment.
      if (!isStill()) throw engine.unavailable("checkpointer")
      onBytes(doneBytes, doneBytes)
      return this.pace()
    }
    return foldCheckpoint({
      directory: settings.directory,
      number,
      base: undefined,
      readLog: async function* () {
        yield* liveFrames({ catalogue, shards, lsn }, pace)
        const end = lsnOf(commit.lastLsn)
        // What was read may not be durable yet; a checkpoint holds nothing that is not.
        await commit.flush()
        if (end > lsn) yield* log.read(lsn, end)
      },
      sealed: log.extentsThrough(log.durableLsn).slice(0, -1),
      createdMs: clock.wallMs(),
      deltaSizeMax: Infinity,
      pace,
    })
  }

  /** Gives others their turn when a slice is over. Throws STOPPED. */
  pace(): Promise<void> | undefined {
    if (this.#isStopping) throw STOPPED
    const { clock } = this.#engine
    if (clock.monotonicMs() - this.#sliceStartMs < SLICE_MS) return undefined
    return new Promise((resolve) => {
      const resume = (): void => {
        this.#sliceStartMs = clock.monotonicMs()
        resolve()
      }
      clock.after(PAUSE_MS, resume, true)
    })
  }

  /** What the worker found, or undefined where it was lost. */
  async #tryWorker(run: FoldRun, job: FoldJob): Promise<FoldOutcome | undefined> {
    this.#worker = run
    let isKept = false
    try {
      const outcome = await run.answer.catch(() => undefined)
      // The log is let go on the strength of it.
      if (outcome !== undefined && (await isOutcomeTrue(outcome, job, this.#engine.settings.directory))) {
        isKept = outcome.kind === "made" && !this.#isStopping
        return outcome
      }
    } finally {
      if (isKept) this.#keep(run)
      else await run.end()
      this.#worker = undefined
    }
    if (this.#isStopping) throw STOPPED
    probe("the worker thread of a checkpoint is lost")
    this.#workersLost++
    this.#engine.emit({ kind: "worker-lost", checkpoint: job.number })
    return undefined
  }

  #keep(run: FoldRun): void {
    const end = (): void => void this.#takeKept()?.end()
    this.#kept = { run, timer: this.#engine.clock.after(KEPT_MS, end) }
  }

  #nextOfKept(job: FoldJob, told: (doneBytes: number) => void): FoldRun | undefined {
    const kept = this.#takeKept()
    const run = kept?.next(job, { onProgress: told })
    // One that said nonsense meanwhile may still run.
    if (run === undefined) void kept?.end()
    return run
  }

  #takeKept(): FoldRun | undefined {
    const kept = this.#kept
    this.#kept = undefined
    kept?.timer.cancel()
    return kept?.run
  }
}
