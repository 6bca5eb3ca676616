// A walk over all records of a table, in the order of the index: by mixed hash. The position is a mixed hash and nothing
// else, so that it holds whatever happens to the table between two steps.
//
// Guarantees: a key that is in the table from the first step to the last is delivered exactly once; one that comes or
// goes meanwhile at most once, or once for each time that it came. One step delivers a bounded part of one index
// segment, as it is at that moment.

import { RECORD_HEADER_SIZE } from "../format/record.ts"
import type { HashIndex } from "./hash-index.ts"
import { homeOf } from "./index-segment.ts"
import { byteOf, chunkOf, type Slabs } from "./slabs.ts"

/** Records after which a step ends, at the next change of the hash. */
const STEP_COUNT = 512
const MIXED_END = 0x1_0000_0000

export class TableCursor {
  /** Keys of the records of this step; may be empty. */
  readonly keys: string[] = []
  /** Their addresses, valid until the table changes. */
  readonly addresses: number[] = []
  readonly #index: HashIndex
  readonly #slabs: Slabs
  /** Mixed hashes from here on are not its. */
  readonly #end: number
  /** The records whose mixed hash is below this one were delivered. */
  #mixed: number

  /** `position`: of an earlier cursor, which this one goes on from; also one of another life of the table. */
  constructor(index: HashIndex, slabs: Slabs, position: number, end: number = MIXED_END) {
    this.#index = index
    this.#slabs = slabs
    this.#mixed = position
    this.#end = end
  }

  /** How far it has got. Holds as long as the store keeps its secret of the hash: for ever. */
  get position(): number {
    return this.#mixed
  }

  /** Goes on. False at the end, with no keys. */
  next(): boolean {
    this.keys.length = 0
    this.addresses.length = 0
    if (this.#mixed >= this.#end) return false
    const index = this.#index
    index.ensure(this.#mixed)
    const position = index.positionOf(this.#mixed)
    const segment = index.directory[position] as Uint32Array
    const depth = index.depths[position] as number
    let last = -1
    for (let word = homeOf(segment, depth, this.#mixed); word < segment.length; word += 2) {
      const entry = segment[word + 1] as number
      const mixed = segment[word] as number
      if (entry === 0 || mixed < this.#mixed) continue
      if (mixed >= this.#end) break
      // Equal hashes stay together, because the position cannot tell them apart.
      if (this.keys.length >= STEP_COUNT && mixed !== last) {
        this.#mixed = mixed
        return true
      }
      last = mixed
      this.keys.push(this.#keyAt(entry - 1))
      this.addresses.push(entry - 1)
    }
    const span = MIXED_END / 2 ** depth
    this.#mixed = Math.min(this.#end, (Math.floor(this.#mixed / span) + 1) * span)
    return true
  }

  #keyAt(address: number): string {
    const bytes = this.#slabs.chunkBytes[chunkOf(address)] as Buffer
    const start = byteOf(address)
    const size = (bytes[start + 8] as number) | ((bytes[start + 9] as number) << 8)
    return bytes.toString("utf8", start + RECORD_HEADER_SIZE, start + RECORD_HEADER_SIZE + size)
  }
}
