// Gives each change of a stream the value before it, exactly, whatever happens in between: the last change of the key that
// the stream has seen, or, where it has seen none, what a state holds for the key: the base, from which the stream's commits
// have gone on without a gap.
//
//   base at LSN 10       11: a=1      12: b=2      13: a=3      next base, taken at LSN 13
//                        before: base before: base before: 1    from 14 on: that one, and all seen is forgotten
//
// A base is renewed while the stream is near the end of the log, because an old one keeps versions from being released.
// Where it was given up all the same, or the stream begins in the past, the state at the position is read from the files.
//
// Must see every change of the keys that it is asked for: a filter by type comes behind it.

import type { Change, Commit } from "../model/change.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { SnapshotExpired } from "../model/transaction-errors.ts"
import { KIND_PUT } from "../format/record.ts"
import { probe } from "../model/invariant.ts"
import { DONE } from "./commit-source.ts"
import type { CommitSource } from "./commit-source.ts"
import { idOf } from "./conflation.ts"
import type { Cursors } from "./cursor.ts"
import type { FeedState, FeedStates } from "./feed-state.ts"
import type { Filter } from "./filter.ts"
import { SerialSource } from "./serial-source.ts"

/** Commits, and keys seen, after which a new base is looked for. */
const RENEWAL_COUNT = 1_024
/** How near to the end of the log a stream must be for that, in LSNs. */
const NEAR_LSN_COUNT = 8_192

export class BeforeValues extends SerialSource {
  readonly #inner: CommitSource
  readonly #states: FeedStates
  readonly #cursors: Cursors
  readonly #kind: Filter["kind"]
  #base: FeedState | undefined
  /** Becomes the base when the stream has got there. */
  #next: FeedState | undefined = undefined
  /** What the keys hold that the stream has seen behind the base. */
  readonly #seen: Map<string, unknown> = new Map()
  #seenCommits = 0
  #taken: Lsn
  #cancel: (() => void) | undefined = undefined

  /** Requires: `inner` gives everything behind `after`; `base`, if there is one, is the state there. */
  constructor(
    inner: CommitSource,
    states: FeedStates,
    cursors: Cursors,
    kind: Filter["kind"],
    after: Lsn,
    base: FeedState | undefined,
  ) {
    super()
    this.#inner = inner
    this.#states = states
    this.#cursors = cursors
    this.#kind = kind
    this.#taken = after
    this.#base = base
  }

  get position(): Lsn {
    return this.#inner.isWaiting ? lsnOf(Math.max(this.#inner.position, this.#taken)) : this.#taken
  }

  get cursor(): string {
    return this.#cursors.at(this.position)
  }

  get isWaiting(): boolean {
    return this.#inner.isWaiting
  }

  protected override async step(): Promise<IteratorResult<Commit, undefined>> {
    this.#base ??= await this.#baseAt(this.#taken)
    for (;;) {
      if (this.isClosed) return DONE
      if (this.#isDue()) this.#prepare()
      const coming = this.#inner.next()
      if (this.#inner.isWaiting) this.#renewLater()
      const result = await coming.finally(() => this.#stopRenewing())
      if (result.done === true) return result
      const commit = await this.#withBefore(result.value)
      // Closed meanwhile: the position is before it still.
      if (commit === undefined) return DONE
      this.#taken = commit.lsn
      if (commit.changes.length > 0) return { value: commit, done: false }
    }
  }

  protected override release(): void {
    this.#stopRenewing()
    this.#base?.close()
    this.#next?.close()
    this.#base = undefined
    this.#next = undefined
    this.#inner.close()
  }

  async #withBefore(commit: Commit): Promise<Commit | undefined> {
    for (;;) {
      if (this.isClosed) return undefined
      this.#moveOn(commit.lsn - 1)
      try {
        return this.#look(commit)
      } catch (error) {
        if (!(error instanceof SnapshotExpired)) throw error
        probe("a stream with the values before has lost its base")
        this.#base?.close()
        this.#seen.clear()
        this.#base = await this.#baseAt(lsnOf(commit.lsn - 1))
      }
    }
  }

  #look(commit: Commit): Commit {
    const base = this.#base
    const seen = this.#seen
    const changes: Change[] = []
    // Nothing of it counts as seen before all of it could be looked up.
    const own = new Map<string, unknown>()
    for (const change of commit.changes) {
      const { kind, table, key, lsn } = change
      const id = idOf(change)
      const before = own.has(id) ? own.get(id) : seen.has(id) ? seen.get(id) : base?.value(table, key)
      const { value } = change
      own.set(id, value)
      if (this.#kind === undefined || (this.#kind === KIND_PUT) === (kind === "put")) {
        changes.push({ kind, table, key, value, lsn, before })
      }
    }
    for (const [id, value] of own) seen.set(id, value)
    this.#seenCommits++
    const { cursor, lsn, merged, timeMs } = commit
    return merged === undefined ? { lsn, timeMs, cursor, changes } : { lsn, timeMs, cursor, changes, merged }
  }

  /** Takes over the next base if everything up to it was seen. */
  #moveOn(lsn: number): void {
    const next = this.#next
    if (next === undefined || next.lsn > lsn) return
    this.#next = undefined
    if (!next.isReadable) return next.close()
    this.#base?.close()
    this.#base = next
    this.#seen.clear()
    this.#seenCommits = 0
  }

  #isDue(): boolean {
    return this.#seenCommits >= RENEWAL_COUNT || this.#seen.size >= RENEWAL_COUNT
  }

  #prepare(): void {
    const { lastLsn } = this.#states
    if (this.#next !== undefined || lastLsn - this.position > NEAR_LSN_COUNT || lastLsn === this.#base?.lsn) return
    try {
      this.#next = this.#states.take()
    } catch {
      // A shard is down, for example. What there is does until the next time.
    }
  }

  #renewLater(): void {
    this.#cancel = this.#states.later(() => {
      this.#prepare()
      if (this.#inner.isWaiting) this.#moveOn(this.position)
      this.#renewLater()
    })
  }

  #stopRenewing(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  async #baseAt(lsn: Lsn): Promise<FeedState> {
    const base = await this.#states.at(lsn)
    if (this.isClosed) base.close()
    return base
  }
}
