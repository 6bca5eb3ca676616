// A position in the log. Every commit takes the next one, so LSN order is commit order is replay order. A commit
// may hold many operations (a batch); they share its LSN. LSNs are dense inside an epoch and never go back; only an
// epoch frame may jump forward, which says that the positions in between never happened.

declare const lsnBrand: unique symbol

/** A log sequence number: an integer from 1 to 2^48 - 1. 0 stands for 'before the first commit'. */
export type Lsn = number & { readonly [lsnBrand]: "Lsn" }

/** The position before the first commit. */
export const LSN_NONE: Lsn = 0 as Lsn

/** Brands a number that is known to be a log position. Requires: an integer from 0 to 2^48 - 1. */
export function lsnOf(value: number): Lsn {
  return value as Lsn
}
