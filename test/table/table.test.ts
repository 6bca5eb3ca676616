import { describe, expect, test } from "vitest"
import { allocateRecordBuffer, KIND_DEFINE_TABLE, RECORD_KIND } from "../../src/format/record.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { LSN_MAX } from "../../src/model/limits.ts"
import { Table } from "../../src/table/table.ts"
import { checkTable, findKey } from "./check-table.ts"
import { evenHash, holdsValue, RecordBatch } from "./record-batch.ts"

const batch = new RecordBatch()

function keyOf(n: number): Buffer {
  return Buffer.from(`user:${n}`)
}

/** Puts the keys from `from` to `to` - 1 with values of 54 to 58 bytes, in batches of 250. */
function putRange(table: Table, from: number, to: number, lsn = 1): void {
  for (let n = from; n < to; n++) {
    const key = keyOf(n)
    batch.put(evenHash(key), key, 54 + (n % 5), lsn)
    if (batch.count === 250) batch.applyTo(table)
  }
  batch.applyTo(table)
}

function deleteRange(table: Table, from: number, to: number): void {
  for (let n = from; n < to; n++) {
    const key = keyOf(n)
    batch.delete(evenHash(key), key, 1)
    if (batch.count === 250) batch.applyTo(table)
  }
  batch.applyTo(table)
}

function compact(table: Table, countMax = 1000): void {
  while (table.compactStep(countMax));
}

function find(table: Table, n: number): number {
  return findKey(table, evenHash(keyOf(n)), `user:${n}`)
}

/** Puts and reads back one record. */
function put(table: Table, key: Buffer, valueSize: number, lsn: number): number {
  batch.put(evenHash(key), key, valueSize, lsn)
  batch.applyTo(table)
  return findKey(table, evenHash(key), key)
}

