// When a batch goes before the end of its turn: because it is full, or so that the disk works while the rest of the
// callers put. Costs a comparison a commit.

import type { CommitBatch } from "./commit-batch.ts"

/** From this size on a batch may go in the middle of a turn, whatever the one before it was. */
const EARLY_SIZE = 48 * 1024
/** Below this size a batch is left to the end of its turn: another flush would cost more than the disk's head start. */
const EARLY_SIZE_MIN = 2 * 1024
/** How much of a slow flush is still held against the disk after the next one. */
const MEMORY_SHARE = 0.5

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

/**
 * Callers that write again as soon as they are told all come back at once, in one batch, and then wait for the disk
 * together with the thread. So a batch that finds the disk idle goes when half of what went last is in it, and from then
 * on two halves take turns: one on its way, one filling. That pays where the disk takes less time than the callers do; so
 * not before the batch has been filling for as long as a flush takes. On a slower disk it would halve the batches for
 * nothing: one quick flush among slow ones must not pass for a quick disk, and halves become one again where flushes take
 * longer than all of the callers do.
 */
export class FlushPace {
  readonly #triggers: FlushTriggers
  /** The size at which the batch that fills is looked at again. */
  nextLookSize: number = EARLY_SIZE
  /** When the first commit came into it. */
  #fillingSinceMs = 0
  /** Whether everything in it came within one turn, with the disk idle. */
  #isOfOneTurn = false
  /** What a flush takes, by the slow ones of the last. */
  #flushMs = 0
  #lastMs = 0
  /** Neither of the last two flushes took less. */
  #slowMs = 0
  /** What a commit takes those who write within one turn. */
  #commitMs = 0
  /** The size at which a batch is first looked at. */
  #earlySize = EARLY_SIZE

  constructor(triggers: FlushTriggers) {
    this.#triggers = triggers
  }

  /** The first commit comes into a batch, while the one before is on its way or not. */
  begin(nowMs: number, isBehindAnother: boolean): void {
    this.#isOfOneTurn = !isBehindAnother
    this.nextLookSize = this.#earlySize
    this.#fillingSinceMs = nowMs
  }

  /** A batch goes within the turn in which its last commit came. */
  noteTurn(batch: CommitBatch, nowMs: number): void {
    if (this.#isOfOneTurn) this.#commitMs = (nowMs - this.#fillingSinceMs) / batch.commitCount
  }

  /** A flush of so many bytes has taken that long. */
  noteFlush(durationMs: number, sizeBytes: number): void {
    this.#slowMs = Math.min(durationMs, this.#lastMs)
    this.#lastMs = durationMs
    this.#flushMs = Math.max(durationMs, this.#flushMs * MEMORY_SHARE)
    this.#earlySize = Math.min(Math.max(sizeBytes / 2, EARLY_SIZE_MIN), EARLY_SIZE)
  }

  /** Whether a trigger by size says that the batch should go. */
  isFull(batch: CommitBatch): boolean {
    return batch.commitCount >= this.#triggers.records || batch.sizeBytes >= this.#triggers.bytes
  }

  /** Whether what fills should wait for those who are about to be told of a batch, should they write again at once. */
  isForAll(told: CommitBatch, filling: CommitBatch): boolean {
    if (this.#triggers.delayMs > 0 || this.isFull(filling)) return false
    return this.#slowMs > (told.commitCount + filling.commitCount) * this.#commitMs
  }

  /** Whether a batch of at least `nextLookSize`, which waits for the end of the turn, should go now. */
  isDue(batch: CommitBatch, nowMs: () => number): boolean {
    this.nextLookSize = batch.sizeBytes + this.#earlySize / 4
    if (this.#triggers.delayMs > 0 || !this.#isOfOneTurn || !(batch.needsSync || batch.needsWrite)) return false
    return nowMs() - this.#fillingSinceMs >= this.#flushMs
  }
}
