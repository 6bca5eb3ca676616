// The memory of a Merkle tree: records and inner nodes as numbers and bytes in large pieces, outside the JavaScript heap.
// Knows where things lie, and nothing of what they mean.
//
//   record   64 bytes: path, value digest; next record of its bucket; where to look for its key (table, key hash)
//   inner    16 references to children, 16 digests of children, 16 marks of stale digests, count of records below
//
// A reference is 0 for nothing, the number of an inner node, or, below zero, that of a bucket's first record. Numbers
// begin with 1; those that are free are in a list. Guarantees: allocates a piece at a time, never moves anything.

import { CHILD_COUNT, CHILDREN_SIZE, ENTRY_SIZE } from "./merkle-hash.ts"

const ENTRY_BITS = 10
const ENTRY_COUNT = 1 << ENTRY_BITS
const ENTRY_MASK = ENTRY_COUNT - 1
const INNER_BITS = 7
const INNER_COUNT = 1 << INNER_BITS
const INNER_MASK = INNER_COUNT - 1

interface EntryPiece {
  readonly bytes: Buffer
  readonly next: Uint32Array
  readonly hash: Uint32Array
  readonly tableId: Uint16Array
}

interface InnerPiece {
  readonly children: Int32Array
  readonly digests: Buffer
  readonly stale: Uint16Array
  readonly counts: Float64Array
}

export class EntryPool {
  readonly #pieces: EntryPiece[] = []
  #free = 0
  #used = 1

  /** Bytes taken from the allocator. */
  get byteSize(): number {
    return this.#pieces.length * ENTRY_COUNT * (ENTRY_SIZE + 10)
  }

  allocate(): number {
    if (this.#free !== 0) {
      const entry = this.#free
      this.#free = this.nextOf(entry)
      return entry
    }
    if (this.#used >>> ENTRY_BITS >= this.#pieces.length) {
      this.#pieces.push({
        bytes: Buffer.allocUnsafeSlow(ENTRY_COUNT * ENTRY_SIZE),
        next: new Uint32Array(ENTRY_COUNT),
        hash: new Uint32Array(ENTRY_COUNT),
        tableId: new Uint16Array(ENTRY_COUNT),
      })
    }
    return this.#used++
  }

  release(entry: number): void {
    this.setNext(entry, this.#free)
    this.#free = entry
  }

  /** The bytes that hold the record, from `startOf` on. */
  bytesOf(entry: number): Buffer {
    return this.#piece(entry).bytes
  }
  startOf(entry: number): number {
    return (entry & ENTRY_MASK) * ENTRY_SIZE
  }
  nextOf(entry: number): number {
    return this.#piece(entry).next[entry & ENTRY_MASK] as number
  }
  setNext(entry: number, next: number): void {
    this.#piece(entry).next[entry & ENTRY_MASK] = next
  }
  tableOf(entry: number): number {
    return this.#piece(entry).tableId[entry & ENTRY_MASK] as number
  }
  hashOf(entry: number): number {
    return this.#piece(entry).hash[entry & ENTRY_MASK] as number
  }
  setPlace(entry: number, tableId: number, hash: number): void {
    const piece = this.#piece(entry)
    piece.tableId[entry & ENTRY_MASK] = tableId
    piece.hash[entry & ENTRY_MASK] = hash
  }

  #piece(entry: number): EntryPiece {
    return this.#pieces[entry >>> ENTRY_BITS] as EntryPiece
  }
}

export class InnerPool {
  readonly #pieces: InnerPiece[] = []
  #free = 0
  #used = 1

  get byteSize(): number {
    return this.#pieces.length * INNER_COUNT * (CHILD_COUNT * 4 + CHILDREN_SIZE + 10)
  }

  /** A node without children, all of whose digests are stale. */
  allocate(): number {
    let inner = this.#free
    if (inner === 0) {
      inner = this.#used++
      if (inner >>> INNER_BITS >= this.#pieces.length) {
        this.#pieces.push({
          children: new Int32Array(INNER_COUNT * CHILD_COUNT),
          digests: Buffer.alloc(INNER_COUNT * CHILDREN_SIZE),
          stale: new Uint16Array(INNER_COUNT),
          counts: new Float64Array(INNER_COUNT),
        })
      }
    } else this.#free = this.childOf(inner, 0)
    const { children, stale, counts } = this.#piece(inner)
    const at = (inner & INNER_MASK) * CHILD_COUNT
    children.fill(0, at, at + CHILD_COUNT)
    stale[inner & INNER_MASK] = 0xffff
    counts[inner & INNER_MASK] = 0
    return inner
  }

  release(inner: number): void {
    this.setChild(inner, 0, this.#free)
    this.#free = inner
  }

  childOf(inner: number, nibble: number): number {
    return this.#piece(inner).children[(inner & INNER_MASK) * CHILD_COUNT + nibble] as number
  }
  setChild(inner: number, nibble: number, reference: number): void {
    this.#piece(inner).children[(inner & INNER_MASK) * CHILD_COUNT + nibble] = reference
  }
  countOf(inner: number): number {
    return this.#piece(inner).counts[inner & INNER_MASK] as number
  }
  setCount(inner: number, count: number): void {
    this.#piece(inner).counts[inner & INNER_MASK] = count
  }
  /** A bit for each child whose digest does not hold any more. */
  staleOf(inner: number): number {
    return this.#piece(inner).stale[inner & INNER_MASK] as number
  }
  setStale(inner: number, stale: number): void {
    this.#piece(inner).stale[inner & INNER_MASK] = stale
  }
  /** The bytes that hold the digests of the children, from `digestsStart` on. */
  digestsOf(inner: number): Buffer {
    return this.#piece(inner).digests
  }
  digestsStart(inner: number): number {
    return (inner & INNER_MASK) * CHILDREN_SIZE
  }

  #piece(inner: number): InnerPiece {
    return this.#pieces[inner >>> INNER_BITS] as InnerPiece
  }
}
