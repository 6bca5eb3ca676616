// Commits as subscribers get them. The cursor is written when somebody asks for it: most never do.

import type { Change, Commit } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Cursors } from "./cursor.ts"

type State = NonNullable<Commit["state"]>

export class FeedCommit implements Commit {
  readonly lsn: Lsn
  readonly timeMs: number
  readonly changes: readonly Change[]
  readonly #cursors: Cursors

  constructor(lsn: Lsn, timeMs: number, changes: readonly Change[], cursors: Cursors) {
    this.lsn = lsn
    this.timeMs = timeMs
    this.changes = changes
    this.#cursors = cursors
  }

  get cursor(): string {
    return this.#cursors.at(this.lsn)
  }

  /** The same commit with other changes. */
  with(changes: readonly Change[]): FeedCommit {
    return new FeedCommit(this.lsn, this.timeMs, changes, this.#cursors)
  }

  /** What JSON.stringify writes. */
  toJSON(): Commit {
    const { changes, cursor, lsn, timeMs } = this
    return { lsn, timeMs, cursor, changes }
  }
}

/** What several commits in a row have come to: see `overflow: "latest-per-key"`. */
export class MergedCommit extends FeedCommit {
  readonly merged: number
  readonly #cursors: Cursors

  constructor(lsn: Lsn, timeMs: number, changes: readonly Change[], cursors: Cursors, merged: number) {
    super(lsn, timeMs, changes, cursors)
    this.merged = merged
    this.#cursors = cursors
  }

  override with(changes: readonly Change[]): FeedCommit {
    return new MergedCommit(this.lsn, this.timeMs, changes, this.#cursors, this.merged)
  }

  override toJSON(): Commit {
    return { ...super.toJSON(), merged: this.merged }
  }
}

/** A piece of a state: see the option `snapshot`. */
export class StatePiece extends FeedCommit {
  readonly state: State
  readonly #cursors: Cursors

  constructor(lsn: Lsn, timeMs: number, changes: readonly Change[], cursors: Cursors, state: State) {
    super(lsn, timeMs, changes, cursors)
    this.state = state
    this.#cursors = cursors
  }

  override get cursor(): string {
    return this.state.isLast ? super.cursor : this.#cursors.unfinished
  }

  override toJSON(): Commit {
    return { ...super.toJSON(), state: this.state }
  }
}
