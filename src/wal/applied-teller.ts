// Tells of commits as soon as they are made, before anything of them is on its way to the disk: all of a turn at once, as
// frames over the batch that fills. For feeds of applied commits; where nobody wants any there is no such object.
//
// Must not call anybody within the call that commits: a record may be half written, and a write from there refused. So it
// tells at the end of the turn, or when a batch that was not told of yet is about to be used anew.

import { FRAME_HEADER_SIZE } from "../format/frame.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Clock } from "../platform/clock.ts"
import type { CommitBatch } from "./commit-batch.ts"

export class AppliedTeller {
  readonly #clock: Clock
  readonly #epoch: number
  readonly #listener: (frame: LogFrame) => void
  /** Batches with commits that nobody was told of, oldest first. */
  #untold: CommitBatch[] = []
  #isScheduled = false
  #isTelling = false

  /** The frames' bytes are valid during the listener's call. */
  constructor(clock: Clock, epoch: number, listener: (frame: LogFrame) => void) {
    this.#clock = clock
    this.#epoch = epoch
    this.#listener = listener
  }

  /** The batch has got another commit. */
  note(batch: CommitBatch): void {
    if (this.#untold.at(-1) !== batch) this.#untold.push(batch)
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Who writes whenever he is told of a write must let others have a turn in between.
    if (this.#isTelling) this.#clock.after(0, this.#tellScheduled, true)
    else queueMicrotask(this.#tellScheduled)
  }

  /** Takes what the batch holds for told: before anybody listens. */
  skip(batch: CommitBatch): void {
    batch.toldPosition = batch.position
    batch.toldCount = batch.commitCount
  }

  /** Tells of everything that it has not told of yet. */
  tell(): void {
    const batches = this.#untold
    this.#untold = []
    this.#isTelling = true
    try {
      for (const batch of batches) this.#tellOf(batch)
    } finally {
      this.#isTelling = false
    }
  }

  /** The log has ended: nobody is to hear of the rest. */
  end(): void {
    this.#untold = []
  }

  readonly #tellScheduled = (): void => {
    this.#isScheduled = false
    this.tell()
  }

  #tellOf(batch: CommitBatch): void {
    const { toldCount, toldPosition: start, position: end, commitCount, firstLsn } = batch
    this.skip(batch)
    this.#listener({
      firstLsn: lsnOf(firstLsn + toldCount),
      lastLsn: lsnOf(firstLsn + commitCount - 1),
      timeMs: this.#clock.wallMs(),
      epoch: this.#epoch,
      // Only who reads a whole frame from the disk checks it.
      recordCount: 0,
      buffer: batch.buffer,
      start: Math.max(start, FRAME_HEADER_SIZE),
      end,
    })
  }
}
