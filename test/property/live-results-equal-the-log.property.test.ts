// Whatever a live query shows at a commit is what filtering, sorting and slicing the durable log up to there gives, and its
// deltas lead to it: over reopenings, killed actors, and disks that fail. Aggregates, joins and watched keys likewise.

import fc from "fast-check"
import { expect, test } from "vitest"
import { OrreryError, QueryFailed } from "../../src/index.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { probes } from "../../src/model/invariant.ts"
import { commitsOf, LiveFollower } from "./live-history.ts"
import { historyArbitrary, openStore, runHistory, untilSettled } from "./store-history.ts"

const SEGMENT_BYTES = 4096

test("live results equal the log, folded, at every step, over restarts", async () => {
  let shownCount = 0
  await fc.assert(
    fc.asyncProperty(historyArbitrary(40, 12), fc.nat(), async (steps, seed) => {
      const platform = simulatePlatform({ seed })
      const follower = new LiveFollower()
      const history = await runHistory(platform, steps, SEGMENT_BYTES, ({ store }) => {
        follower.follow(store)
        follower.look()
      })
      const { store } = history
      follower.follow(store)
      await untilSettled(platform, follower.ready())
      await untilSettled(platform, store.flush())
      const commits = await untilSettled(platform, commitsOf(store))
      follower.look()
      follower.check(commits, `seed ${seed}`)
      // At rest they show what the store holds.
      const last = commits.at(-1)?.lsn ?? 0
      expect(follower.shown.at(-1)?.lsn).toBe(last)
      shownCount += follower.shown.length
      await untilSettled(platform, store.close())
    }),
    { numRuns: 40 },
  )
  expect(shownCount).toBeGreaterThan(1_000)
})

test("a live query shows nothing that a failing disk takes back, and goes on when the log does", async () => {
  const before = probes().get("the log failed") ?? 0
  // When so many commits were made, the next sync fails.
  const fault = fc.record({
    commits: fc.integer({ min: 2, max: 14 }),
    when: fc.constantFrom<"before" | "after-part" | "dropping-dirty-pages">(
      "before",
      "after-part",
      "dropping-dirty-pages",
    ),
  })
  await fc.assert(
    fc.asyncProperty(
      historyArbitrary(36, 5),
      fc.nat(),
      fc.uniqueArray(fault, { minLength: 1, maxLength: 3, selector: ({ commits }) => commits }),
      async (steps, seed, faults) => {
        const disk = new SimulatedDisk({ seed })
        const platform = simulatePlatform({ seed, disk })
        const follower = new LiveFollower()
        try {
          const { store } = await runHistory(platform, steps, SEGMENT_BYTES, (history) => {
            follower.follow(history.store)
            follower.look()
            const due = faults.find(({ commits }) => commits === history.commits.length)
            if (due === undefined) return
            const operation = disk.operations.length + 1
            const only = ["writeSynced", "dataSync"] as const
            disk.faults.add({ operation, through: operation + 2, only, error: "EIO", when: due.when })
          })
          await untilSettled(platform, store.ready())
          await untilSettled(platform, store.table("end").put("end", "end"))
          // It goes on: every query that the last store has is there, and at the end.
          await untilSettled(platform, follower.ready())
          follower.look()
          await untilSettled(platform, store.close())
        } catch (error) {
          // A fault inside open or close.
          if (!(error instanceof OrreryError) || error instanceof QueryFailed) throw error
        }
        disk.faults.clear()
        const after = simulatePlatform({ seed, disk: disk.crash("nothing", { faults: [] }) })
        const again = await openStore(after, SEGMENT_BYTES)
        const commits = await untilSettled(after, commitsOf(again))
        follower.check(commits, `seed ${seed}, ${JSON.stringify(faults)}`)
        await untilSettled(after, again.close())
      },
    ),
    { numRuns: 40 },
  )
  expect((probes().get("the log failed") ?? 0) - before).toBeGreaterThan(10)
})
