// The errors of change feeds, but for CursorExpired and LimitExceeded; see errors.ts.

import { OrreryError } from "./errors.ts"

/** A text that was given as a cursor is none of this store. */
export class CursorRefused extends OrreryError {
  override readonly _tag = "CursorRefused"
  override readonly code = "ORRERY_CURSOR_REFUSED"
  override readonly name = "CursorRefused"
  /** As it was given, cut to 100 characters. */
  readonly cursor: string
  constructor(cursor: string, reason: string, remedy: string) {
    const shown = cursor.length > 100 ? `${cursor.slice(0, 100)}…` : cursor
    super(`the cursor ${JSON.stringify(shown)} ${reason}`, remedy)
    this.cursor = shown
  }
}

/** A subscriber with `overflow: "error"` did not keep up. */
export class SubscriberOverflowed extends OrreryError {
  override readonly _tag = "SubscriberOverflowed"
  override readonly code = "ORRERY_SUBSCRIBER_OVERFLOWED"
  override readonly name = "SubscriberOverflowed"
  /** The last commit that it took. */
  readonly after: number
  constructor(name: string, after: number) {
    super(
      `the subscriber "${name}", which has taken everything up to LSN ${after}, has more waiting than its buffer holds`,
      "Subscribe again after that position, and take commits faster, raise bufferCommits and bufferBytes, or let it catch up",
    )
    this.after = after
  }
}

/** A feed of applied commits has delivered some that are not in the log. */
export class AppliedCommitsLost extends OrreryError {
  override readonly _tag = "AppliedCommitsLost"
  override readonly code = "ORRERY_APPLIED_COMMITS_LOST"
  override readonly name = "AppliedCommitsLost"
  /** The last commit that counts. What was delivered behind it never happened. */
  readonly keptLsn: number
  /** How far the feed had got. */
  readonly deliveredLsn: number
  constructor(keptLsn: number, deliveredLsn: number) {
    super(
      `the log failed: of the commits up to LSN ${deliveredLsn}, which were delivered before they were durable, those behind LSN ${keptLsn} are lost`,
      "Forget what was made of them: read the tables anew, and subscribe again",
    )
    this.keptLsn = keptLsn
    this.deliveredLsn = deliveredLsn
  }
}
