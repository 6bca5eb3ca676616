// The plan of a checkpoint beside the checkpoint itself, where that is not one fold but several, and where its base has
// rotted; and a state that is written in several passes. On the phases alone, so that a pass can be small.

import { expect, test } from "vitest"
import { planCheckpoint } from "../../src/actors/checkpoint-plan.ts"
import type { PlanInput } from "../../src/actors/checkpoint-plan.ts"
import type { CheckpointInfo } from "../../src/checkpoint/checkpoint-files.ts"
import { verifyCheckpoint } from "../../src/checkpoint/checkpoint-reader.ts"
import { foldCheckpoint } from "../../src/checkpoint/fold-checkpoint.ts"
import { Fold } from "../../src/checkpoint/fold.ts"
import { stateTarget } from "../../src/checkpoint/state-loader.ts"
import { open } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { findPast } from "../../src/recovery/find-past.ts"
import { recover } from "../../src/recovery/recover.ts"
import { writePast } from "../../src/recovery/write-past.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import type { OwnedDirectory } from "../../src/store/store-directory.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { ShardTables } from "../../src/table/shard-tables.ts"
import { FileLog } from "../../src/wal/file-log.ts"
import { readLog } from "../../src/wal/log-reader.ts"
import { untilSettled } from "../property/store-history.ts"

const SEGMENT_BYTES = 4096
/** Of the log, a few commits. */
const PASS_BYTES = 800

interface Scene {
  readonly platform: SimulatedPlatform
  readonly owned: OwnedDirectory
  readonly log: FileLog
  readonly loaded: CheckpointInfo | undefined
}

/** A store with a log of 80 commits, and a checkpoint in its middle if that is asked for, opened down to its log. */
async function scene(hasCheckpoint: boolean): Promise<Scene> {
  const platform = simulatePlatform({ seed: 31 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const options = { platform, segmentBytes: SEGMENT_BYTES, shards: 2, checkpoint: false } as const
  const store = await done(open("/data", options))
  for (let n = 0; n < 80; n++) {
    await done(store.table(`t${n % 3}`).put(`k${n % 17}`, { n, pad: "x".repeat(n) }))
    if (hasCheckpoint && n === 30) await done(store.checkpoint())
  }
  await done(store.close())
  const owned = await takeDirectory(platform, "/data", false, SEGMENT_BYTES)
  const catalogue = new Catalogue()
  const shards = [new ShardTables()]
  const { end, checkpoint } = await recover({
    directory: owned.log,
    clock: platform.clock,
    manifest: owned.manifest,
    foundStore: true,
    trustedLsn: undefined,
    warnings: [],
    state: stateTarget(owned.log, catalogue, shards),
    fold: new Fold(catalogue, shards),
    onProgress: () => undefined,
  })
  const log = await FileLog.begin(owned.log, end, {
    clock: platform.clock,
    segmentSize: SEGMENT_BYTES,
    owner: "test",
    lsnMin: 1,
    saveStart: () => Promise.resolve(),
  })
  return { platform, owned, log, loaded: checkpoint }
}

function inputOf({ platform, owned, log, loaded }: Scene, keepCount: number): PlanInput {
  return {
    directory: owned.log,
    log,
    segmentBytes: SEGMENT_BYTES,
    kept: loaded === undefined ? [] : [loaded],
    number: 10,
    nowMs: platform.clock.wallMs(),
    rules: { keepCount, historyMs: 0, historyBytes: 0 },
    pace: () => undefined,
    deltaSizeMax: PASS_BYTES,
  }
}

/** As the checkpointer makes them, one behind the other. */
async function makeAll({ directory, log, number: first, kept, nowMs, pace }: PlanInput): Promise<CheckpointInfo[]> {
  const made: CheckpointInfo[] = [...kept]
  for (let number = first; ; number++) {
    const info = await foldCheckpoint({
      directory,
      number,
      base: made.at(-1)?.number,
      readLog: (after) =>
        readLog(
          directory,
          log.extentsThrough(log.durableLsn),
          { lsn: log.oldestLsn },
          new Map(),
          after,
          log.durableLsn,
        ),
      sealed: log.extentsThrough(log.durableLsn).slice(0, -1),
      createdMs: nowMs,
      deltaSizeMax: PASS_BYTES,
      pace,
    })
    if (info === undefined) return made
    made.push(info)
  }
}

test.each([
  [false, 1],
  [true, 2],
  [true, 3],
  [true, 100],
])("of several folds tells what is there after the last: base %s, keeping %i", async (hasCheckpoint, keepCount) => {
  const set = await scene(hasCheckpoint)
  const input = inputOf(set, keepCount)
  const plan = await planCheckpoint(input)
  const all = await makeAll(input)
  const newest = all.at(-1)
  expect(all.length).toBeGreaterThan(3)
  expect(plan).toMatchObject({
    number: newest?.number,
    lsn: newest?.throughLsn,
    records: newest?.records,
    sizeBytes: newest?.sizeBytes,
  })
  const oldest = all.at(-keepCount)
  const extents = set.log.extentsThrough(Infinity).slice(0, -1)
  const gone = oldest === undefined ? [] : extents.filter(({ lastLsn }) => lastLsn <= oldest.throughLsn)
  expect(plan?.oldestLsn).toBe((gone.at(-1)?.lastLsn ?? 0) + 1)
  let returned = await set.log.truncate((oldest?.throughLsn ?? 0) as never)
  for (const { number, sizeBytes } of all) if (oldest !== undefined && number < oldest.number) returned += sizeBytes
  expect(plan?.returnedBytes).toBe(returned)
})

test("of a checkpoint whose base has rotted is that of the one before it, under the number behind", async () => {
  const set = await scene(true)
  const input = { ...inputOf(set, 1), deltaSizeMax: Infinity }
  const whole = await planCheckpoint(input)
  const name = `/data/checkpoint-${String(set.loaded?.number).padStart(10, "0")}`
  const disk = set.platform.fileSystem
  disk.flipBit(name, (disk.files().get(name)?.length ?? 0) - 100, 2)
  const plan = await planCheckpoint(input)
  expect(plan).toMatchObject({ number: 11, lsn: whole?.lsn, records: whole?.records, sizeBytes: whole?.sizeBytes })
})

test.each([true, false])("a state is the same in several passes as in one: base %s", async (hasCheckpoint) => {
  const { platform, owned, log } = await scene(hasCheckpoint)
  await log.close()
  const disk = platform.fileSystem
  const passes = (): number => probes().get("a state is written in several passes") ?? 0
  for (const lsn of [45, 60, 79]) {
    const place = await findPast(owned.log, owned.manifest, { lsn })
    const infos: CheckpointInfo[] = []
    for (const deltaSizeMax of [PASS_BYTES / 4, 1e9]) {
      const path = `/${lsn}-${deltaSizeMax}`
      await disk.makeDirectory(path)
      const target = { ...owned.log, path }
      const before = passes()
      const writing = { source: owned.log, place, target, number: 1, createdMs: 5, pace: () => undefined, deltaSizeMax }
      const { checkpoint } = await writePast(writing)
      expect(passes() > before).toBe(deltaSizeMax < 1e9)
      // The earlier passes leave nothing behind.
      expect(await disk.list(path)).toEqual([`checkpoint-${String(checkpoint.number).padStart(10, "0")}`])
      infos.push(await verifyCheckpoint(target, checkpoint.number))
    }
    expect(infos[0]).toEqual({ ...infos[1], number: infos[0]?.number })
    expect(infos[0]?.throughLsn).toBe(lsn)
  }
})
