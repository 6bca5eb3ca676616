// A sorted list that tells ranks: blocks of some hundred items each, as in a B+ tree of two levels. To add, remove, and
// find by rank takes two binary searches, the shift of a part of one block, and a sum over the sizes of the blocks.
//
// Requires: an order in which no two items of the list are equal.

const BLOCK_COUNT_MAX = 512
const BLOCK_COUNT_LOADED = 384

export class SortedBlocks<Item> {
  readonly #compare: (left: Item, right: Item) => number
  /** None of them empty. */
  #blocks: Item[][] = []
  #count = 0

  constructor(compare: (left: Item, right: Item) => number) {
    this.#compare = compare
  }

  get count(): number {
    return this.#count
  }

  /** Takes these items in place of what there is. Sorts the array. */
  load(items: Item[]): void {
    items.sort(this.#compare)
    this.#blocks = []
    for (let at = 0; at < items.length; at += BLOCK_COUNT_LOADED) {
      this.#blocks.push(items.slice(at, at + BLOCK_COUNT_LOADED))
    }
    this.#count = items.length
  }

  /** Returns its rank: how many items stand before it. Ranks from `rankMax` on may be given as any number from there on. */
  add(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = Math.min(this.#blockOf(item), Math.max(0, this.#blocks.length - 1))
    const block = this.#blocks[index]
    this.#count++
    if (block === undefined) {
      this.#blocks.push([item])
      return 0
    }
    const at = this.#placeIn(block, item)
    block.splice(at, 0, item)
    const rank = this.#startOf(index, rankMax) + at
    if (block.length > BLOCK_COUNT_MAX) this.#blocks.splice(index + 1, 0, block.splice(block.length >>> 1))
    return rank
  }

  /** Returns the rank that it had, as `add` does; -1 where there is none that is equal. */
  remove(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = this.#blockOf(item)
    const block = this.#blocks[index]
    if (block === undefined) return -1
    const at = this.#placeIn(block, item)
    if (this.#compare(block[at] as Item, item) !== 0) return -1
    const rank = this.#startOf(index, rankMax) + at
    this.#count--
    if (block.length === 1) this.#blocks.splice(index, 1)
    else block.splice(at, 1)
    return rank
  }

  /** Puts the item in the place of the one that is equal, and returns its rank, as `add` does. Requires: there is one. */
  replace(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = this.#blockOf(item)
    const block = this.#blocks[index] as Item[]
    const at = this.#placeIn(block, item)
    block[at] = item
    return this.#startOf(index, rankMax) + at
  }

  /** The item of a rank; undefined where there is none. */
  at(rank: number): Item | undefined {
    let rest = rank
    for (const block of this.#blocks) {
      if (rest < block.length) return block[rest]
      rest -= block.length
    }
    return undefined
  }

  /** The items from one rank up to another, which is not among them. */
  slice(from: number, to: number): Item[] {
    const items: Item[] = []
    let start = 0
    for (const block of this.#blocks) {
      if (start >= to) break
      if (start + block.length > from) {
        for (let at = Math.max(0, from - start); at < block.length && start + at < to; at++) {
          items.push(block[at] as Item)
        }
      }
      start += block.length
    }
    return items
  }

  /** The first block whose last item does not stand before the item; behind the last one if there is none. */
  #blockOf(item: Item): number {
    const blocks = this.#blocks
    let low = 0
    let high = blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const block = blocks[middle] as Item[]
      if (this.#compare(block[block.length - 1] as Item, item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Where in the block it stands, or would. */
  #placeIn(block: readonly Item[], item: Item): number {
    let low = 0
    let high = block.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(block[middle] as Item, item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The rank of a block's first item, or a number from `rankMax` on. */
  #startOf(index: number, rankMax: number): number {
    let start = 0
    for (let before = 0; before < index && start < rankMax; before++) start += (this.#blocks[before] as Item[]).length
    return start
  }
}
