// A table that was loaded in the order of the mixed hashes is like one that was built by puts: for finds, puts, deletes,
// walks and compaction, whatever number of records was expected.

import { describe, expect, test } from "vitest"
import { allocateRecordBuffer } from "../../src/format/record.ts"
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

/** The same records, out of the table in order and into another. */
function loaded(from: Checked, hashing: Hashing, expectedCount: number): Checked {
  const table = new Table()
  const loader = new TableLoader(table, expectedCount)
  let count = 0
  let before = -1
  for (const scan = new OrderedScan(from.table.index); !scan.isAtEnd; scan.next()) {
    const words = from.table.slabs.chunkWords[chunkOf(scan.address)] as Uint32Array
    if (scan.mixed !== mixHash(words[wordOf(scan.address)] as number) || scan.mixed < before)
      throw new Error("the scan is not in order")
    before = scan.mixed
    if (!loader.add(words, wordOf(scan.address))) throw new Error("a record in order is refused")
    count++
  }
  expect(count).toBe(from.table.count)
  loader.finish()
  return new Checked(table, hashing, from.model)
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

  test("refuses a record that is out of order, and keeps those before it", () => {
    const reference = built(100, (even) => even)
    const table = new Table()
    const loader = new TableLoader(table, 100)
    const scan = new OrderedScan(reference.table.index)
    const place = (): [Uint32Array, number] => [
      reference.table.slabs.chunkWords[chunkOf(scan.address)] as Uint32Array,
      wordOf(scan.address),
    ]
    const first = place()
    for (let n = 0; n < 50; n++, scan.next()) expect(loader.add(...place())).toBe(true)
    expect(loader.add(...first)).toBe(false)
    loader.finish()
    expect(table.count).toBe(50)
    checkTable(table)
  })

  test("is cleared, and loaded again", () => {
    const reference = built(5000, (even) => even)
    const { table } = loaded(reference, (even) => even, 10_000_000)
    table.clear()
    expect(table.count).toBe(0)
    const loader = new TableLoader(table, 3)
    const { words, bytes } = allocateRecordBuffer(24)
    bytes.writeUInt16LE(1, 8)
    expect(loader.add(words, 0)).toBe(true)
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
