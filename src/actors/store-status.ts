// What a store can do at the moment, for its users.

import type { OrreryError } from "../model/errors.ts"

/**
 * - `opening`: recovery runs for the first time.
 * - `open`: reads and writes.
 * - `recovering`: an actor failed; reads that need it fail with Restarting, writes wait in line.
 * - `read-only`: the disk takes nothing; reads work, writes are rejected. Tried again by itself.
 * - `closing`, `closed`: by the user, or because the store gave up; `reason` tells.
 */
export type StoreState = "opening" | "open" | "recovering" | "read-only" | "closing" | "closed"

export interface StoreStatus {
  readonly state: StoreState
  /** Why, where the state is not of the user's own making. */
  readonly reason: OrreryError | undefined
}
