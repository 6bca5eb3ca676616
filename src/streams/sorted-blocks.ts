// A sorted list that tells ranks: blocks of some hundred items each, as in a B+ tree of two levels, and between two blocks a
// fence: the greatest item that belongs before it. To add, remove, and find by rank takes two binary searches, the shift of a
// part of one block, and a sum over the sizes of the blocks.
//
// Searches go over abbreviated keys in typed arrays, and look at an item only where these are equal: items lie anywhere in
// memory, and each would be a miss of the processor's cache (abbreviated keys: Graefe, 'Implementing sorting in database
// systems', 2006).
//
// Blocks behind the ranks that somebody asks for need no order within: items come to their end, and go by what they are. Such
// a block is sorted when it is looked into (as a buffer tree puts off its work: Arge, 'The buffer tree', 1995).
//
// Requires: an order in which no two items of the list are equal, and with which abbreviated keys agree.

const BLOCK_COUNT_MAX = 256
const BLOCK_COUNT_LOADED = 192

export interface Abbreviated {
  /** Lower than that of another item only if it stands before it. Finite. */
  readonly abbreviated: number
}

interface Block<Item> {
  readonly items: Item[]
  /** Their abbreviated keys; undefined where they are in no order. */
  keys: Float64Array | undefined
}

export class SortedBlocks<Item extends Abbreviated> {
  readonly #compare: (left: Item, right: Item) => number
  readonly #fenceOf: ((item: Item) => Item) | undefined
  #blocks: Block<Item>[] = []
  /** By block: the greatest item that may be in it, and its abbreviated key; of the last one undefined, and infinity. */
  #fences: (Item | undefined)[] = []
  #fenceKeys: number[] = []
  #count = 0

  /**
   * `fenceOf`: makes something equal to an item, which stays as it is when the item changes. Where it is given, blocks
   * without the ranks that are asked for are in no order, and items have to be removed by the same object.
   */
  constructor(compare: (left: Item, right: Item) => number, fenceOf?: (item: Item) => Item) {
    this.#compare = compare
    this.#fenceOf = fenceOf
  }

  get count(): number {
    return this.#count
  }

