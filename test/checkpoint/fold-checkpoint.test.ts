// Folding the log into a checkpoint where there is much of both: many blocks, records larger than a block and than a
// read, deletes and overwrites all over; in one piece, in many, and given up in the middle.

import { describe, expect, test } from "vitest"
import type { CheckpointDirectory } from "../../src/checkpoint/checkpoint-files.ts"
import { foldCheckpoint } from "../../src/checkpoint/fold-checkpoint.ts"
import { Fold } from "../../src/checkpoint/fold.ts"
import { Corruption } from "../../src/model/errors.ts"
import { recover } from "../../src/recovery/recover.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import type { LogFrame } from "../../src/format/log-frame.ts"
import { readLog } from "../../src/wal/log-reader.ts"
import { copyOfDisk } from "../recovery/reference-store.ts"
import { readCheckpoint } from "./checkpoint-scene.ts"
import { checkpointsIn, CheckpointedStore, openOn } from "./store-with-checkpoints.ts"

const SEGMENT_BYTES = 1024 * 1024

interface ClosedLog {
  readonly disk: SimulatedDisk
  readonly directory: CheckpointDirectory
  readonly read: (after: number) => AsyncIterable<LogFrame>
}

/** The directory of a closed store, and its log. */
async function logOn(disk: SimulatedDisk): Promise<ClosedLog> {
  const platform = simulatePlatform({ seed: 1, disk })
  const { log, lock, manifest } = await takeDirectory(platform, "/data", false, SEGMENT_BYTES)
  const { end } = await recover({
    directory: log,
    clock: platform.clock,
    manifest,
    foundStore: true,
    trustedLsn: undefined,
    warnings: [],
    state: undefined,
    fold: new Fold(new Catalogue(), []),
    onProgress: () => undefined,
  })
  await lock.release()
  const read = (after: number): AsyncIterable<LogFrame> =>
    readLog(log, end.segments, { lsn: end.startLsn }, new Map(), after, end.lastLsn)
  return { disk, directory: log, read }
}

/** Small records by the thousand, large ones among them, in three tables; a third of it deleted or overwritten. */
async function writeMuch(made: CheckpointedStore, round: number): Promise<void> {
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < 3000; i++) {
    const id = (i * 7 + round * 1013) % 5000
    const [table, key] = [`t${id % 3}`, `key ${id}`]
    const handle = made.store.table(table)
    if ((id + round) % 3 === 0) {
      writes.push(handle.delete(key))
      made.model.delete(`${table}/${key}`)
      continue
    }
    const size = id % 500 === 1 ? 1_300_000 : id % 100 === 2 ? 150_000 : (id * round) % 90
    const n = round * 100_000 + i
    writes.push(handle.put(key, { n, pad: "p".repeat(size) }))
    made.model.set(`${table}/${key}`, n)
    if (i % 100 === 99) await made.settled(Promise.all(writes.splice(0)))
  }
  await made.settled(Promise.all(writes))
}

describe("a fold of much", () => {
  test("gives what the tables hold, round after round", async () => {
    const made = await CheckpointedStore.open({ segmentBytes: SEGMENT_BYTES, keep: { checkpoints: 1 } })
    for (let round = 1; round <= 3; round++) {
      await writeMuch(made, round)
      const report = await made.settled(made.store.checkpoint())
      expect(report?.records).toBe(made.model.size)
      expect(report?.sizeBytes).toBeGreaterThan(2_000_000)
      await made.settled(made.store.killActor("store/shards/shard-1", new Error("killed by the test")))
      await made.settled(made.store.ready())
      expect(made.problems()).toEqual([])
    }
    await made.close()
    const store = await openOn(made.disk, { shards: 7 })
    expect(made.problems(store)).toEqual([])
    expect(store.recovery.checkpointRecords).toBe(made.model.size)
  })

  test("in one piece and in many gives the same records, in the same order", async () => {
    const made = await CheckpointedStore.open({ segmentBytes: SEGMENT_BYTES })
    await writeMuch(made, 1)
    await writeMuch(made, 2)
    const files = await made.close()
    const whole = await logOn(await copyOfDisk(files, { keepsTrace: false }))
    const fold = (on: ClosedLog, number: number, base: number | undefined, deltaSizeMax?: number) =>
      foldCheckpoint({
        directory: on.directory,
        number,
        base,
        readLog: on.read,
        createdMs: 0,
        ...(deltaSizeMax === undefined ? {} : { deltaSizeMax }),
        pace: () => undefined,
      })
    const made1 = await fold(whole, 1, undefined)
    expect(made1?.records).toBe(made.model.size)
    expect(await fold(whole, 2, 1)).toBeUndefined()
    const pieces = await logOn(await copyOfDisk(files, { keepsTrace: false }))
    let base: number | undefined
    for (let number = 1; (await fold(pieces, number, base, 4_000_000)) !== undefined; number++) base = number
    expect(base).toBeGreaterThan(3)
    const [one, many] = [await readCheckpoint(whole.directory, 1), await readCheckpoint(pieces.directory, base)]
    expect(many.tables).toEqual(one.tables)
    expect(many.shapes).toEqual(one.shapes)
    expect(many.records).toEqual(one.records)
    expect(one.records).toHaveLength(made.model.size)
  })
})

describe("a fold that comes to no end", () => {
  test("leaves nothing: given up at any pause, or with damage in what it reads", async () => {
    const made = await CheckpointedStore.make(1)
    await made.write(40, 9_000)
    const { disk, directory, read } = await logOn(await copyOfDisk(await made.close()))
    const input = { directory, number: 2, base: 1, readLog: read, createdMs: 0 }
    const before = [...disk.files().keys()]
    for (let pauses = 0; ; pauses++) {
      let left = pauses
      const stop = new Error("stop")
      const outcome = await foldCheckpoint({
        ...input,
        pace: () => {
          if (left-- === 0) throw stop
        },
      }).catch((error: unknown) => error)
      expect(disk.openFileCount).toBe(0)
      if (outcome !== stop) {
        expect(outcome).toMatchObject({ number: 2, records: made.model.size })
        expect(pauses).toBeGreaterThan(30)
        break
      }
      expect([...disk.files().keys()]).toEqual(before)
    }
    await disk.unlink("/data/checkpoint-0000000002")
    disk.flipBit("/data/checkpoint-0000000001", 200, 2)
    const failure = await foldCheckpoint({ ...input, pace: () => undefined }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Corruption)
    expect(failure).toMatchObject({ file: "checkpoint-0000000001" })
    expect(checkpointsIn(disk.files())).toEqual([1])
    expect(disk.files().has("/data/checkpoint.new")).toBe(false)
    expect(disk.openFileCount).toBe(0)
  })
})
