// The actor that keeps the Merkle tree: behind the writers, out of files, in slices of a millisecond. Looks for what became
// durable once a while, and for nobody else unless asked. Writes the root down: with checkpoints, whose LSN it therefore
// chooses, and in the log. When the store is opened it compares the state with what was written down.
//
// Where the tree is not kept, it is made when somebody asks for it, and goes again when nobody has asked for a while.
// Must not touch the tables: what it says is what the files say.

import { CursorExpired, OrreryError } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { MerkleMismatch } from "../model/merkle-errors.ts"
import type { MerkleRoot, MerkleVerdict } from "../model/merkle.ts"
import type { Timer } from "../platform/clock.ts"
import { MerkleHasher } from "../merkle/merkle-hash.ts"
import type { MerkleFold } from "../merkle/merkle-fold.ts"
import type { FileLog } from "../wal/file-log.ts"
import { Actor } from "./actor.ts"
import type { EngineContext } from "./engine-context.ts"
import { MerkleBuilder } from "./merkle-builder.ts"
import { recordedRoot } from "./merkle-record.ts"
import type { MerkleRules } from "./merkle-rules.ts"

/** Work at a time, and the pause behind it: beside writers, and while the store is not open yet. */
const SLICE_MS = 1
const PAUSE_MS = 1
const OPENING_SLICE_MS = 20
/** How long a tree is there that is not kept, once nobody uses it. */
const IDLE_MS = 10_000

/** The work was given up because the actor is stopped. */
const STOPPED: Error = new Error("the Merkle tree is not kept any more")

/** Told how many bytes of files were read for the tree, and about how many there are. */
export type ByteListener = (doneBytes: number, totalBytes: number) => void

export interface MerkleMetrics {
  /** The last commit in the tree; 0 where there is none. */
  readonly lsn: number
  readonly records: number
  /** Records that were taken into trees since the store was opened. */
  readonly takenRecords: number
  /** Bytes of memory. */
  readonly bytes: number
  /** Trees that were begun. */
  readonly builds: number
  /** Roots that were written to the log. */
  readonly recordedRoots: number
}

export class MerkleActor extends Actor<never> {
  /** What came of comparing the state that was recovered with a root that was written down. */
  verdict: MerkleVerdict
  /** Writes a root to the log. Set by the store. */
  onRoot: (root: MerkleRoot) => void = () => undefined
  readonly #engine: EngineContext
  readonly #rules: MerkleRules
  readonly #builder: MerkleBuilder
  /** For whoever has to know the path of a key. */
  readonly hasher: MerkleHasher
  #fold: MerkleFold | undefined
  /** Everything that needs the tree, one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined
  #idleTimer: Timer | undefined
  #isStopping = true
  /** What is begun in one life must not go on in the next. */
  #life: object | undefined
  #sliceStartMs = 0
  /** Of the one whose turn it is. */
  #onBytes: ByteListener | undefined
  /** The recovery whose state was compared. */
  #compared: EngineContext["recovered"]
  #recordedMs = 0
  /** What the tree had taken when a root was last written, or it was begun. */
  #recordedCount = 0
  #takenBefore = 0
  #builds = 0
  #recordedRoots = 0

  constructor(engine: EngineContext, rules: MerkleRules) {
    super({ name: "merkle" })
    this.#engine = engine
    this.#rules = rules
    this.#builder = new MerkleBuilder(engine, () => this.#pace())
    this.hasher = new MerkleHasher(engine.settings.sha256)
    const notYet = rules.verify === "never" ? "the option merkle.verify says never" : "it is not compared yet"
    this.verdict = skipped(rules.isKept ? notYet : "the option merkle is off")
  }

