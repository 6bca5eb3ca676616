// A Merkle tree over records, kept incrementally: a radix tree over the digests of tables and keys, sixteen ways at each
// inner node, with small subtrees as buckets. Its form depends on which records there are and not on how they came, so
// equal content has equal roots; the path of a key is a digest, so nobody can make the tree deep.
//
// Guarantees: setting or removing a record takes O(log n) steps and hashes nothing: it marks digests as stale, and
// `settle` makes them anew, in pieces. The root holds only when nothing is stale, and every way to a digest says so.
// Merkle 1987; a bucket's bound that depends on content alone: as in Amazon Dynamo's and Cassandra's trees, but grown.

import { DIGEST_SIZE } from "../model/digest.ts"
import { invariant } from "../model/invariant.ts"
import { BUCKET_COUNT_MAX, CHILD_COUNT, comparePaths, DEPTH_MAX, ENTRY_SIZE, nibbleAt } from "./merkle-hash.ts"
import type { MerkleHasher } from "./merkle-hash.ts"
import { EntryPool, InnerPool } from "./merkle-nodes.ts"

/** One record of a bucket. */
export interface TreeEntry {
  readonly path: Uint8Array
  readonly valueDigest: Uint8Array
  /** Where its key can be looked for. */
  readonly tableId: number
  readonly hash: number
}

export class MerkleTree {
  readonly hasher: MerkleHasher
  readonly #entries = new EntryPool()
  readonly #inners = new InnerPool()
  /** See merkle-nodes.ts. */
  #root = 0
  #count = 0
  #rootDigest: Uint8Array | undefined
  /** Digests that `settle` may still make. */
  #budget = 0
  // The way to a record, from the root down. Changed by every descent.
  readonly #way = new Int32Array(DEPTH_MAX)
  #depth = 0

  constructor(hasher: MerkleHasher) {
    this.hasher = hasher
  }

  /** Records. */
  get count(): number {
    return this.#count
  }

  /** Bytes taken from the allocator. */
  get byteSize(): number {
    return this.#entries.byteSize + this.#inners.byteSize
  }

  /** Sets what the record at a path holds. Returns whether that changed anything. */
  set(path: Uint8Array, valueDigest: Uint8Array, tableId: number, hash: number): boolean {
    const entries = this.#entries
    const head = this.#descend(path)
    let previous = 0
    let next = head
    let length = 0
    for (; next !== 0; length++) {
      const bytes = entries.bytesOf(next)
      const start = entries.startOf(next)
      const order = comparePaths(bytes, start, path, 0)
      if (order > 0) break
      if (order === 0) {
        entries.setPlace(next, tableId, hash)
        if (comparePaths(bytes, start + DIGEST_SIZE, valueDigest, 0) === 0) return false
        bytes.set(valueDigest, start + DIGEST_SIZE)
        this.#markWay(path, 0)
        return true
      }
      previous = next
      next = entries.nextOf(next)
    }
    const entry = entries.allocate()
    const bytes = entries.bytesOf(entry)
    bytes.set(path, entries.startOf(entry))
    bytes.set(valueDigest, entries.startOf(entry) + DIGEST_SIZE)
    entries.setPlace(entry, tableId, hash)
    entries.setNext(entry, next)
    if (previous !== 0) entries.setNext(previous, entry)
    for (let rest = next; rest !== 0; rest = entries.nextOf(rest)) length++
    const first = previous === 0 ? entry : head
    this.#count++
    this.#markWay(path, 1)
    this.#replace(path, length + 1 > BUCKET_COUNT_MAX ? this.#split(first, this.#depth) : -first)
    return true
  }

