// A table is a Map from keys to records, whatever is done to it in whatever order: more than a million operations
// against a Map, with hashes that collide as badly as they can, keys and values of every size, compaction steps and
// walks in between. After each run every rule of its parts is checked.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Table } from "../../src/table/table.ts"
import type { TableCursor } from "../../src/table/table-cursor.ts"
import { checkTable } from "../table/check-table.ts"
import { evenHash, holdsValue, RecordBatch } from "../table/record-batch.ts"

/** How a run turns keys into hashes. */
const hashings: Readonly<Record<string, (even: number) => number>> = {
  even: (even) => even,
  /** As the keys of one shard of eight. */
  shard: (even) => ((even & 0xffff1fff) | 0x6000) >>> 0,
  few: (even) => Math.imul(even & 0x1f, 0x08080808) >>> 0,
  low: (even) => even & 0xff,
  high: (even) => (even & 0xff000000) >>> 0,
  last: (even) => (0xffffffff - (even & 3)) >>> 0,
  one: () => 0x9abcdef0,
}

const valueSizes = [0, 1, 7, 8, 54, 56, 58, 100, 101, 480, 490, 1000, 1001, 2000, 5000]
const oddKeys = ["", "a", "ключ", "鍵", "🔑 key", "\u0000", "__proto__", "k".repeat(4096), "é".repeat(2048)]

interface Plan {
  readonly seed: number
  readonly operationCount: number
  readonly keyCount: number
  readonly hashing: string
  readonly chunkSizeMax: number
  readonly deleteShare: number
}

/** A key in the shapes that the table's methods want it in, made once a run. */
interface Key {
  readonly text: string
  readonly bytes: Buffer
  readonly words: Uint32Array
  readonly hash: number
}

interface Entry {
  readonly lsn: number
  readonly valueSize: number
}

/** A walk in progress, and what it must deliver: the keys that were there all the time. */
interface Walk {
  readonly cursor: TableCursor
  readonly owed: Set<string>
  /** Keys that were put or deleted meanwhile: they may come, or not. */
  readonly changed: Set<string>
}

class Run {
  readonly table: Table
  readonly model = new Map<string, Entry>()
  readonly #plan: Plan
  readonly #batch = new RecordBatch()
  readonly #touched = new Set<Key>()
  readonly #keys: (Key | undefined)[]
  readonly #hashing: (even: number) => number
  #state: number
  #lsn: number
  #walk: Walk | undefined

  constructor(plan: Plan) {
    this.#plan = plan
    this.#state = plan.seed | 1
    // LSNs on both sides of 2^32, and far above.
    this.#lsn = plan.seed % 3 === 0 ? 2 ** 32 - 100 : plan.seed % 3 === 1 ? 1 : 2 ** 47
    this.table = new Table({ chunkSizeMax: plan.chunkSizeMax })
    const hashing = hashings[plan.hashing]
    if (hashing === undefined) throw new Error(`no hashing is called ${plan.hashing}`)
    this.#hashing = hashing
    this.#keys = Array.from({ length: plan.keyCount }, () => undefined)
  }

  go(): void {
    const { operationCount } = this.#plan
    for (let i = 0; i < operationCount; i++) {
      this.#write()
      const dice = this.#random(1000)
      if (dice < 20) this.#flush()
      else if (dice < 40) this.#compact()
      else if (dice < 42) this.#walkOn()
      else if (dice === 42 && this.#random(40) === 0) this.#clear()
    }
    this.#flush()
    this.#checkAll()
    checkTable(this.table)
    while (this.table.compactStep(50));
    this.#checkAll()
    checkTable(this.table)
  }

  #random(below: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % below
  }

  #key(): Key {
    const n = this.#random(this.#plan.keyCount)
    return (this.#keys[n] ??= this.#makeKey(oddKeys[n] ?? `key:${n}`))
  }

  #makeKey(text: string): Key {
    const words = new Uint32Array((Buffer.byteLength(text) + 7) >>> 2)
    const bytes = Buffer.from(words.buffer, 0, Buffer.byteLength(text))
    bytes.write(text)
    return { text, bytes, words, hash: this.#hashing(evenHash(bytes)) }
  }

