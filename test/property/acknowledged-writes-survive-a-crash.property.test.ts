// I1, I2, I3, I4: whatever a crash leaves on the disk, recovery finds the state behind some prefix of the commits that
// holds every one that was acknowledged as synced, each commit whole or not at all; and a crash inside that recovery
// changes nothing of it.
//
// A history runs once on the simulated disk, with commits in flight side by side; then every state that a power cut
// could have left at every moment of it is recovered. Of each recovery some states are crashed into again.

import fc from "fast-check"
import { expect, test } from "vitest"
import { probes } from "../../src/model/invariant.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "./recovered-state.ts"
import { differences, historyArbitrary, modelAt, runHistory, untilSettled } from "./store-history.ts"
import type { HistoryCommit } from "./store-history.ts"

/** States in the default run; ORRERY_CRASH_STATES asks for more. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 100_000)
/** States of one history: at most so many of them, spread evenly. */
const STATES_A_HISTORY = 700
/** One state in so many has the recovery from it crashed into as well. */
const NESTED_SHARE = 32
const NESTED_STATES = 10

const SEGMENT_BYTES = 4096

/** The default run is the same every time, so that the rare branches below are surely among it; ORRERY_SEED varies it. */
const SEED = 771_992

test("every crash state recovers to a prefix that holds every acknowledged write", async () => {
  let stateCount = 0
  let nestedCount = 0
  let historyCount = 0
  let overlapCount = 0
  const seed = Number(process.env["ORRERY_SEED"] ?? SEED)
  const random = fc.sample(fc.nat(), { numRuns: 10_000, seed })
  const histories = fc.sample(historyArbitrary(30, 3), { numRuns: 10_000, seed })
  while (stateCount < STATE_COUNT) {
    const steps = histories[historyCount % histories.length] as (typeof histories)[number]
    const diskSeed = random[historyCount % random.length] as number
    const where = `history ${historyCount} of ORRERY_SEED=${seed}`
    historyCount++
    const platform = simulatePlatform({ seed: diskSeed, disk: new SimulatedDisk({ seed: diskSeed, keepsTrace: true }) })
    let inFlightMax = 0
    const { store, commits } = await runHistory(platform, steps, SEGMENT_BYTES, (running) => {
      inFlightMax = Math.max(inFlightMax, running.commits.filter(({ outcome }) => outcome === "pending").length)
    })
    await untilSettled(platform, store.close())
    if (inFlightMax >= 2) overlapCount++

    for (const state of crashStates(platform.fileSystem.trace(), { seed: diskSeed, limit: STATES_A_HISTORY })) {
      stateCount++
      const isNested = stateCount % NESTED_SHARE === 0
      const disk = state.mount({ keepsTrace: isNested })
      const acknowledged = ackedBefore(commits, state.afterOperation)
      const tell = (): string => `${where}, ${state.describe()}\n${JSON.stringify(steps)}`
      const { lastLsn } = await checkRecovery(disk, commits, acknowledged, Infinity, isNested, tell)
      if (!isNested) continue
      for (const inner of crashStates(disk.trace(), { seed: diskSeed, limit: NESTED_STATES })) {
        stateCount++
        nestedCount++
        const tellInner = (): string => `${tell()}\nthen in recovery: ${inner.describe()}`
        // What one recovery has taken as recovered, a second one keeps; LSNs behind it belong to the new epoch.
        const again = await checkRecovery(inner.mount(), commits, acknowledged, lastLsn, true, tellInner)
        expect(again.lastLsn, tellInner()).toBeGreaterThanOrEqual(lastLsn)
      }
    }
  }
  console.log(
    `${stateCount} crash states (${nestedCount} inside a recovery) of ${historyCount} histories recovered, ORRERY_SEED=${seed}`,
  )
  expect(overlapCount).toBeGreaterThan(historyCount / 2)
  expect(nestedCount).toBeGreaterThanOrEqual(stateCount / 5)
  for (const probe of REQUIRED_PROBES)
    expect(probes().get(probe) ?? 0, `probe "${probe}" was never reached`).toBeGreaterThan(0)
}, 400_000)

/** Branches that these histories must reach, or they would prove little. */
const REQUIRED_PROBES = [
  "torn tail cut",
  "segment rotated",
  "an interrupted first open is done again",
  "a prepared segment lies behind the tail",
  "unsynced frames behind a hole are cut",
]

async function checkRecovery(
  disk: SimulatedDisk,
  commits: readonly HistoryCommit[],
  acknowledged: number,
  oldEpochEnd: number,
  beginsEpoch: boolean,
  tell: () => string,
): Promise<{ lastLsn: number }> {
  let recovered: Awaited<ReturnType<typeof recoverDisk>>
  try {
    recovered = await recoverDisk(disk, 1, beginsEpoch)
  } catch (error) {
    throw new Error(`recovery refused a disk that only crashed: ${tell()}`, { cause: error })
  }
  const { lastLsn } = recovered.report
  if (lastLsn < acknowledged)
    throw new Error(`LSN ${acknowledged} was acknowledged, recovered to ${lastLsn}: ${tell()}`)
  const wrong = differences(recovered.content, modelAt(commits, Math.min(lastLsn, oldEpochEnd)))
  if (wrong.length > 0) throw new Error(`recovered to LSN ${lastLsn}, but ${wrong.join("; ")}: ${tell()}`)
  return { lastLsn }
}

/** The highest LSN that was acknowledged as synced when so many operations had ended. */
function ackedBefore(commits: readonly HistoryCommit[], operationCount: number): number {
  let highest = 0
  for (const commit of commits) {
    if (commit.ackedAt <= operationCount && commit.lsn !== undefined && commit.lsn > highest) highest = commit.lsn
  }
  return highest
}
