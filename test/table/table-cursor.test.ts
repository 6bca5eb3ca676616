import { expect, test } from "vitest"
import { Table } from "../../src/table/table.ts"
import { evenHash, RecordBatch } from "./record-batch.ts"
import { findKey } from "./check-table.ts"

const batch = new RecordBatch()

function put(table: Table, from: number, to: number, step = 1): void {
  for (let n = from; n < to; n += step) {
    const key = Buffer.from(`key:${n}`)
    batch.put(evenHash(key), key, 8, n)
    if (batch.count === 250) batch.applyTo(table)
  }
  batch.applyTo(table)
}

function remove(table: Table, from: number, to: number): void {
  for (let n = from; n < to; n++) {
    const key = Buffer.from(`key:${n}`)
    batch.delete(evenHash(key), key, n)
  }
  batch.applyTo(table)
}

/** How often each key is met, doing something after each step. */
function walk(table: Table, between: (step: number) => void): Map<string, number> {
  const met = new Map<string, number>()
  const cursor = table.cursor()
  for (let step = 0; cursor.next(); step++) {
    for (const key of cursor.keys) met.set(key, (met.get(key) ?? 0) + 1)
    between(step)
  }
  return met
}

/** The keys that stay: every tenth of the first 40,000. */
function expectStayers(met: ReadonlyMap<string, number>): void {
  for (let n = 0; n < 40_000; n += 10)
    if (met.get(`key:${n}`) !== 1) throw new Error(`key:${n} is met ${met.get(`key:${n}`) ?? 0} times`)
}

test("a walk over an empty table ends", () => {
  const cursor = new Table().cursor()
  let steps = 0
  while (cursor.next()) steps++
  expect(steps).toBe(1)
  expect(cursor.keys).toEqual([])
  expect(cursor.next()).toBe(false)
})

test("a walk meets every record once, with its address", () => {
  const table = new Table()
  put(table, 0, 30_000)
  const cursor = table.cursor()
  let count = 0
  while (cursor.next())
    for (const [i, key] of cursor.keys.entries()) {
      count++
      if (findKey(table, evenHash(Buffer.from(key)), key) !== cursor.addresses[i])
        throw new Error(`${key} is elsewhere`)
    }
  expect(count).toBe(30_000)
})

test("a step is short, unless many keys share one hash", () => {
  const table = new Table()
  put(table, 0, 30_000)
  for (let n = 0; n < 1_000; n++) batch.put(7, Buffer.from(`same:${n}`), 0, 1)
  batch.applyTo(table)
  const cursor = table.cursor()
  let longest = 0
  while (cursor.next()) {
    const others = cursor.keys.filter((key) => key.startsWith("key:"))
    longest = Math.max(longest, others.length)
  }
  expect(longest).toBeLessThanOrEqual(512)
})

test("a walk holds while the index splits", () => {
  const table = new Table()
  put(table, 0, 40_000, 10)
  const met = walk(table, (step) => {
    if (step < 8) put(table, 40_000 + step * 20_000, 60_000 + step * 20_000)
  })
  expectStayers(met)
  expect(table.metrics().segments).toBeGreaterThan(8)
})

test("a walk holds while the index merges and records move", () => {
  const table = new Table()
  put(table, 0, 200_000)
  const segments = table.metrics().segments
  const met = walk(table, (step) => {
    if (step === 3) for (let n = 0; n < 200_000; n += 10) remove(table, n + 1, n + 10)
    if (step === 4) remove(table, 40_000, 200_000)
    if (step >= 4) table.compactStep(5_000)
  })
  while (table.compactStep(1000));
  expectStayers(met)
  expect(table.metrics().segments).toBeLessThan(segments)
})

test("a walk holds through overwrites that move every record", () => {
  const table = new Table()
  put(table, 0, 40_000)
  const met = walk(table, (step) => {
    for (let n = 0; n < 40_000; n += 40) {
      const key = Buffer.from(`key:${n}`)
      batch.put(evenHash(key), key, 100 + step * 8, 1)
    }
    batch.applyTo(table)
  })
  expectStayers(met)
})

test("a walk ends after the table is cleared", () => {
  const table = new Table()
  put(table, 0, 40_000)
  const met = walk(table, (step) => {
    if (step === 2) table.clear()
  })
  expect(met.size).toBeLessThan(40_000)
  expect(Math.max(...met.values())).toBe(1)
})

test("a walk with an end delivers what lies below it, once, and walks side by side deliver everything", () => {
  const table = new Table()
  put(table, 0, 20_000)
  const met = new Map<string, number>()
  const [span, half] = [2 ** 32 / 64, 2 ** 31]
  for (let start = 0; start < half; start += span) {
    const cursor = table.cursor(start, start + span)
    while (cursor.next()) for (const key of cursor.keys) met.set(key, (met.get(key) ?? 0) + 1)
    expect(cursor.position).toBe(start + span)
  }
  expect([...met.values()].every((count) => count === 1)).toBe(true)
  expect(met.size).toBeGreaterThan(9_000)
  expect(met.size).toBeLessThan(11_000)
  for (const cursor = table.cursor(half); cursor.next();) for (const key of cursor.keys) met.set(key, 1)
  expect(met.size).toBe(20_000)
})
