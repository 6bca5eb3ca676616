// A table that was loaded in the order of the mixed hashes is like one that was built by puts: for finds, puts, deletes,
// walks and compaction, whatever number of records was expected.

import { describe, expect, test } from "vitest"
import { allocateRecordBuffer, recordSize } from "../../src/format/record.ts"
import type { RecordBuffer } from "../../src/format/record.ts"
import { mixHash } from "../../src/table/index-segment.ts"
import { OrderedScan } from "../../src/table/ordered-scan.ts"
import { chunkOf, wordOf } from "../../src/table/slabs.ts"
import { Table } from "../../src/table/table.ts"
import { TableLoader } from "../../src/table/table-loader.ts"
import { checkTable, findKey } from "./check-table.ts"
import { evenHash, holdsValue, RecordBatch } from "./record-batch.ts"

type Hashing = (even: number) => number

/** As in a checkpoint that several shards' tables share: some low bits alike, all alike, at the ends of the range. */
const hashings: Readonly<Record<string, Hashing>> = {
  even: (even) => even,
  shard: (even) => ((even & 0xffff1fff) | 0x6000) >>> 0,
  few: (even) => Math.imul(even & 0x1f, 0x08080808) >>> 0,
  low: (even) => even & 0xff,
  one: () => 0x9abcdef0,
  first: () => 0,
  /** The last mixed hash of all. */
  last: () => inverseOf(0xffffffff),
  lastFew: (even) => inverseOf(0xffffffff - (even & 7)),
  /** The top half alone. */
  top: (even) => inverseOf((even | 0x80000000) >>> 0),
}

/** The hash with that mixed hash. */
function inverseOf(mixed: number): number {
  let inverse = 1
  for (let round = 0; round < 5; round++) inverse = Math.imul(inverse, 2 - Math.imul(0x9e3779b1, inverse))
  return Math.imul(mixed, inverse) >>> 0
}

interface Entry {
  readonly lsn: number
  readonly valueSize: number
}

/** A table and what must be in it. */
class Checked {
  readonly table: Table
  readonly model: Map<string, Entry>
  readonly #hashing: Hashing
  readonly #batch = new RecordBatch()
  #lsn: number
  #state = 12345

  constructor(table: Table, hashing: Hashing, model: ReadonlyMap<string, Entry> = new Map()) {
    this.table = table
    this.model = new Map(model)
    this.#hashing = hashing
    this.#lsn = 2 ** 33 + model.size
  }

  put(text: string, valueSize: number): void {
    const key = Buffer.from(text)
    const lsn = ++this.#lsn
    this.#batch.put(this.#hashing(evenHash(key)), key, valueSize, lsn)
    this.model.set(text, { lsn, valueSize })
  }

  delete(text: string): void {
    const key = Buffer.from(text)
    this.#batch.delete(this.#hashing(evenHash(key)), key, ++this.#lsn)
    this.model.delete(text)
  }

  flush(): void {
    this.#batch.applyTo(this.table)
  }

