// A table that was loaded in the order of the mixed hashes is like one that was built by puts: for finds, puts, deletes,
// walks and compaction, whatever number of records was expected.

import { describe, expect, test } from "vitest"
import { allocateRecordBuffer } from "../../src/format/record.ts"
import { OrderedScan } from "../../src/table/ordered-scan.ts"
import { Table } from "../../src/table/table.ts"
import { TableLoader } from "../../src/table/table-loader.ts"
import { checkTable } from "./check-table.ts"
import { built, hashings, inverseOf, loaded } from "./checked-tables.ts"
import type { Hashing } from "./checked-tables.ts"

const COUNTS = [0, 1, 2, 10, 100, 1000, 13_000]
const CASES = [
  ...COUNTS.flatMap((count) => [1, count, 10_000_000].map((expected) => [count, expected] as const)),
  [100_000, 1] as const,
  [100_000, 10_000_000] as const,
]

describe("a table loaded in order", () => {
  test.each(CASES)(
    "of %d records, where %d were expected, is like one built by puts, and stays so",
    (count, expected) => {
      const reference = built(count, (even) => even)
      const table = loaded(reference, (even) => even, expected)
      table.check()
      // What was loaded can be taken out and loaded again.
      loaded(table, (even) => even, count).check()
      const changes = Math.min(count * 2, 10_000) + 100
      for (const each of [reference, table]) each.change(changes, count + 50)
      expect(table.model).toEqual(reference.model)
      table.check()
      for (let step = 0; table.table.compactStep(1000) && step < 10_000; step++);
      table.check()
    },
    20_000,
  )

  test.each(Object.keys(hashings).flatMap((name) => [10, 30_000].map((count) => [name, count] as const)))(
    "with hashes that are %s holds %d records",
    (name, count) => {
      const hashing = hashings[name] as Hashing
      // Searches through equal hashes take as long as there are many.
      const fewer = ["one", "first", "last"].includes(name) ? Math.min(count, 700) : Math.min(count, 4000)
      const size = ["even", "shard", "top"].includes(name) ? count : fewer
      const reference = built(size, hashing)
      for (const expected of [1, 1_000_000]) {
        const table = loaded(reference, hashing, expected)
        if (size <= 700 || name === "top" || name === "shard") table.check()
        else checkTable(table.table)
        table.change(300, size + 20)
        checkTable(table.table)
      }
    },
    20_000,
  )

  test("takes no more memory than one built by puts, whatever number was expected", () => {
    for (const count of [1, 100, 5000, 100_000]) {
      const reference = built(count, (even) => even)
      for (const expected of [1, count, 10_000_000, 1e12]) {
        const { table } = loaded(reference, (even) => even, expected)
        const [is, was] = [table.metrics(), reference.table.metrics()]
        const tell = `${count} records, ${expected} expected`
        expect(is.indexBytes, tell).toBeLessThan(was.indexBytes * 1.7 + 1000)
        expect(is.allocatedBytes, tell).toBeLessThanOrEqual(was.allocatedBytes)
        // No segment is so large that splitting it would be felt.
        expect(is.indexSlots / is.segments, tell).toBeLessThan(20_000)
      }
    }
  })

  test("has a directory of bounded size where all hashes share their top bits", () => {
    const reference = built(16_000, (even) => inverseOf(even & 0xffff))
    const { table } = loaded(reference, (even) => inverseOf(even & 0xffff), 16_000)
    checkTable(table)
    expect(table.index.directory.length).toBeLessThanOrEqual(128)
  })

  test("holds records of every size, also those that are a piece of memory by themselves", () => {
    const sizes = [0, 1, 7, 8, 100, 5000, 70_000, 300_000]
    const reference = built(
      200,
      (even) => even,
      (n) => sizes[n % sizes.length] as number,
    )
    const table = loaded(reference, (even) => even, 200)
    table.check()
    table.change(500, 250)
    table.check()
  })

  test("is cleared, and loaded again", () => {
    const reference = built(5000, (even) => even)
    const { table } = loaded(reference, (even) => even, 10_000_000)
    table.clear()
    expect(table.count).toBe(0)
    const loader = new TableLoader(table, 3)
    const { words, bytes } = allocateRecordBuffer(24)
    bytes.writeUInt16LE(1, 8)
    loader.add(words, 0, 0)
    loader.finish()
    expect(table.count).toBe(1)
    checkTable(table)
    expect(() => new TableLoader(table, 1)).toThrow("an empty table is loaded")
  })
})

describe("an ordered scan", () => {
  test("of an empty table is at its end, and stays there", () => {
    const scan = new OrderedScan(new Table().index)
    for (let n = 0; n < 3; n++, scan.next()) {
      expect(scan.isAtEnd).toBe(true)
      expect(scan.mixed).toBe(Number.POSITIVE_INFINITY)
    }
  })

  test("goes through a table that has grown, split, shrunk and merged", () => {
    const checked = built(60_000, (even) => even)
    for (let n = 0; n < 60_000; n++) if (n % 20 !== 0) checked.delete(`key:${n}`)
    checked.flush()
    loaded(checked, (even) => even, 1).check()
    while (checked.table.compactStep(1000));
    loaded(checked, (even) => even, 1).check()
  })
})
