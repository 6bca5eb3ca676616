// The engine: its actors, what they hand to each other, and the tree that keeps them alive.
//
// The store above uses the fields marked 'hot' on every operation; everything else is done once an event.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import type { RecordBuffer } from "../format/record.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { Manifest } from "../format/manifest.ts"
import { Escalated, LogUnavailable, OrreryError, StorageFailed } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import type { Lsn } from "../model/lsn.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Clock } from "../platform/clock.ts"
import { AppliedFeed } from "../streams/applied-feed.ts"
import { ChangeFeed } from "../streams/change-feed.ts"
import { MetadataFlow } from "../streams/metadata-flow.ts"
import { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import { Admission } from "../wal/admission.ts"
import type { FileLog } from "../wal/file-log.ts"
import type { GroupCommit } from "../wal/group-commit.ts"
import type { LogEnd } from "../wal/log-directory.ts"
import { Availability } from "./availability.ts"
import { ChangePublisherActor } from "./change-publisher-actor.ts"
import { CheckpointerActor } from "./checkpointer-actor.ts"
import { ConsumersActor } from "./consumers-actor.ts"
import type { EngineContext, EngineSettings, RecoveredLog } from "./engine-context.ts"
import type { EngineEvent } from "./engine-event.ts"
import { ExpiryActor } from "./expiry-actor.ts"
import { MetadataActor } from "./metadata-actor.ts"
import { MerkleActor } from "./merkle-actor.ts"
import { MonitorActor } from "./monitor-actor.ts"
import { RecovererActor } from "./recoverer-actor.ts"
import { engineTree } from "./engine-tree.ts"
import { ShardActor } from "./shard-actor.ts"
import type { StoreStatus } from "./store-status.ts"
import type { SupervisionEvent } from "./supervision-event.ts"
import { startTree } from "./supervision-tree.ts"
import type { ChildSnapshot, SupervisionTree } from "./supervision-tree.ts"
import { WalWriterActor } from "./wal-writer-actor.ts"

const SHARDS_PATH = "store/shards"

export class Engine implements EngineContext {
  // Constant after construction.
  readonly settings: EngineSettings
  readonly clock: Clock
  readonly catalogue: Catalogue
  readonly feed: ChangeFeed
  /** Commits before they are durable. Costs nothing until somebody subscribes. */
  readonly applied: AppliedFeed
  readonly metadata: MetadataFlow
  readonly admission: Admission
  /** Hot. */
  readonly shards: readonly ShardActor[]
  readonly #recoverer: RecovererActor
  readonly #writer: WalWriterActor
  readonly #checkpointer: CheckpointerActor
  readonly #publisher: ChangePublisherActor
  readonly #availability: Availability = new Availability(({ state, reason }) => {
    this.emit({ kind: "status", state, reason })
  })
  /** See ConsumersActor. */
  readonly consumers: ConsumersActor
  // See their classes.
  readonly monitor: MonitorActor
  readonly expiry: ExpiryActor
  readonly pipelines: MetadataActor
  /** See MerkleActor. */
  readonly merkle: MerkleActor
  // Changed by the actors.
  /** Hot. Where writes go: the log, once every shard has taken over what was recovered. Undefined: they wait in line. */
  intake: GroupCommit | undefined
  /** Hot. The store is being closed: only writes that wait in line are still let in. */
  refusesWrites = false
  /** Undefined while the log is down: writes wait in line. */
  commit: GroupCommit | undefined
  log: FileLog | undefined
  manifest: Manifest
  recovered: RecoveredLog | undefined
  /** What a failed log knew to be durable; undefined where nothing distrusts the disk. */
  trustedLsn: Lsn | undefined
  /** LSNs below were given out. */
  lsnMin = 1
  /** Set by the store. See EngineContext. */
  inDoubtMs: () => number = () => 0
  /** Set by the store: called when all is up again and readable, before any write is let in. */
  onUp: () => void = () => undefined
  wasOpen = false
  recoveryCount = 0
  readonly restartCounts: Map<string, number> = new Map()
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers()
  #recoveredShards: (ShardTables | undefined)[] = []
  #tree: SupervisionTree | undefined
  #unflushed: Error | undefined
  #givenUp: OrreryError | undefined
  #endWaiters: { readonly path: string; readonly resolve: () => void }[] = []

  constructor(settings: EngineSettings, subscriptionCountMax: number) {
    this.settings = settings
    this.clock = settings.clock
    this.manifest = settings.manifest
    const { storeId } = settings.manifest
    this.catalogue = new Catalogue(settings.compression, settings.compressFrom)
    this.applied = new AppliedFeed({ catalogue: this.catalogue, storeId, subscriptionCountMax })
    const { lost } = this.applied
    this.feed = new ChangeFeed({ catalogue: this.catalogue, storeId, subscriptionCountMax, lost })
    this.metadata = new MetadataFlow(this.catalogue, settings.shardCount, settings.manifest.hashSecret.high, this.clock)
    this.admission = new Admission(settings.waiterCountMax)
    this.shards = Array.from({ length: settings.shardCount }, (_, index) => new ShardActor(this, index))
    this.#recoverer = new RecovererActor(this)
    this.#writer = new WalWriterActor(this)
    this.#checkpointer = new CheckpointerActor(this, settings.checkpoint)
    this.#publisher = new ChangePublisherActor(this)
    this.consumers = new ConsumersActor(settings.clock)
    this.monitor = new MonitorActor(this, this.#checkpointer)
    this.expiry = new ExpiryActor(this)
    this.pipelines = new MetadataActor(this)
    this.merkle = new MerkleActor(this, settings.merkle)
  }

  /** Recovers and brings every actor up. Fails with what the first one fails with. */
  async start(): Promise<void> {
    const { shards, consumers, expiry, pipelines, merkle, monitor } = this
    const log = { recoverer: this.#recoverer, writer: this.#writer }
    const files = { checkpointer: this.#checkpointer, publisher: this.#publisher }
    const specification = engineTree({ ...log, shards, ...files, consumers, expiry, pipelines, merkle, monitor })
    const tree = await startTree(specification, this.clock, (event) => this.#onSupervision(event))
    this.#tree = tree
    this.wasOpen = true
    if (this.status.state === "opening") this.#availability.set("open")
    void tree.ended.then((reason) => this.#onEnded(reason))
    if (this.#givenUp !== undefined) void tree.stop()
  }

  /**
   * Flushes, seals, stops every actor. Calling it twice is allowed. Fails with what kept the log from being flushed and
   * sealed; everything has stopped all the same.
   */
  async stop(): Promise<void> {
    this.refuseWrites()
    if (this.#tree === undefined) return this.#onEnded(undefined)
    await this.#tree.stop()
    await this.#ended.promise
    if (this.#unflushed !== undefined) throw this.#unflushed
  }

  /** From now on new writes fail; those that wait in line are still let in. */
  refuseWrites(): void {
    this.refusesWrites = true
    if (this.status.state !== "closed") this.#availability.set("closing")
  }

  // What users see.

  get status(): StoreStatus {
    return this.#availability.status
  }

  set onStatus(listener: (status: StoreStatus) => void) {
    this.#availability.onChange = listener
  }

  children(): readonly ChildSnapshot[] {
    return this.#tree?.children() ?? []
  }

  /**
   * Ends an actor as a crash, and resolves when its life is over: for tests. False where it had none. Throws a TypeError
   * for a path that does not exist.
   */
  async kill(path: string, reason: unknown): Promise<boolean> {
    const over = new Promise<void>((resolve) => this.#endWaiters.push({ path, resolve }))
    if (this.#tree?.kill(path, reason) !== true) return false
    await over
    return true
  }

  /** Resolves when every actor is up, or the store is read-only. Fails with: StoreClosed. */
  ready(): Promise<void> {
    return this.#availability.ready(this.#isUp())
  }

  /** Why a part that is needed is not there. */
  unavailable(actor: string): OrreryError {
    return this.#availability.unavailable(actor)
  }

  closedError(): OrreryError {
    return this.#availability.closedError()
  }

  /** Why a write cannot be taken now, if it cannot even wait. */
  refusal(): OrreryError | undefined {
    return this.#availability.refusal()
  }

  // What the actors hand to each other.

  /** The tables that recovery filled for a shard; each is handed out once. */
  takeRecovered(index: number): ShardTables | undefined {
    const tables = this.#recoveredShards[index]
    this.#recoveredShards[index] = undefined
    return tables
  }

  /** Also before the checkpointer is up: then there is what recovery loaded. */
  get checkpoints(): readonly CheckpointInfo[] {
    const { kept } = this.#checkpointer
    const loaded = this.recovered?.checkpoint
    return kept.length > 0 || loaded === undefined ? kept : [loaded]
  }

  /** See CheckpointerActor. */
  get checkpointer(): CheckpointerActor {
    return this.#checkpointer
  }

  emit(event: EngineEvent): void {
    this.settings.onEvent(event)
  }

  noteRecovered(recovered: RecoveredLog, shards: ShardTables[]): void {
    this.recovered = recovered
    this.#recoveredShards = shards
    this.recoveryCount++
    // Until the log's end is repaired, what the disk refused may still be read behind it.
    if (recovered.repair === undefined) this.trustedLsn = undefined
    this.emit({ kind: "recovered", report: recovered.report })
  }

  noteRepaired(end: LogEnd): void {
    if (this.recovered !== undefined) Object.assign(this.recovered, { end, repair: undefined })
    this.trustedLsn = undefined
  }

  connectLog(log: FileLog, commit: GroupCommit): void {
    this.log = log
    this.commit = commit
    this.applied.connect(log, commit, this.recovered?.report.lastLsn ?? 0)
    if (this.#publisher.isUp) this.connectFeed()
    this.noteActorChange()
  }

  /** The writer lets go of the log, in order or killed. */
  disconnectLog(cause: unknown): void {
    this.drainShards()
    this.applied.disconnect()
    if (this.commit !== undefined) this.lsnMin = this.commit.lastLsn + 1
    this.commit = undefined
    this.intake = undefined
    if (this.status.state === "open") this.#availability.set("recovering", asReason(cause))
  }

  /** The disk failed the log: nothing that was not durable counts, so no shard may be read until it is built anew. */
  noteLogFailure(durableLsn: Lsn, reason: unknown): void {
    probe("the log failed")
    // StorageFailed: no write or sync has failed, only the next segment could not be made.
    if (!(reason instanceof StorageFailed)) this.trustedLsn = durableLsn
    this.disconnectLog(reason)
    this.log = undefined
    for (const shard of this.shards) shard.tables = undefined
  }

  noteUnflushed(reason: unknown): void {
    this.#unflushed ??= reason instanceof Error ? reason : new LogUnavailable("it could not be closed", reason)
  }

  noteReadOnly(reason: OrreryError): void {
    this.log = undefined
    this.#availability.set("read-only", reason)
    this.admission.rejectAll(this.refusal())
  }

  connectFeed(): void {
    if (this.log !== undefined) this.feed.connect(this.log)
  }

  publish(frame: LogFrame): void {
    if (this.#publisher.isUp) this.feed.publish(frame)
  }

  advance(durableLsn: Lsn): void {
    if (this.#publisher.isUp) this.feed.advance(durableLsn)
  }

  /** Applies what is noted in the batch that fills. */
  drainShards(): void {
    if (this.commit === undefined) return
    const { buffer } = this.commit.batch
    for (const shard of this.shards) shard.drain(buffer)
  }

  requireBuffer(): RecordBuffer {
    invariant(this.commit !== undefined, "I9: notes are taken only while there is a log")
    return this.commit.batch.buffer
  }

  /** Lets waiting writes in. */
  admit(): void {
    if (this.admission.count > 0) this.admission.admit(() => this.intake?.hasRoom === true)
  }

  async saveLogStart(segment: number, lsn: number): Promise<void> {
    this.manifest = await this.settings.saveManifest({ ...this.manifest, firstSegment: segment, firstLsn: lsnOf(lsn) })
  }

  giveUp(reason: OrreryError): void {
    this.#givenUp = reason
    void this.#tree?.stop()
  }

  /** An actor came up or went down. */
  noteActorChange(): void {
    if (!this.#isUp()) return
    // Not before: shards that come up with what was recovered would miss writes that the log took meanwhile. A shard that
    // is rebuilt later, on its own, finds them in the log.
    this.intake = this.commit
    this.onUp()
    const { state } = this.status
    if (state === "recovering" || state === "read-only") this.#availability.set("open")
    this.#availability.serve()
    this.admit()
  }

  #isUp(): boolean {
    return this.commit !== undefined && this.#publisher.isUp && this.shards.every((shard) => shard.tables !== undefined)
  }

  #onSupervision(event: SupervisionEvent): void {
    if (event.kind === "crashed" || event.kind === "stopped" || event.kind === "abandoned") {
      const isOver = (waiter: { readonly path: string }): boolean => waiter.path === event.path
      for (const waiter of this.#endWaiters.filter(isOver)) waiter.resolve()
      this.#endWaiters = this.#endWaiters.filter((waiter) => !isOver(waiter))
    }
    // Shards that crash again and again hold something that no restart mends: another ten would not either.
    if (event.kind === "escalated" && event.path === SHARDS_PATH) {
      this.giveUp(new Escalated(event.path, event.child, "it was restarted too often", event.cause))
    }
    if (event.kind !== "restarted") return
    const restarts = (this.restartCounts.get(event.path) ?? 0) + 1
    this.restartCounts.set(event.path, restarts)
    this.monitor.noteRestart(event.path)
    this.emit({ kind: "restarted", actor: event.path, restarts })
  }

  /** The whole tree has ended: by the user's close, or because it gave up. */
  #onEnded(ending: OrreryError | undefined): void {
    const reason = this.#givenUp ?? ending
    this.commit = undefined
    this.intake = undefined
    this.log = undefined
    const error = this.#availability.end(reason)
    this.admission.rejectAll(error)
    this.feed.end(reason === undefined ? undefined : error)
    this.applied.end(reason === undefined ? undefined : error)
    this.metadata.end()
    this.#ended.resolve()
  }
}

function asReason(cause: unknown): OrreryError | undefined {
  return cause instanceof OrreryError ? cause : undefined
}