  /** The same each time for the same table. */
  change(count: number, keyCount: number): void {
    for (let i = 0; i < count; i++) {
      const text = `key:${this.#random(keyCount)}`
      if (this.#random(3) === 0) this.delete(text)
      else this.put(text, this.#random(200))
      if (this.#random(40) === 0) {
        this.flush()
        this.table.compactStep(64)
      }
    }
    this.flush()
  }

  check(): void {
    checkTable(this.table)
    const { table, model } = this
    expect(table.count).toBe(model.size)
    let liveBytes = 0
    for (const [text, { lsn, valueSize }] of model) {
      const key = Buffer.from(text)
      const hash = this.#hashing(evenHash(key))
      const address = findKey(table, hash, key)
      if (address < 0 || !holdsValue(table, address, valueSize, lsn)) throw new Error(`${text} is not what was put`)
      liveBytes += (16 + key.length + valueSize + 7) & ~7
    }
    expect(table.metrics().liveBytes).toBe(liveBytes)
    const seen: string[] = []
    for (const cursor = table.cursor(); cursor.next();) seen.push(...cursor.keys)
    expect(seen).toHaveLength(model.size)
    expect(new Set(seen)).toEqual(new Set(model.keys()))
    const absent = Buffer.from("absent")
    expect(findKey(table, this.#hashing(evenHash(absent)), absent)).toBe(-1)
  }

  #random(below: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % below
  }
}

function built(count: number, hashing: Hashing, valueSizeOf: (n: number) => number = (n) => n % 60): Checked {
  const checked = new Checked(new Table(), hashing)
  for (let n = 0; n < count; n++) {
    checked.put(`key:${n}`, valueSizeOf(n))
    if (n % 500 === 499) checked.flush()
  }
  checked.flush()
  return checked
}

/** Visits the records of a table in the order of their mixed hashes. */
function inOrder(table: Table, visit: (words: Uint32Array, at: number, mixed: number) => void): void {
  let count = 0
  let before = -1
  for (const scan = new OrderedScan(table.index); !scan.isAtEnd; scan.next()) {
    const words = table.slabs.chunkWords[chunkOf(scan.address)] as Uint32Array
    if (scan.mixed !== mixHash(words[wordOf(scan.address)] as number) || scan.mixed < before)
      throw new Error("the scan is not in order")
    before = scan.mixed
    visit(words, wordOf(scan.address), scan.mixed)
    count++
  }
  expect(count).toBe(table.count)
}

/** The same records, out of the table in order and into another. */
function loaded(from: Checked, hashing: Hashing, expectedCount: number): Checked {
  const table = new Table()
  const loader = new TableLoader(table, expectedCount)
  inOrder(from.table, (words, at, mixed) => loader.add(words, at, mixed))
  loader.finish()
  return new Checked(table, hashing, from.model)
}

/** Bytes of a piece of memory that tables take over. */
const MEMORY_SIZE = 4096

/** The same records in memory that the tables share: each record goes to the table that `tableOf` names. */
function adopted(from: Checked, hashing: Hashing, tableCount: number, tableOf: (hash: number) => number): Checked[] {
  const tables = Array.from({ length: tableCount }, () => new Table())
  const loaders = tables.map((table) => new TableLoader(table, from.model.size / tableCount))
  let memory: RecordBuffer = allocateRecordBuffer(MEMORY_SIZE)
  let end = 0
  const handOver = (): void => {
    const { bytes, words } = memory
    const filled = { bytes: bytes.subarray(0, end << 2), words: words.subarray(0, end) }
    for (let at = 0; at < end;) {
      const hash = words[at] as number
      const size = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number)
      loaders[tableOf(hash)]?.adopt(filled, at, mixHash(hash), size)
      at += size >>> 2
    }
    for (const loader of loaders) loader.settle()
    memory = allocateRecordBuffer(MEMORY_SIZE)
    end = 0
  }
  inOrder(from.table, (words, at) => {
    const count = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number) >>> 2
    if ((end + count) << 2 > MEMORY_SIZE) handOver()
    memory.words.set(words.subarray(at, at + count), end)
    end += count
  })
  handOver()
  return tables.map((table, index) => {
    loaders[index]?.finish()
    const mine = [...from.model].filter(([key]) => tableOf(hashing(evenHash(Buffer.from(key)))) === index)
    return new Checked(table, hashing, new Map(mine))
  })
}

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

describe("a table that took over the memory of its records", () => {
  const even: Hashing = (hash) => hash
  const quarter = (hash: number): number => hash & 3

  test.each([1, 10, 1000, 20_000])("of %d records is like one built by puts, and stays so", (count) => {
    const reference = built(count, even)
    const [table] = adopted(reference, even, 1, () => 0)
    if (table === undefined) throw new Error("no table")
    table.check()
    expect(table.table.metrics()).toMatchObject({ deadBytes: 0 })
    expect(table.table.metrics().allocatedBytes).toBe(table.table.metrics().liveBytes)
    // Also what was changed can be taken out and loaded again, in either way.
    table.change(count * 2, count + 50)
    table.check()
    loaded(table, even, count).check()
    adopted(table, even, 1, () => 0)[0]?.check()
  })

  test("shares it with other tables, none of which sees another's records or changes", () => {
    const reference = built(8000, even)
    const tables = adopted(reference, even, 4, quarter)
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
    const tables = adopted(reference, even, 4, quarter)
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
    expect(after.movedRecords).toBeGreaterThanOrEqual(after.count)
    expect(after.returnedBytes).toBe(before.allocatedBytes)
    expect(after.deadBytes).toBeLessThan(after.liveBytes / 20)
    for (const table of tables) table.check()
    expect(second.table.metrics().movedRecords).toBe(0)
    for (let step = 0; second.table.compactStep(1000) && step < 100; step++);
    expect(second.table.metrics().movedRecords).toBe(0)
  })

  test("stays whole where it changes in the middle of being compacted", () => {
    const reference = built(6000, even)
    const tables = adopted(reference, even, 4, quarter)
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
    const tables = adopted(built(2000, even), even, 4, quarter)
    const [first, second] = tables as [Checked, Checked]
    first.table.clear()
    expect(first.table.metrics()).toMatchObject({ count: 0, allocatedBytes: 0 })
    second.check()
    second.change(500, 300)
    second.check()
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
