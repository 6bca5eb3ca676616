// A batch of commits: its receipts, its growth, and that nothing of one life is left in the next.

import { describe, expect, test } from "vitest"
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { FRAME_PAYLOAD_SIZE_MAX } from "../../src/model/limits.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { CommitBatch } from "../../src/wal/commit-batch.ts"

describe("a batch", () => {
  test("leaves room for the frame's header, and is empty", () => {
    const batch = new CommitBatch()
    expect(batch).toMatchObject({ position: FRAME_HEADER_SIZE, isEmpty: true, sizeBytes: 0, needsSync: false })
  })

  test("gives each commit its own LSN when it is settled, and all the same reason when it fails", async () => {
    const batch = new CommitBatch()
    const receipts = [5, 6, 7].map((lsn) => batch.receipt(lsnOf(lsn)))
    batch.settle()
    expect(await Promise.all(receipts)).toEqual([{ lsn: 5 }, { lsn: 6 }, { lsn: 7 }])
    batch.reset()
    const failing = [8, 9].map((lsn) => batch.receipt(lsnOf(lsn)))
    const reason = new Error("gone")
    batch.fail(reason)
    for (const receipt of failing) await expect(receipt).rejects.toBe(reason)
  })

  test("is settled or failed without anybody waiting, and leaves no rejection behind", async () => {
    const batch = new CommitBatch()
    batch.fail(new Error("nobody waits"))
    batch.settle()
    batch.reset()
    const receipt = batch.receipt(lsnOf(1))
    batch.settle()
    expect(await receipt).toEqual({ lsn: 1 })
  })

  test("grows by doubling up to a frame, keeps its bytes, and is given back small", () => {
    const batch = new CommitBatch()
    const first = batch.buffer.bytes.length
    batch.buffer.bytes.fill(7)
    batch.grow()
    expect(batch.buffer.bytes.length).toBe(first * 2)
    expect(batch.buffer.bytes.subarray(0, first).every((byte) => byte === 7)).toBe(true)
    expect(batch.buffer.bytes.subarray(first).every((byte) => byte === 0)).toBe(true)
    expect(batch.buffer.words.buffer).toBe(batch.buffer.bytes.buffer)
    while (batch.canGrow) batch.grow()
    expect(batch.buffer.bytes.length).toBe(FRAME_HEADER_SIZE + FRAME_PAYLOAD_SIZE_MAX)
    expect(() => batch.grow()).toThrow(InvariantViolation)
    batch.reset()
    expect(batch.buffer.bytes.length).toBe(first)
  })

  test("is as new when it was reset", () => {
    const batch = new CommitBatch()
    Object.assign(batch, {
      position: 500,
      firstLsn: 9,
      commitCount: 2,
      recordCount: 3,
      needsSync: true,
      needsWrite: true,
    })
    batch.reset()
    const fresh = new CommitBatch()
    for (const name of [
      "position",
      "firstLsn",
      "commitCount",
      "recordCount",
      "needsSync",
      "needsWrite",
      "isEmpty",
    ] as const) {
      expect(batch[name], name).toBe(fresh[name])
    }
  })
})
