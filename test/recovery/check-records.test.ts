// Records that are wrong under a good checksum, which only a defect of the writer makes: verify names what is wrong with
// each. They are written right, and then changed on purpose.

import { describe, expect, test } from "vitest"
import {
  allocateRecordBuffer,
  FLAG_CONTINUES,
  KIND_DELETE,
  KIND_PUT,
  RECORD_FLAGS,
  RECORD_KEY_SIZE,
  RECORD_KIND,
  RECORD_TABLE,
  RECORD_VALUE_SIZE,
  recordSize,
} from "../../src/format/record.ts"
import type { RecordBuffer } from "../../src/format/record.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { KEY_SIZE_MAX, SHAPE_COUNT_MAX, TABLE_COUNT_MAX, VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import { RecordChecker } from "../../src/recovery/check-records.ts"
import { Catalogue } from "../../src/table/catalogue.ts"
import { takeDefinitions } from "../../src/table/definitions.ts"

const SECRET = { low: 1, high: 2 }

type Write = (writer: RecordWriter, buffer: RecordBuffer, at: number) => number
type Spoil = (buffer: RecordBuffer, at: number) => void

const table =
  (id: number, name: string): Write =>
  (writer, buffer, at) =>
    writer.defineTable(buffer, at, 0, id, name)
const shape =
  (id: number, fields: readonly string[]): Write =>
  (writer, buffer, at) =>
    writer.defineShape(buffer, at, 0, id, fields)
const put: Write = (writer, buffer, at) => writer.put(buffer, at, 0, 1, "key", "value")
const remove: Write = (writer, buffer, at) => writer.delete(buffer, at, 0, 1, "key")
const kind =
  (changed: number): Spoil =>
  ({ bytes }, at) => {
    bytes[at + RECORD_KIND] = changed
  }
const flags =
  (changed: number): Spoil =>
  ({ bytes }, at) => {
    bytes[at + RECORD_FLAGS] = changed
  }
const untouched: Spoil = () => undefined

/** A frame of these records, the last of which is spoilt. */
function frameOf(writes: readonly Write[], spoil: Spoil): { readonly buffer: RecordBuffer; readonly end: number } {
  const buffer = allocateRecordBuffer(4_096)
  const writer = new RecordWriter(SECRET, new ValueEncoder(new ShapeRegistry()))
  let at = 0
  let last = 0
  for (const write of writes) {
    last = at
    at = write(writer, buffer, at)
  }
  spoil(buffer, last)
  return { buffer, end: at }
}

function problemsIn(writes: readonly Write[], spoil: Spoil = untouched, commitCount: number = writes.length): string[] {
  const { buffer, end } = frameOf(writes, spoil)
  const header = { firstLsn: 7, commitCount, recordCount: writes.length }
  const { commits, problem } = new RecordChecker(SECRET, new Catalogue()).frame(buffer, 0, end, header)
  const lines = commits.flatMap((commit) => (commit.problem === undefined ? [] : [`${commit.lsn}: ${commit.problem}`]))
  return problem === undefined ? lines : [...lines, problem]
}

test("records that are right have no problem", () => {
  expect(problemsIn([table(1, "t"), shape(3, ["a", "b"]), put, remove, table(1, "t"), shape(3, ["a", "b"])])).toEqual(
    [],
  )
})

describe("in a frame, the commit is named", () => {
  test.each<readonly [string, readonly Write[], Spoil]>([
    ["8: a record of kind 9, which is unknown", [table(1, "t"), put], kind(9)],
    ["8: a delete with a value", [table(1, "t"), put], kind(KIND_DELETE)],
    ["7: a table with a value", [put], kind(3)],
    ["7: a shape with a key", [put], kind(4)],
    ["8: unknown flags 6", [table(1, "t"), put], flags(6)],
    ["7: the table 1, which is not defined", [put], untouched],
    ["7: a table of number 0", [table(0, "t")], untouched],
    [`7: a table of number ${TABLE_COUNT_MAX + 1}`, [table(TABLE_COUNT_MAX + 1, "t")], untouched],
    ["7: a table name of 0 bytes", [table(1, "")], untouched],
    ["8: the table 1 is defined again, under another name", [table(1, "t"), table(1, "u")], untouched],
    ["8: a table is defined again, under the number 2", [table(1, "t"), table(2, "t")], untouched],
    [`7: a shape of number ${SHAPE_COUNT_MAX}`, [shape(SHAPE_COUNT_MAX, ["a"])], untouched],
    ["8: the shape 3 is defined again, with other fields", [shape(3, ["a"]), shape(3, ["b"])], untouched],
    ["8: a hash that is not its key's", [table(1, "t"), put], ({ words }, at) => void (words[at >>> 2] = 1)],
    [
      "8: the table 5, which is not defined",
      [table(1, "t"), put],
      ({ words }, at) => void (words[(at + RECORD_TABLE) >>> 2] = 5),
    ],
  ])("%s", (expected, writes, spoil) => {
    expect(problemsIn(writes, spoil)).toEqual([expected])
  })

  test("also where its value cannot be decoded", () => {
    const spoil: Spoil = ({ bytes }, at) => void (bytes[at + 19] = 0xff)
    expect(problemsIn([table(1, "t"), put], spoil)).toEqual([expect.stringMatching(/^8: .+/)])
  })
})

