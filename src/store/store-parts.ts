// The parts of an open store, and how they are joined: who writes through whom, who looks at whose commits. The order in
// which they are made is that in which their rules see a commit.

import type { Engine } from "../actors/engine.ts"
import type { StoreState } from "../actors/store-status.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import type { ChangesOptions } from "../streams/changes-options.ts"
import { Consumers } from "./consumers.ts"
import { EngineStates } from "./engine-states.ts"
import { Expiries } from "./expiries.ts"
import { versionsOf } from "./history.ts"
import { IndexRegistry } from "./index-registry.ts"
import { LiveQueries } from "./live-queries.ts"
import { StoreMerkle } from "./merkle.ts"
import type { MetricSources } from "./metrics.ts"
import { PreparedTransactions } from "./prepared.ts"
import { Reader } from "./reader.ts"
import type { Settings } from "./settings.ts"
import { SnapshotRegistry } from "./snapshot-registry.ts"
import { Snapshots } from "./snapshot.ts"
import type { EventHub } from "./store-event.ts"
import type { StoreLife } from "./store-life.ts"
import type { TableContext } from "./table-context.ts"
import { TransactionRunner } from "./transact.ts"
import { VersionReader } from "./version-reader.ts"
import { Views } from "./views.ts"
import { Writer } from "./writer.ts"

export class StoreParts implements MetricSources {
  readonly writer: Writer
  readonly reader: Reader
  readonly registry: SnapshotRegistry
  readonly indexes: IndexRegistry
  readonly live: LiveQueries
  readonly context: TableContext
  readonly snapshots: Snapshots
  readonly states: EngineStates
  readonly prepared: PreparedTransactions
  readonly transactions: TransactionRunner
  readonly consumers: Consumers
  readonly views: Views
  readonly merkle: StoreMerkle

  /** Fails with: UnsupportedFormat. */
  constructor(
    engine: Engine,
    life: StoreLife,
    settings: Settings,
    events: EventHub,
    changes: (options: ChangesOptions) => ChangeStream,
  ) {
    const { durability, snapshots } = settings
    const emit = events.emit.bind(events)
    this.writer = new Writer(engine)
    this.reader = new Reader(engine, engine.metadata)
    this.registry = new SnapshotRegistry(engine, snapshots.bytes)
    const versions = new VersionReader(engine, this.registry)
    this.indexes = new IndexRegistry(engine, this.reader, versions, this.writer.rules)
    this.live = new LiveQueries(engine, this.registry, versions, this.indexes)
    this.merkle = new StoreMerkle(engine, life)
    const expiries = new Expiries(engine, this.writer, versions)
    this.context = {
      writer: this.writer,
      reader: this.reader,
      versions,
      indexes: this.indexes,
      live: this.live,
      expiries,
      changes,
      prove: (entry, key, options) => this.merkle.prove(entry, key, options),
      history: (entry, key, after) => versionsOf(engine, entry, key, after),
    }
    engine.expiry.attach(expiries)
    this.snapshots = new Snapshots(engine, this.registry, versions, this.indexes, snapshots.count, (leak) => {
      emit({ kind: "snapshot-leaked", ...leak })
    })
    this.states = new EngineStates(engine, life, this.registry, versions)
    this.prepared = new PreparedTransactions(engine, this.context, life, events, settings.prepared)
    this.transactions = new TransactionRunner(engine, this.context, this.registry, this.prepared, durability)
    engine.inDoubtMs = () => this.prepared.oldestMs
    this.prepared.attach()
    this.indexes.inDoubt = this.prepared
    expiries.isHeld = (entry, key) => this.prepared.holds(entry, key)
    this.consumers = new Consumers(engine, this.context, this.transactions, durability, emit)
    this.views = new Views(engine, this.context, this.transactions, this.registry, emit)
    this.merkle.recordThrough(this.context)
  }

  /** The engine's state is another one now. */
  noteState(state: StoreState): void {
    if (state === "closed") this.prepared.stop()
    if (state === "open") this.indexes.refresh()
  }
}
