// The default run of crash-exploration.ts, in two halves, each in a test file of its own, so that two cores share the work.

import { expect } from "vitest"
import { probes } from "../../src/model/invariant.ts"
import { measureFigures } from "../figures.ts"
import { exploreCrashes } from "./crash-exploration.ts"

/** Distinct states in the default run, by both halves of it; ORRERY_CRASH_STATES asks for more or less. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 1_000_000)
/** The default run is the same every time, so that the rare branches below are surely among it; ORRERY_SEED varies it. */
const SEED = Number(process.env["ORRERY_SEED"] ?? 771_992)
/** Between the seeds of the halves; histories are drawn in between. */
const HALF_DISTANCE = 500_000_000

/** Fewer states may miss a rare branch; each half has its own seed, and reaches all of them from so many states on. */
const PROBED_COUNT_MIN = [200_000, 500_000] as const

/** Branches that the histories must reach, or they would prove little. */
const REQUIRED_PROBES = [
  "torn tail cut",
  "segment rotated",
  "an interrupted first open is done again",
  "a prepared segment lies behind the tail",
  "unsynced frames behind a hole are cut",
]

/** One half of the default run, in a test file of its own, so that two cores share the work. */
export async function exploreHalf(half: 0 | 1): Promise<void> {
  const tell = measureFigures("crash states", SEED)
  const counts = await exploreCrashes((SEED + half * HALF_DISTANCE) | 0, STATE_COUNT / 2)
  tell({ ...counts })
  expect(counts.overlapping).toBeGreaterThan(counts.histories / 2)
  expect(counts.nested).toBeGreaterThanOrEqual(counts.distinct / 5)
  if (STATE_COUNT < PROBED_COUNT_MIN[half]) return
  for (const probe of REQUIRED_PROBES)
    expect(probes().get(probe) ?? 0, `probe "${probe}" was never reached`).toBeGreaterThan(0)
}
