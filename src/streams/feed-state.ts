// States that a stream begins with, or looks into: what the commits up to an LSN have made of the tables. The store has
// them; the feed must not know how.

import type { Change } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Filter } from "./filter.ts"

/** The state behind one commit. To be closed. */
export interface FeedState {
  readonly lsn: Lsn
  /** Whether its reads do not fail because it had to be given up. */
  readonly isReadable: boolean
  /** What a key held; undefined where nothing. Fails with: SnapshotExpired, StoreClosed. */
  value(table: string, key: string): unknown
  /**
   * Everything that matches, as puts, a bounded number at a time; undefined now and then, so that whoever walks can let
   * others have a turn. Fails like `value`.
   */
  pieces(filter: Filter): Generator<readonly Change[] | undefined, undefined>
  close(): void
}

export interface FeedStates {
  /** The last commit that was made. */
  readonly lastLsn: Lsn
  /** Whether the log holds everything behind it. */
  hasCommitsAfter(lsn: Lsn): boolean
  /** Whether the state there can be had. */
  hasStateAt(lsn: Lsn): boolean
  wallMs(): number
  /** The state of now. Fails with: Restarting, StoreClosed. */
  take(): FeedState
  /** The state behind a commit, exactly: at once if it is that of now. Fails with: HistoryExpired, Corruption, ... */
  at(lsn: Lsn): FeedState | Promise<FeedState>
  /** Resolves when everything in the state is on stable storage: false where it never will be. */
  settled(state: FeedState): Promise<boolean>
  /** Lets others have a turn. */
  pause(): Promise<void>
  /** Calls back later, once, unless what it returns was called. */
  later(callback: () => void): () => void
}
