// What leaves the engine when something became durable.

import type { Lsn } from "./lsn.ts"

/** One operation of a commit, as subscribers see it. */
export interface Change<Value = unknown> {
  readonly kind: "put" | "delete"
  readonly table: string
  readonly key: string
  /** The value after the change; undefined for a delete. Decoded when first read, and then the same object. */
  readonly value: Value | undefined
  /** The commit that the change belongs to. */
  readonly lsn: Lsn
}

/** One commit, whole: all its changes, in the order of the log, as far as they match the subscription. */
export interface Commit<Value = unknown> {
  readonly lsn: Lsn
  /** When the commit was made, in milliseconds since 1970 by the writer's wall clock. Never use it for order. */
  readonly timeMs: number
  readonly changes: readonly Change<Value>[]
}
