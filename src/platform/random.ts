// Chance as a capability, so that a seed can decide it.

export interface Random {
  /** Fills the array with unpredictable bytes. */
  fill(target: Uint8Array): void
}
