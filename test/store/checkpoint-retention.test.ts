// What is kept of the past, and what is let go: checkpoints by their number, the log behind the oldest of them, and a mark
// in the manifest by which code that knows no checkpoints refuses what it would read a part of.

import { describe, expect, test } from "vitest"
import { MANIFEST_FILES, segmentFile } from "../../src/format/file-names.ts"
import { readU32 } from "../../src/format/integers.ts"
import { CursorExpired } from "../../src/model/errors.ts"
import { checkpointsIn, CheckpointedStore, openOn } from "../checkpoint/store-with-checkpoints.ts"
import { untilSettled } from "../property/store-history.ts"
import { manifestIn, segmentsIn } from "../recovery/reference-store.ts"

describe("a store that keeps a number of checkpoints", () => {
  test.each([1, 2, 3, 5])("keeps %d, and the log behind the oldest of them", async (count) => {
    const made = await CheckpointedStore.open({ keep: { checkpoints: count } })
    const lsns: number[] = []
    let oldestBefore = 1
    let returned = 0
    for (let round = 1; round <= 8; round++) {
      await made.write(15)
      const report = await made.settled(made.store.checkpoint())
      if (report === undefined) throw new Error("there was something to keep")
      lsns.push(report.lsn)
      returned += report.returnedBytes
      expect(report).toMatchObject({ number: round, records: made.model.size })
      const numbers = Array.from({ length: Math.min(round, count) }, (_, n) => round - Math.min(round, count) + n + 1)
      expect(checkpointsIn(made.disk.files())).toEqual(numbers)
      const oldestKept = round < count ? 0 : (lsns[round - count] as number)
      // Whole segments go: the log reaches back a little further than it must.
      expect(report.oldestLsn).toBeLessThanOrEqual(oldestKept + 1)
      expect(report.oldestLsn).toBeGreaterThan(oldestKept - 15)
      expect(report.oldestLsn).toBeGreaterThanOrEqual(oldestBefore)
      oldestBefore = report.oldestLsn
      expect(manifestIn(made.disk.files()).firstLsn).toBe(report.oldestLsn)
      expect(made.store.metrics().checkpoint).toMatchObject({
        kept: numbers.length,
        made: round,
        failures: 0,
        lastLsn: report.lsn,
        lastRecords: report.records,
        lastSizeBytes: report.sizeBytes,
        returnedBytes: returned,
      })
    }
    expect(oldestBefore).toBeGreaterThan(1)
    await made.close()
    expect(made.problems(await openOn(made.disk))).toEqual([])
  })

  test("needs room for as many segments as were written since the oldest, and not for those since the beginning", async () => {
    const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
    const segmentCounts: number[] = []
    const sizes: number[] = []
    for (let round = 0; round < 20; round++) {
      await made.write(20)
      await made.settled(made.store.checkpoint())
      const files = made.disk.files()
      segmentCounts.push(segmentsIn(files).length)
      sizes.push([...files.values()].reduce((sum, { length }) => sum + length, 0))
    }
    expect(Math.max(...segmentCounts)).toBeLessThanOrEqual(4)
    expect(sizes.at(-1)).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 5)))
    expect(made.store.metrics().log.rotations).toBeGreaterThan(20)
  })

  test("uses the files of old segments again", async () => {
    const made = await CheckpointedStore.make(6, { keep: { checkpoints: 1 } })
    const { operations } = made.disk
    const retired = operations.filter(
      ({ name, path, detail }) => name === "rename" && /wal-/.test(path) && /spare-/.test(detail),
    )
    const reused = operations.filter(
      ({ name, path, detail }) => name === "open" && /spare-/.test(path) && detail === "write",
    )
    expect(retired.length).toBeGreaterThan(3)
    expect(reused.length).toBeGreaterThan(2)
    expect(made.problems()).toEqual([])
    await made.close()
    expect(made.problems(await openOn(made.disk))).toEqual([])
  })

  test("that is opened to keep fewer lets go of the others with the next one", async () => {
    const made = await CheckpointedStore.make(4, { keep: { checkpoints: 3 } })
    await made.close()
    expect(checkpointsIn(made.disk.files())).toEqual([2, 3, 4])
    const again = await CheckpointedStore.open({ keep: { checkpoints: 1 } }, made.disk)
    expect(checkpointsIn(made.disk.files())).toEqual([2, 3, 4])
    await again.write(1)
    const report = await again.settled(again.store.checkpoint())
    expect(checkpointsIn(made.disk.files())).toEqual([report?.number])
  })

  test("makes none where nothing was written since the last, also after it was opened again", async () => {
    const made = await CheckpointedStore.make(1)
    expect(await made.settled(made.store.checkpoint())).toBeDefined()
    expect(await made.settled(made.store.checkpoint())).toBeUndefined()
    await made.close()
    const again = await CheckpointedStore.open({ checkpoint: { onClose: true } }, made.disk)
    expect(await again.settled(again.store.checkpoint())).toBeUndefined()
    await again.close()
    expect(checkpointsIn(made.disk.files())).toEqual([1, 2])
    const empty = await CheckpointedStore.open({ checkpoint: { onClose: true } })
    expect(await empty.settled(empty.store.checkpoint())).toBeUndefined()
    await empty.close()
    expect(checkpointsIn(empty.disk.files())).toEqual([])
  })

  test("makes one when it is closed, where it is asked to, and opens from it without the log", async () => {
    const made = await CheckpointedStore.open({ checkpoint: { onClose: true } })
    await made.write(30)
    await made.close()
    const store = await openOn(made.disk)
    expect(store.recovery).toMatchObject({ checkpoint: 1, checkpointRecords: made.model.size, records: 0, commits: 0 })
    expect(made.problems(store)).toEqual([])
  })
})

