// The store, as users hold it: tables, batches, changes, and the ways to look at it and to close it. open-store.ts is what
// stands behind it.

import type { Alert } from "../actors/alert-rules.ts"
import type { CheckpointPlan } from "../actors/checkpoint-plan.ts"
import type { CheckpointReport } from "../actors/checkpoint-report.ts"
import type { StoreStatus } from "../actors/store-status.ts"
import type { ChildSnapshot } from "../actors/supervision-tree.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { MerkleDifference, MerkleSource } from "../merkle/merkle-difference.ts"
import type { RecoveryReport } from "../recovery/report.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import type { ChangesOptions } from "../streams/changes-options.ts"
import type { SubscriptionInfo } from "../streams/subscription-info.ts"
import type { EventStream } from "../streams/event-observable.ts"
import type { Receipt } from "../wal/commit-batch.ts"
import type { BackupOptions, BackupReport } from "./backup.ts"
import type { Batch } from "./batch.ts"
import type { BatchConsumeOptions, BatchHandler, CommitHandler, ConsumeOptions } from "./consumer-options.ts"
import type { Consumer, ConsumerInfo } from "./consumer.ts"
import type { AnyIndexes, KeysOfIndexes } from "./index-definition.ts"
import type { Metadata } from "./metadata.ts"
import type { StoreMetrics } from "./metrics.ts"
import type { MerkleCallOptions } from "./options.ts"
import type { DecideOptions, InDoubtTransaction, PreparedOutcome } from "./prepared.ts"
import type { Snapshot } from "./snapshot.ts"
import type { StoreEvent } from "./store-event.ts"
import type { TableHandle } from "./table-handle.ts"
import type { TableOptions, WriteOptions } from "./table-options.ts"
import type { TransactionResult, TransactOptions } from "./transact.ts"
import type { Transaction } from "./transaction.ts"
import type { FoldDefinition, MapDefinition, ReduceDefinition } from "./view-definition.ts"
import type { View, ViewInfo } from "./view.ts"

export interface CheckpointRunOptions {
  /** Told how many bytes of the checkpoint are written, and about how many there will be. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Ends the waiting. */
  readonly signal?: AbortSignal
}

/** A store that `open` has opened. */
export interface Store {
  /** The directory. */
  readonly path: string

  /** What the store can do at the moment. */
  readonly status: StoreStatus

  /** What the last recovery did: the one at open, or a later one after the log had failed. */
  readonly recovery: RecoveryReport

  /** Names of the tables that hold, or held, records. */
  tables(): string[]

  /**
   * A handle of the table; the table is made by the first write to it. Handles of one name share the table and its
   * indexes, and may have different schemas. Indexes of a large table are built while it is used: see `indexReady`.
   *
   * Fails with: LimitExceeded for a name longer than 255 bytes, IndexConflict.
   */
  table<Value = unknown, const Indexes = AnyIndexes, const Unique extends string = string>(
    name: string,
    options?: TableOptions<Value, Indexes, Unique>,
  ): TableHandle<Value, KeysOfIndexes<Value, Indexes, Unique>>

