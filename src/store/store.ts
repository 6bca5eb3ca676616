// The store, as users hold it: tables, batches, changes, and the ways to look at it and to close it.

import type { Alert } from "../actors/alert-rules.ts"
import type { Engine } from "../actors/engine.ts"
import type { CheckpointPlan } from "../actors/checkpoint-plan.ts"
import type { CheckpointReport } from "../actors/checkpoint-report.ts"
import type { StoreStatus } from "../actors/store-status.ts"
import type { ChildSnapshot } from "../actors/supervision-tree.ts"
import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import type { Durability } from "../model/durability.ts"
import { invariant } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { MerkleDifference, MerkleSource } from "../merkle/merkle-difference.ts"
import { checkTableName } from "../model/system-tables.ts"
import type { DirectoryLock } from "../platform/file-system.ts"
import type { RecoveryReport } from "../recovery/report.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import { CHANGES_OPTIONS } from "../streams/changes-options.ts"
import type { ChangesOptions } from "../streams/changes-options.ts"
import type { SubscriptionInfo } from "../streams/subscription-info.ts"
import { observeEvents } from "../streams/event-observable.ts"
import type { EventStream } from "../streams/event-observable.ts"
import type { Receipt } from "../wal/commit-batch.ts"
import { abortable } from "./abortable.ts"
import { backUpNewest, checkBackupOptions } from "./backup.ts"
import type { BackupOptions, BackupReport } from "./backup.ts"
import type { Consumers } from "./consumers.ts"
import { ConsumingStore } from "./consuming-store.ts"
import { BatchBuilder } from "./batch.ts"
import type { Batch } from "./batch.ts"
import { compressFrom } from "./compression-settings.ts"
import { definitionsFrom } from "./index-definition.ts"
import type { AnyIndexes, KeysOfIndexes } from "./index-definition.ts"
import { Metadata } from "./metadata.ts"
import { collectMetrics } from "./metrics.ts"
import type { StoreMetrics } from "./metrics.ts"
import { durabilityFrom, record } from "./option-checks.ts"
import type { DecideOptions, InDoubtTransaction, PreparedOutcome } from "./prepared.ts"
import type { MerkleCallOptions } from "./options.ts"
import type { Settings } from "./settings.ts"
import type { Snapshot } from "./snapshot.ts"
import type { EventHub, StoreEvent } from "./store-event.ts"
import { StoreLife } from "./store-life.ts"
import { StoreParts } from "./store-parts.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableOptions, WriteOptions } from "./table-options.ts"
import type { TransactionResult, TransactOptions } from "./transact.ts"
import type { Transaction } from "./transaction.ts"
import type { Views } from "./views.ts"
import { withProgress } from "./with-progress.ts"

export interface CheckpointRunOptions {
  /** Told how many bytes of the checkpoint are written, and about how many there will be. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Ends the waiting. */
  readonly signal?: AbortSignal
}

export class Store extends ConsumingStore {
  /** The directory. */
  readonly path: string
  protected override readonly consumption: Consumers
  protected override readonly viewing: Views
  readonly #engine: Engine
  readonly #events: EventHub
  readonly #durability: Durability
  readonly #life: StoreLife
  readonly #parts: StoreParts

  /** Made by `open`. Fails with: UnsupportedFormat. */
  constructor(path: string, engine: Engine, lock: DirectoryLock, settings: Settings, events: EventHub) {
    super()
    this.path = path
    this.#engine = engine
    this.#events = events
    this.#durability = settings.durability
    this.#life = new StoreLife(path, engine, lock, events)
    this.#parts = new StoreParts(engine, this.#life, settings, events, (options) => this.changes(options))
    this.consumption = this.#parts.consumers
    this.viewing = this.#parts.views
    engine.onStatus = ({ state }) => {
      // A store that gave up gives its directory free as well.
      if (state === "closed") this.close().catch(ignore)
      this.#parts.noteState(state)
    }
  }

  /** What the store can do at the moment. */
  get status(): StoreStatus {
    return this.#engine.status
  }

