// A table that took over memory full of records is like one that was built by puts, whether they are entered into its
// index at once or range by range, when somebody looks at them: for finds, puts, deletes, walks, snapshots, compaction.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { allocateRecordBuffer } from "../../src/format/record.ts"
import { keysWithHash } from "../../src/table/keys-by-hash.ts"
import { DOES_NOT_FIT, OUT_OF_ORDER, RecordSurvey } from "../../src/table/record-survey.ts"
import { Table } from "../../src/table/table.ts"
import { checkTable, findKey } from "./check-table.ts"
import { adopted, built, hashings, loaded, piecesOf } from "./checked-tables.ts"
import type { Checked, Hashing } from "./checked-tables.ts"
import { evenHash } from "./record-batch.ts"

describe.each([
  ["at once", 100_000],
  ["when they are looked at", 700],
])("a table that took over the memory of its records and enters them %s", (_, rangeCount) => {
  const even: Hashing = (hash) => hash

  test.each([1, 10, 1000, 20_000])("of %d records is like one built by puts, and stays so", (count) => {
    const reference = built(count, even)
    const [table] = adopted(reference, even, 1, rangeCount)
    if (table === undefined) throw new Error("no table")
    table.check()
    expect(table.table.metrics()).toMatchObject({ deadBytes: 0 })
    expect(table.table.metrics().allocatedBytes).toBe(table.table.metrics().liveBytes)
    // Also what was changed can be taken out and loaded again, in either way.
    table.change(count * 2, count + 50)
    table.check()
    loaded(table, even, count).check()
    adopted(table, even, 1, rangeCount)[0]?.check()
  })

  test("shares it with other tables, none of which sees another's records or changes", () => {
    const reference = built(8000, even)
    const tables = adopted(reference, even, 4, rangeCount)
    expect(tables.reduce((sum, { table }) => sum + table.count, 0)).toBe(8000)
    const [first, second, third, fourth] = tables as [Checked, Checked, Checked, Checked]
    for (const key of first.model.keys()) first.delete(key)
    first.flush()
    for (const [key, { valueSize }] of second.model) second.put(key, valueSize)
    second.flush()
    for (const [key, { valueSize }] of third.model) third.put(key, valueSize + 100)
    third.flush()
    for (const table of tables) table.check()
    expect(first.table.metrics()).toMatchObject({ count: 0, allocatedBytes: 0, deadBytes: 0 })
    // What has the same size stays where it is.
    expect(second.table.metrics()).toMatchObject({ deadBytes: 0, returnedBytes: 0 })
    expect(fourth.table.metrics()).toMatchObject({ deadBytes: 0, returnedBytes: 0 })
  })

  test("moves its records out of it when a quarter of them are gone, and gives it back", () => {
    const reference = built(8000, even)
    const tables = adopted(reference, even, 4, rangeCount)
    const [first, second] = tables as [Checked, Checked]
    const before = first.table.metrics()
    const keys = [...first.model.keys()]
    for (const [index, key] of keys.entries()) if (index % 10 < 7) first.delete(key)
    first.flush()
    expect(first.table.metrics().deadBytes).toBeGreaterThan(before.liveBytes / 4)
    let steps = 0
    while (first.table.compactStep(10) && steps < 10_000) steps++
    // Bounded steps: one moves ten records at most.
    expect(steps).toBeGreaterThan(first.table.count / 10)
    const after = first.table.metrics()
    // Where a range begins, a few records are a piece by themselves, and may have lost none.
    expect(after.movedRecords).toBeGreaterThan(after.count * 0.98)
    expect(after.returnedBytes).toBeGreaterThan(before.allocatedBytes * 0.98)
    expect(after.deadBytes).toBeLessThan(after.liveBytes / 20)
    for (const table of tables) table.check()
    expect(second.table.metrics().movedRecords).toBe(0)
    for (let step = 0; second.table.compactStep(1000) && step < 100; step++);
    expect(second.table.metrics().movedRecords).toBe(0)
  })

  test("stays whole where it changes in the middle of being compacted", () => {
    const reference = built(6000, even)
    const tables = adopted(reference, even, 4, rangeCount)
    for (const table of tables) {
      const keys = [...table.model.keys()]
      for (const [index, key] of keys.entries()) {
        if (index % 3 === 0) table.delete(key)
        if (index % 7 === 0) table.put(key, index % 90)
        if (index % 11 === 0) {
          table.flush()
          table.table.compactStep(3)
        }
      }
      table.flush()
      table.check()
    }
    for (const table of tables) {
      for (let step = 0; table.table.compactStep(64) && step < 10_000; step++);
      table.check()
    }
  })

  test("is cleared, and another keeps what it shares", () => {
    const tables = adopted(built(2000, even), even, 4, rangeCount)
    const [first, second] = tables as [Checked, Checked]
    first.table.clear()
    expect(first.table.metrics()).toMatchObject({ count: 0, allocatedBytes: 0 })
    second.check()
    second.change(500, 300)
    second.check()
  })
})

