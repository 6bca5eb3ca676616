// Whether two keys are equal, compared four bytes at a time.

/** Whether two keys of the same size, four bytes a word, are equal. What stands behind them is not looked at. */
export function isSameKey(
  left: Uint32Array,
  leftAt: number,
  right: Uint32Array,
  rightAt: number,
  keySize: number,
): boolean {
  const wholeCount = keySize >>> 2
  let index = 0
  while (index < wholeCount && left[leftAt + index] === right[rightAt + index]) index++
  if (index < wholeCount) return false
  const restMask = (1 << ((keySize & 3) << 3)) - 1
  return restMask === 0 || (((left[leftAt + index] as number) ^ (right[rightAt + index] as number)) & restMask) === 0
}