  /** Removes the record at a path. Returns whether there was one. */
  remove(path: Uint8Array): boolean {
    const entries = this.#entries
    const head = this.#descend(path)
    let previous = 0
    let entry = head
    while (entry !== 0 && comparePaths(entries.bytesOf(entry), entries.startOf(entry), path, 0) !== 0) {
      previous = entry
      entry = entries.nextOf(entry)
    }
    if (entry === 0) return false
    const next = entries.nextOf(entry)
    if (previous === 0) this.#replace(path, next === 0 ? 0 : -next)
    else entries.setNext(previous, next)
    entries.release(entry)
    this.#count--
    this.#markWay(path, -1)
    for (let depth = 0; depth < this.#depth; depth++) {
      const inner = this.#way[depth] as number
      if (this.#inners.countOf(inner) > BUCKET_COUNT_MAX) continue
      this.#depth = depth
      this.#replace(path, -this.#collapse(inner))
      break
    }
    return true
  }

  /** The value digest of the record at a path, if there is one. */
  get(path: Uint8Array): Uint8Array | undefined {
    const entries = this.#entries
    for (let entry = this.#descend(path); entry !== 0; entry = entries.nextOf(entry)) {
      const start = entries.startOf(entry)
      const bytes = entries.bytesOf(entry)
      if (comparePaths(bytes, start, path, 0) === 0) return bytes.subarray(start + DIGEST_SIZE, start + ENTRY_SIZE)
    }
    return undefined
  }

  /** Makes at most so many stale digests anew. Returns whether none is left. */
  settle(digestCountMax: number): boolean {
    if (this.#rootDigest !== undefined) return true
    this.#budget = digestCountMax
    const digest = this.#digestOf(this.#root)
    this.#rootDigest = digest === undefined ? undefined : Uint8Array.from(digest)
    return digest !== undefined
  }

  /** The digest over everything. Requires: `settle` has left none stale. */
  get root(): Uint8Array {
    invariant(this.#rootDigest !== undefined, "a Merkle root is read only when no digest is stale")
    return this.#rootDigest
  }

  /**
   * The digests of the children of the inner node that covers the paths which begin so: 512 bytes. Undefined where no more
   * records than a bucket's begin so. Requires: as `root`.
   */
  childrenAt(prefix: Uint8Array, depth: number): Uint8Array | undefined {
    invariant(this.#rootDigest !== undefined, "Merkle digests are read only when none is stale")
    const reference = this.#descendTo(prefix, depth)
    if (reference <= 0 || this.#depth < depth) return undefined
    const start = this.#inners.digestsStart(reference)
    return this.#inners.digestsOf(reference).subarray(start, start + CHILD_COUNT * DIGEST_SIZE)
  }

  /** The records of the bucket that covers the paths which begin so, and begin so themselves, in order. */
  entriesAt(prefix: Uint8Array, depth: number): TreeEntry[] {
    const entries = this.#entries
    const found: TreeEntry[] = []
    const reference = this.#descendTo(prefix, depth)
    for (let entry = reference < 0 ? -reference : 0; entry !== 0; entry = entries.nextOf(entry)) {
      const start = entries.startOf(entry)
      const bytes = entries.bytesOf(entry)
      const path = bytes.subarray(start, start + DIGEST_SIZE)
      if (!beginsWith(path, prefix, depth)) continue
      const valueDigest = bytes.subarray(start + DIGEST_SIZE, start + ENTRY_SIZE)
      found.push({ path, valueDigest, tableId: entries.tableOf(entry), hash: entries.hashOf(entry) })
    }
    return found
  }

  /** How many inner nodes stand between the root and the bucket of a path. */
  depthOf(path: Uint8Array): number {
    this.#descend(path)
    return this.#depth
  }

  /** Goes down as far as there are inner nodes. Returns the first record of the bucket there, or 0. */
  #descend(path: Uint8Array): number {
    return -this.#descendTo(path, DEPTH_MAX)
  }

  /** The same to at most a depth. Returns the reference there. */
  #descendTo(path: Uint8Array, depthMax: number): number {
    let reference = this.#root
    let depth = 0
    while (reference > 0 && depth < depthMax) {
      this.#way[depth] = reference
      reference = this.#inners.childOf(reference, nibbleAt(path, 0, depth))
      depth++
    }
    this.#depth = depth
    return reference
  }

  /** Marks the digests on the way that was just gone as stale, and counts the records below anew. */
  #markWay(path: Uint8Array, added: number): void {
    this.#rootDigest = undefined
    for (let depth = 0; depth < this.#depth; depth++) {
      const inner = this.#way[depth] as number
      this.#inners.setStale(inner, this.#inners.staleOf(inner) | (1 << nibbleAt(path, 0, depth)))
      if (added !== 0) this.#inners.setCount(inner, this.#inners.countOf(inner) + added)
    }
  }

  /** Puts a reference where the way that was just gone ended. */
  #replace(path: Uint8Array, reference: number): void {
    if (this.#depth === 0) this.#root = reference
    else this.#inners.setChild(this.#way[this.#depth - 1] as number, nibbleAt(path, 0, this.#depth - 1), reference)
  }

  /** Makes an inner node of a list of records that is too long for a bucket. */
  #split(first: number, depth: number): number {
    invariant(depth < DEPTH_MAX, "no more records than a bucket holds have the same digest")
    const entries = this.#entries
    const inner = this.#inners.allocate()
    const lasts = new Uint32Array(CHILD_COUNT)
    const counts = new Uint32Array(CHILD_COUNT)
    let count = 0
    for (let entry = first; entry !== 0;) {
      const following = entries.nextOf(entry)
      const nibble = nibbleAt(entries.bytesOf(entry), entries.startOf(entry), depth)
      if (counts[nibble] === 0) this.#inners.setChild(inner, nibble, -entry)
      else entries.setNext(lasts[nibble] as number, entry)
      entries.setNext(entry, 0)
      lasts[nibble] = entry
      counts[nibble] = (counts[nibble] as number) + 1
      count++
      entry = following
    }
    this.#inners.setCount(inner, count)
    for (let nibble = 0; nibble < CHILD_COUNT; nibble++) {
      if ((counts[nibble] as number) <= BUCKET_COUNT_MAX) continue
      this.#inners.setChild(inner, nibble, this.#split(-this.#inners.childOf(inner, nibble), depth + 1))
    }
    return inner
  }

  /** Makes one list of all the records below a node, and gives its memory back. Returns the first record. */
  #collapse(inner: number): number {
    const entries = this.#entries
    let first = 0
    let last = 0
    for (let nibble = 0; nibble < CHILD_COUNT; nibble++) {
      const reference = this.#inners.childOf(inner, nibble)
      if (reference === 0) continue
      const head = reference < 0 ? -reference : this.#collapse(reference)
      if (last === 0) first = head
      else entries.setNext(last, head)
      last = head
      while (entries.nextOf(last) !== 0) last = entries.nextOf(last)
    }
    this.#inners.release(inner)
    return first
  }

