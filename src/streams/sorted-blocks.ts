// A sorted list that tells ranks: blocks of some hundred items each, as in a B+ tree of two levels. To add, remove, and
// find by rank takes two binary searches, the shift of a part of one block, and a sum over the sizes of the blocks.
//
// Searches go over abbreviated keys in typed arrays, and look at an item only where these are equal: items lie anywhere in
// memory, and each would be a miss of the processor's cache (abbreviated keys: Graefe, 'Implementing sorting in database
// systems', 2006).
//
// Requires: an order in which no two items of the list are equal, and with which abbreviated keys agree.

const BLOCK_COUNT_MAX = 256
const BLOCK_COUNT_LOADED = 192

export interface Abbreviated {
  /** Lower than that of another item only if it stands before it. No NaN. */
  readonly abbreviated: number
}

interface Block<Item> {
  readonly items: Item[]
  readonly keys: Float64Array
}

export class SortedBlocks<Item extends Abbreviated> {
  readonly #compare: (left: Item, right: Item) => number
  /** None of them empty. */
  #blocks: Block<Item>[] = []
  /** The abbreviated key of each block's last item. */
  #lasts: number[] = []
  #count = 0

  constructor(compare: (left: Item, right: Item) => number) {
    this.#compare = compare
  }

  get count(): number {
    return this.#count
  }

  /** Takes these items in place of what there is. Sorts the array. */
  load(items: Item[]): void {
    items.sort((left, right) => {
      if (left.abbreviated !== right.abbreviated) return left.abbreviated < right.abbreviated ? -1 : 1
      return this.#compare(left, right)
    })
    this.#blocks = []
    this.#lasts = []
    for (let at = 0; at < items.length; at += BLOCK_COUNT_LOADED) {
      const block = blockOf(items.slice(at, at + BLOCK_COUNT_LOADED))
      this.#blocks.push(block)
      this.#lasts.push(lastKeyOf(block))
    }
    this.#count = items.length
  }

  /** Returns its rank: how many items stand before it. Ranks from `rankMax` on may be given as any number from there on. */
  add(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = Math.min(this.#blockOf(item), Math.max(0, this.#blocks.length - 1))
    const block = this.#blocks[index]
    this.#count++
    if (block === undefined) {
      this.#blocks.push(blockOf([item]))
      this.#lasts.push(item.abbreviated)
      return 0
    }
    const { items, keys } = block
    const at = this.#placeIn(block, item)
    keys.copyWithin(at + 1, at, items.length)
    keys[at] = item.abbreviated
    items.splice(at, 0, item)
    const rank = this.#startOf(index, rankMax) + at
    if (items.length > BLOCK_COUNT_MAX) this.#split(index, block)
    else this.#lasts[index] = lastKeyOf(block)
    return rank
  }

  /** Returns the rank that it had, as `add` does; -1 where there is none that is equal. */
  remove(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = this.#blockOf(item)
    const block = this.#blocks[index]
    if (block === undefined) return -1
    const { items, keys } = block
    const at = this.#placeIn(block, item)
    if (this.#compare(items[at] as Item, item) !== 0) return -1
    const rank = this.#startOf(index, rankMax) + at
    this.#count--
    if (items.length === 1) {
      this.#blocks.splice(index, 1)
      this.#lasts.splice(index, 1)
      return rank
    }
    keys.copyWithin(at, at + 1, items.length)
    items.splice(at, 1)
    this.#lasts[index] = lastKeyOf(block)
    return rank
  }

  /** The rank of an item, as `add` does. Requires: there is one that is equal. */
  rankOf(item: Item, rankMax: number = Number.POSITIVE_INFINITY): number {
    const index = this.#blockOf(item)
    return this.#startOf(index, rankMax) + this.#placeIn(this.#blocks[index] as Block<Item>, item)
  }

  /** The item of a rank; undefined where there is none. */
  at(rank: number): Item | undefined {
    let rest = rank
    for (const { items } of this.#blocks) {
      if (rest < items.length) return items[rest]
      rest -= items.length
    }
    return undefined
  }

  /** The items from one rank up to another, which is not among them. */
  slice(from: number, to: number): Item[] {
    const found: Item[] = []
    let start = 0
    for (const { items } of this.#blocks) {
      if (start >= to) break
      if (start + items.length > from) {
        for (let at = Math.max(0, from - start); at < items.length && start + at < to; at++) {
          found.push(items[at] as Item)
        }
      }
      start += items.length
    }
    return found
  }

  /** The first block whose last item does not stand before the item; behind the last one if there is none. */
  #blockOf(item: Item): number {
    const lasts = this.#lasts
    const key = item.abbreviated
    let low = 0
    let high = lasts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const last = lasts[middle] as number
      if (last < key || (last === key && this.#compare(this.#lastOf(middle), item) < 0)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Where in the block it stands, or would. */
  #placeIn({ items, keys }: Block<Item>, item: Item): number {
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

  #lastOf(index: number): Item {
    const { items } = this.#blocks[index] as Block<Item>
    return items[items.length - 1] as Item
  }

  #split(index: number, block: Block<Item>): void {
    const behind = blockOf(block.items.splice(block.items.length >>> 1))
    this.#blocks.splice(index + 1, 0, behind)
    this.#lasts[index] = lastKeyOf(block)
    this.#lasts.splice(index + 1, 0, lastKeyOf(behind))
  }

  /** The rank of a block's first item, or a number from `rankMax` on. */
  #startOf(index: number, rankMax: number): number {
    let start = 0
    for (let before = 0; before < index && start < rankMax; before++) {
      start += (this.#blocks[before] as Block<Item>).items.length
    }
    return start
  }
}

function blockOf<Item extends Abbreviated>(items: Item[]): Block<Item> {
  const keys = new Float64Array(BLOCK_COUNT_MAX + 1)
  for (let at = 0; at < items.length; at++) keys[at] = (items[at] as Item).abbreviated
  return { items, keys }
}

function lastKeyOf({ items, keys }: Block<Abbreviated>): number {
  return keys[items.length - 1] as number
}
