// A disk that is nearly full, or that does not let go of files, while checkpoints are made.

import { expect, test } from "vitest"
import { segmentFile } from "../../src/format/file-names.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { checkpointsIn, CheckpointedStore, openOn } from "../checkpoint/store-with-checkpoints.ts"
import { manifestIn, segmentsIn } from "../recovery/reference-store.ts"

const SEGMENT_SIZE = 4096

function usedBytes(made: CheckpointedStore): number {
  return [...made.disk.files().values()].reduce((sum, { length }) => sum + Math.ceil(length / 4096) * 4096, 0)
}

test("fault 12: where a checkpoint could fill the disk it is refused before a byte of it is written", async () => {
  const made = await CheckpointedStore.make(1, { keep: { checkpoints: 1 } })
  await made.write(60)
  const { replayBytes, lastSizeBytes } = made.store.metrics().checkpoint
  const before = made.disk.operationCount
  // Enough for the checkpoint, but not for the log as well.
  made.disk.capacityBytes = usedBytes(made) + replayBytes + lastSizeBytes + SEGMENT_SIZE
  await expect(made.settled(made.store.checkpoint())).rejects.toMatchObject({
    code: "ORRERY_STORAGE_FAILED",
    systemCode: "ENOSPC",
    operation: "write",
  })
  expect(made.store.metrics().checkpoint).toMatchObject({ failures: 1, made: 1 })
  expect(made.disk.operations.slice(before).map(({ name }) => name)).toEqual(["freeBytes"])
  // The room that was spared is the log's.
  await made.write(12)
  expect(made.problems()).toEqual([])
  made.disk.capacityBytes = undefined
  expect(await made.settled(made.store.checkpoint())).toBeDefined()
  await made.close()
  expect(made.problems(await openOn(made.disk))).toEqual([])
})

test("fault 12: where the log itself is what fills the disk, a checkpoint of what little is live is made, and makes room", async () => {
  const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
  await made.write(200)
  const { replayBytes } = made.store.metrics().checkpoint
  const full = usedBytes(made)
  made.disk.capacityBytes = full + replayBytes + 2 * SEGMENT_SIZE
  const report = await made.settled(made.store.checkpoint())
  expect(report?.returnedBytes).toBeGreaterThan(0)
  expect(usedBytes(made)).toBeLessThan(full / 2)
  expect(made.problems()).toEqual([])
})

test("a disk that does not tell how much is free is taken to have enough", async () => {
  const made = await CheckpointedStore.make(1)
  const operation = made.disk.operationCount + 1
  made.disk.faults.add({ operation, through: Infinity, only: ["freeBytes"], error: "EIO" })
  expect(await made.settled(made.store.checkpoint())).toBeDefined()
})

test("files that could not be removed go with the next checkpoint, and not only with the next open", async () => {
  const made = await CheckpointedStore.make(1, { keep: { checkpoints: 1 } })
  await made.write(150)
  const [old] = checkpointsIn(made.disk.files())
  made.disk.faults.add({ operation: 1, through: Infinity, only: ["unlink"], error: "EIO" })
  await expect(made.settled(made.store.checkpoint())).rejects.toMatchObject({ systemCode: "EIO" })
  const left = segmentsIn(made.disk.files()).filter((segment) => segment < manifestIn(made.disk.files()).firstSegment)
  expect(left.length).toBeGreaterThan(3)
  made.disk.faults.clear()
  // Nothing was written since: what is left is removed all the same.
  expect(await made.settled(made.store.checkpoint())).toMatchObject({
    returnedBytes: expect.any(Number) as number,
  })
  const files = made.disk.files()
  expect(segmentsIn(files)[0]).toBe(manifestIn(files).firstSegment)
  for (const segment of left) expect([...files.keys()]).not.toContain(`/data/${segmentFile(segment)}`)
  expect(checkpointsIn(files)).not.toContain(old)
  expect(checkpointsIn(files)).toHaveLength(1)
  expect(made.problems()).toEqual([])
  await made.close()
  expect(await verifyStore(made.platform, "/data")).toMatchObject({ verdict: "good", findings: [] })
})