describe("records", () => {
  test("a table without records finds nothing", () => {
    const table = new Table()
    expect(findKey(table, 1, "a")).toBe(-1)
    expect(table.count).toBe(0)
    checkTable(table)
  })

  test("a record gives back its key, its value and the LSN of its commit", () => {
    const table = new Table()
    const address = put(table, Buffer.from("ada"), 20, 7)
    const bytes = table.bytesAt(address)
    expect(bytes.toString("latin1", table.keyStart(address), table.keyEnd(address))).toBe("ada")
    expect(table.valueEnd(address) - table.valueStart(address)).toBe(20)
    expect(holdsValue(table, address, 20, 7)).toBe(true)
  })

  test("an LSN keeps all of its 48 bits", () => {
    const table = new Table()
    for (const lsn of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 47 + 2 ** 31 + 5, LSN_MAX])
      expect(table.lsnAt(put(table, Buffer.from("key"), 10, lsn))).toBe(lsn)
  })

  test("the record in the slab is the record of the log, but for the LSN", () => {
    const table = new Table()
    const source = allocateRecordBuffer(64)
    source.bytes.set([1, 2, 3, 4, 9, 0, 0, 0, 3, 0, 1, 1, 77, 0, 0, 0])
    source.bytes.write("abc123456789", 16)
    table.applyAll(source, Uint32Array.of(0), Float64Array.of(0x0102_0304_0506), 0, 1)
    const address = findKey(table, 0x04030201, "abc")
    const start = table.keyStart(address) - 16
    expect(table.bytesAt(address).toString("hex", start, start + 16)).toBe(
      "01020304" + "09000000" + "0300" + "0201" + "06050403",
    )
    expect(table.bytesAt(address).toString("latin1", start + 16, start + 32)).toBe("abc123456789\0\0\0\0")
  })

  test.each([0, 100, 101, 1000, 1001, 1024 * 1024, 5 * 1024 * 1024])("a value of %i bytes is found whole", (size) => {
    const table = new Table()
    expect(holdsValue(table, put(table, Buffer.from("key"), size, 3), size, 3)).toBe(true)
    checkTable(table)
  })

  test.each([
    ["empty", ""],
    ["of one byte", "k"],
    ["of 4,096 bytes", "k".repeat(4096)],
    ["of two-byte characters", "ключ"],
    ["of a four-byte character", "🔑"],
    ["of a zero byte", "\u0000"],
  ])("a key %s is found", (_, text) => {
    const table = new Table()
    put(table, Buffer.from("another key"), 5, 1)
    const key = Buffer.from(text)
    const address = put(table, key, 5, 2)
    expect(table.bytesAt(address).toString("utf8", table.keyStart(address), table.keyEnd(address))).toBe(text)
    expect(holdsValue(table, address, 5, 2)).toBe(true)
  })

  test("keys of equal hash and equal length are told apart", () => {
    const table = new Table()
    const keys = ["a", "b", "abcd", "abce", "abcde", "abcdf", "é", "aé"].map((text) => Buffer.from(text))
    keys.forEach((key, i) => batch.put(42, key, i, i))
    batch.applyTo(table)
    expect(table.count).toBe(keys.length)
    for (const [i, key] of keys.entries()) {
      const address = findKey(table, 42, key)
      expect(table.valueEnd(address) - table.valueStart(address)).toBe(i)
    }
    expect(findKey(table, 42, "abcg")).toBe(-1)
  })

  test("overwriting leaves one record, the newest", () => {
    const table = new Table()
    for (let lsn = 1; lsn <= 2000; lsn++) put(table, Buffer.from("key"), 50, lsn)
    expect(table.count).toBe(1)
    expect(holdsValue(table, put(table, Buffer.from("key"), 50, 2001), 50, 2001)).toBe(true)
    expect(table.metrics()).toMatchObject({ liveBytes: 72, deadBytes: 0, chunks: 1 })
  })

  test("a value that grows and shrinks is found whole each time", () => {
    const table = new Table()
    const sizes = [0, 10, 1000, 999, 70_000, 69_000, 50_000, 5, 5 * 1024 * 1024, 0]
    for (const [lsn, size] of sizes.entries())
      expect(holdsValue(table, put(table, Buffer.from("key"), size, lsn), size, lsn)).toBe(true)
    checkTable(table)
  })

  test("the later of two records of one batch wins", () => {
    const table = new Table()
    const key = Buffer.from("key")
    batch.put(1, key, 10, 1)
    batch.delete(1, key, 2)
    batch.put(1, key, 20, 3)
    batch.applyTo(table)
    expect(holdsValue(table, findKey(table, 1, "key"), 20, 3)).toBe(true)
    batch.put(1, key, 10, 4)
    batch.delete(1, key, 5)
    batch.applyTo(table)
    expect(findKey(table, 1, "key")).toBe(-1)
  })

  test("only the records asked for are applied", () => {
    const table = new Table()
    const source = allocateRecordBuffer(4 * 24)
    for (let i = 0; i < 4; i++) {
      source.bytes.set([i, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], i * 24)
      source.bytes[i * 24 + 16] = 97 + i
    }
    table.applyAll(source, Uint32Array.of(0, 24, 48, 72), new Float64Array(4), 1, 3)
    expect([0, 1, 2, 3].map((i) => findKey(table, i, String.fromCharCode(97 + i)) >= 0)).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  test("a record that is neither put nor delete is refused", () => {
    const source = allocateRecordBuffer(16)
    source.bytes[RECORD_KIND] = KIND_DEFINE_TABLE
    const apply = (): void => new Table().applyAll(source, new Uint32Array(1), new Float64Array(1), 0, 1)
    expect(apply).toThrow(InvariantViolation)
  })

  test("deleting what is not there changes nothing", () => {
    const table = new Table()
    putRange(table, 0, 10)
    deleteRange(table, 10, 20)
    expect(table.count).toBe(10)
    checkTable(table)
  })
})

describe("memory", () => {
  test("of 100,000 records 90,000 deleted are gone, and their memory after compaction", () => {
    const table = new Table()
    putRange(table, 0, 100_000)
    deleteRange(table, 0, 90_000)
    const before = table.metrics()
    compact(table)
    checkTable(table)
    const after = table.metrics()
    let visible = 0
    for (let n = 0; n < 90_000; n++) if (find(table, n) >= 0) visible++
    expect(visible).toBe(0)
    for (let n = 90_000; n < 100_000; n++)
      if (!holdsValue(table, find(table, n), 54 + (n % 5), 1)) throw new Error(`user:${n} was lost`)
    expect(after.allocatedBytes).toBeLessThan(after.liveBytes * 1.5)
    expect(after.indexBytes).toBeLessThan(before.indexBytes / 4)
    // Moving allocates too; what was given back is at least the difference.
    expect(after.returnedBytes).toBeGreaterThanOrEqual(before.allocatedBytes - after.allocatedBytes)
  })

  test("records in ever more places are moved together", () => {
    const table = new Table()
    putRange(table, 0, 50_000)
    for (let n = 0; n < 50_000; n++) if (n % 10 !== 3) deleteRange(table, n, n + 1)
    const before = table.metrics()
    expect(before.allocatedBytes).toBeGreaterThan(before.liveBytes * 5)
    compact(table, 100)
    checkTable(table)
    expect(table.metrics().allocatedBytes).toBeLessThan(table.metrics().liveBytes * 1.5)
    expect(table.metrics().movedRecords).toBeLessThan(10_000)
    for (let n = 3; n < 50_000; n += 10)
      if (!holdsValue(table, find(table, n), 54 + (n % 5), 1)) throw new Error(`user:${n} was lost`)
  })

  test("a table without records gives everything back", () => {
    const table = new Table()
    putRange(table, 0, 40_000)
    deleteRange(table, 0, 40_000)
    compact(table)
    checkTable(table)
    expect(table.metrics()).toMatchObject({ count: 0, liveBytes: 0, deadBytes: 0, allocatedBytes: 0, chunks: 0 })
    expect(table.metrics().indexBytes).toBeLessThan(200)
  })

  test("of a class that was large only a small chunk is left", () => {
    const table = new Table()
    putRange(table, 1_000_000, 1_030_000)
    for (let n = 1_000_000; n < 1_029_999; n++) deleteRange(table, n, n + 1)
    compact(table)
    expect(table.count).toBe(1)
    expect(table.metrics().allocatedBytes).toBeLessThanOrEqual(2048)
    checkTable(table)
  })

  test("a dense table is left alone", () => {
    const table = new Table()
    putRange(table, 0, 20_000)
    for (let n = 0; n < 20_000; n += 11) deleteRange(table, n, n + 1)
    compact(table)
    expect(table.metrics().movedRecords).toBe(0)
  })

  test.each([50, 5_000, 50_000])("a record of %i bytes that comes and goes costs no allocation each time", (size) => {
    const table = new Table()
    const key = Buffer.from("key")
    for (let lsn = 0; lsn < 100; lsn++) {
      put(table, key, size, lsn)
      batch.delete(evenHash(key), key, lsn)
      batch.applyTo(table)
    }
    expect(table.metrics()).toMatchObject({ count: 0, chunks: 1, deadBytes: 0, returnedBytes: 0 })
    compact(table)
    expect(table.metrics()).toMatchObject({ chunks: 0, allocatedBytes: 0 })
    checkTable(table)
  })

  test("a chunk without records goes at once, unless its class has no room elsewhere", () => {
    const table = new Table()
    putRange(table, 0, 10_000)
    const { chunks, allocatedBytes } = table.metrics()
    deleteRange(table, 0, 10_000)
    // Records of 80 and of 88 bytes.
    expect(table.metrics().chunks).toBe(2)
    expect(table.metrics().returnedBytes).toBe(allocatedBytes - table.metrics().allocatedBytes)
    expect(chunks).toBeGreaterThan(20)
    checkTable(table)
  })

  test("a large record goes back at once", () => {
    const table = new Table()
    put(table, Buffer.from("large"), 1024 * 1024, 1)
    expect(table.metrics().allocatedBytes).toBeGreaterThan(1024 * 1024)
    batch.delete(evenHash(Buffer.from("large")), Buffer.from("large"), 2)
    batch.applyTo(table)
    expect(table.metrics()).toMatchObject({ allocatedBytes: 0, chunks: 0, returnedBytes: 1024 * 1024 + 24 })
  })

  test("a large record that shrinks a lot does not keep its memory", () => {
    const table = new Table()
    put(table, Buffer.from("large"), 1024 * 1024, 1)
    put(table, Buffer.from("large"), 100 * 1024, 2)
    expect(table.metrics().allocatedBytes).toBeLessThan(101 * 1024)
  })

  test("clear gives everything back and leaves a table that works", () => {
    const table = new Table()
    putRange(table, 0, 30_000)
    table.compactStep(10)
    table.clear()
    expect(table.metrics()).toMatchObject({ count: 0, liveBytes: 0, allocatedBytes: 0, chunks: 0, segments: 1 })
    putRange(table, 0, 1000)
    expect(table.count).toBe(1000)
    checkTable(table)
  })

  test("a small table is small", () => {
    const table = new Table()
    putRange(table, 0, 5)
    const { allocatedBytes, indexBytes } = table.metrics()
    expect(allocatedBytes + indexBytes).toBeLessThan(5_000)
  })

  test("100-byte records cost at most 105 bytes each, index and slack included, at every size of the table", () => {
    const table = new Table()
    for (let count = 0; count < 250_000; count += 5_000) {
      putRange(table, count, count + 5_000)
      const { allocatedBytes, indexBytes } = table.metrics()
      if (count >= 100_000) expect((allocatedBytes + indexBytes) / table.count).toBeLessThan(105)
    }
    expect(table.metrics().liveBytes / table.count).toBeGreaterThan(80)
  })
})

describe("bounds", () => {
  test("growing to 250,000 records never moves more than one segment of the index", () => {
    const table = new Table()
    putRange(table, 0, 250_000)
    expect(table.metrics().longestRehash).toBeLessThan(16_000)
    expect(table.metrics().segments).toBeGreaterThan(16)
    expect(table.metrics().longestProbe).toBeLessThan(100)
  })

  test("keys that come in the order of another table's walk crowd no part of the index, in either direction", () => {
    const source = new Table()
    putRange(source, 0, 60_000)
    const keys: string[] = []
    for (const cursor = source.cursor(); cursor.next();) keys.push(...cursor.keys)
    const spread = source.metrics()
    for (const order of [keys, keys.toReversed()]) {
      const table = new Table()
      for (const text of order) {
        const key = Buffer.from(text)
        batch.put(evenHash(key), key, 8, 1)
        if (batch.count === 64) batch.applyTo(table)
      }
      batch.applyTo(table)
      checkTable(table)
      // Where each insertion passes all that came before, tens of thousands.
      expect(table.metrics().longestProbe).toBeLessThan(300)
      // Segments that split before they are full; compaction merges what stays small.
      expect(table.metrics().indexBytes).toBeLessThan(spread.indexBytes * 2)
      expect(table.index.movedCount).toBeLessThan(60_000 * 20)
    }
  })

  test("a step of compaction moves at most what it may, and the entries of one segment", () => {
    const table = new Table()
    putRange(table, 0, 100_000)
    for (let n = 0; n < 100_000; n++) if (n % 20 !== 0) deleteRange(table, n, n + 1)
    let more = true
    while (more) {
      const records = table.metrics().movedRecords
      const entries = table.index.movedCount
      more = table.compactStep(64)
      expect(table.metrics().movedRecords - records).toBeLessThanOrEqual(64)
      expect(table.index.movedCount - entries).toBeLessThan(64 + 16_000)
    }
    checkTable(table)
  })

  test("hashes that share their top bits neither split without end nor blow up the directory", () => {
    const table = new Table()
    for (let n = 0; n < 20_000; n++) {
      const key = keyOf(n)
      // Multiplied by the inverse of the index's constant, so that the mixed hash has 20 equal top bits.
      batch.put(Math.imul(0x12345000 | (n & 0xfff), 0x0e8b2f51) >>> 0, key, 8, 1)
      if (batch.count === 250) batch.applyTo(table)
    }
    batch.applyTo(table)
    expect(table.count).toBe(20_000)
    expect(table.index.directory.length).toBeLessThanOrEqual(256)
    checkTable(table)
  })

  test("2,000 keys of one hash are kept, and given up again", () => {
    const table = new Table()
    const hash = 0x71c71c71
    for (let n = 0; n < 2_000; n++) batch.put(hash, keyOf(n), 8, 1)
    batch.applyTo(table)
    checkTable(table)
    for (let n = 0; n < 2_000; n++) if (findKey(table, hash, `user:${n}`) < 0) throw new Error(`user:${n} is not found`)
    for (let n = 0; n < 1_999; n++) batch.delete(hash, keyOf(n), 2)
    batch.applyTo(table)
    compact(table)
    checkTable(table)
    expect(findKey(table, hash, "user:1999")).toBeGreaterThanOrEqual(0)
    expect(table.count).toBe(1)
  })

  test("the generation changes with everything that may move a record", () => {
    const table = new Table()
    const seen = new Set([table.generation])
    putRange(table, 0, 1)
    seen.add(table.generation)
    table.compactStep(1)
    seen.add(table.generation)
    table.clear()
    seen.add(table.generation)
    expect(seen.size).toBe(4)
  })
})
