// What the engine's actors need of the engine: the interface between them, so that neither side imports the other.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { Manifest } from "../format/manifest.ts"
import type { RecordBuffer } from "../format/record.ts"
import type { Compression } from "../model/compression.ts"
import type { Sha256 } from "../model/digest.ts"
import type { OrreryError } from "../model/errors.ts"
import type { Lsn } from "../model/lsn.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import type { Clock } from "../platform/clock.ts"
import type { EventLoopMeter } from "../platform/event-loop-meter.ts"
import type { FoldJob, FoldRun } from "../recovery/fold-job.ts"
import type { RecoveryProgress, RecoveryReport } from "../recovery/report.ts"
import type { ChangeFeed } from "../streams/change-feed.ts"
import type { MetadataFlow } from "../streams/metadata-flow.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { FileLog } from "../wal/file-log.ts"
import type { FlushTriggers } from "../wal/flush-pace.ts"
import type { GroupCommit } from "../wal/group-commit.ts"
import type { LogDirectory, LogEnd } from "../wal/log-directory.ts"
import type { AlertThresholds } from "./alert-rules.ts"
import type { CheckpointRules } from "./checkpoint-rules.ts"
import type { EngineEvent } from "./engine-event.ts"
import type { MerkleRules } from "./merkle-rules.ts"
import type { StoreStatus } from "./store-status.ts"

export interface EngineSettings {
  readonly clock: Clock
  readonly directory: LogDirectory
  readonly manifest: Manifest
  /** Writes a manifest to both copies, and gives back what it wrote. */
  readonly saveManifest: (manifest: Manifest) => Promise<Manifest>
  readonly foundStore: boolean
  readonly warnings: readonly string[]
  /** Whether both copies of the manifest are to be written anew once the log is found good. */
  readonly mendsManifest: boolean
  readonly owner: string
  readonly shardCount: number
  readonly segmentBytes: number
  readonly flush: FlushTriggers
  readonly backlogBytes: number
  readonly waiterCountMax: number
  readonly checkpoint: CheckpointRules
  /** Begins a checkpoint on another thread. Undefined: they are made on this one. */
  readonly startFold: ((job: FoldJob, onBytes: (doneBytes: number) => void) => FoldRun) | undefined
  /** Where alerts begin. Undefined: there are none. */
  readonly alerts: AlertThresholds | undefined
  readonly merkle: MerkleRules
  readonly sha256: Sha256
  readonly compression: Compression
  /** Bytes from which on values are compressed, unless their table says otherwise. */
  readonly compressFrom: number
  readonly eventLoop: EventLoopMeter
  /** Bytes of memory that the process holds. */
  readonly residentBytes: () => number
  readonly onRecovery: (progress: RecoveryProgress) => void
  /** Must not throw. */
  readonly onEvent: (event: EngineEvent) => void
}

/** What recovery left for the writer. The same object until the next recovery. */
export interface RecoveredLog {
  /** The checkpoint that was loaded. */
  readonly checkpoint: CheckpointInfo | undefined
  readonly report: RecoveryReport
  // Changed only by noteRepaired().
  end: LogEnd
  /** See Recovered: the disk was too full for it. */
  repair: (() => Promise<LogEnd>) | undefined
}

export interface EngineContext {
  readonly settings: EngineSettings
  readonly clock: Clock
  readonly status: StoreStatus
  readonly shards: readonly { readonly tables: ShardTables | undefined }[]
  readonly catalogue: Catalogue
  readonly feed: ChangeFeed
  readonly metadata: MetadataFlow
  readonly manifest: Manifest
  readonly log: FileLog | undefined
  readonly commit: GroupCommit | undefined
  readonly recovered: RecoveredLog | undefined
  /** What a failed log knew to be durable; undefined where nothing distrusts the disk. */
  readonly trustedLsn: Lsn | undefined
  /** LSNs below were given out. */
  readonly lsnMin: number
  readonly consumers: { readonly failedCount: number }
  /** Whether the store was open before: a failure is then met by the supervisor, not by the caller of open. */
  readonly wasOpen: boolean

  /** Milliseconds that the oldest prepared transaction has waited for its decision; 0 where none does. */
  readonly inDoubtMs: () => number

  /** Tells of a turn in the store's life. */
  emit(event: EngineEvent): void
  /** Checkpoints that state can be loaded from, oldest first. */
  readonly checkpoints: readonly CheckpointInfo[]

  noteRecovered(recovered: RecoveredLog, shards: ShardTables[]): void
  /** What recovery could not repair is repaired now. */
  noteRepaired(end: LogEnd): void
  /** The tables that recovery filled for a shard; each is handed out once. */
  takeRecovered(index: number): ShardTables | undefined
  connectLog(log: FileLog, commit: GroupCommit): void
  /** The writer lets go of the log, in order or killed. */
  disconnectLog(cause: unknown): void
  /** The disk failed the log: nothing that was not durable counts, so no shard may be read until it is built anew. */
  noteLogFailure(durableLsn: Lsn, reason: unknown): void
  /** The log could not be flushed or sealed while the store was closed. */
  noteUnflushed(reason: unknown): void
  noteReadOnly(reason: OrreryError): void
  /** Makes the new start of the log durable. */
  saveLogStart(segment: number, lsn: number): Promise<void>
  connectFeed(): void
  publish(frame: LogFrame): void
  advance(durableLsn: Lsn): void
  /** Applies what is noted in the batch that fills. */
  drainShards(): void
  /** The batch that fills. Requires: there is a log. */
  requireBuffer(): RecordBuffer
  /** See MerkleActor. */
  readonly merkle: { rootForCheckpoint(): Promise<MerkleRoot | undefined> }
  /** Ends everything: what was found is such that no restart mends it. */
  giveUp(reason: OrreryError): void
  /** Lets waiting writes in. */
  admit(): void
  /** An actor came up or went down. */
  noteActorChange(): void
  /** Why a part that is needed is not there. */
  unavailable(actor: string): OrreryError
}
