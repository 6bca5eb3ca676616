// Runs histories on the simulated disk, with commits in flight side by side, and recovers states that a power cut could
// have left at every moment of them; then crashes into some of those recoveries, and recovers again
// (history-exploration.ts).
//
// Every second history writes in bursts, so that flushes of many sectors are on their way when the power goes. Counted are
// visits, a state at a moment with its own bound of acknowledged writes, and distinct states, by their contents, over the
// whole run.

import fc from "fast-check"
import { burstHistoryArbitrary } from "./burst-history.ts"
import { HistoryExploration } from "./history-exploration.ts"
import type { DrawnHistory, ExplorationCounts } from "./history-exploration.ts"
import { historyArbitrary } from "./store-history.ts"
import type { Step } from "./store-history.ts"

/** More distinct states than this make a large history, less than this a small one. */
const LARGE_COUNT = 1_000
const SMALL_COUNT = 100
/** Histories drawn at a time, of each kind. */
const DRAWN_COUNT = 1_000
const STEP_COUNT = 30
const SEGMENT_BYTES = 4096
/** Of histories with bursts: one flush for a segment, or some. */
const BURST_SEGMENT_BYTES = [4096, 4096, 8192, 16384] as const

/** Explores until so many distinct states were found. Throws, with all that is needed to see it again, at the first wrong one. */
export async function exploreCrashes(seed: number, distinctCount: number): Promise<ExplorationCounts> {
  const counts: ExplorationCounts = {
    distinct: 0,
    nested: 0,
    scattered: 0,
    visited: 0,
    nestedVisited: 0,
    scanned: 0,
    broughtUp: 0,
    folded: 0,
    nestedScanned: 0,
    again: 0,
    judged: 0,
    long: 0,
    whole: 0,
    histories: 0,
    overlapping: 0,
    large: 0,
    small: 0,
  }
  const known = new Set<number>()
  for (const history of drawHistories(seed)) {
    if (counts.distinct >= distinctCount) break
    const before = counts.distinct
    const where = `history ${counts.histories} of ORRERY_SEED=${seed}`
    counts.histories++
    await new HistoryExploration(history, counts, known, where).run()
    const brought = counts.distinct - before
    if (brought > LARGE_COUNT) counts.large++
    if (brought < SMALL_COUNT) counts.small++
  }
  return counts
}

function* drawHistories(seed: number): Generator<DrawnHistory> {
  for (let drawn = 0; ; drawn += 2 * DRAWN_COUNT) {
    const parameters = { numRuns: DRAWN_COUNT, seed: seed + drawn }
    const seeds = fc.sample(fc.nat(), { ...parameters, numRuns: 2 * DRAWN_COUNT })
    const plain = fc.sample(historyArbitrary(STEP_COUNT, 3), parameters)
    const bursts = fc.sample(burstHistoryArbitrary(STEP_COUNT, 12), parameters)
    for (const [index, steps] of plain.entries()) {
      const [first, second] = seeds.slice(2 * index) as [number, number]
      yield { steps, seed: first, segmentBytes: SEGMENT_BYTES, isShuffled: false }
      const segmentBytes = BURST_SEGMENT_BYTES[second % BURST_SEGMENT_BYTES.length] as number
      yield { steps: bursts[index] as Step[], seed: second, segmentBytes, isShuffled: (second & 16) !== 0 }
    }
  }
}
