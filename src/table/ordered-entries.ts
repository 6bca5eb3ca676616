// A set of byte strings in their order: the keys of an index with the keys of records behind them. Blocks of some hundred
// entries (ordered-block.ts), and one list of what divides them: a B+-tree (Bayer, McCreight 1972) of two levels, whose
// leaves lie outside the JavaScript heap and whose separators are as short as can be (Bayer, Unterauer 1977).
//
// Guarantees: what is read depends on what is in the set alone, and not on how it came there. An insertion or removal
// costs one search and work within one block or two.

import { readUtf8 } from "../format/value-text.ts"
import { Fences } from "./fences.ts"
import { BLOCK_SIZE_MAX, OrderedBlock } from "./ordered-block.ts"

const NOTHING: Buffer = Buffer.alloc(0)
/** A block that has less than this is joined with a neighbour, where the two stay below the other. */
const JOIN_SIZE_MIN: number = BLOCK_SIZE_MAX / 8
const JOIN_SIZE_MAX: number = (BLOCK_SIZE_MAX * 3) / 4

export class OrderedEntries {
  /** Changes with every change of the set. */
  generation = 0
  #blocks: OrderedBlock[] = [new OrderedBlock()]
  /** Fence i is above everything in block i, and not above anything in the one behind it. */
  #fences = new Fences()
  #count = 0
  // Left by locate().
  #blockIndex = 0
  #entryIndex = 0

  get count(): number {
    return this.#count
  }

  /** Bytes of memory that it takes. */
  get byteSize(): number {
    return this.#blocks.reduce((sum, block) => sum + block.byteSize, this.#fences.byteSize)
  }

  /** Adds an entry, whose first `keySize` bytes are the index key. False where it is there. */
  insert(source: Buffer, from: number, to: number, keySize: number): boolean {
    let block = this.#locate(source, from, to)
    if (block.isFound) return false
    this.generation++
    this.#count++
    while (!block.canTake(to - from)) {
      this.#divide(source, from, to)
      block = this.#locate(source, from, to)
    }
    block.insertAt(this.#entryIndex, source, from, to, keySize)
    return true
  }

  /** Removes an entry. False where there is none. */
  remove(source: Buffer, from: number, to: number): boolean {
    const block = this.#locate(source, from, to)
    if (!block.isFound) return false
    this.generation++
    this.#count--
    block.removeAt(this.#entryIndex)
    if (block.liveSize < JOIN_SIZE_MIN) this.#join(this.#blockIndex)
    return true
  }

  has(source: Buffer, from: number, to: number): boolean {
    return this.#locate(source, from, to).isFound
  }

  /**
   * The record's key in the first entry with an index key; undefined where there is none. One search, and no walk.
   * Requires: no index key is the beginning of another one.
   */
  firstOf(indexKey: Buffer, from: number, to: number): string | undefined {
    let block: OrderedBlock | undefined = this.#locate(indexKey, from, to)
    let entry = this.#entryIndex
    for (let index = this.#blockIndex + 1; block !== undefined && entry === block.count; index++) {
      block = this.#blocks[index]
      entry = 0
    }
    if (block === undefined || !block.hasKey(entry, indexKey, from, to)) return undefined
    const at = block.offsets[entry] as number
    const keySize = block.keySizeAt(at)
    return readUtf8(block.bytes, block.startAt(at) + keySize, block.sizeAt(at) - keySize)
  }

  /** How many entries lie from one bound up to, but not with, the other; without one, to the end. */
  countBetween(low: Buffer, high: Buffer | undefined): number {
    this.#locate(low, 0, low.length)
    const lowBlock = this.#blockIndex
    const lowEntry = this.#entryIndex
    if (high === undefined) this.#blockIndex = this.#blocks.length
    else this.#locate(high, 0, high.length)
    const highBlock = this.#blockIndex
    if (highBlock < lowBlock) return 0
    let count = (high === undefined ? 0 : this.#entryIndex) - lowEntry
    for (let index = lowBlock; index < highBlock; index++) count += this.#blockAt(index).count
    return Math.max(0, count)
  }

  /** A walk from one bound up to, but not with, the other, or back; without a high bound, from or to the end. */
  walk(low: Buffer, high: Buffer | undefined, isReverse: boolean): EntryWalk {
    return new EntryWalk(this, low, high, isReverse)
  }

  clear(): void {
    this.generation++
    this.#blocks = [new OrderedBlock()]
    this.#fences = new Fences()
    this.#count = 0
  }

  // For walks.

  /** The block that the bytes belong into; places in `blockIndex` and `entryIndex` count what is below them. */
  locate(source: Buffer, from: number, to: number): OrderedBlock {
    return this.#locate(source, from, to)
  }

  get blockIndex(): number {
    return this.#blockIndex
  }

  get entryIndex(): number {
    return this.#entryIndex
  }

  block(index: number): OrderedBlock | undefined {
    return this.#blocks[index]
  }

  get blockCount(): number {
    return this.#blocks.length
  }

  #locate(source: Buffer, from: number, to: number): OrderedBlock {
    this.#blockIndex = this.#fences.countUpTo(source, from, to)
    const block = this.#blockAt(this.#blockIndex)
    this.#entryIndex = block.lowerBound(source, from, to)
    return block
  }

  /** Makes room around a place. What comes in ascending order, behind all the rest, leaves full blocks behind. */
  #divide(source: Buffer, from: number, to: number): void {
    const index = this.#blockIndex
    const block = this.#blockAt(index)
    const isAtEnd = index === this.#blocks.length - 1 && this.#entryIndex === block.count
    const right = isAtEnd ? new OrderedBlock() : block.split()
    this.#fences.insert(index, isAtEnd ? source.subarray(from, to) : block.fenceBefore(right))
    this.#blocks.splice(index + 1, 0, right)
  }

  #join(index: number): void {
    const at = index + 1 < this.#blocks.length ? index : index - 1
    const left = this.#blocks[at]
    const right = this.#blocks[at + 1]
    if (left === undefined || right === undefined) return
    const areBothUsed = left.count > 0 && right.count > 0
    if (areBothUsed && left.liveSize + right.liveSize > JOIN_SIZE_MAX) return
    left.join(right)
    this.#fences.remove(at)
    this.#blocks.splice(at + 1, 1)
  }

