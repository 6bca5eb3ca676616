// A stream that begins with the state behind one commit, and goes on with the commits behind that one: no gap, and nothing
// twice, because both are of the same LSN. Whoever goes on from a cursor gets no state, unless the log does not reach back
// so far any more, or the cursor is from the middle of a state.
//
// Of durable commits it waits until the whole state is durable before it shows any of it: a state that the log takes back
// is taken anew.

import type { Change, Commit } from "../model/change.ts"
import { LogUnavailable } from "../model/errors.ts"
import { LSN_NONE } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { SnapshotExpired } from "../model/transaction-errors.ts"
import { DONE } from "./commit-source.ts"
import type { CommitSource } from "./commit-source.ts"
import type { Cursors } from "./cursor.ts"
import { statePiece } from "./feed-commit.ts"
import type { FeedState, FeedStates } from "./feed-state.ts"
import type { Filter } from "./filter.ts"
import { SerialSource } from "./serial-source.ts"

/** How often a state is taken anew because the log has taken it back. */
const ATTEMPT_COUNT = 5

export interface StateFirstOptions {
  readonly states: FeedStates
  readonly cursors: Cursors
  readonly filter: Filter
  /** Where to go on if the log reaches back so far. Undefined: begins with the state. */
  readonly after: Lsn | undefined
  /** Whether `follow` can go on from there. */
  readonly reaches: (lsn: Lsn) => boolean
  readonly isDurable: boolean
  readonly signal: AbortSignal | undefined
  /** The commits behind an LSN. What it does not close of the state is its own. */
  readonly follow: (lsn: Lsn, state: FeedState | undefined) => CommitSource
}

export class StateFirst extends SerialSource {
  readonly #options: StateFirstOptions
  #state: FeedState | undefined = undefined
  #pieces: Generator<readonly Change[] | undefined, undefined> | undefined = undefined
  /** Read, and not delivered: whether it is the last shows when the next is there. */
  #held: readonly Change[] | undefined = undefined
  #isFirst = true
  /** Set when the state was delivered. */
  #followed: CommitSource | undefined = undefined

  constructor(options: StateFirstOptions) {
    super()
    this.#options = options
  }

  get position(): Lsn {
    return this.#followed?.position ?? this.#options.after ?? LSN_NONE
  }

  get cursor(): string {
    const { after, cursors } = this.#options
    if (this.#followed !== undefined) return this.#followed.cursor
    return after === undefined || this.#state !== undefined ? cursors.unfinished : cursors.at(after)
  }

  get isWaiting(): boolean {
    return this.#followed?.isWaiting ?? false
  }

  protected override async step(): Promise<IteratorResult<Commit, undefined>> {
    if (this.#followed !== undefined) return this.#followed.next()
    const { after, signal, states } = this.#options
    signal?.throwIfAborted()
    if (this.#state === undefined && after !== undefined && this.#options.reaches(after)) {
      this.#followed = this.#options.follow(after, undefined)
      return this.#followed.next()
    }
    const state = this.#state ?? (await this.#begin())
    const piece = await this.#read()
    if (this.isClosed) return DONE
    // Read to its end, and yet taken back by the log meanwhile.
    if (piece.isLast && !state.isReadable) {
      throw new SnapshotExpired(state.lsn, "a part of the store was built anew", "Subscribe again")
    }
    const { cursors } = this.#options
    const value = statePiece(state.lsn, states.wallMs(), piece.changes, cursors, {
      isFirst: this.#isFirst,
      isLast: piece.isLast,
    })
    this.#isFirst = false
    if (piece.isLast) {
      this.#state = undefined
      this.#followed = this.#options.follow(state.lsn, state)
    }
    return { value, done: false }
  }

  protected override rest(): CommitSource | undefined {
    return this.#followed
  }

  protected override release(): void {
    this.#state?.close()
    this.#state = undefined
    this.#followed?.close()
  }

  /** Fails with: Restarting, StoreClosed, LogUnavailable. */
  async #begin(): Promise<FeedState> {
    const { filter, isDurable, states } = this.#options
    for (let attempt = 1; attempt <= ATTEMPT_COUNT; attempt++) {
      const state = states.take()
      this.#state = state
      this.#pieces = state.pieces(filter)
      if (!isDurable || (await states.settled(state)) || this.isClosed) return state
      state.close()
      this.#state = undefined
    }
    throw new LogUnavailable("it keeps failing before the state that a stream is to begin with is durable")
  }

  async #read(): Promise<{ readonly changes: readonly Change[]; readonly isLast: boolean }> {
    for (;;) {
      if (this.isClosed || this.#pieces === undefined) return { changes: [], isLast: false }
      const { value, done } = this.#pieces.next()
      if (done === true) return { changes: this.#held ?? [], isLast: true }
      if (value === undefined) {
        await this.#options.states.pause()
        continue
      }
      const changes = this.#held
      this.#held = value
      if (changes !== undefined) return { changes, isLast: false }
    }
  }
}