  /** Takes these items in place of what there is. Sorts the array. */
  load(items: Item[]): void {
    items.sort(this.#order)
    this.#blocks = []
    this.#fences = []
    this.#fenceKeys = []
    for (let at = 0; at < items.length; at += BLOCK_COUNT_LOADED) {
      const end = Math.min(at + BLOCK_COUNT_LOADED, items.length)
      this.#blocks.push({ items: items.slice(at, end), keys: undefined })
      this.#pushFence(end < items.length ? items[end - 1] : undefined)
    }
    this.#count = items.length
    if (this.#fenceOf === undefined) for (const block of this.#blocks) block.keys = keysOf(block.items)
  }

  /** Returns its rank: how many items stand before it. Ranks from `rankMax` on may be given as any number from there on. */
  add(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    if (this.#blocks.length === 0) {
      this.#blocks.push({ items: [], keys: keysOf([]) })
      this.#pushFence(undefined)
    }
    const index = this.#blockOf(item)
    const block = this.#blocks[index] as Block<Item>
    const { items } = block
    const start = this.#startOf(index, rankMax)
    this.#count++
    let rank = start
    if (start > rankMax && this.#fenceOf !== undefined) {
      block.keys = undefined
      items.push(item)
    } else {
      const keys = this.#roomIn(block)
      const at = this.#placeIn(items, keys, item)
      keys.copyWithin(at + 1, at, items.length)
      keys[at] = item.abbreviated
      items.splice(at, 0, item)
      rank += at
    }
    if (items.length > BLOCK_COUNT_MAX) this.#split(index, block)
    return rank
  }

  /** Returns the rank that it had, as `add` does; -1 where there is none that is equal. */
  remove(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = this.#blockOf(item)
    const block = this.#blocks[index]
    if (block === undefined) return -1
    const { items } = block
    const start = this.#startOf(index, rankMax)
    let rank = start
    if (start > rankMax && this.#fenceOf !== undefined) {
      const at = items.indexOf(item)
      if (at < 0) return -1
      block.keys = undefined
      const last = items.pop() as Item
      if (at < items.length) items[at] = last
    } else {
      const keys = this.#sorted(block)
      const at = this.#placeIn(items, keys, item)
      if (at === items.length || this.#compare(items[at] as Item, item) !== 0) return -1
      keys.copyWithin(at, at + 1, items.length)
      items.splice(at, 1)
      rank += at
    }
    this.#count--
    if (items.length === 0) this.#drop(index)
    return rank
  }

  /** The rank of an item, as `add` does. Requires: there is one that is equal. */
  rankOf(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = this.#blockOf(item)
    const start = this.#startOf(index, rankMax)
    if (start > rankMax) return start
    const block = this.#blocks[index] as Block<Item>
    return start + this.#placeIn(block.items, this.#sorted(block), item)
  }

  /** The item of a rank; undefined where there is none. */
  at(rank: number): Item | undefined {
    let rest = rank
    for (const block of this.#blocks) {
      if (rest < block.items.length) {
        this.#sorted(block)
        return block.items[rest]
      }
      rest -= block.items.length
    }
    return undefined
  }

  /** The items from one rank up to another, which is not among them. */
  slice(from: number, to: number): Item[] {
    const found: Item[] = []
    let start = 0
    for (const block of this.#blocks) {
      const { items } = block
      if (start >= to) break
      if (start + items.length > from) {
        this.#sorted(block)
        for (let at = Math.max(0, from - start); at < items.length && start + at < to; at++) {
          found.push(items[at] as Item)
        }
      }
      start += items.length
    }
    return found
  }

  readonly #order = (left: Item, right: Item): number => {
    if (left.abbreviated !== right.abbreviated) return left.abbreviated < right.abbreviated ? -1 : 1
    return this.#compare(left, right)
  }

  /** The abbreviated keys of the block, whose items stand in their order from now on. */
  #sorted(block: Block<Item>): Float64Array {
    if (block.keys === undefined) {
      block.items.sort(this.#order)
      block.keys = keysOf(block.items)
    }
    return block.keys
  }

  /** The same, with room for one more. */
  #roomIn(block: Block<Item>): Float64Array {
    const keys = this.#sorted(block)
    return keys.length > block.items.length ? keys : (block.keys = keysOf(block.items))
  }

  /** The block that the item belongs to: the first one whose fence does not stand before it. */
  #blockOf(item: Item): number {
    const fences = this.#fenceKeys
    const key = item.abbreviated
    let low = 0
    let high = fences.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const fence = fences[middle] as number
      if (fence < key || (fence === key && this.#compare(this.#fences[middle] as Item, item) < 0)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Where among the items of a block it stands, or would. */
  #placeIn(items: readonly Item[], keys: Float64Array, item: Item): number {
    const key = item.abbreviated
    let low = 0
    let high = items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = keys[middle] as number
      if (other < key || (other === key && this.#compare(items[middle] as Item, item) < 0)) low = middle + 1
      else high = middle
    }
    return low
  }

  #pushFence(last: Item | undefined): void {
    this.#fences.push(last === undefined ? undefined : this.#fence(last))
    this.#fenceKeys.push(last?.abbreviated ?? Number.POSITIVE_INFINITY)
  }

  #fence(item: Item): Item {
    return this.#fenceOf === undefined ? item : this.#fenceOf(item)
  }

  #split(index: number, block: Block<Item>): void {
    const isSorted = block.keys !== undefined
    this.#sorted(block)
    const { items } = block
    const behind = items.splice(items.length >>> 1)
    const last = items[items.length - 1] as Item
    block.keys = isSorted ? keysOf(items) : undefined
    this.#blocks.splice(index + 1, 0, { items: behind, keys: isSorted ? keysOf(behind) : undefined })
    this.#fences.splice(index, 0, this.#fence(last))
    this.#fenceKeys.splice(index, 0, last.abbreviated)
  }

  /** What belonged to it belongs to the next one; without one, to that before. */
  #drop(index: number): void {
    this.#blocks.splice(index, 1)
    this.#fences.splice(index, 1)
    this.#fenceKeys.splice(index, 1)
    const last = this.#blocks.length - 1
    if (index <= last || last < 0) return
    this.#fences[last] = undefined
    this.#fenceKeys[last] = Number.POSITIVE_INFINITY
  }

  /** The rank of a block's first item, or a number above `rankMax`. */
  #startOf(index: number, rankMax: number): number {
    let start = 0
    for (let before = 0; before < index && start <= rankMax; before++) {
      start += (this.#blocks[before] as Block<Item>).items.length
    }
    return start
  }
}

/** With room for as many again: most results are small, and there are many of them. */
function keysOf(items: readonly Abbreviated[]): Float64Array {
  const keys = new Float64Array(Math.min(BLOCK_COUNT_MAX + 1, Math.max(8, items.length * 2)))
  for (let at = 0; at < items.length; at++) keys[at] = (items[at] as Abbreviated).abbreviated
  return keys
}
