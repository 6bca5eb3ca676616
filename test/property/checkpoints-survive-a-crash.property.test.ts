// A crash at any step of a checkpoint, of the cut of the log behind it, or of the removal of what is not kept, while
// writers are at work: the store opens, and every acknowledged write is there; also when the recovery is crashed into, and
// when the store then goes on, makes a checkpoint and is opened once more.

import fc from "fast-check"
import { expect, test } from "vitest"
import { probes } from "../../src/model/invariant.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "./recovered-state.ts"
import { contentOf, differences, modelAt, openStore, runHistory, untilSettled } from "./store-history.ts"
import type { Entry, HistoryCommit, Step } from "./store-history.ts"

/** States in the default run; ORRERY_CRASH_STATES asks for more. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 6_000)
const STATES_A_HISTORY = 250
/** One state in so many has the recovery from it crashed into, and one in so many is opened and used. */
const NESTED_SHARE = 24
const NESTED_STATES = 8
const USED_SHARE = 30
const SEGMENT_BYTES = 4096
/** The default run is the same every time; ORRERY_SEED varies it. */
const SEED = Number(process.env["ORRERY_SEED"] ?? 90_125)

const key = fc.constantFrom("a", "b", "c", "d", "e", "ключ", "")
const table = fc.constantFrom("t0", "t1", "t2")
const level = fc.constantFrom("synced" as const, "synced" as const, "synced" as const, "written" as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("put" as const), table, key, size: fc.nat(900), level }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), table, key, level }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      puts: fc.array(
        fc.tuple(table, key).map(([t, k]) => `${t}/${k}`),
        { minLength: 1, maxLength: 5 },
      ),
      deletes: fc.constant([]),
      level,
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
)

test("fault 21: every crash state of a store that makes checkpoints opens with every acknowledged write", async () => {
  const histories = fc.sample(
    fc.tuple(fc.array(step, { minLength: 20, maxLength: 55, size: "max" }), fc.constantFrom(1, 1, 2, 3), fc.nat()),
    { numRuns: 2_000, seed: SEED },
  )
  const counts = { states: 0, nested: 0, used: 0, histories: 0, loaded: 0, shortened: 0, writing: 0, letting: 0 }
  while (counts.states < STATE_COUNT) {
    const [steps, checkpoints, seed] = histories[counts.histories % histories.length] as (typeof histories)[number]
    const where = `history ${counts.histories} of ORRERY_SEED=${SEED}, keep ${checkpoints}`
    counts.histories++
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: true }) })
    const { store, commits } = await runHistory(platform, steps, SEGMENT_BYTES, undefined, { checkpoints })
    await untilSettled(platform, store.close())

    for (const state of crashStates(platform.fileSystem.trace(), { seed, limit: STATES_A_HISTORY })) {
      counts.states++
      const isNested = counts.states % NESTED_SHARE === 0
      const tell = (): string => `${where}, ${state.describe()}\n${JSON.stringify(steps)}`
      if (state.inFlight.some(({ path }) => path.includes("checkpoint"))) counts.writing++
      if (state.inFlight.some(({ name, path }) => name === "unlink" || path.includes("manifest"))) counts.letting++
      const disk = state.mount({ keepsTrace: isNested })
      const acknowledged = ackedBefore(commits, state.afterOperation)
      const { lastLsn, checkpoint } = await check(disk, commits, acknowledged, Infinity, isNested, tell)
      if (checkpoint !== undefined) counts.loaded++
      if (![...disk.files().keys()].includes("/data/wal-0000000001")) counts.shortened++
      if (counts.states % USED_SHARE === 0) {
        counts.used++
        await use(state.mount({ keepsTrace: false }), commits, lastLsn, tell)
      }
      if (!isNested) continue
      for (const inner of crashStates(disk.trace(), { seed, limit: NESTED_STATES })) {
        counts.states++
        counts.nested++
        const tellInner = (): string => `${tell()}\nthen in recovery: ${inner.describe()}`
        const again = await check(inner.mount({ keepsTrace: false }), commits, acknowledged, lastLsn, true, tellInner)
        expect(again.lastLsn, tellInner()).toBeGreaterThanOrEqual(lastLsn)
      }
    }
  }
  console.log(`${JSON.stringify(counts)}, ORRERY_SEED=${SEED}`)
  expect(counts.loaded).toBeGreaterThan(counts.states / 4)
  expect(counts.shortened).toBeGreaterThan(counts.states / 12)
  expect(counts.writing).toBeGreaterThan(counts.states / 20)
  expect(counts.letting).toBeGreaterThan(counts.states / 100)
  expect(counts.nested).toBeGreaterThan(counts.states / 12)
  expect(probes().get("a retired segment is removed by recovery") ?? 0).toBeGreaterThan(0)
})

