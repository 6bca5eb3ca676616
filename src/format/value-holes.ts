// Finds the elements of sparse arrays. An array of a few elements may be four thousand million long, so a run of holes
// is stepped over by looking at the elements that are there, once it is long enough for that to pay.

/** Holes in a row that are looked at one by one before the present indices are listed. */
const SCAN_MAX = 64
/** One more than the largest index of an array. */
const INDEX_END = 2 ** 32 - 1

/** Where the run of holes that holds `index` ends, or -1 if that is not near. */
export function nearEnd(array: readonly unknown[], index: number, length: number): number {
  const end = Math.min(length, index + SCAN_MAX)
  for (let at = index + 1; at < end; at++) if (Object.hasOwn(array, at)) return at
  return end === length ? length : -1
}

/** The same from the names of all properties, which begin with the indices in order. */
export function farEnd(keys: readonly string[], index: number, length: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const key = keys[middle] as string
    if (isIndex(key) && Number(key) <= index) low = middle + 1
    else high = middle
  }
  const key = keys[low]
  return key !== undefined && isIndex(key) ? Math.min(Number(key), length) : length
}

/** Whether the name of a property is an index of an array. */
export function isIndex(name: string): boolean {
  const index = Number(name) >>> 0
  return index !== INDEX_END && String(index) === name
}