  #blockAt(index: number): OrderedBlock {
    return this.#blocks[index] as OrderedBlock
  }
}

/**
 * A walk that holds through any change between its steps: an entry that is there all along is met exactly once, one that
 * comes or goes may be met or not.
 */
export class EntryWalk {
  // Where the current entry's bytes lie. They stay there, see ordered-block.ts.
  bytes: Buffer = NOTHING
  start = 0
  /** Where its index key ends, and the record's key begins. */
  keyEnd = 0
  end = 0
  readonly #entries: OrderedEntries
  readonly #low: Buffer
  readonly #high: Buffer | undefined
  readonly #isReverse: boolean
  #generation = -1
  #hasBegun = false
  #block: OrderedBlock | undefined
  #blockIndex = 0
  /** Of the current entry, within its block. */
  #index = 0
  /** Whether the whole rest of the block lies within the bounds. */
  #isInside = false

  constructor(entries: OrderedEntries, low: Buffer, high: Buffer | undefined, isReverse: boolean) {
    this.#entries = entries
    this.#low = low
    this.#high = high
    this.#isReverse = isReverse
  }

  /** Goes to the next entry. False at the end. */
  next(): boolean {
    if (this.#generation !== this.#entries.generation) this.#seek()
    else this.#index += this.#isReverse ? -1 : 1
    if (!this.#settle()) return false
    const block = this.#block as OrderedBlock
    if (!this.#isInside && !this.#isWithin(block, this.#index)) {
      this.#block = undefined
      return false
    }
    const at = block.offsets[this.#index] as number
    this.bytes = block.bytes
    this.start = block.startAt(at)
    this.keyEnd = this.start + block.keySizeAt(at)
    this.end = this.start + block.sizeAt(at)
    return true
  }

  /** The key of the record. */
  recordKey(): string {
    return this.bytes.utf8Slice(this.keyEnd, this.end)
  }

  /** Finds the entry behind the one that was delivered last, or the first one. */
  #seek(): void {
    const entries = this.#entries
    this.#generation = entries.generation
    const { bytes, start, end } = this
    if (this.#hasBegun) this.#block = entries.locate(bytes, start, end)
    else if (!this.#isReverse) this.#block = entries.locate(this.#low, 0, this.#low.length)
    else if (this.#high !== undefined) this.#block = entries.locate(this.#high, 0, this.#high.length)
    else this.#block = undefined
    this.#blockIndex = entries.blockIndex
    this.#index = entries.entryIndex
    if (this.#hasBegun && !this.#isReverse && this.#block?.isFound === true) this.#index++
    if (this.#isReverse) {
      if (this.#block === undefined) {
        this.#blockIndex = entries.blockCount - 1
        this.#block = entries.block(this.#blockIndex)
        this.#index = this.#block?.count ?? 0
      }
      this.#index--
    }
    this.#hasBegun = true
    this.#look()
  }

  /** Goes on to the block that has the next entry. */
  #settle(): boolean {
    while (this.#block !== undefined && (this.#index < 0 || this.#index >= this.#block.count)) {
      this.#blockIndex += this.#isReverse ? -1 : 1
      this.#block = this.#entries.block(this.#blockIndex)
      if (this.#block === undefined) break
      this.#index = this.#isReverse ? this.#block.count - 1 : 0
      this.#look()
    }
    return this.#block !== undefined
  }

  #look(): void {
    const block = this.#block
    if (block === undefined || block.count === 0) return
    this.#isInside = this.#isWithin(block, this.#isReverse ? 0 : block.count - 1)
  }

  #isWithin(block: OrderedBlock, index: number): boolean {
    if (this.#isReverse) return !block.isBelow(index, this.#low)
    return this.#high === undefined || block.isBelow(index, this.#high)
  }
}