async function check(
  disk: SimulatedDisk,
  commits: readonly HistoryCommit[],
  acknowledged: number,
  oldEpochEnd: number,
  beginsEpoch: boolean,
  tell: () => string,
): Promise<{ lastLsn: number; checkpoint: number | undefined }> {
  let recovered: Awaited<ReturnType<typeof recoverDisk>>
  try {
    recovered = await recoverDisk(disk, 1, beginsEpoch)
  } catch (error) {
    throw new Error(`recovery refused a disk that only crashed: ${String(error)}\n${tell()}`, { cause: error })
  }
  const { lastLsn, warnings, checkpoint } = recovered.report
  if (lastLsn < acknowledged)
    throw new Error(`LSN ${acknowledged} was acknowledged, recovered to ${lastLsn}: ${tell()}`)
  const wrong = differences(recovered.content, modelAt(commits, Math.min(lastLsn, oldEpochEnd)))
  if (wrong.length > 0) throw new Error(`recovered to LSN ${lastLsn}, but ${wrong.join("; ")}: ${tell()}`)
  // No crash damages a checkpoint that has its name.
  expect(
    warnings.filter((line) => line.includes("checkpoint")),
    tell(),
  ).toEqual([])
  return { lastLsn, checkpoint }
}

/** Opens the store, goes on with it, makes a checkpoint, and opens it again. */
async function use(
  disk: SimulatedDisk,
  commits: readonly HistoryCommit[],
  lastLsn: number,
  tell: () => string,
): Promise<void> {
  const platform = simulatePlatform({ seed: 1, disk })
  const expected = modelAt(commits, lastLsn)
  try {
    const store = await openStore(platform, SEGMENT_BYTES, { checkpoints: 1 })
    expect(differences(contentOf(store), expected)).toEqual([])
    for (let n = 0; n < 12; n++) {
      const value: Entry = { n: 1_000_000 + n, pad: "p".repeat(900) }
      await untilSettled(platform, store.table<Entry>("t1").put(`after ${n}`, value))
      expected.set(`t1/after ${n}`, value.n)
    }
    const report = await untilSettled(platform, store.checkpoint())
    expect(report?.oldestLsn).toBeGreaterThan(1)
    await untilSettled(platform, store.killActor("store/shards/shard-1", new Error("killed by the test")))
    await untilSettled(platform, store.ready())
    expect(differences(contentOf(store), expected)).toEqual([])
    const { content } = await recoverDisk(disk.crash("nothing"), 1, true)
    expect(differences(content, expected)).toEqual([])
  } catch (error) {
    throw new Error(`the store does not go on: ${String(error)}\n${tell()}`, { cause: error })
  }
}

/** The highest LSN that was acknowledged as synced when so many operations had ended. */
function ackedBefore(commits: readonly HistoryCommit[], operationCount: number): number {
  let highest = 0
  for (const { ackedAt, lsn } of commits)
    if (ackedAt <= operationCount && lsn !== undefined) highest = Math.max(highest, lsn)
  return highest
}
