// Gives a crash test its histories, one after the other, and makes a failing one smaller in the way of its source:
// fast-check by shrinking what it generated, everything else by leaving operations out (smaller-history.ts).
//
// fast-check is loaded here and only when an arbitrary asks for it: users without it have all the rest.

import { SimulatedRandom } from "../simulation/simulated-random.ts"
import type { ArbitraryLike, HistorySource } from "./crash-options.ts"
import { seedFrom } from "./seed.ts"

const RUNS_A_PIECE = 50

/** Looks at one history: true when it fails. `number` counts from 0; `isShrunk` when it is a smaller one of a failed one. */
export type HistoryLook<Op> = (ops: readonly Op[], number: number, isShrunk: boolean) => Promise<boolean>

/** Shows histories until one fails or `count` are shown. */
export async function eachHistory<Op>(
  source: HistorySource<Op>,
  seed: number,
  count: number,
  isOver: () => boolean,
  look: HistoryLook<Op>,
): Promise<void> {
  if (isArbitrary(source)) {
    await eachArbitrary(source, seed, count, isOver, look)
    return
  }
  for (let number = 0; number < count && !isOver(); number++) {
    const ops = Array.isArray(source) ? source : madeBy(source, seed, number)
    if (await look(ops as readonly Op[], number, false)) return
  }
}

function isArbitrary<Op>(source: HistorySource<Op>): source is ArbitraryLike<readonly Op[]> {
  return typeof source === "object" && "generate" in source
}

function madeBy<Op>(source: HistorySource<Op>, seed: number, number: number): readonly Op[] {
  if (typeof source !== "function") return []
  const ops = source(new SimulatedRandom(seedFrom(seed, number)))
  if (!Array.isArray(ops)) throw new TypeError("crash test: the function ops returns an array")
  return ops as readonly Op[]
}

async function eachArbitrary<Op>(
  source: ArbitraryLike<readonly Op[]>,
  seed: number,
  count: number,
  isOver: () => boolean,
  look: HistoryLook<Op>,
): Promise<void> {
  const { asyncProperty, check } = await loadFastCheck()
  let number = 0
  let hasFailed = false
  let failure: { readonly error: unknown } | undefined
  const property = asyncProperty(
    // An arbitrary by its shape is one by its class: only fast-check makes them.
    source as unknown as Parameters<typeof asyncProperty<[readonly Op[]]>>[0],
    async (ops: readonly Op[]) => {
      if (failure !== undefined || (!hasFailed && isOver())) return true
      try {
        const isFailing = await look(ops, number, hasFailed)
        if (!hasFailed && !isFailing) number++
        hasFailed ||= isFailing
        return !isFailing
      } catch (error) {
        failure = { error }
        return true
      }
    },
  )
  // Piece by piece, so that the end of the time is noticed without generating what nobody looks at. Its seeds are 32 bits.
  for (let done = 0; done < count && !hasFailed && failure === undefined && !isOver(); done += RUNS_A_PIECE) {
    const numRuns = Math.min(RUNS_A_PIECE, count - done)
    await check(property, { seed: seedFrom(seed, `arbitrary ${done}`) | 0, numRuns })
  }
  if (failure !== undefined) throw failure.error
}

async function loadFastCheck(): Promise<typeof import("fast-check")> {
  try {
    return await import("fast-check")
  } catch (error) {
    throw new TypeError("crash test: for arbitraries install fast-check beside orrery-db", { cause: error })
  }
}
