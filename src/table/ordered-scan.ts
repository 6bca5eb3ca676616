// A walk over the records of a table that does not change meanwhile, in the order of their mixed hashes. Allocates nothing.

import type { HashIndex } from "./hash-index.ts"
import { ENTRIES } from "./index-segment.ts"

export class OrderedScan {
  /** Of the record that the walk stands on; at the end, more than any mixed hash. */
  mixed = 0
  address = -1
  readonly #index: HashIndex
  #position = -1
  #segment: Uint32Array | undefined
  #word = 0

  /** Stands on the first record. */
  constructor(index: HashIndex) {
    this.#index = index
    index.ensureAll()
    this.next()
  }

  get isAtEnd(): boolean {
    return this.address < 0
  }

  /** Goes to the next record, or to the end. */
  next(): void {
    for (;;) {
      const segment = this.#segment
      if (segment !== undefined) {
        while (this.#word < segment.length) {
          const entry = segment[this.#word + 1] as number
          this.#word += 2
          if (entry === 0) continue
          this.mixed = segment[this.#word - 2] as number
          this.address = entry - 1
          return
        }
      }
      if (!this.#nextSegment()) {
        this.mixed = Number.POSITIVE_INFINITY
        this.address = -1
        return
      }
    }
  }

  #nextSegment(): boolean {
    const { directory } = this.#index
    do {
      this.#position++
      if (this.#position >= directory.length) return false
    } while (directory[this.#position] === this.#segment)
    this.#segment = directory[this.#position]
    this.#word = ENTRIES
    return true
  }
}
