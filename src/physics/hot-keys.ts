// The keys that are used most, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005). A key that is not counted
// yet takes the place of the one that is counted least, and inherits its count as its possible error.
//
// Guarantees: no key is counted too low; none by more than its `error` too high, which is at most all counts together divided
// by the capacity. So a key with more than that share of all uses is always among those that are counted.
// The state is the caller's, who passes it to these functions; they read no clock.

export interface HotKeys {
  readonly capacity: number
  readonly counts: Map<string, HotKeyCount>
  /** The same counts as a binary heap, the least one first. */
  readonly heap: HotKeyCount[]
}

export interface HotKeyCount {
  key: string
  value: number
  /** By how much the value may be too high. */
  error: number
  /** Where it is in the heap. */
  place: number
}

export function createHotKeys(capacity: number): HotKeys {
  return { capacity, counts: new Map(), heap: [] }
}

/** Counts a use of a key. Takes time by the logarithm of the capacity. Requires: a weight above 0. */
export function countKey({ capacity, counts, heap }: HotKeys, key: string, weight: number): void {
  const known = counts.get(key)
  if (known !== undefined) {
    known.value += weight
    sink(heap, known)
  } else if (heap.length < capacity) {
    const count = { key, value: weight, error: 0, place: heap.length }
    counts.set(key, count)
    heap.push(count)
    rise(heap, count)
  } else {
    const least = heap[0] as HotKeyCount
    counts.delete(least.key)
    least.key = key
    least.error = least.value
    least.value += weight
    counts.set(key, least)
    sink(heap, least)
  }
}

/** Lets all counts decay to a part of themselves, from 0 to 1. */
export function decayKeys({ heap }: HotKeys, part: number): void {
  for (const count of heap) {
    count.value *= part
    count.error *= part
  }
}

/** The `count` keys that are counted most, the first one first. */
export function hottestOf({ heap }: HotKeys, count: number): readonly Readonly<HotKeyCount>[] {
  // Few of many: each of those that are told is put where it belongs among them, and the rest is passed by.
  const told: HotKeyCount[] = []
  for (const one of heap) {
    let place = told.length
    while (place > 0 && (told[place - 1] as HotKeyCount).value < one.value) place--
    if (place >= count) continue
    told.splice(place, 0, one)
    if (told.length > count) told.pop()
  }
  return told
}

/** Moves a count that has grown away from the least ones. */
function sink(heap: HotKeyCount[], count: HotKeyCount): void {
  let place = count.place
  for (;;) {
    const left = heap[2 * place + 1]
    const right = heap[2 * place + 2]
    const least = right !== undefined && left !== undefined && right.value < left.value ? right : left
    if (least === undefined || least.value >= count.value) break
    const next = least.place
    heap[place] = least
    least.place = place
    place = next
  }
  heap[place] = count
  count.place = place
}

/** Moves a new count to where it belongs. */
function rise(heap: HotKeyCount[], count: HotKeyCount): void {
  let place = count.place
  while (place > 0) {
    const above = heap[(place - 1) >>> 1] as HotKeyCount
    if (above.value <= count.value) break
    heap[place] = above
    const next = above.place
    above.place = place
    place = next
  }
  heap[place] = count
  count.place = place
}
