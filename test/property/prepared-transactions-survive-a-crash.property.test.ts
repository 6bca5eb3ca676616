// A crash at any step of prepares, decisions, checkpoints and the writes beside them: what was prepared is in doubt with
// its keys held, what was decided stays decided, nothing is half done; also when the recovery is crashed into, and when
// the store is opened then, decides everything and is crashed once more.

import fc from "fast-check"
import { expect, test } from "vitest"
import { KeyInDoubt } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { preparedModelAt, preparedSteps, runPreparedHistory } from "./prepared-history.ts"
import type { PreparedCommit, PreparedModel, PreparedStep } from "./prepared-history.ts"
import { recoverDisk } from "./recovered-state.ts"
import { contentOf, openStore, untilSettled } from "./store-history.ts"
import type { Entry, Model } from "./store-history.ts"

/** States in the default run; ORRERY_CRASH_STATES asks for more. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 2_500)
/** Recoveries of each of the ten points: a fiftieth of those. */
const POINT_RUNS = Math.ceil(STATE_COUNT / 50)
const STATES_A_HISTORY = 150
/** One state in so many has the recovery from it crashed into, and one in so many is opened and used. */
const NESTED_SHARE = 20
const NESTED_STATES = 8
const USED_SHARE = 25
const SEGMENT_BYTES = 4096
/** The default run is the same every time; ORRERY_SEED varies it. */
const SEED = Number(process.env["ORRERY_SEED"] ?? 20_261)

test("every crash state of a store with prepared transactions recovers to a prefix of its commits, twice", async () => {
  const histories = fc.sample(fc.tuple(preparedSteps, fc.nat()), { numRuns: 1_000, seed: SEED })
  const counts = { states: 0, nested: 0, used: 0, histories: 0, inDoubt: 0, refused: 0 }
  while (counts.states < STATE_COUNT) {
    const [steps, seed] = histories[counts.histories % histories.length] as (typeof histories)[number]
    const where = `history ${counts.histories} of ORRERY_SEED=${SEED}\n${JSON.stringify(steps)}`
    counts.histories++
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: true }) })
    const { store, commits, refused } = await runPreparedHistory(platform, steps, SEGMENT_BYTES)
    counts.refused += refused
    const last = preparedModelAt(commits, Infinity)
    expect(asText(contentOf(store)), where).toBe(asText(usersOf(last)))
    expect(
      store.inDoubt().map(({ id }) => id),
      where,
    ).toEqual([...last.inDoubt.keys()])
    await untilSettled(platform, store.close())
    for (const state of crashStates(platform.fileSystem.trace(), { seed, limit: STATES_A_HISTORY })) {
      counts.states++
      const tell = (): string => `${where}\n${state.describe()}`
      const isNested = counts.states % NESTED_SHARE === 0
      const disk = state.mount({ keepsTrace: isNested })
      const acknowledged = ackedBefore(commits, state.afterOperation)
      const lastLsn = await check(disk, commits, acknowledged, Infinity, isNested, tell)
      const model = preparedModelAt(commits, lastLsn)
      if (model.inDoubt.size > 0) counts.inDoubt++
      if (counts.states % USED_SHARE === 0) {
        counts.used++
        await use(state.mount({ keepsTrace: false }), model, tell)
      }
      if (!isNested) continue
      for (const inner of crashStates(disk.trace(), { seed, limit: NESTED_STATES })) {
        counts.states++
        counts.nested++
        const tellInner = (): string => `${tell()}\nthen in recovery: ${inner.describe()}`
        await check(inner.mount({ keepsTrace: false }), commits, acknowledged, lastLsn, true, tellInner)
      }
    }
  }
  console.log(`${JSON.stringify(counts)}, ORRERY_SEED=${SEED}`)
  expect(counts.inDoubt).toBeGreaterThan(counts.states / 6)
  expect(counts.nested).toBeGreaterThan(counts.states / 10)
  expect(counts.used).toBeGreaterThan(counts.states / 50)
  expect(counts.refused).toBeGreaterThan(10)
  expect(probes().get("a transaction in doubt is recovered") ?? 0).toBeGreaterThan(10)
})

