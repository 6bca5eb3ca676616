// What commits are pulled from, one after the other. The faces of a stream (iteration, observable, readable) stand on it.

import type { Commit } from "../model/change.ts"
import type { Lsn } from "../model/lsn.ts"

export interface CommitSource {
  /** Everything that matches up to here was taken. */
  readonly position: Lsn
  /** The same as a text, for `after`. */
  readonly cursor: string
  /** Whether a call of `next` waits for a commit that there is not yet. */
  readonly isWaiting: boolean
  /** The next commit. Begins with the first call. After an error, or the end, it is done. */
  next(): Promise<IteratorResult<Commit, undefined>>
  /** The same for all that are at hand, in order, one at least: one promise for all of them. */
  nextBatch(): Promise<IteratorResult<readonly Commit[], undefined>>
  /** Whoever waits is done. */
  close(): void
}

export const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true }
