// I1, I3: whatever is put, deleted, batched and updated, whichever actor dies meanwhile, and however often the store is
// reopened, its content is what the same commits do to a map.

import fc from "fast-check"
import { expect, test } from "vitest"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import {
  contentOf,
  differences,
  historyArbitrary,
  modelAt,
  openStore,
  runHistory,
  untilSettled,
} from "./store-history.ts"

test("a store with reopenings and killed actors equals a map", async () => {
  await fc.assert(
    fc.asyncProperty(
      historyArbitrary(60, 8),
      fc.nat(),
      fc.constantFrom(4096, 8192, 65_536),
      async (steps, seed, segmentBytes) => {
        const platform = simulatePlatform({ seed })
        const { store, commits } = await runHistory(platform, steps, segmentBytes)
        expect(commits.filter(({ outcome }) => outcome !== "acknowledged")).toEqual([])
        expect(differences(contentOf(store), modelAt(commits, Infinity))).toEqual([])
        const sizes = store.tables().reduce((sum, name) => sum + store.table(name).size, 0)
        expect(sizes).toBe(modelAt(commits, Infinity).size)
        const lsns = commits.map(({ lsn }) => lsn as number)
        expect(lsns).toEqual([...lsns].sort((a, b) => a - b))
        await untilSettled(platform, store.close())
        expect(platform.fileSystem.openFileCount).toBe(0)
        expect(platform.fileSystem.violations).toEqual([])
        const again = await openStore(platform, segmentBytes)
        expect(differences(contentOf(again), modelAt(commits, Infinity))).toEqual([])
        await untilSettled(platform, again.close())
      },
    ),
    { numRuns: 300 },
  )
})
