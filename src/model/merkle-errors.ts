// The errors of Merkle roots; see errors.ts.

import { OrreryError } from "./errors.ts"

/** The state is not the one that a Merkle root was written for, although every checksum is right. */
export class MerkleMismatch extends OrreryError {
  override readonly _tag = "MerkleMismatch"
  override readonly code = "ORRERY_MERKLE_MISMATCH"
  override readonly name = "MerkleMismatch"
  /** Where the root was written: the name of a checkpoint, or "the log". */
  readonly source: string
  /** The commit that the root is of. */
  readonly lsn: number
  /** The root that was written, and the one that the state has. */
  readonly expected: string
  readonly found: string
  /** Records that were counted then, and now. */
  readonly expectedRecords: number
  readonly foundRecords: number
  constructor(
    source: string,
    expected: { readonly lsn: number; readonly root: string; readonly records: number },
    found: { readonly root: string; readonly records: number },
  ) {
    super(
      `the state behind LSN ${expected.lsn} has the Merkle root ${found.root} over ${found.records} records, ` +
        `but ${source} says ${expected.root} over ${expected.records}`,
      "Keep the directory, run orrery verify, and restore a backup; merkle.allowMismatch opens what is there",
    )
    this.source = source
    this.lsn = expected.lsn
    this.expected = expected.root
    this.found = found.root
    this.expectedRecords = expected.records
    this.foundRecords = found.records
  }
}
