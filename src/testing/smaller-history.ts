// Leaves operations out of a failing history for as long as it still fails: Zeller's delta debugging ("Simplifying and
// isolating failure-inducing input", 2002), which ends where no single operation can be left out.

/** A part of the operations, in their order, that still fails. `isFailing` is asked until `isOver`. */
export async function smallerHistory<Op>(
  ops: readonly Op[],
  isFailing: (candidate: readonly Op[]) => Promise<boolean>,
  isOver: () => boolean,
): Promise<readonly Op[]> {
  let smallest = ops
  let pieceCount = 2
  while (smallest.length > 1 && !isOver()) {
    const size = Math.ceil(smallest.length / pieceCount)
    let isReduced = false
    for (let start = 0; start < smallest.length && !isOver(); start += size) {
      const candidate = [...smallest.slice(0, start), ...smallest.slice(start + size)]
      if (candidate.length === 0 || !(await isFailing(candidate))) continue
      smallest = candidate
      isReduced = true
      break
    }
    if (isReduced) pieceCount = Math.max(2, pieceCount - 1)
    else if (size === 1) break
    else pieceCount = Math.min(smallest.length, pieceCount * 2)
  }
  return smallest
}
