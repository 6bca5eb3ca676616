// What a crash test throws when a crash loses something: everything that is needed to see it, and to see it again.

import type { HistoryEntry } from "./crash-options.ts"

export interface CrashFoundDetails {
  readonly seed: number
  readonly token: string
  readonly history: readonly HistoryEntry<unknown>[]
  /** Ids of the crash state, and of those inside recoveries. */
  readonly crashes: readonly string[]
  readonly recovered: unknown
  readonly allowed: readonly unknown[] | undefined
  readonly artifacts: string | undefined
}

/** A crash after which the invariant does not hold, or nothing comes up. `cause` is what the check threw. */
export class CrashFound extends Error {
  readonly _tag = "CrashFound"
  readonly code = "ORRERY_CRASH_FOUND"
  override readonly name = "CrashFound"
  readonly remedy = "Replay it with the token, and sync what was lost before it is acknowledged"
  /** Decided everything in the search that found it. */
  readonly seed: number
  /** For `crash.replay` and the environment variable ORRERY_CRASH_REPLAY. */
  readonly token: string
  /** The smallest history that was found, as it stood at the crash. */
  readonly history: readonly HistoryEntry<unknown>[]
  readonly crashes: readonly string[]
  /** What `recoveredView` told; undefined without one, or where nothing came up. */
  readonly recovered: unknown
  readonly allowed: readonly unknown[] | undefined
  /** The directory with the disk image; undefined where none was written. */
  readonly artifacts: string | undefined

  constructor(message: string, details: CrashFoundDetails, cause: unknown) {
    super(message, { cause })
    this.seed = details.seed
    this.token = details.token
    this.history = details.history
    this.crashes = details.crashes
    this.recovered = details.recovered
    this.allowed = details.allowed
    this.artifacts = details.artifacts
  }
}