test("a crash at each of ten points of a commit and an abort recovers to a prefix, and a second recovery changes nothing", async () => {
  // In doubt or decided, T1 before T2: the points are these states, each while an operation of the disk is under way and
  // while none is.
  const states = ["", "T1", "T1 committed", "T1 committed, T2", "T1 committed, T2 aborted"]
  const runs = new Map<string, number>()
  const isComplete = (): boolean => runs.size === 2 * states.length && [...runs.values()].every((n) => n >= POINT_RUNS)
  for (let seed = SEED; !isComplete(); seed++) {
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: true }) })
    const steps: PreparedStep[] = [
      { kind: "prepare", keys: ["a", "b"], isAsynchronous: seed % 2 === 0 },
      { kind: "settle" },
      { kind: "commit", which: 0 },
      { kind: "settle" },
      { kind: "prepare", keys: ["b", "c"], isAsynchronous: false },
      { kind: "settle" },
      { kind: "abort", which: 0 },
    ]
    const { store, commits, openedAt } = await runPreparedHistory(platform, steps, SEGMENT_BYTES)
    const trace = platform.fileSystem.trace()
    await untilSettled(platform, store.close())
    for (const state of crashStates(trace, { seed, limit: 2 * STATES_A_HISTORY })) {
      if (state.afterOperation < openedAt) continue
      const tell = (): string => `seed ${seed}, ${state.describe()}`
      const disk = state.mount({ keepsTrace: false })
      const acknowledged = ackedBefore(commits, state.afterOperation)
      const lastLsn = await check(disk, commits, acknowledged, Infinity, false, tell)
      const before = disk.files()
      expect(await check(disk, commits, acknowledged, Infinity, false, tell), tell()).toBe(lastLsn)
      expect(disk.files(), tell()).toEqual(before)
      const { inDoubt, decided } = preparedModelAt(commits, lastLsn)
      const standing = [...Array.from(decided, ([id, outcome]) => `${id} ${outcome}`), ...inDoubt.keys()].join(", ")
      const renamed = standing.replaceAll(/T\d+/g, (id) => (id === commits[0]?.id ? "T1" : "T2"))
      expect(states, tell()).toContain(renamed)
      const point = `${renamed}, ${state.inFlight.length > 0 ? "under way" : "at rest"}`
      runs.set(point, (runs.get(point) ?? 0) + 1)
    }
  }
  console.log(JSON.stringify(Object.fromEntries(runs)))
})

/** Recovers, and compares all tables, the engine's own too. Returns the last LSN. */
async function check(
  disk: SimulatedDisk,
  commits: readonly PreparedCommit[],
  acknowledged: number,
  oldEpochEnd: number,
  beginsEpoch: boolean,
  tell: () => string,
): Promise<number> {
  const { content, report } = await recoverDisk(disk, 1, beginsEpoch)
  const { lastLsn } = report
  if (lastLsn < acknowledged)
    throw new Error(`LSN ${acknowledged} was acknowledged, recovered to ${lastLsn}: ${tell()}`)
  const model = preparedModelAt(commits, Math.min(lastLsn, oldEpochEnd))
  const expected = asText(model.content)
  const found = asText(content)
  if (found !== expected) throw new Error(`at LSN ${lastLsn} found\n${found}\nexpected\n${expected}\n${tell()}`)
  const { transactionsInDoubt, transactionsCommitted, transactionsAborted } = report
  expect([transactionsInDoubt, transactionsCommitted, transactionsAborted], tell()).toEqual(countsOf(model))
  return lastLsn
}

/** In doubt, committed, aborted. */
function countsOf({ inDoubt, decided }: PreparedModel): number[] {
  const committed = [...decided.values()].filter((outcome) => outcome === "committed").length
  return [inDoubt.size, committed, decided.size - committed]
}

/** Opens the store, meets what is held, decides everything, and loses its power. */
async function use(disk: SimulatedDisk, model: PreparedModel, tell: () => string): Promise<void> {
  const platform = simulatePlatform({ seed: 1, disk })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  try {
    const store = await openStore(platform, SEGMENT_BYTES, { checkpoints: 1 })
    const [inDoubt, committed, aborted] = countsOf(model)
    expect(store.recovery).toMatchObject({
      transactionsInDoubt: inDoubt,
      transactionsCommitted: committed,
      transactionsAborted: aborted,
    })
    expect(store.inDoubt().map(({ id, data }) => [id, data])).toEqual([...model.inDoubt])
    for (const [id, outcome] of model.decided) expect(store.outcome(id)?.outcome).toBe(outcome)
    const table = store.table<Entry>("t")
    const expected = usersOf(model)
    let isCommit = true
    for (const [id, { keys, n }] of model.inDoubt) {
      for (const key of keys) {
        await expect(done(table.put(key, { n: -1, pad: "" }))).rejects.toThrow(KeyInDoubt)
        if (isCommit) expected.set(`t/${key}`, n)
      }
      await done(isCommit ? store.commitPrepared(id) : store.abortPrepared(id))
      isCommit = !isCommit
    }
    await done(store.checkpoint())
    expect(asText(contentOf(store))).toBe(asText(expected))
    await done(table.put("free", { n: 1, pad: "" }))
    const again = simulatePlatform({ seed: 2, disk: disk.crash("nothing") })
    const recovered = await openStore(again, SEGMENT_BYTES)
    expect(asText(contentOf(recovered))).toBe(asText(expected.set("t/free", 1)))
    expect(recovered.inDoubt()).toEqual([])
  } catch (error) {
    throw new Error(`the store does not go on: ${String(error)}\n${tell()}`, { cause: error })
  }
}

function usersOf({ content }: PreparedModel): Model {
  return new Map([...content].filter(([place]) => !place.startsWith("orrery:")))
}

/** The engine's records have no number. */
function asText(content: Model): string {
  return JSON.stringify(Array.from(content, ([place, n]) => `${place} ${n ?? 0}`).toSorted())
}

/** The highest LSN that was acknowledged when so many operations had ended. */
function ackedBefore(commits: readonly PreparedCommit[], operationCount: number): number {
  let highest = 0
  for (const { ackedAt, lsn } of commits) if (ackedAt <= operationCount) highest = Math.max(highest, lsn)
  return highest
}