  /**
   * Commits everything that `fill` adds as one: seen, kept and recovered whole or not at all, over tables and shards.
   * `fill` is synchronous; what it throws rejects the batch, and leaves no trace.
   */
  batch(fill: (batch: Batch) => void, options?: WriteOptions): Promise<Receipt>

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
    options?: TransactOptions,
  ): Promise<TransactionResult<Awaited<Result>>>

  /** Prepared transactions that wait for their decision, oldest first. Fails with: StoreClosed. */
  inDoubt(): InDoubtTransaction[]

  /**
   * Commits a prepared transaction: its writes become one commit, on stable storage when this resolves. A decision that
   * was taken before resolves to that one's LSN, as long as it is remembered.
   * Fails with: UnknownTransaction, AlreadyDecided, and like `batch`; then it is in doubt as before. Restarting.
   */
  commitPrepared(id: string, options?: DecideOptions): Promise<Receipt>

  /** Aborts a prepared transaction, for good: see `commitPrepared`. Nothing is left of what it was to write. */
  abortPrepared(id: string, reason?: string, options?: DecideOptions): Promise<Receipt>

  /**
   * How the transaction stands that was prepared under the id; undefined where none was, or its decision is not remembered
   * any more. Like `get` it tells what is applied, also what is not durable yet. Fails with: Restarting, StoreClosed.
   */
  outcome(id: string): PreparedOutcome | undefined

  /**
   * All tables as they are behind the last commit, to be read while writers go on. Close it, or let `using` do so: what is
   * overwritten meanwhile is kept for it, up to the option `snapshots.bytes`, beyond which its reads fail with
   * SnapshotExpired. The same where a shard is built anew. Of one that is forgotten `events()` tells.
   *
   * Fails with: LimitExceeded, Restarting, StoreClosed.
   */
  snapshot(): Snapshot

  /**
   * Durable commits after a position (default: from now on), each exactly once, in the order of the log. An
   * AsyncIterable, and with `observable()` an RxJS Observable. A slow reader falls back on the log: memory is bounded.
   *
   * Fails with: CursorExpired when the log does not reach back so far, StoreClosed, the signal's reason.
   */
  changes(options?: ChangesOptions): ChangeStream

  /** Iterations and observers of changes, and how far behind each is. */
  subscriptions(): SubscriptionInfo[]

  /**
   * Processes durable commits, one after the other, each in a transaction that also moves the consumer's position: what
   * the handler writes through `tx` happens once for each commit, over crashes. What it does outside of the store may
   * happen again. A synchronous handler never conflicts; an asynchronous one is called anew where others were faster.
   *
   * The position is kept under the name, which only one consumer may run under at a time. A commit that the handler fails
   * at is tried again, later and later, and then goes to the dead letters. Its own commits are passed over.
   *
   * Fails with: TypeError, ConsumerRunning, LimitExceeded, StoreClosed.
   *
   * ```ts
   * const billing = store.consume("billing", (commit, tx) => {
   *   for (const { key, value } of commit.changes) tx.put(invoices, key, invoiceFor(value))
   * }, { table: orders, from: "beginning" })
   * ```
   */
  consume<Value = unknown>(name: string, handler: BatchHandler<Value>, options: BatchConsumeOptions<Value>): Consumer
  consume<Value = unknown>(
    name: string,
    handler: CommitHandler<Value>,
    options?: ConsumeOptions<Value> & { readonly batch?: never },
  ): Consumer

  /** A consumer that the store knows, whether it runs or not. Fails with: ConsumerUnknown. */
  consumer(name: string): Consumer

  /** All consumers that the store knows, whether they run or not, by name. */
  consumers(): ConsumerInfo[]

  /** Stops a consumer and forgets its position and its dead letters. False where there is none of that name. */
  removeConsumer(name: string): Promise<boolean>

  /**
   * Keeps a table up that follows from others: `map` gives rows for each record, `groupBy` with `add` and `remove` one row
   * for each group of records, `fold` rows that changes are folded into. The rows are a table of the view's name, which is
   * read and followed like any other; only the view writes to it, and does so with its position in one commit: after a
   * crash no change is missing and none counts twice. Another `version` has the rows made anew.
   *
   * The functions must depend on nothing but what they are given, and must not write to the store.
   *
   * Fails with: TypeError, ViewNameTaken, LimitExceeded, Restarting, StoreClosed.
   *
   * ```ts
   * const byCity = store.view("people per city", {
   *   from: users,
   *   groupBy: ({ value }) => value.city,
   *   initial: 0,
   *   add: (count) => count + 1,
   *   remove: (count) => count - 1,
   * })
   * await byCity.ready()
   * byCity.table.get("London")
   * ```
   */
  view<Value, Row>(name: string, definition: MapDefinition<Value, Row>): View<Row>
  view<Value, State, Part = Value>(name: string, definition: ReduceDefinition<Value, State, Part>): View<State>
  view<Value, State>(name: string, definition: FoldDefinition<Value, State>): View<State>

  /** All views that the store knows, whether they are kept up or not, by name. */
  views(): ViewInfo[]

  /** Removes a view and its rows; the table is anybody's afterwards. False where there is none of that name. */
  removeView(name: string): Promise<boolean>

  /** Resolves when every write up to now is on stable storage, whatever its durability. */
  flush(options?: { readonly signal?: AbortSignal }): Promise<void>

  /** Resolves when every actor is up again. Fails with: StoreClosed, the signal's reason. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>

  /**
   * Folds everything durable into a checkpoint, and lets go of the log and of older checkpoints as `keep` says. Writers
   * go on meanwhile. Undefined where there is nothing to do. What `onProgress` throws, and the signal, end the waiting and
   * not the work.
   *
   * Fails with: StorageFailed, Corruption, Restarting, StoreClosed, the signal's reason.
   */
  checkpoint(options?: CheckpointRunOptions): Promise<CheckpointReport | undefined>

  /**
   * What `checkpoint()` would do now, without doing it: the same numbers, as long as nothing is written in between.
   * Undefined where there is nothing to do. It takes about as long, and reads as much.
   *
   * Fails with: StorageFailed, Corruption, Restarting, StoreClosed, the signal's reason.
   */
  planCheckpoint(options?: { readonly signal?: AbortSignal }): Promise<CheckpointPlan | undefined>

  /**
   * Puts everything durable into another directory, which is a store itself afterwards: `open` brings it up, and
   * `restoreStore` writes a new store from it. Where it holds an earlier backup of this store, only what is new is linked
   * or copied, and the earlier one counts until the new one is whole; `keepDays` keeps it beyond that. Writers go on.
   *
   * Fails with: StoreLocked, NotAStore, CannotOpen, StorageFailed, Corruption, Restarting, StoreClosed, the signal's reason.
   */
  backup(path: string, options?: BackupOptions): Promise<BackupReport>

  /**
   * The Merkle root over everything that was written before the call, in all tables of users, and the commit that it is
   * exact behind. Two stores with the same content have the same root, whatever their history. Without the option `merkle`
   * the tree is made for it out of the files, in slices, about 5 s for a million records. What `onProgress` throws, and the
   * signal, end the waiting and not the work.
   *
   * Fails with: StorageFailed, Corruption, MerkleMismatch, Restarting, StoreClosed, the signal's reason.
   */
  merkleRoot(options?: MerkleCallOptions): Promise<MerkleRoot>

  /**
   * The keys that this store and another do not have alike, in no order. Reads O(differences x log n) nodes of both. Exact
   * where neither is written to meanwhile. `other`: `merkleSource()` of a store, or an object that asks one over a wire.
   *
   * Fails with: TypeError, what `other` fails with, and as `merkleRoot` does.
   */
  merkleDifference(other: MerkleSource, options?: MerkleCallOptions): AsyncIterableIterator<MerkleDifference>

  /** The nodes of the Merkle tree, for `merkleDifference` of another store; plain data, to be served over a wire. */
  merkleSource(): MerkleSource

  /**
   * The turns in the store's life as they happen: what it can do, recoveries, restarted actors, checkpoints, backups,
   * alerts. An RxJS Observable that completes when the store is closed. Each is also published to the diagnostics channel
   * of its kind, "orrery:checkpointed" for example, as `{ path, event }`; those of opening only there.
   */
  events(): EventStream<StoreEvent>

  /**
   * What wants an operator's attention: looked for once a second, the disk every ten. `events()` and the option
   * `alerts.onAlert` tell of them when they are raised and cleared.
   */
  alerts(): readonly Alert[]

  /** Looks at everything now, the disk too, and resolves to the alerts that stand then. Fails with: StoreClosed. */
  checkAlerts(): Promise<readonly Alert[]>

  /** What is read and written, as sampled batches for RxJS: docs/metadata.md. Costs nothing while nobody subscribes. */
  metadata(): Metadata

  metrics(): StoreMetrics

  /**
   * Takes no more writes, makes every accepted one durable, seals the log and gives the directory free. Calling it again
   * waits for the same end.
   */
  close(): Promise<void>

  [Symbol.asyncDispose](): Promise<void>

  /** For tests: the actors under supervision. */
  actors(): readonly ChildSnapshot[]

  /**
   * For tests: ends an actor as a crash, and resolves when it is down. `ready` waits for it to come back. Its path is
   * "store/shards/shard-0", for example. False where it was down already.
   */
  killActor(path: string, reason: unknown): Promise<boolean>
}
