// Prepared transactions: the first and the second phase of two-phase commit (Gray 1978; X/Open XA 1991), for a coordinator
// that lives elsewhere. PREPARE is one commit, that of the record which says what is to be done; COMMIT is one commit of the
// operations, the outcome, and the delete of that record; ABORT the same without the operations. So what is in doubt and
// what was decided is state like all other, folded from the log, checkpointed and recovered with what users write.
//
// Guarantees: between PREPARE and decision nobody else changes what the transaction wrote, or depends on; a decision reads
// and writes its own records and a few more, however many transactions are in doubt or were decided. In memory is only what
// follows from the table: changed on the turn of a commit by `committed`, and loaded anew after every recovery.

import type { Engine } from "../actors/engine.ts"
import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { CommitUnknown, LimitExceeded } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import { AlreadyDecided, KeyInDoubt, PrepareIdReused, UnknownTransaction } from "../model/prepare-errors.ts"
import type { Decision } from "../model/prepare-errors.ts"
import type { Receipt } from "../wal/commit-batch.ts"
import type { ClaimedWrites, InDoubtWrites } from "./claims-in-doubt.ts"
import type { Operation } from "./commit-session.ts"
import { Decisions } from "./decisions.ts"
import type { DecisionTaken } from "./decisions.ts"
import { HeldKeys } from "./held-keys.ts"
import type { Holds } from "./held-keys.ts"
import { isSignal, optional, record } from "./option-checks.ts"
import type { PreparedOptions } from "./options.ts"
import { checkTransactionId, checkVersion, explained, holdsOf, operationsOf, recordOf } from "./prepared-record.ts"
import type { Claim, PreparedRecord } from "./prepared-record.ts"
import { PreparedWatch } from "./prepared-watch.ts"
import type { StoreLife } from "./store-life.ts"
import type { EventHub } from "./store-event.ts"
import { systemTable } from "./system-table.ts"
import type { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"
import type { WriteRule } from "./write-rule.ts"

/** A prepared transaction that waits for its decision. */
export interface InDoubtTransaction {
  readonly id: string
  /** What was given to `prepare`; a copy with every call. */
  readonly data: unknown
  /** When it was prepared, in milliseconds since 1970, by the wall clock. */
  readonly preparedAt: number
  /** Milliseconds since then; 0 where the clock has gone back behind it. */
  readonly ageMs: number
  /** The commit that its PREPARE is. */
  readonly lsn: number
  /** How many keys it writes. */
  readonly operations: number
  /** The tables that it writes to, or depends on. */
  readonly tables: readonly string[]
}

/** How a transaction stands that was prepared under an id. */
export type PreparedOutcome =
  | { readonly outcome: "in doubt" }
  /** `lsn`: the commit that the decision is in. */
  | { readonly outcome: "committed"; readonly lsn: number }
  | { readonly outcome: "aborted"; readonly lsn: number; readonly reason: string | undefined }

export interface DecideOptions {
  /** Takes the decision back as long as it waits for room in the log; later it has no effect. */
  readonly signal?: AbortSignal
}

export interface PreparedMetrics {
  /** Transactions that wait for their decision, and milliseconds since the oldest of them was prepared. */
  readonly inDoubt: number
  readonly oldestMs: number
  /** Decided since the store was opened. */
  readonly committed: number
  readonly aborted: number
}

/** One that is in doubt, in memory. */
interface Pending {
  readonly id: string
  readonly data: unknown
  readonly preparedAtMs: number
  /** By the monotonic clock: when it was prepared or, if that was before, when it was loaded. */
  readonly seenMs: number
  readonly lsn: number
  readonly operationCount: number
  readonly tables: readonly string[]
  readonly holds: Holds
}

const REASON_LENGTH_MAX = 1_000

export class PreparedTransactions implements WriteRule, InDoubtWrites {
  // Constant after construction.
  readonly #engine: Engine
  readonly #context: TableContext
  readonly #life: StoreLife
  readonly #countMax: number
  readonly #records: TableHandle<PreparedRecord>
  readonly #decisions: Decisions
  readonly #watch: PreparedWatch<Pending>
  // Changed by committed() and load().
  /** By id, oldest first. */
  readonly #pending: Map<string, Pending> = new Map()
  readonly #held: HeldKeys
  readonly #counters = { committed: 0, aborted: 0 }

  constructor(
    engine: Engine,
    context: TableContext,
    life: StoreLife,
    events: EventHub,
    settings: Required<PreparedOptions>,
  ) {
    this.#engine = engine
    this.#context = context
    this.#life = life
    this.#countMax = settings.count
    this.#held = new HeldKeys((entry) => context.indexes.hasUnique(entry))
    this.#records = systemTable(context, engine.catalogue, "prepared")
    this.#decisions = new Decisions(context, engine.catalogue, settings.decisions)
    this.#watch = new PreparedWatch(engine.clock, settings, {
      tell: ({ id }, ageMs) => events.emit({ kind: "in-doubt", id, ageMs }),
      abort: async ({ id }, ageMs) => {
        const { lsn } = await this.abort(id, `presumed aborted: in doubt for ${Math.round(ageMs)} ms`)
        events.emit({ kind: "presumed-aborted", id, ageMs, lsn })
      },
    })
    this.#records.entry.ruleCount++
    context.writer.rules.add(this)
  }

  /** Takes over what there is now, and again after every recovery of the log. Requires and fails as `load`. */
  attach(): void {
    let loaded = this.#engine.recoveryCount
    this.load()
    const { onUp } = this.#engine
    this.#engine.onUp = () => {
      onUp()
      if (loaded === this.#engine.recoveryCount) return
      loaded = this.#engine.recoveryCount
      this.load()
    }
  }

  /** Takes over what recovery has found. Requires: every shard can be read. Fails with: UnsupportedFormat. */
  load(): void {
    this.#held.clear()
    this.#pending.clear()
    this.#watch.clear()
    const found = Array.from(this.#records.keys(), (id) => ({ id, ...this.#records.getVersioned(id) }))
    found.sort((left, right) => left.version - right.version)
    for (const { id, value, version } of found) {
      invariant(value !== undefined, "a key that was met on a walk within one turn is there")
      checkVersion(id, value)
      probe("a transaction in doubt is recovered")
      this.#add(id, value, version)
    }
  }

  /**
   * What the PREPARE of a transaction writes. Called on the turn of its commit.
   * Fails with: PrepareIdReused, KeyInDoubt, LimitExceeded, what a write rule refuses the operations with.
   */
  prepare(claim: Claim): readonly Operation[] {
    const { id, operations } = claim
    const outcome = this.#pending.has(id) ? "in doubt" : this.#decisions.find(id)?.outcome
    if (outcome !== undefined) throw new PrepareIdReused(id, outcome)
    if (this.#pending.size >= this.#countMax) {
      const remedy = "Decide those that are in doubt, or raise prepared.count"
      throw new LimitExceeded("the number of transactions in doubt", this.#countMax, this.#pending.size + 1, remedy)
    }
    // Who is prepared has promised that he can commit: what refuses the operations does so now.
    const { rules } = this.#context.writer
    if (rules.concern(operations)) rules.check(operations)
    const prepared = recordOf(claim, this.#engine.clock.wallMs())
    const obstacle = this.#held.obstacle(holdsOf(prepared, this.#engine.catalogue))
    if (obstacle !== undefined) throw new KeyInDoubt(obstacle.table, obstacle.key, obstacle.id)
    return [this.#records.insertion(id, prepared)]
  }

  /**
   * Resolves when a commit is on stable storage, and does not wait for what comes behind it. To be called on the turn on
   * which the commit was found applied. Fails with: CommitUnknown.
   */
  async durable(lsn: number): Promise<void> {
    const { log, commit } = this.#engine
    if (log !== undefined && log.durableLsn >= lsn) return
    if (commit === undefined) throw new CommitUnknown(lsn)
    await commit.flush()
  }

  /** What the failure of a PREPARE is called. */
  explained(error: unknown): unknown {
    return explained(error)
  }

  check(operations: readonly Operation[]): readonly Operation[] {
    // Who decides a transaction may write what it holds.
    const own = this.decidedBy(operations)
    for (const { entry, key } of operations) {
      const id = this.#held.holderAgainstWrite(entry, key, own)
      if (id !== undefined) throw new KeyInDoubt(entry.name, key, id)
    }
    return operations
  }

  // For indexes: see claims-in-doubt.ts.

  decidedBy(operations: readonly Operation[]): string | undefined {
    const { entry: records } = this.#records
    return operations.find(({ entry, kind }) => entry === records && kind === KIND_DELETE)?.key
  }

  countOf(entry: Operation["entry"]): number {
    return this.#held.writtenCount(entry)
  }

  *writesTo(entry: Operation["entry"]): Generator<ClaimedWrites, undefined> {
    for (const [id, { holds }] of this.#pending) {
      if (!holds.writes.has(entry)) continue
      const prepared = this.#records.get(id)
      invariant(prepared !== undefined, "a transaction in doubt has its record")
      const operations = operationsOf(prepared, this.#engine.catalogue)
      yield { id, operations: operations.filter((operation) => operation.entry === entry) }
    }
    return undefined
  }

  /** Whether a transaction in doubt keeps others from writing the key. */
  holds(entry: Operation["entry"], key: string): boolean {
    return this.#held.holderAgainstWrite(entry, key, undefined) !== undefined
  }

  committed(operations: readonly Operation[], lsn: number): void {
    const { entry: records } = this.#records
    for (const { entry, kind, key, value } of operations) {
      if (entry !== records) continue
      if (kind === KIND_PUT) this.#add(key, value as PreparedRecord, lsn)
      else this.#remove(key, operations)
    }
  }

  /** See Store.inDoubt. */
  inDoubt(): InDoubtTransaction[] {
    this.#life.requireOpen()
    return Array.from(this.#pending.values(), (pending) => ({
      id: pending.id,
      data: this.#context.writer.copy(pending.data),
      preparedAt: pending.preparedAtMs,
      ageMs: this.#ageMs(pending),
      lsn: pending.lsn,
      operations: pending.operationCount,
      tables: pending.tables,
    }))
  }

  /** See Store.outcome. */
  outcome(id: string): PreparedOutcome | undefined {
    checkTransactionId(id)
    this.#life.requireOpen()
    if (this.#pending.has(id)) return { outcome: "in doubt" }
    const taken = this.#decisions.find(id)
    if (taken === undefined) return undefined
    const { outcome, lsn, reason } = taken
    return outcome === "committed" ? { outcome, lsn } : { outcome, lsn, reason }
  }

  /** See Store.commitPrepared. */
  async commit(id: string, options: DecideOptions = {}): Promise<Receipt> {
    return this.#decide(id, "committed", undefined, options)
  }

  /** See Store.abortPrepared. */
  async abort(id: string, reason?: string, options: DecideOptions = {}): Promise<Receipt> {
    if (reason !== undefined && !(typeof reason === "string" && reason.length <= REASON_LENGTH_MAX)) {
      throw new TypeError(`the reason of an abort must be a string of at most ${REASON_LENGTH_MAX} characters`)
    }
    return this.#decide(id, "aborted", reason?.toWellFormed(), options)
  }

  /** Milliseconds since the oldest one that waits was prepared; 0 where none does. */
  get oldestMs(): number {
    for (const pending of this.#pending.values()) return this.#ageMs(pending)
    return 0
  }

  metrics(): PreparedMetrics {
    return { inDoubt: this.#pending.size, oldestMs: this.oldestMs, ...this.#counters }
  }

  /** No more events, no more presumption. */
  stop(): void {
    this.#watch.clear()
  }

  async #decide(id: string, decision: Decision, reason: string | undefined, options: DecideOptions): Promise<Receipt> {
    checkTransactionId(id)
    const { signal } = record("options", options, ["signal"])
    optional("signal", signal, "AbortSignal", isSignal)
    const earlier: { taken?: DecisionTaken | undefined } = {}
    const decide = (): readonly Operation[] => {
      earlier.taken = this.#taken(id, decision)
      return earlier.taken === undefined ? this.#decision(id, decision, reason) : []
    }
    const receipt = await this.#context.writer.update(decide, "synced", options.signal)
    if (earlier.taken === undefined) return receipt
    await this.durable(earlier.taken.lsn)
    return { lsn: lsnOf(earlier.taken.lsn) }
  }

  /** The same decision, if it was taken before. Fails with: UnknownTransaction, AlreadyDecided. */
  #taken(id: string, decision: Decision): DecisionTaken | undefined {
    if (this.#pending.has(id)) return undefined
    const taken = this.#decisions.find(id)
    if (taken === undefined) throw new UnknownTransaction(id)
    if (taken.outcome !== decision) throw new AlreadyDecided(id, taken.outcome, taken.lsn, taken.reason)
    return taken
  }

  #decision(id: string, decision: Decision, reason: string | undefined): readonly Operation[] {
    const ending = [
      this.#records.deletion(id),
      ...this.#decisions.operationsFor(id, decision, reason, this.#engine.clock.wallMs()),
    ]
    if (decision === "aborted") return ending
    const prepared = this.#records.get(id)
    invariant(prepared !== undefined, "a transaction in doubt has its record")
    const operations = operationsOf(prepared, this.#engine.catalogue)
    for (const { entry, expiry } of operations) if (expiry !== undefined) this.#context.expiries.watch(entry)
    return [...operations, ...ending]
  }

  #add(id: string, prepared: PreparedRecord, lsn: number): void {
    const { data, preparedAtMs, operations, tables } = prepared
    const holds = holdsOf(prepared, this.#engine.catalogue)
    const seenMs = this.#engine.clock.monotonicMs()
    const operationCount = operations.length
    const pending = { id, data, preparedAtMs, seenMs, lsn, operationCount, tables, holds }
    this.#pending.set(id, pending)
    this.#held.hold(id, holds)
    this.#watch.add(pending)
  }

  #remove(id: string, operations: readonly Operation[]): void {
    const pending = this.#pending.get(id)
    invariant(pending !== undefined, "what is decided was in doubt")
    this.#pending.delete(id)
    this.#held.release(id, pending.holds)
    this.#watch.remove(pending)
    const decision = this.#decisions.decisionIn(operations, id)
    if (decision !== undefined) this.#counters[decision]++
  }

  #ageMs({ preparedAtMs }: Pending): number {
    return Math.max(0, this.#engine.clock.wallMs() - preparedAtMs)
  }
}