describe("records that are put off", () => {
  const even: Hashing = (hash) => hash

  function deferred(count: number, rangeCount: number, tableCount = 1): Checked[] {
    const tables = adopted(built(count, even), even, tableCount, rangeCount)
    for (const { table } of tables) expect(table.index.isDeferred).toBe(true)
    return tables
  }

  test("are entered a range at a time, for all tables that share it, and counted all along", () => {
    const tables = deferred(20_000, 700, 4)
    const before = tables.map(({ table }) => table.metrics())
    expect(before.reduce((sum, { count }) => sum + count, 0)).toBe(20_000)
    for (const { table } of tables) expect(table.index.count).toBe(0)
    const [first] = tables as [Checked]
    const bytes = Buffer.from([...first.model.keys()][0] ?? "")
    expect(findKey(first.table, evenHash(bytes), bytes)).toBeGreaterThanOrEqual(0)
    for (const [index, { table }] of tables.entries()) {
      // One of 32 ranges.
      expect(table.index.count).toBeGreaterThan(50)
      expect(table.index.count).toBeLessThan(500)
      const { count, liveBytes, allocatedBytes, deadBytes } = before[index] as NonNullable<(typeof before)[number]>
      expect(table.metrics()).toMatchObject({ count, liveBytes, allocatedBytes, deadBytes })
    }
    let steps = 0
    while (first.table.index.enterNext()) steps++
    expect(steps).toBe(31)
    for (const [index, { table }] of tables.entries()) {
      expect(table.index.isDeferred).toBe(false)
      expect(table.index.count).toBe(before[index]?.count)
    }
    for (const table of tables) table.check()
  })

  test("are there for whoever looks at a key, absent ones too, changes it, walks, or knows a hash alone", () => {
    const kinds: Readonly<Record<string, (checked: Checked, key: string) => void>> = {
      find: ({ table }, key) => expect(findKey(table, evenHash(Buffer.from(key)), key)).toBeGreaterThanOrEqual(0),
      absent: ({ table }) => expect(findKey(table, evenHash(Buffer.from("none")), "none")).toBe(-1),
      put: (checked, key) => checked.put(key, 77),
      insert: (checked) => checked.put("a new key", 77),
      delete: (checked, key) => checked.delete(key),
      deleteAbsent: (checked) => checked.delete("none"),
      hash: ({ table }, key) => expect(keysWithHash(table, evenHash(Buffer.from(key)))).toContain(key),
      walk: ({ table }) => expect(table.cursor().next()).toBe(true),
      compact: ({ table }) => expect(table.compactStep(100)).toBe(false),
    }
    for (const [kind, act] of Object.entries(kinds)) {
      const [checked] = deferred(3000, 100) as [Checked]
      act(checked, "key:1234")
      checked.flush()
      checked.check()
      expect(checked.table.index.isDeferred, kind).toBe(false)
    }
  })

  test("come out the same for any order in which ranges are looked at, entered ahead, changed, split and compacted", () => {
    const step = fc.record({
      key: fc.nat(3500),
      kind: fc.constantFrom("put", "delete", "find", "next", "compact"),
      valueSize: fc.nat(300),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.constantFrom(20, 300), (steps, rangeCount) => {
        const [checked] = deferred(3000, rangeCount) as [Checked]
        const { table, model } = checked
        for (const { key, kind, valueSize } of steps) {
          const text = `key:${key}`
          if (kind === "put") checked.put(text, valueSize)
          else if (kind === "delete") checked.delete(text)
          else {
            checked.flush()
            if (kind === "next") table.index.enterNext()
            else if (kind === "compact") table.compactStep(50)
            else expect(findKey(table, evenHash(Buffer.from(text)), text) >= 0).toBe(model.has(text))
          }
        }
        checked.flush()
        checked.check()
        for (let step = 0; table.compactStep(1000) && step < 10_000; step++);
        checked.check()
      }),
      { numRuns: 30 },
    )
  })

  test.each(Object.keys(hashings))("hold with hashes that are %s", (name) => {
    const hashing = hashings[name] as Hashing
    const [table] = adopted(built(600, hashing), hashing, 1, 50) as [Checked]
    table.check()
    table.change(300, 620)
    checkTable(table.table)
  })

  test("may be of any size, also larger than what addresses reach into", () => {
    const sizes = [0, 1, 7, 8, 100, 5000, 70_000, 300_000]
    const reference = built(200, even, (n) => sizes[n % sizes.length] as number)
    for (const table of adopted(reference, even, 3, 20)) {
      table.check()
      table.change(100, 250)
      table.check()
    }
  })

  test("are met exactly once by a walk, whatever changes meanwhile", () => {
    const [checked] = deferred(5000, 100) as [Checked]
    const seen: string[] = []
    let n = 0
    for (const cursor = checked.table.cursor(); cursor.next();) {
      seen.push(...cursor.keys)
      checked.put(`key:${(n += 331) % 5000}`, 150)
      checked.put(`new:${n}`, 10)
      checked.flush()
    }
    const old = seen.filter((key) => key.startsWith("key:"))
    expect(old).toHaveLength(5000)
    expect(new Set(old).size).toBe(5000)
    checked.check()
  })

  test("are let go of with their table", () => {
    const [first, second] = deferred(5000, 100, 2) as [Checked, Checked]
    first.table.clear()
    expect(first.table.metrics()).toMatchObject({ count: 0, allocatedBytes: 0, liveBytes: 0 })
    checkTable(first.table)
    second.check()
  })
})

