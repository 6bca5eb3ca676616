// The way of a write from its arguments to its receipt. The common case, one put into a known table with room in the
// batch, does no more than encode, note for the shard, and join the batch; everything else takes the general road.

import type { Engine } from "../actors/engine.ts"
import { FLAG_CONTINUES, KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { RecordWriter } from "../format/record-writer.ts"
import { ValueCompressor } from "../format/value-compression.ts"
import { ValueEncoder } from "../format/value-encoder.ts"
import type { Durability } from "../model/durability.ts"
import { BATCH_OPERATION_COUNT_MAX, COMMIT_SIZE_MAX } from "../model/limits.ts"
import { lsnOf } from "../model/lsn.ts"
import { shardOf } from "../physics/placement.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { CommitBatch, Receipt } from "../wal/commit-batch.ts"
import type { GroupCommit } from "../wal/group-commit.ts"
import { ValueCopier } from "./value-copier.ts"
import { CommitSession } from "./commit-session.ts"
import type { Operation } from "./commit-session.ts"
import { WriteRules } from "./write-rule.ts"

export interface WriteCounters {
  puts: number
  deletes: number
  batches: number
  rejected: number
}

/** Reads, computes and writes as one. */
export interface AloneStep {
  /** Runs when the write's turn has come, and not before. Where it returns no operations nothing is committed. */
  run(): readonly Operation[]
  /** Called before `run` writes to the store beside what it returns. What it throws refuses that write. Default: refuses. */
  intrude?(): void
}

export class Writer {
  readonly counters: WriteCounters = { puts: 0, deletes: 0, batches: 0, rejected: 0 }
  readonly rules: WriteRules = new WriteRules()
  readonly compressor: ValueCompressor
  readonly #engine: Engine
  readonly #records: RecordWriter
  readonly #session: CommitSession
  readonly #copier = new ValueCopier()
  /** A value's getter may call back into the store while its record is half written, and so may an update's function. */
  #isWriting = false
  /** What is to be alone, until another write comes from within it. */
  #step: AloneStep | undefined

  constructor(engine: Engine) {
    this.#engine = engine
    this.compressor = new ValueCompressor(engine.settings.compression)
    const encoder = new ValueEncoder(engine.catalogue.shapes)
    this.#records = new RecordWriter(engine.manifest.hashSecret, encoder, this.compressor)
    this.#session = new CommitSession(engine, this.#records)
  }

  put(
    entry: TableEntry,
    key: string,
    value: unknown,
    durability: Durability,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    const { intake: commit, refusesWrites, admission, shards } = this.#engine
    if (
      commit === undefined ||
      refusesWrites ||
      !commit.hasRoom ||
      admission.count > 0 ||
      this.#isWriting ||
      entry.id === 0
    ) {
      return this.write([{ kind: KIND_PUT, entry, key, value }], durability, signal)
    }
    if (entry.ruleCount > 0) return this.#putRuled(commit, [{ kind: KIND_PUT, entry, key, value }], durability)
    const { buffer, position } = commit.batch
    let end: number
    this.#isWriting = true
    try {
      end = this.#records.put(buffer, position, 0, entry.id, key, value, entry.compressFrom)
    } catch (error) {
      this.counters.rejected++
      return Promise.reject(error)
    } finally {
      this.#isWriting = false
    }
    if (end < 0 || this.#engine.catalogue.shapes.hasPending) {
      return this.write([{ kind: KIND_PUT, entry, key, value }], durability, signal)
    }
    this.counters.puts++
    shards[shardOf(this.#records.hash, shards.length)]?.tables?.apply(buffer, position, commit.nextLsn)
    return commit.commit(end, 1, durability)
  }

  /** One put, into a table that rules look at: straight into the batch as well, if they add nothing. */
  #putRuled(commit: GroupCommit, operations: readonly [Operation], durability: Durability): Promise<Receipt> {
    const [{ entry, key, value }] = operations
    const { shards, catalogue } = this.#engine
    this.#isWriting = true
    try {
      const checked = this.rules.check(operations)
      const lsn = commit.nextLsn
      const { buffer, position } = commit.batch
      const end =
        checked === operations ? this.#records.put(buffer, position, 0, entry.id, key, value, entry.compressFrom) : -1
      let receipt: Promise<Receipt>
      if (end < 0 || catalogue.shapes.hasPending) receipt = this.#session.run(commit, checked, durability)
      else {
        shards[shardOf(this.#records.hash, shards.length)]?.tables?.apply(buffer, position, lsn)
        receipt = commit.commit(end, 1, durability)
      }
      this.counters.puts++
      this.rules.committed(checked, lsn)
      return receipt
    } catch (error) {
      return this.#refuse(error)
    } finally {
      this.#isWriting = false
    }
  }

  /** Puts all the entries as one commit. Straight into the batch if nothing is unusual, else like any other batch. */
  putMany(
    entry: TableEntry,
    entries: readonly (readonly [string, unknown])[],
    durability: Durability,
  ): Promise<Receipt> {
    const { intake: commit, refusesWrites, admission } = this.#engine
    const isUsual = commit !== undefined && !refusesWrites && commit.hasRoom && admission.count === 0
    if (
      isUsual &&
      !this.#isWriting &&
      entry.id !== 0 &&
      entry.ruleCount === 0 &&
      entries.length > 0 &&
      entries.length <= BATCH_OPERATION_COUNT_MAX
    ) {
      let end: number
      this.#isWriting = true
      try {
        end = this.#putStraight(commit, entry, entries)
      } catch (error) {
        return this.#refuse(error)
      } finally {
        this.#isWriting = false
      }
      if (end >= 0) {
        this.counters.puts += entries.length
        if (entries.length > 1) this.counters.batches++
        return this.#session.finish(commit, end, entries.length, durability)
      }
    }
    const operations = entries.map(([key, value]): Operation => ({ kind: KIND_PUT, entry, key, value }))
    return this.write(operations, durability, undefined)
  }

  /** Where the records end, or -1 where room or a definition is wanting: then the batch does not know of them. */
  #putStraight(commit: GroupCommit, entry: TableEntry, entries: readonly (readonly [string, unknown])[]): number {
    const { shapes } = this.#engine.catalogue
    const { buffer, position } = commit.batch
    let end = position
    let flags = 0
    for (const [key, value] of entries) {
      end = this.#records.put(buffer, end, flags, entry.id, key, value, entry.compressFrom)
      if (end < 0 || shapes.hasPending) return -1
      flags = FLAG_CONTINUES
    }
    return end - position <= COMMIT_SIZE_MAX ? end : -1
  }

  /**
   * Commits the operations as one: now, or when its turn comes. `condition` is called right before that, and refuses the
   * commit by what it throws.
   */
  write(
    operations: readonly Operation[],
    durability: Durability,
    signal: AbortSignal | undefined,
    condition?: () => void,
  ): Promise<Receipt> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const refusal = this.#engine.refusal()
    if (refusal !== undefined) return this.#refuse(refusal)
    const { intake, admission } = this.#engine
    if (intake !== undefined && intake.hasRoom && admission.count === 0) {
      return this.#commit(intake, operations, durability, condition)
    }
    try {
      const frozen = operations.map((operation) => this.#freeze(operation))
      return admission.wait(() => this.#admitted(frozen, durability, condition), signal)
    } catch (error) {
      return this.#refuse(error)
    }
  }

  /** Reads, computes and writes as one step, when its turn has come. */
  update(
    step: AloneStep | (() => readonly Operation[]),
    durability: Durability,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const refusal = this.#engine.refusal()
    if (refusal !== undefined) return this.#refuse(refusal)
    const run = (): Promise<Receipt> => {
      try {
        const operations = this.#alone(typeof step === "function" ? { run: step } : step)
        if (operations.length === 0) return Promise.resolve({ lsn: lsnOf(this.#engine.commit?.lastLsn ?? 0) })
        return this.#admitted(operations, durability)
      } catch (error) {
        return this.#refuse(error)
      }
    }
    return this.#hasTurn ? run() : this.#engine.admission.wait(run, signal)
  }

  /** Whether a write that comes now has its turn at once. */
  get isOpen(): boolean {
    return this.#hasTurn && this.#engine.refusal() === undefined
  }

  /**
   * The same as `update` for a step whose turn is now, without a promise: throws what that rejects with, and returns the
   * batch that the commit went into, as the last one that was made; undefined where there was nothing to commit.
   * Requires: `isOpen`.
   */
  commitNow(step: AloneStep, durability: Durability): CommitBatch | undefined {
    try {
      const operations = this.#alone(step)
      if (operations.length === 0) return undefined
      const { intake } = this.#engine
      if (intake === undefined) throw this.#engine.refusal() ?? this.#engine.unavailable("the log")
      return this.#add(intake, operations, durability)
    } catch (error) {
      this.counters.rejected++
      throw error
    }
  }

  /** Whether a write is being made, or the function of one runs, on this very turn. */
  get isBusy(): boolean {
    return this.#isWriting
  }

  /** An exact copy of a value, as it would be read back. Fails with: ValueRefused, LimitExceeded. */
  copy(value: unknown): unknown {
    return this.#copier.copy(value)
  }

  get #hasTurn(): boolean {
    const { intake, admission } = this.#engine
    return intake !== undefined && intake.hasRoom && admission.count === 0
  }

  /** Runs what is not to be disturbed: what it has read would not hold any more. */
  #alone(step: AloneStep): readonly Operation[] {
    if (this.#isWriting) refuseIntrusion()
    this.#isWriting = true
    this.#step = step
    try {
      return step.run()
    } finally {
      this.#isWriting = false
      this.#step = undefined
    }
  }

  /** A write from within another one: from a value's getter, or from a step that was to be alone, and is not now. */
  #intrude(): void {
    const step = this.#step
    if (step?.intrude === undefined) refuseIntrusion()
    else step.intrude()
    this.#step = undefined
  }

  #admitted(operations: readonly Operation[], durability: Durability, condition?: () => void): Promise<Receipt> {
    const { intake } = this.#engine
    if (intake === undefined) return this.#refuse(this.#engine.refusal() ?? this.#engine.unavailable("the log"))
    return this.#commit(intake, operations, durability, condition)
  }

  #commit(
    commit: GroupCommit,
    operations: readonly Operation[],
    durability: Durability,
    condition?: () => void,
  ): Promise<Receipt> {
    if (this.#isWriting) {
      try {
        this.#intrude()
      } catch (error) {
        return this.#refuse(error)
      }
    }
    this.#isWriting = true
    try {
      condition?.()
      if (this.rules.concern(operations)) return this.#commitRuled(commit, operations, durability)
      const receipt = this.#session.run(commit, operations, durability)
      this.#count(operations)
      return receipt
    } catch (error) {
      return this.#refuse(error)
    } finally {
      this.#isWriting = false
    }
  }

  /** A commit that nothing is in the way of; see commitNow. */
  #add(commit: GroupCommit, operations: readonly Operation[], durability: Durability): CommitBatch {
    this.#isWriting = true
    try {
      const isRuled = this.rules.concern(operations)
      const straight = isRuled || operations.length > 1 ? undefined : this.#addStraight(commit, operations, durability)
      if (straight !== undefined) return straight
      const checked = isRuled ? this.rules.check(operations) : operations
      const lsn = commit.nextLsn
      const batch = this.#session.add(commit, checked, durability)
      this.#count(operations)
      if (isRuled) this.rules.committed(checked, lsn)
      return batch
    } finally {
      this.#isWriting = false
    }
  }

  /** One put, straight into the batch; undefined where something is unusual about it, and then nothing was done. */
  #addStraight(
    commit: GroupCommit,
    [operation]: readonly Operation[],
    durability: Durability,
  ): CommitBatch | undefined {
    if (operation === undefined || operation.kind !== KIND_PUT || operation.entry.id === 0) return undefined
    const { entry, key, value } = operation
    const { shards, catalogue } = this.#engine
    const { buffer, position } = commit.batch
    const end = this.#records.put(buffer, position, 0, entry.id, key, value, entry.compressFrom)
    if (end < 0 || end - position > COMMIT_SIZE_MAX || catalogue.shapes.hasPending) return undefined
    this.counters.puts++
    shards[shardOf(this.#records.hash, shards.length)]?.tables?.apply(buffer, position, commit.nextLsn)
    return commit.add(end, 1, durability)
  }

  #commitRuled(commit: GroupCommit, operations: readonly Operation[], durability: Durability): Promise<Receipt> {
    const checked = this.rules.check(operations)
    const lsn = commit.nextLsn
    const receipt = this.#session.run(commit, checked, durability)
    this.#count(operations)
    this.rules.committed(checked, lsn)
    return receipt
  }

  /** A write that waits keeps the value as it is now, whatever its owner does to it meanwhile. */
  #freeze(operation: Operation): Operation {
    if (operation.kind === KIND_DELETE) return operation
    return { ...operation, value: this.#copier.copy(operation.value) }
  }

  #count(operations: readonly Operation[]): void {
    if (operations.length > 1) this.counters.batches++
    for (const { kind } of operations) {
      if (kind === KIND_PUT) this.counters.puts++
      else this.counters.deletes++
    }
  }

  #refuse(reason: unknown): Promise<never> {
    this.counters.rejected++
    return Promise.reject(reason)
  }
}

function refuseIntrusion(): never {
  const who = "a getter must not, nor may the function of an update"
  throw new TypeError(`a write to the store began within another one: ${who}`)
}
