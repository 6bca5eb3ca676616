// The lines of dump and load: what is written is read the same, and what is not understood is refused whole.

import { describe, expect, test } from "vitest"
import { deleteLine, expiringLine, parseLine, putLine } from "../../src/cli/change-lines.ts"

const AT = new Date("2026-11-21T10:00:00.500Z")

describe("a line", () => {
  test("of a record is read as it was written, and of format 1", () => {
    const line = putLine("t", "k", { at: AT })
    expect(line).toBe('{"table":"t","key":"k","value":{"at":{"$date":"2026-11-21T10:00:00.500Z"}}}')
    const read = { table: "t", key: "k", isDelete: false, value: { at: AT }, expiresAtMs: undefined }
    expect(parseLine(line, undefined)).toEqual(read)
    expect(parseLine(`{"format":1,${line.slice(1)}`, undefined)).toEqual(read)
  })

  test("of a record with a deadline says its format, and keeps the deadline to the millisecond", () => {
    const line = expiringLine("t", "k", 1, AT)
    expect(line).toBe('{"format":2,"table":"t","key":"k","value":1,"expiresAt":"2026-11-21T10:00:00.500Z"}')
    expect(parseLine(line, "other")).toEqual({
      table: "other",
      key: "k",
      isDelete: false,
      value: 1,
      expiresAtMs: AT.getTime(),
    })
  })

  test("of a delete is read as it was written", () => {
    const read = parseLine(deleteLine("t", "k", { lsn: 4, timeMs: 5 }), undefined)
    expect(read).toEqual({ table: "t", key: "k", isDelete: true, value: undefined, expiresAtMs: undefined })
  })

  test.each([
    ['{"table":"t","key":"k","value":1,"expiresAt":"2026-11-21T10:00:00.500Z"}', 'has "expiresAt" and not "format":2'],
    ['{"format":2,"table":"t","key":"k","value":1,"expiresAt":"tomorrow"}', 'has an "expiresAt" that is no time'],
    ['{"format":2,"table":"t","key":"k","value":1,"expiresAt":"2026"}', 'has an "expiresAt" that is no time'],
    ['{"format":2,"table":"t","key":"k","value":1,"expiresAt":1795225909887}', 'has an "expiresAt" that is no time'],
    [
      '{"format":2,"table":"t","key":"k","deleted":true,"expiresAt":"2026-11-21T10:00:00.500Z"}',
      'has both "deleted" and "expiresAt"',
    ],
    ['{"format":3,"table":"t","key":"k","value":1}', "is of format 3; this version knows up to 2"],
    ['{"format":"2","table":"t","key":"k","value":1}', 'is of format "2"'],
    ['{"table":"t","key":"k","value":1,"ttl":5}', 'has the field "ttl"'],
    ['{"table":"t","key":"k","value":1,"deleted":true}', 'needs one of "value" and "deleted"'],
    ['{"table":"t","key":"k","deleted":false}', 'has a "deleted" that is not true'],
    ['{"table":"","key":"k","value":1}', "names no table"],
    ['{"table":"orrery:views","key":"k","value":1}', 'names "orrery:views", a table of the engine'],
    ['{"table":"t","key":5,"value":1}', "has no key"],
    ["[]", "is no object"],
    ["{", "is not JSON"],
  ])("%s is refused", (line, reason) => {
    expect(() => parseLine(line, undefined)).toThrow(expect.objectContaining({ code: "LINE_REFUSED" }))
    expect(() => parseLine(line, undefined)).toThrow(reason)
  })
})