  #write(): void {
    const key = this.#key()
    const { text, bytes, hash } = key
    const lsn = ++this.#lsn
    this.#touched.add(key)
    this.#walk?.changed.add(text)
    this.#walk?.owed.delete(text)
    if (this.#random(1000) < this.#plan.deleteShare) {
      this.#batch.delete(hash, bytes, lsn)
      this.model.delete(text)
      return
    }
    const valueSize = this.#valueSize()
    this.#batch.put(hash, bytes, valueSize, lsn)
    this.model.set(text, { lsn, valueSize })
  }

  #valueSize(): number {
    const dice = this.#random(10_000)
    if (dice < 8000) return 54 + (dice % 5)
    if (dice < 9990) return valueSizes[dice % valueSizes.length] ?? 0
    return dice === 9990 && this.#random(20) === 0 ? 5 * 1024 * 1024 : 60_000 + dice * 8
  }

  #flush(): void {
    this.#batch.applyTo(this.table)
    expect(this.table.count).toBe(this.model.size)
    for (const key of this.#touched) this.#checkKey(key)
    this.#touched.clear()
  }

  #checkKey({ text, bytes, words, hash }: Key): void {
    const address = this.table.find(hash, words, 0, bytes.length)
    const entry = this.model.get(text)
    if (entry === undefined) {
      if (address !== -1) throw new Error(`"${text}" is in the table, but was deleted`)
    } else if (address === -1) throw new Error(`"${text}" is not in the table`)
    else if (!holdsValue(this.table, address, entry.valueSize, entry.lsn))
      throw new Error(`"${text}" has another value`)
  }

  #compact(): void {
    const before = this.table.metrics().movedRecords
    const countMax = 1 + this.#random(200)
    this.table.compactStep(countMax)
    expect(this.table.metrics().movedRecords - before).toBeLessThanOrEqual(countMax)
  }

  #walkOn(): void {
    this.#flush()
    this.#walk ??= { cursor: this.table.cursor(), owed: new Set(this.model.keys()), changed: new Set() }
    const { cursor, owed, changed } = this.#walk
    const more = cursor.next()
    for (const [i, key] of cursor.keys.entries()) {
      if (!owed.delete(key) && !changed.has(key)) throw new Error(`the walk delivers "${key}" twice`)
      const entry = this.model.get(key)
      if (entry === undefined) throw new Error(`the walk delivers "${key}", which is not in the table`)
      if (!holdsValue(this.table, cursor.addresses[i] ?? -1, entry.valueSize, entry.lsn))
        throw new Error(`the walk delivers another address for "${key}"`)
    }
    if (more) return
    if (owed.size > 0) throw new Error(`the walk left out ${owed.size} keys that were there all the time`)
    this.#walk = undefined
  }

  #clear(): void {
    this.#flush()
    this.table.clear()
    for (const key of this.model.keys()) this.#walk?.changed.add(key)
    this.model.clear()
    this.#walk?.owed.clear()
    expect(this.table.metrics()).toMatchObject({ count: 0, liveBytes: 0, deadBytes: 0, allocatedBytes: 0 })
  }

  #checkAll(): void {
    for (const key of this.#keys) if (key !== undefined) this.#checkKey(key)
    const keys: string[] = []
    for (const cursor = this.table.cursor(); cursor.next();) keys.push(...cursor.keys)
    expect(keys.length).toBe(this.model.size)
    for (const key of keys) if (!this.model.has(key)) throw new Error(`the walk delivers "${key}"`)
    expect(new Set(keys).size).toBe(keys.length)
  }
}

function run(plan: Plan): void {
  new Run(plan).go()
}

describe("a table equals a map", () => {
  test("whatever the hashes, the sizes and the order", () => {
    const plan = fc.record({
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      operationCount: fc.constant(4_000),
      keyCount: fc.constantFrom(1, 12, 150, 2_000),
      hashing: fc.constantFrom("even", "shard", "few", "low", "high"),
      chunkSizeMax: fc.constantFrom(2_048, 16_384, 262_128),
      deleteShare: fc.constantFrom(100, 400, 700),
    })
    fc.assert(fc.property(plan, run), { numRuns: 130 })
  })

  test("when all keys share one hash, or the last few", () => {
    const plan = fc.record({
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      operationCount: fc.constant(2_500),
      keyCount: fc.constantFrom(2, 300),
      hashing: fc.constantFrom("one", "last"),
      chunkSizeMax: fc.constantFrom(2_048, 262_128),
      deleteShare: fc.constantFrom(100, 500),
    })
    fc.assert(fc.property(plan, run), { numRuns: 20 })
  })

  test("while it grows and shrinks over many segments", () => {
    const plan = fc.record({
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      operationCount: fc.constant(150_000),
      keyCount: fc.constant(60_000),
      hashing: fc.constantFrom("even", "shard"),
      chunkSizeMax: fc.constant(262_128),
      deleteShare: fc.constantFrom(150, 600),
    })
    fc.assert(fc.property(plan, run), { numRuns: 3 })
  })
})
