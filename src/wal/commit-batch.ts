// A batch of commits on its way into one frame: the bytes, and who waits for them. One promise serves all of its
// writers; each gets a derived one that resolves to its own LSN.

import { FRAME_HEADER_SIZE } from "../format/frame.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { allocateRecordBuffer } from "../format/record.ts"
import type { RecordBuffer } from "../format/record.ts"
import type { Durability } from "../model/durability.ts"
import { FRAME_PAYLOAD_SIZE_MAX } from "../model/limits.ts"
import { invariant } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"

/** What a write resolves to. */
export interface Receipt {
  /** The write's place in the log. */
  readonly lsn: Lsn
}

/** Two batches take turns, and keep what they have grown to: a store that writes little has little. */
const CAPACITY_MIN = 32 * 1024
/** A buffer that one large batch has blown up is not kept. */
const CAPACITY_KEPT_MAX = 4 * 1024 * 1024

export class CommitBatch {
  buffer: RecordBuffer = allocateRecordBuffer(CAPACITY_MIN)
  /** Where the next record goes. The frame's header has its place before the first. */
  position: number = FRAME_HEADER_SIZE
  firstLsn = 0
  commitCount = 0
  recordCount = 0
  /** Whether somebody waits for the write, or for the sync. */
  needsWrite = false
  needsSync = false
  /** How far applied-teller.ts has told of it. */
  toldPosition: number = FRAME_HEADER_SIZE
  toldCount = 0
  /** When the frame was closed, by the wall clock. */
  timeMs = 0
  #settled: Promise<void> | undefined
  #resolve: () => void = ignore
  #reject: (reason: unknown) => void = ignore

  get isEmpty(): boolean {
    return this.commitCount === 0
  }
  get sizeBytes(): number {
    return this.position - FRAME_HEADER_SIZE
  }

  /** A promise for one commit of this batch. */
  receipt(lsn: Lsn): Promise<Receipt> {
    return this.settled.then(() => ({ lsn }))
  }

  /** The same at a durability, on the turn of the commit: at `memory` it has that already. */
  receiptAt(lsn: Lsn, durability: Durability): Promise<Receipt> {
    return durability === "memory" ? Promise.resolve({ lsn }) : this.receipt(lsn)
  }

  /** Resolves when the batch is as durable as its commits have asked; rejects with what has become of it. */
  get settled(): Promise<void> {
    this.#settled ??= new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    return this.#settled
  }

  /** Doubles the room. Whoever holds offsets into the old buffer must have let go of it. */
  grow(): void {
    const limit = FRAME_HEADER_SIZE + FRAME_PAYLOAD_SIZE_MAX
    const size = this.buffer.bytes.length
    invariant(size < limit, "I7: a frame has a bound")
    const larger = allocateRecordBuffer(Math.min(size * 2, limit))
    this.buffer.bytes.copy(larger.bytes, 0, 0, size)
    this.buffer = larger
  }

  get canGrow(): boolean {
    return this.buffer.bytes.length < FRAME_HEADER_SIZE + FRAME_PAYLOAD_SIZE_MAX
  }

  settle(): void {
    this.#resolve()
  }

  fail(reason: unknown): void {
    this.#reject(reason)
  }

  /** What is in it, as a frame of an epoch. Its bytes are valid until the batch changes hands. */
  frame(epoch: number): LogFrame {
    return {
      firstLsn: lsnOf(this.firstLsn),
      lastLsn: lsnOf(this.firstLsn + this.commitCount - 1),
      timeMs: this.timeMs,
      epoch,
      recordCount: this.recordCount,
      buffer: this.buffer,
      start: FRAME_HEADER_SIZE,
      end: this.position,
    }
  }

  /** Makes the batch empty, for the next frame. */
  reset(): void {
    if (this.buffer.bytes.length > CAPACITY_KEPT_MAX) this.buffer = allocateRecordBuffer(CAPACITY_MIN)
    this.position = FRAME_HEADER_SIZE
    this.firstLsn = 0
    this.commitCount = 0
    this.toldPosition = FRAME_HEADER_SIZE
    this.toldCount = 0
    this.recordCount = 0
    this.needsWrite = false
    this.needsSync = false
    this.#settled = undefined
    this.#resolve = ignore
    this.#reject = ignore
  }
}

function ignore(): void {
  // Nobody waits.
}
