// What is told of a store's Merkle tree. Data only.

/** The root over all records of users behind one commit. */
export interface MerkleRoot {
  /** The last commit in it; 0 for the empty state. */
  readonly lsn: number
  /** 64 hexadecimal digits. The same content has the same root, whatever its history. */
  readonly root: string
  /** Records under it. */
  readonly records: number
}

/**
 * What came of comparing the state with a root that was written down.
 * - `verified`: they are the same.
 * - `skipped`: nothing was compared; `reason` says why.
 * - `failed`: they differ.
 */
export interface MerkleVerdict {
  readonly result: "verified" | "skipped" | "failed"
  /** The commit that the root is of; 0 where nothing was compared. */
  readonly lsn: number
  readonly reason: string
}