describe("beyond what a store takes, under a right length", () => {
  const problemOf = (keySize: number, valueSize: number): string[] => {
    const end = recordSize(keySize, valueSize)
    const buffer = allocateRecordBuffer(end)
    buffer.bytes.writeUInt32LE(valueSize, RECORD_VALUE_SIZE)
    buffer.bytes.writeUInt16LE(keySize, RECORD_KEY_SIZE)
    buffer.bytes[RECORD_KIND] = KIND_PUT
    buffer.bytes.writeUInt32LE(1, RECORD_TABLE)
    const catalogue = new Catalogue()
    catalogue.define(1, "t")
    const header = { firstLsn: 7, commitCount: 1, recordCount: 1 }
    const { commits } = new RecordChecker(SECRET, catalogue).frame(buffer, 0, end, header)
    return commits.map(({ problem }) => String(problem))
  }

  test("a key", () => {
    expect(problemOf(KEY_SIZE_MAX, 8)).toEqual(["a hash that is not its key's"])
    expect(problemOf(KEY_SIZE_MAX + 1, 8)).toEqual([`a key of ${KEY_SIZE_MAX + 1} bytes`])
  })

  test("a value", () => {
    expect(problemOf(3, VALUE_SIZE_MAX)).toEqual(["a hash that is not its key's"])
    expect(problemOf(3, VALUE_SIZE_MAX + 1)).toEqual([`a value of ${VALUE_SIZE_MAX + 1} bytes`])
  })
})

describe("of a frame as a whole", () => {
  test("it begins inside a commit", () => {
    expect(problemsIn([put], flags(FLAG_CONTINUES))).toEqual(["the frame begins inside a commit"])
  })

  test("its records do not fill it", () => {
    const tooLong: Spoil = ({ words }, at) => void (words[(at >>> 2) + 1] = 100_000)
    expect(problemsIn([table(1, "t"), put], tooLong)).toEqual(["records do not fill their frame"])
  })

  test("it counts other commits than it has", () => {
    expect(problemsIn([table(1, "t"), put], untouched, 3)).toEqual(["2 commits of 2 records, the frame says 3 of 2"])
  })
})

test("a name of letters that nobody can read is no name, however long it would be if it were read", () => {
  const spoil: Spoil = ({ bytes }, at) => void bytes.fill(0xff, at + 16, at + 16 + 200)
  expect(problemsIn([table(1, "x".repeat(200))], spoil)).toEqual(["7: a table name that is not UTF-8"])
})

describe("among the definitions of a checkpoint", () => {
  const problemOf = (writes: readonly Write[], spoil: Spoil = untouched): string | undefined => {
    const { buffer, end } = frameOf(writes, spoil)
    return takeDefinitions(new Catalogue(), buffer, 0, end)
  }

  test.each<readonly [string | undefined, readonly Write[], Spoil]>([
    [undefined, [table(1, "t"), shape(0, ["a"])], untouched],
    ["kind 1 among the definitions", [table(1, "t"), put], untouched],
    ["a table of number 0", [table(0, "t")], untouched],
    ["records do not fill their block", [table(1, "t")], ({ words }, at) => void (words[(at >>> 2) + 1] = 100_000)],
  ])("%s", (expected, writes, spoil) => {
    expect(problemOf(writes, spoil)).toBe(expected)
  })
})

test("a kept record is of a commit that the checkpoint takes", () => {
  const { buffer } = frameOf([put], ({ words }, at) => {
    words[(at >>> 2) + 2] = 3
    words[(at >>> 2) + 3] = 12
  })
  const catalogue = new Catalogue()
  catalogue.define(1, "t")
  const checker = new RecordChecker(SECRET, catalogue)
  expect(checker.kept(buffer, 0, 1, 11)).toBe("a record of LSN 12")
  expect(checker.kept(buffer, 0, 1, 12)).toBeUndefined()
  expect(checker.kept(buffer, 0, 2, 12)).toBe("the table 2, which is not defined")
})
