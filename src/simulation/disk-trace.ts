// The record of what was done to a simulated disk, complete enough to rebuild every state that a crash could have left at
// any moment of it. Operations are numbered as they begin; events say when each began and ended, and with what effect.

import type { Change, PendingUnit } from "./disk-changes.ts"
import type { DiskTree } from "./disk-tree.ts"

export type OperationName =
  | "open"
  | "read"
  | "write"
  | "writeSynced"
  | "dataSync"
  | "truncate"
  | "size"
  | "close"
  | "rename"
  | "link"
  | "unlink"
  | "list"
  | "stat"
  | "makeDirectory"
  | "removeDirectory"
  | "syncDirectory"
  | "lock"
  | "freeBytes"
  | "totalBytes"

/** One call of the file system, as a reader of a trace wants to see it. */
export interface Operation {
  /** From 1, in the order of the calls. */
  readonly serial: number
  readonly name: OperationName
  readonly path: string
  /** What else was said: a position and size, a target, a mode. */
  readonly detail: string
  /** "in flight", "done", or the code that it failed with. */
  readonly outcome: string
}

/** What the end of an operation does to pending units. */
export type SyncEffect = (
  | { readonly kind: "operation"; readonly file: number }
  | { readonly kind: "file"; readonly file: number }
  | { readonly kind: "directory"; readonly directory: number }
  /** A failed sync: the file's units may be on the medium or not, and no later sync writes them. */
  | { readonly kind: "forget"; readonly file: number }
) & {
  /** Only the older half of the units. */
  readonly isPartial?: boolean
}

export type TraceEvent =
  /** From here on the changes may be on the medium. */
  | { readonly kind: "issue"; readonly operation: number; readonly changes: readonly Change[] }
  /** The caller learns the outcome. */
  | { readonly kind: "complete"; readonly operation: number; readonly sync?: SyncEffect }
  /** A bit on the medium has turned over. */
  | { readonly kind: "rot"; readonly file: number; readonly offset: number; readonly bit: number }

export interface DiskTrace {
  /** The medium when the trace began. Never changes. */
  readonly base: DiskTree
  /** What was pending then. */
  readonly basePending: readonly PendingUnit[]
  readonly events: readonly TraceEvent[]
  readonly operations: readonly Operation[]
}