  /** The digest of what a reference leads to; undefined where the budget does not suffice. */
  #digestOf(reference: number): Uint8Array | undefined {
    if (reference <= 0) return this.#bucketDigest(-reference)
    const inners = this.#inners
    const digests = inners.digestsOf(reference)
    const start = inners.digestsStart(reference)
    for (let nibble = 0; nibble < CHILD_COUNT; nibble++) {
      const stale = inners.staleOf(reference)
      if ((stale & (1 << nibble)) === 0) continue
      const child = inners.childOf(reference, nibble)
      const at = start + nibble * DIGEST_SIZE
      if (child === 0) digests.fill(0, at, at + DIGEST_SIZE)
      else {
        if (this.#budget <= 0) return undefined
        const digest = this.#digestOf(child)
        if (digest === undefined) return undefined
        digests.set(digest, at)
      }
      inners.setStale(reference, stale & ~(1 << nibble))
    }
    this.#budget--
    return this.hasher.inner(digests, start)
  }

  #bucketDigest(first: number): Uint8Array {
    const entries = this.#entries
    const input = this.hasher.bucketInput
    let count = 0
    for (let entry = first; entry !== 0; entry = entries.nextOf(entry)) {
      const start = entries.startOf(entry)
      entries.bytesOf(entry).copy(input, 1 + count * ENTRY_SIZE, start, start + ENTRY_SIZE)
      count++
    }
    this.#budget--
    return this.hasher.bucket(count)
  }
}

/** Whether a path begins with the first `depth` times four bits of another. */
export function beginsWith(path: Uint8Array, prefix: Uint8Array, depth: number): boolean {
  for (let at = 0; at < depth; at++) if (nibbleAt(path, 0, at) !== nibbleAt(prefix, 0, at)) return false
  return true
}
