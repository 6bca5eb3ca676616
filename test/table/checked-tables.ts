// Tables with what must be in them, and the ways in which one is filled from another: record by record in order, or by
// taking over memory full of records, which several tables share.

import { expect } from "vitest"
import { allocateRecordBuffer, recordSize } from "../../src/format/record.ts"
import type { RecordBuffer } from "../../src/format/record.ts"
import { shardOf } from "../../src/physics/placement.ts"
import { mixHash } from "../../src/table/index-segment.ts"
import { OrderedScan } from "../../src/table/ordered-scan.ts"
import { RecordSurvey } from "../../src/table/record-survey.ts"
import { chunkOf, wordOf } from "../../src/table/slabs.ts"
import { Table } from "../../src/table/table.ts"
import { TableLoader } from "../../src/table/table-loader.ts"
import { checkTable, findKey } from "./check-table.ts"
import { evenHash, holdsValue, RecordBatch } from "./record-batch.ts"

/** Makes a hash of one that is spread evenly. */
export type Hashing = (even: number) => number

/** As in a checkpoint that several shards' tables share: some low bits alike, all alike, at the ends of the range. */
export const hashings: Readonly<Record<string, Hashing>> = {
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
export function inverseOf(mixed: number): number {
  let inverse = 1
  for (let round = 0; round < 5; round++) inverse = Math.imul(inverse, 2 - Math.imul(0x9e3779b1, inverse))
  return Math.imul(mixed, inverse) >>> 0
}

interface Entry {
  readonly lsn: number
  readonly valueSize: number
}

/** A table and what must be in it. */
export class Checked {
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
    // Last: it looks at all there is, where records may be put off until they are looked at.
    checkTable(this.table)
  }

  #random(below: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % below
  }
}

export function built(count: number, hashing: Hashing, valueSizeOf: (n: number) => number = (n) => n % 60): Checked {
  const checked = new Checked(new Table(), hashing)
  for (let n = 0; n < count; n++) {
    checked.put(`key:${n}`, valueSizeOf(n))
    if (n % 500 === 499) checked.flush()
  }
  checked.flush()
  return checked
}

/** Visits the records of a table in the order of their mixed hashes. */
export function inOrder(table: Table, visit: (words: Uint32Array, at: number, mixed: number) => void): void {
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
export function loaded(from: Checked, hashing: Hashing, expectedCount: number): Checked {
  const table = new Table()
  const loader = new TableLoader(table, expectedCount)
  inOrder(from.table, (words, at, mixed) => loader.add(words, at, mixed))
  loader.finish()
  return new Checked(table, hashing, from.model)
}

/** Bytes of a piece of memory that tables take over. */
const MEMORY_SIZE = 4096

/** The same records in pieces of memory, in order. */
export function piecesOf(from: Table): RecordBuffer[] {
  const pieces: RecordBuffer[] = []
  let memory = allocateRecordBuffer(MEMORY_SIZE)
  let end = 0
  const cut = (): void => {
    pieces.push({ bytes: memory.bytes.subarray(0, end << 2), words: memory.words.subarray(0, end) })
  }
  inOrder(from, (words, at) => {
    const count = recordSize((words[at + 2] as number) & 0xffff, words[at + 1] as number) >>> 2
    if ((end + count) << 2 > memory.bytes.length) {
      cut()
      memory = allocateRecordBuffer(Math.max(MEMORY_SIZE, count << 2))
      end = 0
    }
    memory.words.set(words.subarray(at, at + count), end)
    end += count
  })
  cut()
  return pieces
}

/**
 * The same records in memory that so many tables share, as those of shards do. They are entered about `rangeCount` at a
 * time; with more than there are, at once.
 */
export function adopted(from: Checked, hashing: Hashing, tableCount: number, rangeCount: number): Checked[] {
  const tables = Array.from({ length: tableCount }, () => new Table())
  const survey = new RecordSurvey(tableCount, rangeCount)
  let count = 0
  for (const piece of piecesOf(from.table)) count += survey.take(piece) as number
  expect(count).toBe(from.model.size)
  survey.finish(tables)
  return tables.map((table, index) => {
    const isMine = (key: string): boolean => shardOf(hashing(evenHash(Buffer.from(key))), tableCount) === index
    return new Checked(table, hashing, new Map([...from.model].filter(([key]) => isMine(key))))
  })
}
