// A bounded first-in-first-out queue of messages: a ring that doubles up to its capacity. Guarantees: order, the bound,
// and that a taken message is no longer referred to. No Effect value, no promise and no allocation per message.
// Must not decide what a full mailbox means; the actor does.

import { invariant } from "../model/invariant.ts"

const RING_SIZE_MIN = 16

export class Mailbox<M> {
  // Constant after construction.
  readonly #capacity: number
  // The messages, from #head on, #count of them, wrapping at the end. The length is a power of two, so that a mask
  // replaces the remainder. Free places hold undefined.
  #ring: (M | undefined)[] = new Array<M | undefined>(RING_SIZE_MIN).fill(undefined)
  #head = 0
  #count = 0

  /** Requires: a whole number from 1. */
  constructor(capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new TypeError("capacity must be a whole number from 1")
    this.#capacity = capacity
  }

  get count(): number {
    return this.#count
  }

  get capacity(): number {
    return this.#capacity
  }

  /** Adds a message at the end, and says whether there was room. */
  push(message: M): boolean {
    if (this.#count === this.#capacity) return false
    if (this.#count === this.#ring.length) this.#grow()
    const ring = this.#ring
    ring[(this.#head + this.#count) & (ring.length - 1)] = message
    this.#count++
    return true
  }

  /** Takes up to `countMax` messages from the front, in order. The array is fresh and belongs to the caller. */
  take(countMax: number): readonly M[] {
    const taken = Math.min(countMax, this.#count)
    const ring = this.#ring
    const mask = ring.length - 1
    const batch: M[] = []
    for (let index = 0; index < taken; index++) {
      const place = (this.#head + index) & mask
      batch.push(ring[place] as M) // The places from #head on hold messages; only the free ones hold undefined.
      ring[place] = undefined
    }
    this.#head = (this.#head + taken) & mask
    this.#count -= taken
    invariant(this.#count >= 0, "a mailbox holds no less than nothing")
    return batch
  }

  #grow(): void {
    const before = this.#ring
    const after = new Array<M | undefined>(before.length * 2).fill(undefined)
    for (let index = 0; index < this.#count; index++) {
      after[index] = before[(this.#head + index) & (before.length - 1)]
    }
    this.#ring = after
    this.#head = 0
  }
}
