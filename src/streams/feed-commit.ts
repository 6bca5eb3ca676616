// Commits as subscribers get them. The cursor is written when somebody asks for it: most never do.

import type { Change, Commit } from "../model/change.ts"
import { invariant } from "../model/invariant.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Cursors } from "./cursor.ts"
import type { FeedChange } from "./feed-change.ts"

type State = NonNullable<Commit["state"]>

/** A commit out of a frame. What its cursor needs stands in its changes: there are many commits, and one class of them. */
export class FeedCommit implements Commit {
  readonly lsn: Lsn
  readonly timeMs: number
  readonly changes: readonly FeedChange[]

  /** Requires: there is a change. */
  constructor(lsn: Lsn, timeMs: number, changes: readonly FeedChange[]) {
    this.lsn = lsn
    this.timeMs = timeMs
    this.changes = changes
  }

  get cursor(): string {
    const first = this.changes[0]
    invariant(first !== undefined, "a commit that is delivered has a change")
    return first.cursor
  }

  /** What JSON.stringify writes. */
  toJSON(): Commit {
    const { changes, cursor, lsn, timeMs } = this
    return { lsn, timeMs, cursor, changes }
  }
}

/** What several commits in a row have come to: see `overflow: "latest-per-key"`. */
export function mergedCommit(
  lsn: Lsn,
  timeMs: number,
  changes: readonly Change[],
  cursors: Cursors,
  merged: number,
): Commit {
  return { lsn, timeMs, cursor: cursors.at(lsn), changes, merged }
}

/** A piece of a state: see the option `snapshot`. */
export function statePiece(
  lsn: Lsn,
  timeMs: number,
  changes: readonly Change[],
  cursors: Cursors,
  state: State,
): Commit {
  return { lsn, timeMs, cursor: state.isLast ? cursors.at(lsn) : cursors.unfinished, changes, state }
}
