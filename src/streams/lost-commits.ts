// Which LSNs were given to commits that a failed log has taken back. They are never given again, so a position among them
// says that its owner has seen, in a feed of applied commits, something that never happened; he must not go on from there
// as if nothing were missing. A position there may also have passed over a lost commit that was none of its: that cannot be
// told apart.
//
// Knows the failures of this life of the store, the last ones of a great many.

import type { Lsn } from "../model/lsn.ts"

const FAILURE_COUNT_MAX = 1_024

export class LostCommits {
  readonly #failures: { readonly keptLsn: Lsn; readonly givenLsn: Lsn }[] = []

  /** The log was recovered up to `keptLsn`, when commits up to `givenLsn` had been made. */
  note(keptLsn: Lsn, givenLsn: Lsn): void {
    if (givenLsn <= keptLsn) return
    this.#failures.push({ keptLsn, givenLsn })
    if (this.#failures.length > FAILURE_COUNT_MAX) this.#failures.shift()
  }

  /** The last commit before it that counts; undefined where the position is not among the lost ones. */
  keptBefore(position: Lsn): Lsn | undefined {
    return this.#failures.find(({ keptLsn, givenLsn }) => position > keptLsn && position <= givenLsn)?.keptLsn
  }
}
