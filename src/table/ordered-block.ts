// A run of byte strings in their order, in one piece of memory outside the JavaScript heap: a leaf of ordered-entries.ts.
// An entry is the key of an index and the key of a record behind it; where the one ends and the other begins is kept.
//
//   bytes    [size u16, size of the index key u16, index key, record key] … in the order in which they came
//   offsets  where entries begin, in their order
//
// Guarantees: bytes of an entry stay where they are, in the buffer that they are in, also when the entry is removed or the
// block moves to another buffer: whoever holds the buffer may go on reading them.

const ENTRY_HEADER_SIZE = 4
/** Largest block. Small enough that its offsets are moved at once, large enough that its own overhead is nothing. */
export const BLOCK_SIZE_MAX: number = 16 * 1024
const BLOCK_SIZE_FIRST = 512
/** Above this a block grows by steps, and not by doubling. */
const BLOCK_STEP = 2 * 1024
/** What removed entries must have left for a full block to be written anew; otherwise it is divided. */
const RECLAIMED_SIZE_MIN: number = BLOCK_SIZE_MAX / 16

export class OrderedBlock {
  bytes: Buffer
  offsets: Uint16Array
  count = 0
  /** Whether the last `lowerBound` has found that very entry. */
  isFound = false
  /** Where free room begins. */
  #end = 0
  #liveSize = 0

