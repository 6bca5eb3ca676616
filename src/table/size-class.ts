// The sizes that slots come in. Records up to 512 bytes get steps of 8 bytes, so that they waste nothing; above that
// eight steps a doubling, so that a slot is at most 12.5 % larger than its record. Records above SLOT_SIZE_MAX are not
// cut from a chunk but get memory of their own, of exactly their size.

const LINEAR_SIZE_MAX = 512
const LINEAR_CLASS_COUNT = (LINEAR_SIZE_MAX >>> 3) - 1
const STEP_BITS = 3
const DOUBLING_COUNT = 7

/** Largest slot, in bytes. */
export const SLOT_SIZE_MAX: number = LINEAR_SIZE_MAX << DOUBLING_COUNT
/** The class of records with memory of their own. The classes below it have slots. */
export const CLASS_LARGE: number = LINEAR_CLASS_COUNT + (DOUBLING_COUNT << STEP_BITS)
/** Size classes, with the one for large records. */
export const CLASS_COUNT: number = CLASS_LARGE + 1

/** The class of a record. Requires: a multiple of 8, at least 16. */
export function sizeClassOf(recordSize: number): number {
  if (recordSize <= LINEAR_SIZE_MAX) return (recordSize >>> 3) - 2
  if (recordSize > SLOT_SIZE_MAX) return CLASS_LARGE
  // 513 … 1,024 are doubling 0; its eight steps are 64 bytes wide.
  const doubling = 22 - Math.clz32(recordSize - 1)
  const step = ((recordSize - 1) >>> (doubling + 6)) - 8
  return LINEAR_CLASS_COUNT + (doubling << STEP_BITS) + step
}

/** Bytes of a slot of the class. Requires: a class below CLASS_LARGE. */
export function slotSizeOf(sizeClass: number): number {
  if (sizeClass < LINEAR_CLASS_COUNT) return (sizeClass + 2) << 3
  const above = sizeClass - LINEAR_CLASS_COUNT
  return ((above & 7) + 9) << ((above >>> STEP_BITS) + 6)
}
