// Where the change feed reads what it does not have in memory. A `Log` satisfies it; the feed must not need more, and
// never writes.

import type { LogFrame } from "../format/log-frame.ts"
import type { Lsn } from "../model/lsn.ts"

export interface FeedSource {
  /** The last LSN known to be on stable storage. */
  readonly durableLsn: Lsn
  /** The oldest LSN that can still be read. */
  readonly oldestLsn: Lsn
  /**
   * Frames that hold an LSN greater than `after`, in order, up to and with the one that holds `to`. Their bytes are
   * valid until the next frame is asked for. Fails with: CursorExpired, Corruption, StorageFailed.
   */
  read(after: Lsn, to?: Lsn): AsyncIterableIterator<LogFrame>
}
