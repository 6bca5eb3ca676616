// What the exploration of crash states rests on: a recovery that takes over what it can from those before it comes to the
// same as one that begins with nothing, for every state, in whatever order they come.

import fc from "fast-check"
import { expect, test } from "vitest"
import { crashPoints, crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { burstHistoryArbitrary } from "./burst-history.ts"
import { recoverDisk } from "./recovered-state.ts"
import { ScatteredRecoveries } from "./scattered-recoveries.ts"
import { backdropOf, ScatteredStates, tailOf } from "./scattered-states.ts"
import { StateRecoveries } from "./state-recoveries.ts"
import { historyArbitrary, runHistory, untilSettled } from "./store-history.ts"

const STATES_A_HISTORY = 150
const SEED = Number(process.env["ORRERY_SEED"] ?? 4_117)

test("a recovery that spares what others did comes to the same as one that spares nothing", async () => {
  const histories = fc.sample(fc.tuple(historyArbitrary(24, 6), fc.nat()), { numRuns: 3, seed: SEED })
  let spared = 0
  for (const [steps, seed] of histories) {
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: true }) })
    const { store } = await runHistory(platform, steps, 4096)
    await untilSettled(platform, store.close())
    const recoveries = new StateRecoveries()
    let count = 0
    for (const state of crashStates(platform.fileSystem.trace(), { seed, limit: STATES_A_HISTORY })) {
      const beginsEpoch = count++ % 3 === 0
      const { report, content } = await recoverDisk(state.mount({ keepsTrace: false }), 1, beginsEpoch)
      expect(await recoveries.recover(state.tree, beginsEpoch), `${state.describe()}, seed ${SEED}`).toEqual({
        lastLsn: report.lastLsn,
        content,
      })
    }
    spared += count - recoveries.endCount
  }
  expect(spared).toBeGreaterThan(histories.length * 20)
})

test("a scattered state is scanned from its tail on to what all of it is recovered to", async () => {
  const histories = fc.sample(fc.tuple(burstHistoryArbitrary(30, 12), fc.nat()), { numRuns: 3, seed: SEED })
  const ends = new Set<number>()
  let count = 0
  for (const [steps, seed] of histories) {
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: true }) })
    const { store } = await runHistory(platform, steps, 8192)
    await untilSettled(platform, store.close())
    const recoveries = new StateRecoveries()
    const random = new SimulatedRandom(seed)
    for (const { medium, pending } of crashPoints(platform.fileSystem.trace())) {
      const tail = tailOf(medium, pending)
      if (tail === undefined) continue
      const backdrop = backdropOf(medium, tail.others, () => random.chance(2))
      if (backdrop.lookup(tail.path, "stat") !== tail.node) continue
      const states = new ScatteredStates(tail, backdrop)
      const scattered = await ScatteredRecoveries.before(backdrop, states, recoveries)
      for (let drawn = 0; drawn < 6 && scattered !== undefined; drawn++) {
        const fingerprint = states.draw(random)
        const tree = states.tree()
        expect(tree.fingerprint(), `${states.describe()}, seed ${SEED}`).toBe(fingerprint)
        const { report, content } = await recoverDisk(SimulatedDisk.holding(tree, { keepsTrace: false }), 1, false)
        const { lastLsn } = report
        expect(await scattered.recover(), `${states.describe()}, seed ${SEED}`).toEqual({ lastLsn, content })
        ends.add(lastLsn)
        count++
      }
    }
  }
  expect(count).toBeGreaterThan(150)
  expect(ends.size).toBeGreaterThan(histories.length * 4)
})