describe("the change feed of a store whose log was shortened", () => {
  test("refuses positions before its beginning, and gives everything from there on", async () => {
    const made = await CheckpointedStore.make(4, { keep: { checkpoints: 1 } })
    const { oldestLsn } = await made.settled(made.store.checkpoint()).then((report) => report ?? { oldestLsn: 0 })
    expect(oldestLsn).toBeGreaterThan(2)
    for (const after of [0, 1, oldestLsn - 2]) {
      const first = made.settled(made.store.changes({ after })[Symbol.asyncIterator]().next())
      await expect(first, `after ${after}`).rejects.toMatchObject({
        code: "ORRERY_CURSOR_EXPIRED",
        after,
        oldest: oldestLsn,
      })
    }
    const { lastLsn } = made.store.metrics().log
    let lsn = oldestLsn - 1
    for await (const commit of made.store.changes({ after: lsn })) {
      expect(commit.lsn).toBe(lsn + 1)
      lsn = commit.lsn
      if (lsn === lastLsn) break
    }
  })

  test("tells a reader that fell behind, instead of leaving something out", async () => {
    const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
    await made.write(5)
    const reader = made.store.changes({ after: 0 })[Symbol.asyncIterator]()
    const read: number[] = []
    const next = async (): Promise<void> => {
      const result = await made.settled(reader.next())
      if (result.done !== true) read.push(result.value.lsn)
    }
    await next()
    // More than what is held in memory for it.
    for (let round = 0; round < 4; round++) {
      const writes = Array.from({ length: 500 }, (_, n) => made.store.table("many").put(`key ${n}`, n))
      await made.settled(Promise.all(writes))
      await made.settled(made.store.checkpoint())
    }
    let error: unknown
    for (let count = 0; count < 2500 && error === undefined; count++) {
      if (read.at(-1) === made.store.metrics().log.lastLsn) break
      await next().catch((reason: unknown) => {
        error = reason
      })
    }
    // As far as it came, nothing is missing; then it is told.
    const from = read[0] as number
    expect(read).toEqual(read.map((_, index) => from + index))
    expect(error).toBeInstanceOf(CursorExpired)
    expect((error as CursorExpired).after).toBe(read.at(-1))
  })
})

describe("the manifest of a store whose log was shortened", () => {
  test("has bit 0 of its flags set in both copies, and from then on", async () => {
    const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
    const flags = (): number[] =>
      MANIFEST_FILES.map((file) => readU32(made.disk.files().get(`/data/${file}`) as Uint8Array, 12))
    await made.write(3)
    await made.settled(made.store.checkpoint())
    // Nothing was let go: the log is whole, and older code may read it.
    expect(manifestIn(made.disk.files()).firstLsn).toBe(1)
    expect(flags()).toEqual([0, 0])
    await made.write(40)
    await made.settled(made.store.checkpoint())
    expect(manifestIn(made.disk.files()).firstLsn).toBeGreaterThan(1)
    expect(flags()).toEqual([1, 1])
    await made.close()
    const again = await openOn(made.disk)
    expect(flags()).toEqual([1, 1])
    await untilSettled(made.platform, again.close())
  })

  test("says so before the first segment goes", async () => {
    const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
    await made.write(40)
    await made.settled(made.store.checkpoint())
    const names = made.disk.operations.map(({ name, path, detail }) => `${name} ${path} ${detail}`)
    const manifests = names.flatMap((line, at) => (/^rename .*manifest\.new/.test(line) ? [at] : []))
    const gone = names.findIndex(
      (line) => line.startsWith(`rename /data/${segmentFile(1)}`) || line.startsWith(`unlink /data/${segmentFile(1)}`),
    )
    const named = names.findIndex((line) => line.startsWith("rename /data/checkpoint.new"))
    expect(manifests).toHaveLength(4)
    expect(named).toBeGreaterThan(manifests[1] as number)
    expect(manifests[2]).toBeGreaterThan(named)
    expect(gone).toBeGreaterThan(manifests[3] as number)
    expect(names.slice(manifests[3], gone).some((line) => line.startsWith("syncDirectory"))).toBe(true)
  })
})
