// Proves what a checkpoint holds by the Merkle root that was written with it: a change that nobody meant is found also
// where the checksums were made right again. Holds a tree of the records, about 80 bytes for each; nothing where the
// checkpoint has no root.

import type { CheckpointBlock } from "../checkpoint/checkpoint-reader.ts"
import type { Sha256 } from "../model/digest.ts"
import type { MerkleRoot, MerkleVerdict } from "../model/merkle.ts"
import { MerkleFold } from "../merkle/merkle-fold.ts"
import type { Catalogue } from "../table/catalogue.ts"

export const NO_ROOT: MerkleVerdict = { result: "skipped", lsn: 0, reason: "no root was written with it" }

export class RootCheck {
  readonly #expected: MerkleRoot
  readonly #fold: MerkleFold

  /** The catalogue knows what defines the records that are taken. */
  constructor(expected: MerkleRoot, catalogue: Catalogue, sha256: Sha256) {
    this.#expected = expected
    this.#fold = new MerkleFold(catalogue, sha256, expected.lsn)
  }

  /** A record that was found good. */
  take({ buffer, tableId }: CheckpointBlock, at: number): void {
    this.#fold.takeKept(buffer, at, tableId)
  }

  /** What came of it, behind the last record. */
  verdict(): MerkleVerdict {
    const { tree } = this.#fold
    tree.settle(Number.POSITIVE_INFINITY)
    const { root, records } = this.#fold.root
    const expected = this.#expected
    const isSame = root === expected.root && records === expected.records
    const reason = isSame
      ? "it is what its root says"
      : `its records have the Merkle root ${root} over ${records} records, it says ${expected.root} over ${expected.records}`
    return { result: isSame ? "verified" : "failed", lsn: expected.lsn, reason }
  }
}

/** One verdict for several: the worst that was found, of the newest. */
export function summaryOf(verdicts: readonly MerkleVerdict[]): MerkleVerdict {
  for (const result of ["failed", "verified"] as const) {
    const found = verdicts.findLast((verdict) => verdict.result === result)
    if (found !== undefined) return found
  }
  return { ...NO_ROOT, reason: "no checkpoint has a root" }
}
