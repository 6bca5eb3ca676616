// The public door of orrery-db.

export { open } from "./store/open.ts"
export type { Alert, AlertRule, AlertSeverity, AlertThresholds } from "./actors/alert-rules.ts"
export type { CheckpointMetrics, CheckpointReport } from "./actors/checkpoint-report.ts"
export type {
  AlertOptions,
  BacklogOptions,
  CheckpointOptions,
  FlushOptions,
  KeepOptions,
  MerkleCallOptions,
  MerkleOptions,
  OpenOptions,
  FollowOptions,
  PastOptions,
  PreparedOptions,
  SnapshotOptions,
} from "./store/options.ts"
export type { CompressionOptions, CompressOption } from "./store/compression-settings.ts"
export { CompressionUnavailable } from "./model/compression-errors.ts"
export { ValueDamaged } from "./format/value-damaged.ts"
export type { CheckpointRunOptions, Store } from "./store/store.ts"
export type { TableHandle } from "./store/table-handle.ts"
export type {
  DeleteOptions,
  PutManyOptions,
  PutOptions,
  TableOptions,
  TtlOptions,
  WriteOptions,
} from "./store/table-options.ts"
export type { Snapshot } from "./store/snapshot.ts"
export type {
  IndexDefinition,
  IndexDefinitions,
  ManyIndexDefinition,
  SingleIndexDefinition,
} from "./store/index-definition.ts"
export type { IndexRange } from "./store/index-range.ts"
export type { TableIndex } from "./store/table-index.ts"
export type { CreateIndexOptions, IndexInfo, IndexProgress } from "./store/table-indexes.ts"
export type { IndexKey } from "./table/index-key.ts"
export type { TransactionResult, TransactOptions } from "./store/transact.ts"
export type { DecideOptions, InDoubtTransaction, PreparedMetrics, PreparedOutcome } from "./store/prepared.ts"
export type { Isolation, Transaction } from "./store/transaction.ts"
export type { Versioned } from "./store/version-reader.ts"
export type { BackupOptions, BackupReport } from "./store/backup.ts"
export { merkleValueDigest, verifyProof } from "./store/verify-proof.ts"
export type { MerkleDifference, MerkleEntry, MerkleNode, MerkleSource } from "./merkle/merkle-difference.ts"
export type { MerkleProof } from "./merkle/merkle-proof.ts"
export type { MerkleRoot, MerkleVerdict } from "./model/merkle.ts"
export { MerkleMismatch } from "./model/merkle-errors.ts"
export { backupStore } from "./store/backup-store.ts"
export type { BackupStoreOptions } from "./store/backup-store.ts"
export { restoreStore } from "./store/restore.ts"
export type { RestoreOptions, RestoreReport } from "./store/restore.ts"
export type { CheckpointPlan } from "./actors/checkpoint-plan.ts"
export type { Batch } from "./store/batch.ts"
export type { Version } from "./store/history.ts"
export type { Metadata } from "./store/metadata.ts"
export type { AccessBatch, AccessKind, WriteBatch, WriteSum } from "./streams/metadata-batch.ts"
export { heat, hottestKeys } from "./streams/metadata-operators.ts"
export type { HeatOptions, HotKey, HotKeysOptions, PartHeat } from "./streams/metadata-operators.ts"
export type { Pipeline, PipelineState } from "./streams/pipeline.ts"
export type { FollowerMetrics, FollowingStore } from "./store/follower.ts"
export type { PastStore } from "./store/past.ts"
export type { TableView } from "./store/table-view.ts"
export type { StoreEvent } from "./store/store-event.ts"
export type { StoreMetrics } from "./store/metrics.ts"
export type { Consumer, ConsumerInfo, ConsumerState, ReplayReport } from "./store/consumer.ts"
export type {
  BatchConsumeOptions,
  BatchHandler,
  CommitHandler,
  ConsumeOptions,
  ConsumerContext,
  ConsumerPosition,
  RetryOptions,
} from "./store/consumer-options.ts"
export type { DeadLetter } from "./store/consumer-record.ts"
export type { ConsumerMetrics } from "./store/consumers.ts"
export type { View, ViewInfo, ViewState } from "./store/view.ts"
export type {
  FoldDefinition,
  MapDefinition,
  ReduceDefinition,
  SourceChange,
  SourceRecord,
  ViewSource,
} from "./store/view-definition.ts"
export type { ViewMetrics } from "./store/views.ts"
export { prometheusText } from "./store/prometheus.ts"
export { lastEventId, serverSentEvents } from "./store/server-sent-events.ts"
export type { ServerSentEventsOptions } from "./store/server-sent-events.ts"
export type { StandardSchema } from "./store/standard-schema.ts"
export type { StoreState, StoreStatus } from "./actors/store-status.ts"
export type { ChangeStream } from "./streams/change-stream.ts"
export type { ChangesOptions, Overflow, TableChangesOptions } from "./streams/changes-options.ts"
export { eachChange, toTable } from "./streams/operators.ts"
export type { SubscriptionInfo } from "./streams/subscription-info.ts"
export type { Receipt } from "./wal/commit-batch.ts"
export type { RecoveryPhase, RecoveryProgress, RecoveryReport, TransactionCounts } from "./recovery/report.ts"
export type { LiveIndexOptions, LiveRange } from "./store/followed-index.ts"
export type { LiveJoinOptions, LiveOptions } from "./store/live-options.ts"
export { aggregates } from "./streams/live-aggregate.ts"
export type { Aggregate, Fold, Group } from "./streams/live-aggregate.ts"
export type { LiveDeltaStream } from "./streams/live-delta-stream.ts"
export type { LiveFold } from "./streams/live-fold.ts"
export type { JoinedKeys } from "./streams/live-join.ts"
export type { OrderBy, OrderPart, OrderValue } from "./streams/live-order.ts"
export type { LiveQuery } from "./streams/live-query.ts"
export { applyDeltas } from "./streams/live-row.ts"
export type { LiveDelta, LiveDeltas, LiveRow } from "./streams/live-row.ts"
export type { LiveValue } from "./streams/live-value.ts"
export type { LiveWatch } from "./streams/live-watch.ts"
export { QueryFailed } from "./model/live-errors.ts"
export type { Change, Commit } from "./model/change.ts"
export type { Durability } from "./model/durability.ts"
export type { Lsn } from "./model/lsn.ts"
export { ConsumerFailed, ConsumerRunning, ConsumerUnknown } from "./model/consumer-errors.ts"
export { InvariantViolation } from "./model/invariant.ts"
export {
  CannotOpen,
  CommitUnknown,
  Corruption,
  CursorExpired,
  Escalated,
  HistoryExpired,
  KeyRefused,
  LimitExceeded,
  NotAStore,
  OrreryError,
  Overloaded,
  Restarting,
  SchemaMismatch,
  StorageFailed,
  StoreClosed,
  StoreLocked,
  UnsupportedFileSystem,
  UnsupportedFormat,
  ValueRefused,
  WriteRejected,
} from "./model/errors.ts"
export { AppliedCommitsLost, CursorRefused, SubscriberOverflowed } from "./model/feed-errors.ts"
export {
  ConditionFailed,
  NotACounter,
  SnapshotExpired,
  TransactionConflict,
  TransactionTimedOut,
} from "./model/transaction-errors.ts"
export { AlreadyDecided, KeyInDoubt, PrepareIdReused, UnknownTransaction } from "./model/prepare-errors.ts"
export type { Decision } from "./model/prepare-errors.ts"
export { ViewFailed, ViewNameTaken, ViewReadOnly } from "./model/view-errors.ts"
export {
  IndexBuilding,
  IndexConflict,
  IndexKeyInDoubt,
  IndexKeyRefused,
  NoSuchIndex,
  UniqueViolation,
} from "./model/index-errors.ts"
export type { ConflictingKey } from "./model/transaction-errors.ts"
