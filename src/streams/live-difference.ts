// The deltas between two results that are only known as a whole: after a pause, for a consumer that was slow, and for
// commits of many changes. Rows that leave go first, then rows change their places, then others enter or change.
//
// As few rows as possible move: those outside a longest increasing subsequence (Fredman 1975) of the old places in the new
// order. Two Fenwick trees (Fenwick 1994) tell where a row stands while others have moved and some have not.

import type { LiveDelta, LiveRow } from "./live-row.ts"

/** Rows are the same if they are the same object. Keys occur once in a result. */
export function differenceOf<Value>(
  before: readonly LiveRow<Value>[],
  after: readonly LiveRow<Value>[],
): LiveDelta<Value>[] {
  if (before === after) return []
  const deltas: LiveDelta<Value>[] = []
  const newKeys = new Set<string>()
  for (const { key } of after) newKeys.add(key)
  for (let index = before.length - 1; index >= 0; index--) {
    const { key, value } = before[index] as LiveRow<Value>
    if (!newKeys.has(key)) deltas.push({ type: "leave", key, value, index })
  }
  const kept = before.filter(({ key }) => newKeys.has(key))
  const places = new Map(kept.map(({ key }, index) => [key, index]))
  const staying = after.filter(({ key }) => places.has(key))
  const moved = moves(kept, staying, places, deltas)
  for (let index = 0; index < after.length; index++) {
    const row = after[index] as LiveRow<Value>
    const { key, value } = row
    const place = places.get(key)
    const old = place === undefined ? undefined : kept[place]
    if (old === undefined) deltas.push({ type: "enter", key, value, index })
    else if (old !== row && !moved.has(key)) deltas.push({ type: "change", key, value, before: old.value, index })
  }
  return deltas
}

/** Brings the kept rows into the order of those that stay, and returns the keys of those that moved. */
function moves<Value>(
  kept: readonly LiveRow<Value>[],
  staying: readonly LiveRow<Value>[],
  places: ReadonlyMap<string, number>,
  deltas: LiveDelta<Value>[],
): ReadonlySet<string> {
  const moved = new Set<string>()
  const order = staying.map(({ key }) => places.get(key) as number)
  if (order.every((place, index) => place === index)) return moved
  const isFixed = longestIncreasing(order)
  // By old place: how many fixed rows stand before it; and the rows that have not moved yet.
  const fixedBefore = new Array<number>(order.length + 1).fill(0)
  for (let place = 0; place < order.length; place++) {
    fixedBefore[place + 1] = (fixedBefore[place] as number) + (isFixed[place] === true ? 1 : 0)
  }
  const placeOfFixed = order.filter((place) => isFixed[place])
  const waiting = new FenwickTree(order.length)
  for (const place of order) if (isFixed[place] !== true) waiting.add(place, 1)
  // By gap, which is the number of fixed rows before it: rows that have moved there. They stand before those that wait.
  const arrived = new FenwickTree(placeOfFixed.length + 1)
  let gap = 0
  let arrivedCount = 0
  for (const [index, place] of order.entries()) {
    if (isFixed[place] === true) {
      gap++
      continue
    }
    const { key, value } = staying[index] as LiveRow<Value>
    const oldGap = fixedBefore[place] as number
    const from = oldGap + waiting.sum(place) + arrived.sum(oldGap + 1)
    waiting.add(place, -1)
    // Those that wait in earlier gaps: they stand before the last fixed row of this gap.
    const waitingBefore = gap === 0 ? 0 : waiting.sum(placeOfFixed[gap - 1] as number)
    const to = gap + arrivedCount + waitingBefore
    arrived.add(gap, 1)
    arrivedCount++
    moved.add(key)
    deltas.push({ type: "move", key, value, before: (kept[place] as LiveRow<Value>).value, from, index: to })
  }
  return moved
}

/** Which of the numbers, by their value, are in a longest increasing subsequence. Requires: a permutation from 0 on. */
function longestIncreasing(numbers: readonly number[]): boolean[] {
  /** By length less one: the smallest last number of an increasing subsequence of that length. */
  const lasts: number[] = []
  const predecessors = new Array<number>(numbers.length).fill(-1)
  for (const number of numbers) {
    let low = 0
    let high = lasts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((lasts[middle] as number) < number) low = middle + 1
      else high = middle
    }
    predecessors[number] = low === 0 ? -1 : (lasts[low - 1] as number)
    lasts[low] = number
  }
  const isIn = new Array<boolean>(numbers.length).fill(false)
  for (let number = lasts.at(-1) ?? -1; number >= 0; number = predecessors[number] as number) isIn[number] = true
  return isIn
}

class FenwickTree {
  readonly #sums: Int32Array

  constructor(count: number) {
    this.#sums = new Int32Array(count + 1)
  }

  add(index: number, count: number): void {
    for (let at = index + 1; at < this.#sums.length; at += at & -at) this.#sums[at] = (this.#sums[at] as number) + count
  }

  /** Over the indexes below. */
  sum(end: number): number {
    let sum = 0
    for (let at = end; at > 0; at -= at & -at) sum += this.#sums[at] as number
    return sum
  }
}
