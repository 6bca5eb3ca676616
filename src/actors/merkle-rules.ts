// What a store is told of its Merkle tree when it is opened.

export interface MerkleRules {
  /** Whether the tree is kept while the store is open. Otherwise it is made when somebody asks for it. */
  readonly isKept: boolean
  /** Milliseconds between two looks at what became durable. */
  readonly refreshMs: number
  /** Milliseconds between two roots that are written to the log, where anything was written. */
  readonly recordMs: number
  /** When the state is compared with the root that was written down: before the store is open, behind it, or never. */
  readonly verify: "before" | "behind" | "never"
  /** Whether a state with another root is taken as it is. */
  readonly allowMismatch: boolean
}
