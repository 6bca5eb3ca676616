// What a user may ask for when opening a store. See settings.ts for what becomes of it.

import type { Alert, AlertThresholds } from "../actors/alert-rules.ts"
import type { Durability } from "../model/durability.ts"
import type { Platform } from "../platform/platform.ts"
import type { RecoveryProgress } from "../recovery/report.ts"
import type { CompressOption } from "./compression-settings.ts"

export interface FlushOptions {
  /** Commits in a batch that make it go at once. Default 65,536. */
  readonly records?: number
  /** Bytes in a batch that make it go at once. Default 262,144. */
  readonly bytes?: number
  /** Milliseconds that a batch waits for company. Default 0: it goes as soon as the flush before it has ended. */
  readonly delayMs?: number
  /** Milliseconds that a commit below `synced` may wait for its sync. Default 100. */
  readonly syncDelayMs?: number
}

export interface BacklogOptions {
  /** Bytes of commits that may wait for the disk; further writes wait in line. Default 8 MiB, at most 16 MiB. */
  readonly bytes?: number
  /** Writes that may wait in line; further ones fail with Overloaded. Default 1,000,000. */
  readonly waiters?: number
}

export interface CheckpointOptions {
  /** Bytes of the log that recovery would replay, at which a checkpoint is made. Default 64 MiB. */
  readonly logBytes?: number
  /** Commits that recovery would replay, at which one is made. Default: no bound. */
  readonly commits?: number
  /** Milliseconds after which one is made, if anything was written. Default 0: never for that reason. */
  readonly intervalMs?: number
  /**
   * Part of the last checkpoint and the log behind it that is of no more use, from which on `logBytes` are enough, however
   * large the state was. Default 0.5; 1: never for that reason.
   */
  readonly redundancy?: number
  /** Whether one is made when the store is closed. Default false. */
  readonly onClose?: boolean
  /** Whether large ones are made by a worker thread. Default true; false: on this thread, in slices. */
  readonly worker?: boolean
}

export interface KeepOptions {
  /** Newest checkpoints that are kept, with the log behind the oldest of them. Default 3. */
  readonly checkpoints?: number
  /** Milliseconds back to which every state can be read, if that takes more than those checkpoints. Default 0. */
  readonly historyMs?: number
  /** Bytes of log behind the oldest state that can be read, if that takes more than those checkpoints. Default 0. */
  readonly historyBytes?: number
}

export interface SnapshotOptions {
  /** Bytes of overwritten and deleted records that are kept for snapshots; above, the oldest ends. Default 64 MiB. */
  readonly bytes?: number
  /** Snapshots that may be open at a time, those of transactions aside. Default 1,000. */
  readonly count?: number
}

export interface PreparedOptions {
  /**
   * Milliseconds that a prepared transaction is in doubt until the event "in-doubt" tells of it and, unless
   * `alerts.inDoubtMs` says otherwise, an alert is raised. Default 60,000; 0: never.
   */
  readonly warnMs?: number
  /**
   * Milliseconds that one is in doubt, while the store is open, until it is aborted by presumption. Default 0: never. Only
   * for coordinators that never commit later than that: where one does, part of a transaction is lost.
   */
  readonly abortMs?: number
  /** Transactions that may be in doubt at a time. Default 100,000. */
  readonly count?: number
  /** Newest decisions that are remembered, for `outcome` and for a decision that is repeated. Default 10,000. */
  readonly decisions?: number
}

export interface MerkleOptions {
  /** Milliseconds between two looks at what became durable. Default 1,000. */
  readonly refreshMs?: number
  /** Milliseconds between two roots that are written to the log, if anything was written. Default 60,000. */
  readonly recordMs?: number
  /**
   * When the state that was recovered is compared with the root that was written down: "before" the store is open, which
   * takes as long as making the tree; "behind" it, and the store closes itself where they differ; "never". Default "before".
   */
  readonly verify?: "before" | "behind" | "never"
  /** Whether a state that has another root than was written down is taken as it is. Default false. */
  readonly allowMismatch?: boolean
}

/** Of whatever asks for the tree. */
export interface MerkleCallOptions {
  /** Told how many bytes of files were read for the tree, and about how many there are; where it is there, of the rest. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Ends the waiting. */
  readonly signal?: AbortSignal
}

export interface AlertOptions extends Partial<AlertThresholds> {
  /** Told of every alert that is raised, also with another severity, or cleared. */
  readonly onAlert?: (alert: Alert, change: "raised" | "cleared") => void
}

export interface OpenOptions {
  /** When a write's promise resolves, unless its table or the write itself says otherwise. Default "synced". */
  readonly durability?: Durability
  readonly flush?: FlushOptions
  readonly backlog?: BacklogOptions
  /** What an operator is told of, and from where on. False: nothing. */
  readonly alerts?: AlertOptions | false
  /** When the log is folded into a checkpoint. False: only by hand. */
  readonly checkpoint?: CheckpointOptions | false
  /** What is kept of the past. */
  readonly keep?: KeepOptions
  /** What snapshots may keep. */
  readonly snapshots?: SnapshotOptions
  /** Prepared transactions, of two-phase commit. */
  readonly prepared?: PreparedOptions
  /** Whether a Merkle tree of the content is kept, written down and compared when the store is opened. Default false. */
  readonly merkle?: MerkleOptions | boolean
  /** Whether large values are compressed, unless their table says otherwise; see docs/compression.md. Default false. */
  readonly compress?: CompressOption
  /** Parts that the tables are divided into, each under an actor of its own. Default 8. May change from open to open. */
  readonly shards?: number
  /** Bytes of a log segment. Default 16 MiB. */
  readonly segmentBytes?: number
  /** False: fail where there is no store yet. Default true. */
  readonly create?: boolean
  /** Whether an audit log is kept in the directory: audit.log, a line for each turn in the store's life. Default true. */
  readonly audit?: boolean
  /** Told how recovery gets on while the store is opened; what it throws gives up opening. */
  readonly onRecovery?: (progress: RecoveryProgress) => void
  /** Gives up opening. */
  readonly signal?: AbortSignal
  /** What the engine takes from outside; the simulation replaces it. Default: this machine. */
  readonly platform?: Platform
}

/** For a store as it was, or is at this moment, without writing. */
export interface PastOptions {
  readonly readOnly: true
  /**
   * Which state: the LSN of its last commit, or a time (a Date, or a text that Date takes). Default: the newest.
   * Times are those of the writer's clock; where it jumped back, commits count as made no earlier than those before them.
   */
  readonly at?: number | string | Date
  /** Gives up opening. */
  readonly signal?: AbortSignal
  /** What the engine takes from outside. Default: this machine. */
  readonly platform?: Platform
}

/** For a store that another process writes, read along. */
export interface FollowOptions extends Omit<PastOptions, "at"> {
  readonly follow: true
  /** Milliseconds between two looks at the end of the log. Default 20. */
  readonly lookMs?: number
  /**
   * What it does when the owner has let go of what it has not read yet: start again from the newest checkpoint, or end
   * with CursorExpired. Default "restart".
   */
  readonly whenBehind?: "restart" | "fail"
}
