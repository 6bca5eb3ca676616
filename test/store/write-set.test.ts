import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { KIND_DELETE, KIND_PUT } from "../../src/format/record.ts"
import { ReadSet } from "../../src/store/read-set.ts"
import { WriteSet } from "../../src/store/write-set.ts"
import type { TableEntry } from "../../src/table/catalogue.ts"

const TABLES: readonly TableEntry[] = ["a", "b", "c"].map((name, index) => ({
  name,
  isSystem: false,
  id: index + 1,
  ruleCount: 0,
  compressFrom: Infinity,
}))

function tableAt(index: number): TableEntry {
  return TABLES[index] as TableEntry
}

const writes = fc.array(fc.record({ table: fc.nat(2), key: fc.nat(15), isPut: fc.boolean() }), { maxLength: 60 })

describe("a write set", () => {
  test("is a map for each table, few or many: the last write of a key, in the order of the first ones", () => {
    fc.assert(
      fc.property(writes, fc.nat(60), (steps, askedAt) => {
        const set = new WriteSet()
        const model = new Map<TableEntry, Map<string, number>>()
        for (const [n, { table, key, isPut }] of steps.entries()) {
          // Asking turns lists into maps: it must make no difference when.
          if (n === askedAt) set.of(tableAt(0))
          const entry = tableAt(table)
          set.set({ kind: isPut ? KIND_PUT : KIND_DELETE, entry, key: `k${key}`, value: n })
          const written = model.get(entry) ?? new Map<string, number>()
          model.set(entry, written.set(`k${key}`, n))
          expect(set.get(entry, `k${key}`)?.value).toBe(n)
        }
        const flat = [...model].flatMap(([entry, written]) => [...written].map(([key, value]) => [entry, key, value]))
        expect(set.operations().map(({ entry, key, value }) => [entry, key, value])).toEqual(flat)
        expect(set.size).toBe(flat.length)
        for (const entry of TABLES) {
          for (let key = 0; key < 16; key++) {
            expect(set.get(entry, `k${key}`)?.value).toBe(model.get(entry)?.get(`k${key}`))
          }
        }
        expect([...set.entries()]).toEqual([...model.keys()])
        for (const entry of TABLES) {
          const found = [...set.of(entry)].map(([key, { value }]) => [key, value])
          expect(found).toEqual([...(model.get(entry) ?? [])])
        }
      }),
      { numRuns: 200 },
    )
  })

  test("changes all of its operations, listed or not", () => {
    for (const count of [1, 8, 9, 30]) {
      const set = new WriteSet()
      for (let n = 0; n < count; n++) set.set({ kind: KIND_PUT, entry: tableAt(n % 2), key: `k${n}`, value: n })
      set.replaceAll((operation) => ({ ...operation, value: 1 + Number(operation.value) }))
      expect(set.operations().reduce((sum, { value }) => sum + Number(value), 0)).toBe((count * (count + 1)) / 2)
      expect(set.get(tableAt(0), "k0")?.value).toBe(1)
    }
  })
})

describe("a read set", () => {
  test("has each key once, and counts those, however often they were read", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ table: fc.nat(2), key: fc.nat(40) }), { maxLength: 200 }), (steps) => {
        const set = new ReadSet()
        const model = new Map<TableEntry, Set<string>>()
        let count = 0
        for (const { table, key } of steps) {
          const entry = tableAt(table)
          count = set.note(entry, `k${key}`)
          model.set(entry, (model.get(entry) ?? new Set()).add(`k${key}`))
        }
        const distinct = [...model.values()].reduce((sum, keys) => sum + keys.size, 0)
        expect(count).toBe(steps.length < 64 ? steps.length : distinct)
        expect(new Map(set.byTable())).toEqual(model)
        expect(set.note(tableAt(0), "another")).toBe(distinct + 1)
      }),
      { numRuns: 200 },
    )
  })
})