  /** What the last recovery did: the one at open, or a later one after the log had failed. */
  get recovery(): RecoveryReport {
    const { recovered } = this.#engine
    invariant(recovered !== undefined, "I9: an open store was recovered")
    return { ...recovered.report, merkle: this.#engine.merkle.verdict }
  }

  /** Names of the tables that hold, or held, records. */
  tables(): string[] {
    return this.#engine.catalogue.userNames()
  }

  /**
   * A handle of the table; the table is made by the first write to it. Handles of one name share the table and its
   * indexes, and may have different schemas. Indexes of a large table are built while it is used: see `indexReady`.
   *
   * Fails with: LimitExceeded for a name longer than 255 bytes, IndexConflict.
   */
  table<Value = unknown, const Indexes = AnyIndexes, const Unique extends string = string>(
    name: string,
    options: TableOptions<Value, Indexes, Unique> = {},
  ): TableHandle<Value, KeysOfIndexes<Value, Indexes, Unique>> {
    checkTableName(name)
    record("options", options, ["schema", "durability", "ttl", "compress", "indexes", "unique"])
    if (options.schema !== undefined && typeof options.schema["~standard"]?.validate !== "function") {
      throw new TypeError("schema must be a Standard Schema: an object with a ~standard property")
    }
    durabilityFrom("durability", options.durability)
    const compress = compressFrom(options.compress)
    const definitions = definitionsFrom(options.indexes, options.unique)
    const entry = this.#engine.catalogue.entry(name)
    this.#parts.context.indexes.define(entry, definitions)
    if (compress !== undefined) entry.compressFrom = compress
    return new TableHandle(this.#parts.context, entry, this.#durability, options)
  }

  /**
   * Commits everything that `fill` adds as one: seen, kept and recovered whole or not at all, over tables and shards.
   * `fill` is synchronous; what it throws rejects the batch, and leaves no trace.
   */
  async batch(fill: (batch: Batch) => void, options: WriteOptions = {}): Promise<Receipt> {
    if (typeof fill !== "function") throw new TypeError("batch takes a function that adds operations")
    record("options", options, ["durability", "signal"])
    const durability = durabilityFrom("durability", options.durability) ?? this.#durability
    const builder = new BatchBuilder(this.#parts.context)
    let result: unknown
    try {
      result = fill(builder)
    } finally {
      builder.end()
    }
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new TypeError("the function of a batch must be synchronous")
    }
    const operations = builder.settled ?? (await builder.operations())
    if (operations.length === 0) return { lsn: lsnOf(this.#engine.commit?.lastLsn ?? 0) }
    return this.#parts.writer.write(operations, durability, options.signal)
  }

  /**
   * Runs a function that reads and writes, over tables and shards, as one: kept and recovered whole or not at all, and by
   * default as if no other transaction ran beside it. Resolves to what the function returned and the LSN of its commit.
   *
   * A function that is not asynchronous runs once, in the turn of its write, and never conflicts. One that is reads the
   * state of the moment at which it began; when it has ended and others have changed what it depends on, it leaves no
   * trace and is run anew, so what it does beside the transaction must bear that. What it throws leaves no trace either.
   *
   * Fails with: TransactionConflict, TransactionTimedOut, SnapshotExpired, what the function throws, the signal's reason,
   * and like `batch`. Restarting, where a shard that it needs is being built anew.
   *
   * ```ts
   * const { value, lsn } = await store.transact((tx) => {
   *   const left = (tx.get(accounts, "ada") ?? 0) - 10
   *   if (left < 0) tx.abort(new Error("not enough"))
   *   tx.put(accounts, "ada", left)
   *   tx.update(accounts, "grace", (sum) => (sum ?? 0) + 10)
   *   return left
   * })
   * ```
   */
  transact<Result>(
    work: (transaction: Transaction) => Result,
    options: TransactOptions = {},
  ): Promise<TransactionResult<Awaited<Result>>> {
    return this.#parts.transactions.run(work, options)
  }

  /** Prepared transactions that wait for their decision, oldest first. Fails with: StoreClosed. */
  inDoubt(): InDoubtTransaction[] {
    return this.#parts.prepared.inDoubt()
  }

  /**
   * Commits a prepared transaction: its writes become one commit, on stable storage when this resolves. A decision that
   * was taken before resolves to that one's LSN, as long as it is remembered.
   * Fails with: UnknownTransaction, AlreadyDecided, and like `batch`; then it is in doubt as before. Restarting.
   */
  commitPrepared(id: string, options?: DecideOptions): Promise<Receipt> {
    return this.#parts.prepared.commit(id, options)
  }

  /** Aborts a prepared transaction, for good: see `commitPrepared`. Nothing is left of what it was to write. */
  abortPrepared(id: string, reason?: string, options?: DecideOptions): Promise<Receipt> {
    return this.#parts.prepared.abort(id, reason, options)
  }

  /**
   * How the transaction stands that was prepared under the id; undefined where none was, or its decision is not remembered
   * any more. Like `get` it tells what is applied, also what is not durable yet. Fails with: Restarting, StoreClosed.
   */
  outcome(id: string): PreparedOutcome | undefined {
    return this.#parts.prepared.outcome(id)
  }

  /**
   * All tables as they are behind the last commit, to be read while writers go on. Close it, or let `using` do so: what is
   * overwritten meanwhile is kept for it, up to the option `snapshots.bytes`, beyond which its reads fail with
   * SnapshotExpired. The same where a shard is built anew. Of one that is forgotten `events()` tells.
   *
   * Fails with: LimitExceeded, Restarting, StoreClosed.
   */
  snapshot(): Snapshot {
    return this.#parts.snapshots.take()
  }

  /**
   * Durable commits after a position (default: from now on), each exactly once, in the order of the log. An
   * AsyncIterable, and with `observable()` an RxJS Observable. A slow reader falls back on the log: memory is bounded.
   *
   * Fails with: CursorExpired when the log does not reach back so far, StoreClosed, the signal's reason.
   */
  changes(options: ChangesOptions = {}): ChangeStream {
    record("options", options, CHANGES_OPTIONS)
    if (options.table !== undefined) checkTableName(options.table)
    this.#life.requireOpen()
    const { applied, feed } = this.#engine
    return options.visibility === "applied"
      ? applied.subscribe(options, this.#parts.states)
      : feed.subscribe(options, this.#parts.states)
  }

  /** Iterations and observers of changes, and how far behind each is. */
  subscriptions(): SubscriptionInfo[] {
    const { applied, clock, feed } = this.#engine
    return [...feed.subscriptions(clock.wallMs()), ...applied.subscriptions(clock.wallMs())]
  }

  /** Resolves when every write up to now is on stable storage, whatever its durability. */
  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    record("options", options, ["signal"])
    options.signal?.throwIfAborted()
    await abortable(this.#life.flush(), options.signal)
  }

  /** Resolves when every actor is up again. Fails with: StoreClosed, the signal's reason. */
  async ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    record("options", options, ["signal"])
    options.signal?.throwIfAborted()
    await abortable(this.#engine.ready(), options.signal)
  }

  /**
   * Folds everything durable into a checkpoint, and lets go of the log and of older checkpoints as `keep` says. Writers
   * go on meanwhile. Undefined where there is nothing to do. What `onProgress` throws, and the signal, end the waiting and
   * not the work.
   *
   * Fails with: StorageFailed, Corruption, Restarting, StoreClosed, the signal's reason.
   */
  async checkpoint(options: CheckpointRunOptions = {}): Promise<CheckpointReport | undefined> {
    record("options", options, ["onProgress", "signal"])
    const { onProgress, signal } = options
    signal?.throwIfAborted()
    await abortable(this.#life.flush(), signal)
    return withProgress(onProgress, signal, (tell) => this.#engine.checkpointer.checkpoint(tell))
  }

  /**
   * What `checkpoint()` would do now, without doing it: the same numbers, as long as nothing is written in between.
   * Undefined where there is nothing to do. It takes about as long, and reads as much.
   *
   * Fails with: StorageFailed, Corruption, Restarting, StoreClosed, the signal's reason.
   */
  async planCheckpoint(options: { readonly signal?: AbortSignal } = {}): Promise<CheckpointPlan | undefined> {
    record("options", options, ["signal"])
    options.signal?.throwIfAborted()
    await abortable(this.#life.flush(), options.signal)
    return abortable(this.#engine.checkpointer.plan(), options.signal)
  }

  /**
   * Puts everything durable into another directory, which is a store itself afterwards: `open` brings it up, and
   * `restoreStore` writes a new store from it. Where it holds an earlier backup of this store, only what is new is linked
   * or copied, and the earlier one counts until the new one is whole; `keepDays` keeps it beyond that. Writers go on.
   *
   * Fails with: StoreLocked, NotAStore, CannotOpen, StorageFailed, Corruption, Restarting, StoreClosed, the signal's reason.
   */
  async backup(path: string, options: BackupOptions = {}): Promise<BackupReport> {
    if (typeof path !== "string" || path === "") throw new TypeError("the path of the backup must be a string")
    checkBackupOptions(options)
    await this.checkpoint(options.signal === undefined ? {} : { signal: options.signal })
    const { clock, manifest, settings } = this.#engine
    const { directory, segmentBytes } = settings
    const newest = (): CheckpointInfo | undefined => this.#engine.checkpoints.at(-1)
    const report = await backUpNewest({ directory, manifest, segmentBytes, clock }, newest, path, options)
    this.#events.emit({ kind: "backed-up", report })
    return report
  }

  /**
   * The Merkle root over everything that was written before the call, in all tables of users, and the commit that it is
   * exact behind. Two stores with the same content have the same root, whatever their history. Without the option `merkle`
   * the tree is made for it out of the files, in slices, about 5 s for a million records. What `onProgress` throws, and the
   * signal, end the waiting and not the work.
   *
   * Fails with: StorageFailed, Corruption, MerkleMismatch, Restarting, StoreClosed, the signal's reason.
   */
  merkleRoot(options: MerkleCallOptions = {}): Promise<MerkleRoot> {
    return this.#parts.merkle.root(options)
  }

  /**
   * The keys that this store and another do not have alike, in no order. Reads O(differences x log n) nodes of both. Exact
   * where neither is written to meanwhile. `other`: `merkleSource()` of a store, or an object that asks one over a wire.
   *
   * Fails with: TypeError, what `other` fails with, and as `merkleRoot` does.
   */
  merkleDifference(other: MerkleSource, options: MerkleCallOptions = {}): AsyncIterableIterator<MerkleDifference> {
    return this.#parts.merkle.difference(other, options)
  }

  /** The nodes of the Merkle tree, for `merkleDifference` of another store; plain data, to be served over a wire. */
  merkleSource(): MerkleSource {
    return this.#parts.merkle.source()
  }

  /**
   * The turns in the store's life as they happen: what it can do, recoveries, restarted actors, checkpoints, backups,
   * alerts. An RxJS Observable that completes when the store is closed. Each is also published to the diagnostics channel
   * of its kind, "orrery:checkpointed" for example, as `{ path, event }`; those of opening only there.
   */
  events(): EventStream<StoreEvent> {
    return observeEvents(this.#events)
  }

  /**
   * What wants an operator's attention: looked for once a second, the disk every ten. `events()` and the option
   * `alerts.onAlert` tell of them when they are raised and cleared.
   */
  alerts(): readonly Alert[] {
    return this.#engine.monitor.alerts
  }

  /** Looks at everything now, the disk too, and resolves to the alerts that stand then. Fails with: StoreClosed. */
  async checkAlerts(): Promise<readonly Alert[]> {
    this.#life.requireOpen()
    return this.#engine.monitor.look()
  }

  /** What is read and written, as sampled batches for RxJS: docs/metadata.md. Costs nothing while nobody subscribes. */
  metadata(): Metadata {
    return new Metadata(this.#engine.metadata, this.#engine.pipelines)
  }

  metrics(): StoreMetrics {
    return collectMetrics(this.#engine, this.#parts)
  }

  /**
   * Takes no more writes, makes every accepted one durable, seals the log and gives the directory free. Calling it again
   * waits for the same end.
   */
  close(): Promise<void> {
    return this.#life.close(() => this.endUse())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** For tests: the actors under supervision. */
  actors(): readonly ChildSnapshot[] {
    return this.#engine.children()
  }

  /**
   * For tests: ends an actor as a crash, and resolves when it is down. `ready` waits for it to come back. Its path is
   * "store/shards/shard-0", for example. False where it was down already.
   */
  killActor(path: string, reason: unknown): Promise<boolean> {
    return this.#engine.kill(path, reason)
  }
}

/** Somebody else is told: the status says why a store gave up, and whoever calls close himself learns it by that call. */
function ignore(): void {}
