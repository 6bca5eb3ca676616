// What leaves the engine when something became durable.

import type { Lsn } from "./lsn.ts"

/** One operation of a commit, as subscribers see it. */
export interface Change<Value = unknown> {
  readonly kind: "put" | "delete"
  readonly table: string
  readonly key: string
  /** The value after the change; undefined for a delete. Decoded when first read, and then the same object. */
  readonly value: Value | undefined
  /** The commit that the change belongs to. In a state (`Commit.state`): the one that wrote the value. */
  readonly lsn: Lsn
  /** The value before the change, undefined where there was none: with the option `before`. */
  readonly before?: Value | undefined
}

/** One commit, whole: all its changes, in the order of the log, as far as they match the subscription. */
export interface Commit<Value = unknown> {
  /** Its place in the log. Also what tells transactions apart: `transact` resolves to the same number. */
  readonly lsn: Lsn
  /** When the commit was made, in milliseconds since 1970 by the writer's wall clock. Never use it for order. */
  readonly timeMs: number
  readonly changes: readonly Change<Value>[]
  /** As `after`, in this or a later life of the store, in a follower or a backup: goes on exactly behind this commit. */
  readonly cursor: string
  /** How many commits it stands for: with `overflow: "latest-per-key"`, where a slow subscriber gets them in one. */
  readonly merged?: number
  /**
   * With the option `snapshot`: this is no commit but a piece of the state that all commits up to `lsn` have made. Forget
   * with the first piece what you have; commits follow behind the last.
   */
  readonly state?: { readonly isFirst: boolean; readonly isLast: boolean }
}
