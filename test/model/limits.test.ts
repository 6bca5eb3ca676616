// The bounds of the engine, asserted against each other and against the widths of the fields that hold them.

import { describe, expect, test } from "vitest"
import { FRAME_HEADER_SIZE, frameSize } from "../../src/format/frame.ts"
import { RECORD_HEADER_SIZE, recordSize } from "../../src/format/record.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import * as limits from "../../src/model/limits.ts"

const u16Max = 0xffff
const u32Max = 0xffff_ffff

describe("the limits", () => {
  test("all are positive whole numbers that a double holds exactly", () => {
    for (const [name, value] of Object.entries(limits)) {
      expect(Number.isSafeInteger(value) && value > 0, `${name} = ${String(value)}`).toBe(true)
    }
  })

  test("keys, values and table ids fit their fields of a record", () => {
    expect(limits.KEY_SIZE_MAX).toBeLessThanOrEqual(u16Max)
    expect(limits.VALUE_SIZE_MAX).toBeLessThanOrEqual(u32Max)
    expect(limits.TABLE_COUNT_MAX).toBeLessThanOrEqual(u32Max)
  })

  test("a table name fits the key of the record that defines the table", () => {
    expect(limits.TABLE_NAME_SIZE_MAX).toBeLessThanOrEqual(limits.KEY_SIZE_MAX)
  })

  test("a frame holds the largest record", () => {
    expect(recordSize(limits.KEY_SIZE_MAX, limits.VALUE_SIZE_MAX)).toBeLessThanOrEqual(limits.FRAME_PAYLOAD_SIZE_MAX)
  })

  test("a frame holds as many of the smallest records as a batch may have operations", () => {
    const smallest = recordSize(1, 0)
    expect(limits.BATCH_OPERATION_COUNT_MAX * smallest).toBeLessThanOrEqual(limits.FRAME_PAYLOAD_SIZE_MAX)
  })

  test("what one record of a prepared transaction holds fits one commit, with a header and padding for each operation", () => {
    const overhead = limits.PREPARED_OPERATION_COUNT_MAX * (RECORD_HEADER_SIZE + 7)
    const decision = 8 * recordSize(limits.KEY_SIZE_MAX, limits.KEY_SIZE_MAX)
    expect(limits.VALUE_SIZE_MAX + overhead + decision).toBeLessThanOrEqual(limits.COMMIT_SIZE_MAX)
  })

  test("the largest frame fits its length field, a 31-bit size and the largest segment", () => {
    expect(limits.FRAME_PAYLOAD_SIZE_MAX % 8).toBe(0)
    expect(frameSize(limits.FRAME_PAYLOAD_SIZE_MAX)).toBeLessThan(2 ** 31)
    expect(SEGMENT_HEADER_SIZE + frameSize(limits.FRAME_PAYLOAD_SIZE_MAX)).toBeLessThanOrEqual(limits.SEGMENT_SIZE_MAX)
  })

  test("the default segment lies between the smallest and the largest, all of them whole pages", () => {
    expect(limits.SEGMENT_SIZE_MIN).toBeLessThanOrEqual(limits.SEGMENT_SIZE_DEFAULT)
    expect(limits.SEGMENT_SIZE_DEFAULT).toBeLessThanOrEqual(limits.SEGMENT_SIZE_MAX)
    for (const size of [limits.SEGMENT_SIZE_MIN, limits.SEGMENT_SIZE_DEFAULT, limits.SEGMENT_SIZE_MAX]) {
      expect(size % 4_096).toBe(0)
    }
  })

  test("the smallest segment has room for its header, an epoch, a frame with a record, and the seal", () => {
    const epoch = frameSize(limits.TABLE_NAME_SIZE_MAX + 1)
    const frame = frameSize(recordSize(limits.TABLE_NAME_SIZE_MAX, RECORD_HEADER_SIZE))
    expect(SEGMENT_HEADER_SIZE + epoch + frame + FRAME_HEADER_SIZE).toBeLessThanOrEqual(limits.SEGMENT_SIZE_MIN)
  })

  test("a segment's byte offsets fit 32 bits", () => {
    expect(limits.SEGMENT_SIZE_MAX).toBeLessThanOrEqual(u32Max)
  })

  test("shape ids and field counts fit 16 bits", () => {
    expect(limits.SHAPE_COUNT_MAX).toBeLessThanOrEqual(u16Max)
    expect(limits.SHAPE_FIELD_COUNT_MAX).toBeLessThanOrEqual(u16Max)
  })

  test("the default number of shards is allowed, and the largest is one that placement can address", () => {
    expect(limits.SHARD_COUNT_DEFAULT).toBeLessThanOrEqual(limits.SHARD_COUNT_MAX)
    expect(limits.SHARD_COUNT_MAX).toBeLessThanOrEqual(u16Max)
  })

  test("the largest LSN fills 48 bits and is a safe integer", () => {
    expect(limits.LSN_MAX).toBe(0xffff_ffff_ffff)
    expect(Number.isSafeInteger(limits.LSN_MAX)).toBe(true)
  })
})
