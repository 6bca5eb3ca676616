// When a batch goes before the end of its turn: because it is full, or so that the disk works while the rest of the
// callers put. Costs a comparison a commit.

import type { CommitBatch } from "./commit-batch.ts"

/**
 * From this size on a batch may go in the middle of a turn: once it has been filling for as long as the flush before it
 * took. On a slower disk that would halve the batches for nothing.
 */
const EARLY_SIZE = 48 * 1024

export interface FlushTriggers {
  /** Commits in a batch that make it go at once. */
  readonly records: number
  /** Bytes in a batch that make it go at once. */
  readonly bytes: number
  /** How long a batch waits for company before it goes; 0: as soon as the flush before it has ended. */
  readonly delayMs: number
  /** How long a commit below `synced` may wait for its sync. */
  readonly syncDelayMs: number
}

export class FlushPace {
  readonly #triggers: FlushTriggers
  /** The size at which the batch that fills is looked at again. */
  nextLookSize: number = EARLY_SIZE
  /** When the first commit came into it. */
  #fillingSinceMs = 0
  #lastFlushMs = 0

  constructor(triggers: FlushTriggers) {
    this.#triggers = triggers
  }

  /** The first commit comes into a batch. */
  begin(nowMs: number): void {
    this.nextLookSize = EARLY_SIZE
    this.#fillingSinceMs = nowMs
  }

  noteFlush(durationMs: number): void {
    this.#lastFlushMs = durationMs
  }

  /** Whether a trigger by size says that the batch should go. */
  isFull(batch: CommitBatch): boolean {
    return batch.commitCount >= this.#triggers.records || batch.sizeBytes >= this.#triggers.bytes
  }

  /** Whether a batch of at least `nextLookSize`, which waits for the end of the turn, should go now. */
  isDue(batch: CommitBatch, nowMs: () => number): boolean {
    this.nextLookSize = batch.sizeBytes + EARLY_SIZE / 4
    if (this.#triggers.delayMs > 0 || !(batch.needsSync || batch.needsWrite)) return false
    return nowMs() - this.#fillingSinceMs >= this.#lastFlushMs
  }
}
