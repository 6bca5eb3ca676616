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
  SnapshotOptions,
} from "./store/options.ts"
export type { ChangesOptions, CheckpointRunOptions, Store } from "./store/store.ts"
export type {
  DeleteOptions,
  PutOptions,
  TableChangesOptions,
  TableHandle,
  TableOptions,
  WriteOptions,
} from "./store/table-handle.ts"
export type { Snapshot } from "./store/snapshot.ts"
export type { TransactionResult, TransactOptions } from "./store/transact.ts"
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
export type { FollowerMetrics, FollowingStore } from "./store/follower.ts"
export type { PastStore } from "./store/past.ts"
export type { TableView } from "./store/table-view.ts"
export type { StoreEvent } from "./store/store-event.ts"
export type { StoreMetrics } from "./store/metrics.ts"
export { prometheusText } from "./store/prometheus.ts"
export type { StandardSchema } from "./store/standard-schema.ts"
export type { StoreState, StoreStatus } from "./actors/store-status.ts"
export type { ChangeStream } from "./streams/change-stream.ts"
export type { Receipt } from "./wal/commit-batch.ts"
export type { RecoveryPhase, RecoveryProgress, RecoveryReport } from "./recovery/report.ts"
export type { Change, Commit } from "./model/change.ts"
export type { Durability } from "./model/durability.ts"
export type { Lsn } from "./model/lsn.ts"
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
export {
  ConditionFailed,
  NotACounter,
  SnapshotExpired,
  TransactionConflict,
  TransactionTimedOut,
} from "./model/transaction-errors.ts"
export type { ConflictingKey } from "./model/transaction-errors.ts"
