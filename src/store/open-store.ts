// An open store: checks what users pass in, and hands it to the part that does it. What each call promises stands in
// store.ts; how the parts are joined, in store-parts.ts.

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
import { BatchBuilder } from "./batch.ts"
import type { Batch } from "./batch.ts"
import type { BatchHandler, CommitHandler, ConsumeOptions } from "./consumer-options.ts"
import type { Consumer, ConsumerInfo } from "./consumer.ts"
import { compressFrom } from "./compression-settings.ts"
import { definitionsFrom } from "./index-definition.ts"
import type { AnyIndexes, KeysOfIndexes } from "./index-definition.ts"
import { Metadata } from "./metadata.ts"
import { collectMetrics } from "./metrics.ts"
import type { StoreMetrics } from "./metrics.ts"
import { durabilityFrom, record, throwIfAborted } from "./option-checks.ts"
import type { MerkleCallOptions } from "./options.ts"
import type { DecideOptions, InDoubtTransaction, PreparedOutcome } from "./prepared.ts"
import type { Settings } from "./settings.ts"
import type { Snapshot } from "./snapshot.ts"
import type { EventHub, StoreEvent } from "./store-event.ts"
import { StoreLife } from "./store-life.ts"
import { StoreParts } from "./store-parts.ts"
import type { CheckpointRunOptions, Store } from "./store.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableOptions, WriteOptions } from "./table-options.ts"
import type { TransactionResult, TransactOptions } from "./transact.ts"
import type { Transaction } from "./transaction.ts"
import type { View, ViewInfo } from "./view.ts"
import { withProgress } from "./with-progress.ts"

export class OpenStore implements Store {
  readonly path: string
  readonly #engine: Engine
  readonly #events: EventHub
  readonly #durability: Durability
  readonly #life: StoreLife
  readonly #parts: StoreParts

  /** Made by `open`. Fails with: UnsupportedFormat. */
  constructor(path: string, engine: Engine, lock: DirectoryLock, settings: Settings, events: EventHub) {
    this.path = path
    this.#engine = engine
    this.#events = events
    this.#durability = settings.durability
    this.#life = new StoreLife(path, engine, lock, events)
    this.#parts = new StoreParts(engine, this.#life, settings, events, (options) => this.changes(options))
    engine.onStatus = ({ state }) => {
      // A store that gave up gives its directory free as well.
      if (state === "closed") this.close().catch(ignore)
      this.#parts.noteState(state)
    }
  }

  get status(): StoreStatus {
    return this.#engine.status
  }

  get recovery(): RecoveryReport {
    const { recovered } = this.#engine
    invariant(recovered !== undefined, "I9: an open store was recovered")
    return { ...recovered.report, merkle: this.#engine.merkle.verdict }
  }

  tables(): string[] {
    return this.#engine.catalogue.userNames()
  }

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

  transact<Result>(
    work: (transaction: Transaction) => Result,
    options?: TransactOptions,
  ): Promise<TransactionResult<Awaited<Result>>> {
    return this.#parts.transactions.run(work, options)
  }

  inDoubt(): InDoubtTransaction[] {
    return this.#parts.prepared.inDoubt()
  }

  commitPrepared(id: string, options?: DecideOptions): Promise<Receipt> {
    return this.#parts.prepared.commit(id, options)
  }

  abortPrepared(id: string, reason?: string, options?: DecideOptions): Promise<Receipt> {
    return this.#parts.prepared.abort(id, reason, options)
  }

  outcome(id: string): PreparedOutcome | undefined {
    return this.#parts.prepared.outcome(id)
  }

  snapshot(): Snapshot {
    return this.#parts.snapshots.take()
  }

  changes(options: ChangesOptions = {}): ChangeStream {
    record("options", options, CHANGES_OPTIONS)
    if (options.table !== undefined) checkTableName(options.table)
    this.#life.requireOpen()
    const { applied, feed } = this.#engine
    return options.visibility === "applied"
      ? applied.subscribe(options, this.#parts.states)
      : feed.subscribe(options, this.#parts.states)
  }

  subscriptions(): SubscriptionInfo[] {
    const { applied, clock, feed } = this.#engine
    return [...feed.subscriptions(clock.wallMs()), ...applied.subscriptions(clock.wallMs())]
  }

  consume(name: string, handler: CommitHandler | BatchHandler, options: ConsumeOptions = {}): Consumer {
    return this.#parts.consumers.consume(name, handler, options)
  }

  consumer(name: string): Consumer {
    return this.#parts.consumers.consumer(name)
  }

  consumers(): ConsumerInfo[] {
    return this.#parts.consumers.list()
  }

  removeConsumer(name: string): Promise<boolean> {
    return this.#parts.consumers.remove(name)
  }

  view(name: string, definition: unknown): View {
    return this.#parts.views.view(name, definition)
  }

  views(): ViewInfo[] {
    return this.#parts.views.list()
  }

  removeView(name: string): Promise<boolean> {
    return this.#parts.views.remove(name)
  }

  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    record("options", options, ["signal"])
    throwIfAborted(options.signal)
    await abortable(this.#life.flush(), options.signal)
  }

  async ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    record("options", options, ["signal"])
    throwIfAborted(options.signal)
    await abortable(this.#engine.ready(), options.signal)
  }

  async checkpoint(options: CheckpointRunOptions = {}): Promise<CheckpointReport | undefined> {
    record("options", options, ["onProgress", "signal"])
    const { onProgress, signal } = options
    throwIfAborted(signal)
    await abortable(this.#life.flush(), signal)
    return withProgress(onProgress, signal, (tell) => this.#engine.checkpointer.checkpoint(tell))
  }

  async planCheckpoint(options: { readonly signal?: AbortSignal } = {}): Promise<CheckpointPlan | undefined> {
    record("options", options, ["signal"])
    throwIfAborted(options.signal)
    await abortable(this.#life.flush(), options.signal)
    return abortable(this.#engine.checkpointer.plan(), options.signal)
  }

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

  merkleRoot(options: MerkleCallOptions = {}): Promise<MerkleRoot> {
    return this.#parts.merkle.root(options)
  }

  merkleDifference(other: MerkleSource, options: MerkleCallOptions = {}): AsyncIterableIterator<MerkleDifference> {
    return this.#parts.merkle.difference(other, options)
  }

  merkleSource(): MerkleSource {
    return this.#parts.merkle.source()
  }

  events(): EventStream<StoreEvent> {
    return observeEvents(this.#events)
  }

  alerts(): readonly Alert[] {
    return this.#engine.monitor.alerts
  }

  async checkAlerts(): Promise<readonly Alert[]> {
    this.#life.requireOpen()
    return this.#engine.monitor.look()
  }

  metadata(): Metadata {
    return new Metadata(this.#engine.metadata, this.#engine.pipelines)
  }

  metrics(): StoreMetrics {
    return collectMetrics(this.#engine, this.#parts)
  }

  close(): Promise<void> {
    return this.#life.close(() => this.#endUse())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  actors(): readonly ChildSnapshot[] {
    return this.#engine.children()
  }

  killActor(path: string, reason: unknown): Promise<boolean> {
    return this.#engine.kill(path, reason)
  }

  /** Ends all that works off the store from within. Undefined where nothing does. */
  #endUse(): Promise<unknown> | undefined {
    const { consumers, views } = this.#parts
    const ends = [consumers.close(), views.close()].filter((end) => end !== undefined)
    return ends.length === 0 ? undefined : Promise.all(ends)
  }
}

/** Somebody else is told: the status says why a store gave up, and whoever calls close himself learns it by that call. */
function ignore(): void {}