describe("a survey of records", () => {
  test("finds those that are out of order, within a memory and from one to the next", () => {
    const [first, second] = piecesOf(built(200, (hash) => hash).table)
    if (first === undefined || second === undefined) throw new Error("too few records for two pieces")
    const survey = new RecordSurvey(2)
    expect(survey.take(second)).toBeGreaterThan(0)
    expect(survey.take(first)).toBe(OUT_OF_ORDER)
    const joint = allocateRecordBuffer(first.bytes.length + second.bytes.length)
    joint.words.set(second.words)
    joint.words.set(first.words, second.words.length)
    expect(new RecordSurvey(2).take(joint)).toBe(OUT_OF_ORDER)
  })

  test("finds one that is cut off, wherever", () => {
    const [piece] = piecesOf(
      built(
        1,
        (hash) => hash,
        () => 100,
      ).table,
    )
    if (piece === undefined) throw new Error("no records")
    for (let length = 2; length < piece.words.length; length += 2) {
      const cut = { bytes: piece.bytes.subarray(0, length * 4), words: piece.words.subarray(0, length) }
      expect(new RecordSurvey(1).take(cut)).toBe(DOES_NOT_FIT)
    }
    expect(new RecordSurvey(1).take(piece)).toBe(1)
  })

  test("begins anew with the next table", () => {
    const survey = new RecordSurvey(1, 10)
    for (const count of [500, 3, 700]) {
      const reference = built(count, (hash) => hash)
      for (const piece of piecesOf(reference.table)) survey.take(piece)
      const table = new Table()
      survey.finish([table])
      expect(table.count).toBe(count)
      for (const key of reference.model.keys())
        expect(findKey(table, evenHash(Buffer.from(key)), key)).toBeGreaterThanOrEqual(0)
      checkTable(table)
    }
  })
})