  /**
   * Calls `work` with the tree, exact behind a commit that is not before what is durable now, and settled. It must be
   * synchronous, and keep nothing of the tree. Fails with: Corruption, StorageFailed, MerkleMismatch, Restarting,
   * StoreClosed, what `work` throws. `onBytes`, which must not throw, is told how far the files are read.
   */
  use<T>(work: (fold: MerkleFold) => T, onBytes?: ByteListener): Promise<T> {
    const run = this.#queue.then(async () => {
      this.#onBytes = onBytes
      try {
        const fold = await this.#current()
        this.#tell()
        return work(fold)
      } catch (error) {
        if (error === STOPPED) throw this.#engine.unavailable(this.name)
        throw error
      } finally {
        this.#onBytes = undefined
        if (!this.#rules.isKept) this.#dropLater()
      }
    })
    this.#queue = run.catch(() => undefined)
    return run
  }

  /** The root of everything durable, for a checkpoint that ends there; undefined where the tree is not kept, or not there. */
  async rootForCheckpoint(): Promise<MerkleRoot | undefined> {
    if (!this.#rules.isKept || this.#isStopping) return undefined
    // A checkpoint does without, sooner than not being made.
    return this.use((fold) => fold.root).catch(() => undefined)
  }

  metrics(): MerkleMetrics {
    const fold = this.#fold
    return {
      lsn: fold?.lsn ?? 0,
      records: fold?.tree.count ?? 0,
      takenRecords: this.#takenBefore + (fold?.takenCount ?? 0),
      bytes: fold?.tree.byteSize ?? 0,
      builds: this.#builds,
      recordedRoots: this.#recordedRoots,
    }
  }

  protected override receive(): void {
    invariant(false, "the Merkle tree has no messages")
  }

  protected override async start(): Promise<void> {
    this.#isStopping = false
    if (!this.#rules.isKept) return
    this.#recordedMs = this.#engine.clock.monotonicMs()
    if (this.#rules.verify === "before" && !this.#engine.wasOpen) {
      this.#tell()
      await this.use(() => undefined)
    }
    this.#life = {}
    this.#refreshLater(0, this.#life)
  }

  protected override async stop(): Promise<void> {
    this.#isStopping = true
    this.#life = undefined
    this.#timer?.cancel()
    this.#idleTimer?.cancel()
    await this.#queue
    this.#drop()
  }

  #refreshLater(delayMs: number, life: object): void {
    if (this.#life !== life) return
    this.#timer = this.#engine.clock.after(delayMs, () => {
      void this.#refresh(life).finally(() => this.#refreshLater(this.#rules.refreshMs, life))
    })
  }

  async #refresh(life: object): Promise<void> {
    try {
      await this.use((fold) => this.#record(fold))
    } catch (error) {
      if (this.#life !== life) return
      if (error instanceof MerkleMismatch) this.#engine.giveUp(error)
      // Whatever is not the disk's fault is a defect, and met as one: the supervisor begins anew.
      else if (!(error instanceof OrreryError)) this.kill(error)
    }
  }

  #record(fold: MerkleFold): void {
    const nowMs = this.#engine.clock.monotonicMs()
    if (nowMs - this.#recordedMs < this.#rules.recordMs || fold.takenCount === this.#recordedCount) return
    this.#recordedMs = nowMs
    this.#recordedCount = fold.takenCount
    this.#recordedRoots++
    this.onRoot(fold.root)
  }

  /** The tree, up to what is durable. */
  async #current(): Promise<MerkleFold> {
    const { log, clock } = this.#engine
    if (log === undefined || this.#isStopping) throw STOPPED
    this.#idleTimer?.cancel()
    this.#sliceStartMs = clock.monotonicMs()
    try {
      return await this.#upTo(log)
    } catch (error) {
      // It stopped in the middle of something.
      this.#drop()
      if (!(error instanceof CursorExpired)) throw error
      probe("the log was let go before the Merkle tree had read it")
      return await this.#upTo(log)
    }
  }

  async #upTo(log: FileLog): Promise<MerkleFold> {
    const fold = (this.#fold ??= await this.#begin(log))
    await this.#builder.catchUp(fold, log, log.durableLsn)
    await this.#builder.settle(fold)
    return fold
  }

  async #begin(log: FileLog): Promise<MerkleFold> {
    this.#builds++
    const { fold, expected, source } = await this.#builder.begin(log)
    const { recovered } = this.#engine
    if (this.#compared !== recovered && this.#rules.isKept && this.#rules.verify !== "never") {
      await this.#compareAll(fold, log, expected, source)
      this.#compared = recovered
    }
    this.#recordedCount = fold.takenCount
    return fold
  }

  async #compareAll(fold: MerkleFold, log: FileLog, expected: MerkleRoot | undefined, source: string): Promise<void> {
    this.verdict = skipped("no root was written for what was recovered")
    if (expected !== undefined) await this.#compare(fold, expected, source)
    const recorded = recordedRoot(this.#engine)
    if (recorded === undefined || recorded.lsn <= fold.lsn || recorded.lsn > log.durableLsn) return
    await this.#builder.catchUp(fold, log, recorded.lsn)
    if (this.verdict.result !== "failed") await this.#compare(fold, recorded, "the log")
  }

  async #compare(fold: MerkleFold, expected: MerkleRoot, source: string): Promise<void> {
    await this.#builder.settle(fold)
    const { lsn } = expected
    if (fold.root.root === expected.root && fold.root.records === expected.records) {
      this.verdict = { result: "verified", lsn, reason: `it is what ${source} says` }
      return
    }
    probe("a Merkle root differs")
    const error = new MerkleMismatch(source, expected, fold.root)
    this.verdict = { result: "failed", lsn, reason: error.summary }
    if (!this.#rules.allowMismatch) throw error
  }

  /** Gives others their turn when a slice is over. Throws STOPPED, and what `onRecovery` throws. */
  #pace(): Promise<void> | undefined {
    if (this.#isStopping) throw STOPPED
    const { clock, wasOpen } = this.#engine
    if (clock.monotonicMs() - this.#sliceStartMs < (wasOpen ? SLICE_MS : OPENING_SLICE_MS)) return undefined
    return new Promise((resolve) => {
      const resume = (): void => {
        this.#sliceStartMs = clock.monotonicMs()
        resolve()
      }
      this.#tell()
      clock.after(wasOpen ? PAUSE_MS : 0, resume, true)
    })
  }

  /** Tells whoever waits how far it has come: who opens the store, and gives it up by what he throws, or who asked. */
  #tell(): void {
    const { checkpoints, log, settings, wasOpen } = this.#engine
    if (wasOpen && this.#onBytes === undefined) return
    const { doneBytes } = this.#builder
    const newest = checkpoints.at(-1)
    const size = (newest?.sizeBytes ?? 0) + (log?.bytesAfter(newest?.throughLsn ?? 0) ?? 0)
    const totalBytes = Math.max(doneBytes, size)
    if (!wasOpen) settings.onRecovery({ phase: "compare-root", doneBytes, totalBytes })
    this.#onBytes?.(doneBytes, totalBytes)
  }

  #dropLater(): void {
    if (this.#isStopping) return
    this.#idleTimer?.cancel()
    this.#idleTimer = this.#engine.clock.after(IDLE_MS, () => this.#drop())
  }

  #drop(): void {
    this.#takenBefore += this.#fold?.takenCount ?? 0
    this.#fold = undefined
  }
}

function skipped(reason: string): MerkleVerdict {
  return { result: "skipped", lsn: 0, reason }
}