  constructor(sizeBytes: number = BLOCK_SIZE_FIRST) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes)
    this.offsets = new Uint16Array(16)
  }

  /** Bytes of the entries, with their headers. */
  get liveSize(): number {
    return this.#liveSize
  }

  get byteSize(): number {
    return this.bytes.length + this.offsets.byteLength
  }

  /** How many entries are below the bytes from `from` to `to`. What is known to be equal is not compared again. */
  lowerBound(target: Buffer, from: number, to: number): number {
    const { bytes, offsets } = this
    const size = to - from
    let low = 0
    let high = this.count
    let lowMatch = 0
    let highMatch = 0
    let highSize = -1
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = offsets[middle] as number
      const entrySize = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
      const start = at + ENTRY_HEADER_SIZE
      const most = entrySize < size ? entrySize : size
      let match = lowMatch < highMatch ? lowMatch : highMatch
      while (match < most && bytes[start + match] === target[from + match]) match++
      const isBelow =
        match < most ? (bytes[start + match] as number) < (target[from + match] as number) : entrySize < size
      if (isBelow) {
        low = middle + 1
        lowMatch = match
      } else {
        high = middle
        highMatch = match
        highSize = entrySize
      }
    }
    this.isFound = highSize === size && highMatch === size
    return low
  }

  /** Whether an entry more, of this size, has room. */
  canTake(size: number): boolean {
    const wanted = ENTRY_HEADER_SIZE + size
    return this.#end + wanted <= BLOCK_SIZE_MAX || this.#liveSize + wanted <= BLOCK_SIZE_MAX - RECLAIMED_SIZE_MIN
  }

  /** Requires: `canTake`. */
  insertAt(index: number, source: Buffer, from: number, to: number, keySize: number): void {
    const size = to - from
    if (this.#end + ENTRY_HEADER_SIZE + size > this.bytes.length) this.#rewrite(ENTRY_HEADER_SIZE + size)
    const { bytes } = this
    const at = this.#end
    bytes[at] = size
    bytes[at + 1] = size >>> 8
    bytes[at + 2] = keySize
    bytes[at + 3] = keySize >>> 8
    const start = at + ENTRY_HEADER_SIZE
    for (let offset = 0; offset < size; offset++) bytes[start + offset] = source[from + offset] as number
    this.#end = start + size
    this.#liveSize += ENTRY_HEADER_SIZE + size
    this.#link(index, at)
  }

  removeAt(index: number): void {
    const { offsets } = this
    this.#liveSize -= ENTRY_HEADER_SIZE + this.sizeAt(offsets[index] as number)
    offsets.copyWithin(index, index + 1, this.count)
    this.count--
    if (this.bytes.length > BLOCK_STEP && this.#liveSize < this.bytes.length >>> 2) this.#rewrite(0)
  }

  /** Moves the second half, by bytes, into a new block. Requires: two entries. */
  split(): OrderedBlock {
    let index = 0
    for (let size = 0; index < this.count - 1 && size < this.#liveSize / 2; index++) {
      size += ENTRY_HEADER_SIZE + this.sizeAt(this.offsets[index] as number)
    }
    index = Math.max(1, index)
    const right = new OrderedBlock(this.bytes.length)
    right.#take(this, index, this.count)
    this.count = index
    this.#rewrite(0)
    right.#rewrite(0)
    return right
  }

  /** Takes over what the block behind this one holds. Requires: it has room for it. */
  join(right: OrderedBlock): void {
    this.#rewrite(right.#liveSize)
    this.#take(right, 0, right.count)
  }

  /** The shortest bytes that are above this block and not above the one behind it. Requires: neither is empty. */
  fenceBefore(right: OrderedBlock): Buffer {
    const last = this.offsets[this.count - 1] as number
    const first = right.offsets[0] as number
    const most = Math.min(this.sizeAt(last), right.sizeAt(first))
    let size = 0
    while (size < most && this.bytes[this.startAt(last) + size] === right.bytes[right.startAt(first) + size]) size++
    return right.bytes.subarray(right.startAt(first), right.startAt(first) + size + 1)
  }

  /** Where the entry's bytes begin, and where they and its index key end, for an offset. */
  startAt(offset: number): number {
    return offset + ENTRY_HEADER_SIZE
  }

  sizeAt(offset: number): number {
    return (this.bytes[offset] as number) | ((this.bytes[offset + 1] as number) << 8)
  }

  keySizeAt(offset: number): number {
    return (this.bytes[offset + 2] as number) | ((this.bytes[offset + 3] as number) << 8)
  }

  /** Whether the entry of that place in the order is below the bytes. */
  isBelow(index: number, bound: Buffer): boolean {
    const { bytes } = this
    const at = this.offsets[index] as number
    const start = at + ENTRY_HEADER_SIZE
    const size = this.sizeAt(at)
    const most = Math.min(size, bound.length)
    let match = 0
    while (match < most && bytes[start + match] === bound[match]) match++
    return match < most ? (bytes[start + match] as number) < (bound[match] as number) : size < bound.length
  }

  /** Whether the index key of the entry of that place in the order is that from `from` to `to`. */
  hasKey(index: number, indexKey: Buffer, from: number, to: number): boolean {
    const { bytes } = this
    const at = this.offsets[index] as number
    const size = to - from
    if (this.keySizeAt(at) !== size) return false
    const start = at + ENTRY_HEADER_SIZE
    let match = 0
    while (match < size && bytes[start + match] === indexKey[from + match]) match++
    return match === size
  }

  #link(index: number, at: number): void {
    if (this.count === this.offsets.length) {
      const grown = new Uint16Array(this.offsets.length + Math.max(16, this.offsets.length >>> 2))
      grown.set(this.offsets)
      this.offsets = grown
    }
    if (index < this.count) this.offsets.copyWithin(index + 1, index, this.count)
    this.offsets[index] = at
    this.count++
  }

  /** Copies entries of another block behind those of this one, by their order. Requires: room. */
  #take(other: OrderedBlock, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const at = other.offsets[index] as number
      const size = ENTRY_HEADER_SIZE + other.sizeAt(at)
      other.bytes.copy(this.bytes, this.#end, at, at + size)
      this.#link(this.count, this.#end)
      this.#end += size
      this.#liveSize += size
    }
  }

  /** Moves what is there to a buffer of its own size, or one with room for `moreSize` and some more. */
  #rewrite(moreSize: number): void {
    const { bytes, offsets, count } = this
    let live = 0
    for (let index = 0; index < count; index++) live += ENTRY_HEADER_SIZE + this.sizeAt(offsets[index] as number)
    const wanted = live + moreSize
    const target = Buffer.allocUnsafeSlow(roomFor(moreSize === 0 ? wanted : wanted + (wanted >>> 3)))
    let end = 0
    for (let index = 0; index < count; index++) {
      const at = offsets[index] as number
      const size = ENTRY_HEADER_SIZE + this.sizeAt(at)
      bytes.copy(target, end, at, at + size)
      offsets[index] = end
      end += size
    }
    this.bytes = target
    this.#end = end
    this.#liveSize = live
  }
}

function roomFor(size: number): number {
  if (size > 2 * BLOCK_STEP) return Math.min(Math.ceil(size / BLOCK_STEP) * BLOCK_STEP, BLOCK_SIZE_MAX)
  let room = BLOCK_SIZE_FIRST
  while (room < size) room *= 2
  return room
}
