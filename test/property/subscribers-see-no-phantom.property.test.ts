// I6: a subscriber sees every change exactly once, in the order of the log, and never one that a crash undoes. Over
// reopenings, killed actors, and every kind of power cut; after a crash it goes on from its position without a gap.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { Commit, Store } from "../../src/index.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { historyArbitrary, openStore, runHistory, untilSettled } from "./store-history.ts"
import type { Entry, HistoryCommit } from "./store-history.ts"

const SEGMENT_BYTES = 4096

interface Delivery {
  readonly lsn: number
  readonly effects: readonly (readonly [string, number | undefined])[]
  /** Operations of the disk that had ended when it was delivered. */
  readonly at: number
}

function effectsOf(commit: Commit): Delivery["effects"] {
  return commit.changes.map(({ kind, table, key, value }) => [
    `${table}/${key}`,
    kind === "put" ? (value as Entry).n : undefined,
  ])
}

/** What the subscriber must see behind a position, of commits up to another. */
function expected(commits: readonly HistoryCommit[], after: number, to: number): [number, Delivery["effects"]][] {
  return commits.flatMap(({ lsn, effects }) => (lsn !== undefined && lsn > after && lsn <= to ? [[lsn, effects]] : []))
}

async function readAll(store: Store, after: number, count: number): Promise<[number, Delivery["effects"]][]> {
  const seen: [number, Delivery["effects"]][] = []
  if (count === 0) return seen
  for await (const commit of store.changes({ after })) {
    seen.push([commit.lsn, effectsOf(commit)])
    if (seen.length === count) break
  }
  return seen
}

test("no gap, no duplicate, no phantom, over restarts and power cuts", async () => {
  let cutCount = 0
  await fc.assert(
    fc.asyncProperty(historyArbitrary(40, 8), fc.nat(), async (steps, seed) => {
      const disk = new SimulatedDisk({ seed, keepsTrace: true })
      const platform = simulatePlatform({ seed, disk })
      const delivered: Delivery[] = []
      let followed: Store | undefined
      const readers: Promise<void>[] = []
      const follow = async (store: Store): Promise<void> => {
        for await (const commit of store.changes({ after: delivered.at(-1)?.lsn ?? 0 })) {
          delivered.push({ lsn: commit.lsn, effects: effectsOf(commit), at: disk.operationCount })
        }
      }
      const { store, commits } = await runHistory(platform, steps, SEGMENT_BYTES, ({ store: current }) => {
        if (current === followed) return
        const previous = readers.at(-1) ?? Promise.resolve()
        followed = current
        // A store may be closed before its reader has begun.
        const reader = previous.then(() => follow(current))
        readers.push(reader.catch((error: unknown) => expect(error).toMatchObject({ code: "ORRERY_CLOSED" })))
      })
      await untilSettled(platform, store.close())
      await untilSettled(platform, Promise.all(readers))
      // A reader that ends with its store may not have been handed everything: nothing is missing in between, though.
      const lastSeen = delivered.at(-1)?.lsn ?? 0
      expect(delivered.map(({ lsn, effects }) => [lsn, effects])).toEqual(expected(commits, 0, lastSeen))

      for (const state of crashStates(disk.trace(), { seed, limit: 12 })) {
        cutCount++
        const seenBefore = delivered.filter(({ at }) => at <= state.afterOperation).at(-1)?.lsn ?? 0
        const after = simulatePlatform({ seed, disk: state.mount({ keepsTrace: false }) })
        const again = await openStore(after, SEGMENT_BYTES)
        const { lastLsn } = again.recovery
        expect(seenBefore, state.describe()).toBeLessThanOrEqual(lastLsn)
        const rest = expected(commits, seenBefore, lastLsn)
        const read = readAll(again, seenBefore, rest.length)
        expect(await untilSettled(after, read), state.describe()).toEqual(rest)
        await untilSettled(after, again.close())
      }
    }),
    { numRuns: 60 },
  )
  expect(cutCount).toBeGreaterThan(300)
})
