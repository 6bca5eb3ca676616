// What divides the blocks of an ordered set: byte strings in ascending order, one behind the other in one piece of memory,
// so that a search among all of them touches few cache lines.

const SIZE_FIRST = 256
const COUNT_FIRST = 16

export class Fences {
  count = 0
  #bytes: Buffer = Buffer.allocUnsafeSlow(SIZE_FIRST)
  /** Where fence i ends; it begins where the one before it ends. */
  #ends = new Uint32Array(COUNT_FIRST)

  get byteSize(): number {
    return this.#bytes.length + this.#ends.byteLength
  }

  /** How many fences are not above the bytes from `from` to `to`. What is known to be equal is not compared again. */
  countUpTo(target: Buffer, from: number, to: number): number {
    const bytes = this.#bytes
    const ends = this.#ends
    const size = to - from
    let low = 0
    let high = this.count
    let lowMatch = 0
    let highMatch = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      const start = middle === 0 ? 0 : (ends[middle - 1] as number)
      const fenceSize = (ends[middle] as number) - start
      const most = fenceSize < size ? fenceSize : size
      let match = lowMatch < highMatch ? lowMatch : highMatch
      while (match < most && bytes[start + match] === target[from + match]) match++
      const isAbove =
        match < most ? (bytes[start + match] as number) > (target[from + match] as number) : fenceSize > size
      if (isAbove) {
        high = middle
        highMatch = match
      } else {
        low = middle + 1
        lowMatch = match
      }
    }
    return low
  }

  /** Requires: the fence belongs between its neighbours to be. */
  insert(index: number, fence: Uint8Array): void {
    const start = index === 0 ? 0 : (this.#ends[index - 1] as number)
    const end = this.#endAll()
    if (end + fence.length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow((end + fence.length) * 2)
      this.#bytes.copy(grown, 0, 0, end)
      this.#bytes = grown
    }
    if (this.count === this.#ends.length) {
      const grown = new Uint32Array(this.count * 2)
      grown.set(this.#ends)
      this.#ends = grown
    }
    this.#bytes.copyWithin(start + fence.length, start, end)
    this.#bytes.set(fence, start)
    this.#ends.copyWithin(index + 1, index, this.count)
    this.#ends[index] = start
    this.count++
    for (let at = index; at < this.count; at++) this.#ends[at] = (this.#ends[at] as number) + fence.length
  }

  remove(index: number): void {
    const start = index === 0 ? 0 : (this.#ends[index - 1] as number)
    const size = (this.#ends[index] as number) - start
    this.#bytes.copyWithin(start, start + size, this.#endAll())
    this.#ends.copyWithin(index, index + 1, this.count)
    this.count--
    for (let at = index; at < this.count; at++) this.#ends[at] = (this.#ends[at] as number) - size
    if (this.count === 0) {
      this.#bytes = Buffer.allocUnsafeSlow(SIZE_FIRST)
      this.#ends = new Uint32Array(COUNT_FIRST)
    }
  }

  #endAll(): number {
    return this.count === 0 ? 0 : (this.#ends[this.count - 1] as number)
  }
}
