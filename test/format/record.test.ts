// Records: what is written is walked back, commits keep their LSNs, and what has no room leaves no trace.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { hashKeyBytes } from "../../src/format/key-hash.ts"
import {
  allocateRecordBuffer,
  FLAG_CONTINUES,
  KIND_DEFINE_SHAPE,
  KIND_DEFINE_TABLE,
  KIND_DELETE,
  KIND_PUT,
  recordSize,
} from "../../src/format/record.ts"
import { RecordWalk } from "../../src/format/record-walk.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { decodeShapeFields, ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { KeyRefused, LimitExceeded } from "../../src/model/errors.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { KEY_SIZE_MAX } from "../../src/model/limits.ts"

const SECRET = { low: 0x01020304, high: 0x05060708 }

function makeWriter(): RecordWriter {
  return new RecordWriter(SECRET, new ValueEncoder(new ShapeRegistry()))
}

const keys = fc
  .oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 40 }))
  .filter((key) => key.isWellFormed())

describe("records", () => {
  test("are walked as they were written, with their commits' LSNs", () => {
    const operation = fc.record({
      key: keys,
      tableId: fc.nat({ max: 0xffff }),
      value: fc.option(fc.oneof(fc.string({ maxLength: 60 }), fc.double({ noNaN: true }), fc.array(fc.integer())), {
        nil: undefined,
      }),
      continues: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 20 }), fc.nat(4), (operations, words) => {
        const writer = makeWriter()
        const decoder = new ValueDecoder(new ShapeRegistry())
        const buffer = allocateRecordBuffer(16_384)
        buffer.bytes.fill(0xee)
        const start = words * 8
        let end = start
        for (const [index, { key, tableId, value, continues }] of operations.entries()) {
          const flags = continues && index > 0 ? FLAG_CONTINUES : 0
          const at = end
          end =
            value === undefined
              ? writer.delete(buffer, at, flags, tableId, key)
              : writer.put(buffer, at, flags, tableId, key, value)
          expect(end % 8).toBe(0)
          if (value === undefined) expect(end - at).toBe(recordSize(Buffer.byteLength(key), 0))
        }
        const walk = new RecordWalk(buffer)
        walk.reset(buffer, start, end, 500)
        let lsn = 499
        for (const [index, { key, tableId, value, continues }] of operations.entries()) {
          expect(walk.next()).toBe(true)
          const isContinued = continues && index > 0
          if (!isContinued) lsn++
          const bytes = Buffer.from(key)
          expect(walk).toMatchObject({ lsn, tableId, continues: isContinued, keySize: bytes.length })
          expect(walk.kind).toBe(value === undefined ? KIND_DELETE : KIND_PUT)
          expect(walk.keyText()).toBe(key)
          expect(walk.hash).toBe(hashKeyBytes(SECRET, bytes, 0, bytes.length))
          if (value === undefined) expect(walk.valueSize).toBe(0)
          else expect(decoder.decode(buffer.bytes, walk.keyEnd, walk.valueEnd)).toEqual(value)
          const next = walk.offset + recordSize(walk.keySize, walk.valueSize)
          expect(buffer.bytes.subarray(walk.valueEnd, next).every((byte) => byte === 0)).toBe(true)
        }
        expect(walk.next()).toBe(false)
      }),
    )
  })

  test("define tables and shapes by number", () => {
    const writer = makeWriter()
    const buffer = allocateRecordBuffer(1_024)
    const middle = writer.defineTable(buffer, 0, 0, 7, "Städte")
    const end = writer.defineShape(buffer, middle, FLAG_CONTINUES, 9, ["name", "größe", ""])
    const walk = new RecordWalk(buffer)
    walk.reset(buffer, 0, end, 1)
    expect(walk.next()).toBe(true)
    expect(walk).toMatchObject({ kind: KIND_DEFINE_TABLE, tableId: 7, lsn: 1 })
    expect(walk.keyText()).toBe("Städte")
    expect(walk.next()).toBe(true)
    expect(walk).toMatchObject({ kind: KIND_DEFINE_SHAPE, tableId: 9, lsn: 1, continues: true })
    expect(decodeShapeFields(buffer.bytes, walk.keyEnd, walk.valueEnd)).toEqual(["name", "größe", ""])
  })

  test("that have no room say so, at every size short of their own, and write nothing behind the buffer", () => {
    const writer = makeWriter()
    const writes: ((buffer: ReturnType<typeof allocateRecordBuffer>) => number)[] = [
      (buffer) => writer.put(buffer, 8, 0, 1, "a key", 17),
      (buffer) => writer.put(buffer, 8, 0, 1, "ключ", "value"),
      (buffer) => writer.put(buffer, 8, 0, 1, "key", "some text as the value"),
      (buffer) => writer.delete(buffer, 8, 0, 1, "a longer key"),
      (buffer) => writer.defineTable(buffer, 8, 0, 1, "table"),
      (buffer) => writer.defineShape(buffer, 8, 0, 1, ["one", "two"]),
    ]
    for (const write of writes) {
      const size = write(allocateRecordBuffer(1_024))
      expect(size).toBeGreaterThan(8)
      expect(write(allocateRecordBuffer(size))).toBe(size)
      for (let room = 8; room < size; room += 8)
        expect(write(allocateRecordBuffer(room)), `${room} of ${size}`).toBe(-1)
    }
  })

  test("fault 27: refuse keys that are too long or not well-formed, and take the longest", () => {
    const writer = makeWriter()
    const buffer = allocateRecordBuffer(16_384)
    for (const key of ["a".repeat(KEY_SIZE_MAX + 1), "é".repeat(KEY_SIZE_MAX / 2 + 1)]) {
      expect(() => writer.delete(buffer, 0, 0, 1, key)).toThrow(LimitExceeded)
    }
    for (const key of ["\ud800", "a\udc00b", "\udc00\ud800"])
      expect(() => writer.delete(buffer, 0, 0, 1, key)).toThrow(KeyRefused)
    for (const key of ["a".repeat(KEY_SIZE_MAX), "é".repeat(KEY_SIZE_MAX / 2), ""]) {
      const walk = new RecordWalk(buffer)
      walk.reset(buffer, 0, writer.delete(buffer, 0, 0, 1, key), 1)
      expect(walk.next()).toBe(true)
      expect(walk.keyText()).toBe(key)
    }
  })

  test("that do not fill their frame are a defect", () => {
    const writer = makeWriter()
    const buffer = allocateRecordBuffer(1_024)
    const end = writer.put(buffer, 0, 0, 1, "key", "value")
    const walk = new RecordWalk(buffer)
    walk.reset(buffer, 0, end - 8, 1)
    expect(() => walk.next()).toThrow(InvariantViolation)
  })
})
