// The operators of live queries alone: the window, the difference of two results, the order, sorted blocks.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { differenceOf } from "../../src/streams/live-difference.ts"
import { abbreviated, compareSortKeys, sortKeyFrom } from "../../src/streams/live-order.ts"
import type { OrderBy, SortKey } from "../../src/streams/live-order.ts"
import { applyDeltas, revertDeltas } from "../../src/streams/live-row.ts"
import type { LiveRow, SourceChange } from "../../src/streams/live-row.ts"
import { LiveWindow } from "../../src/streams/live-window.ts"
import type { WindowOptions } from "../../src/streams/live-window.ts"
import { SortedBlocks } from "../../src/streams/sorted-blocks.ts"

function put(key: string, value: unknown, version = 1): SourceChange {
  return { source: 0, key, isThere: true, value, version }
}

function gone(key: string): SourceChange {
  return { source: 0, key, isThere: false, value: undefined, version: 1 }
}

function windowOf(options: WindowOptions, rows: Readonly<Record<string, unknown>> = {}): LiveWindow {
  const window = new LiveWindow(options)
  for (const [key, value] of Object.entries(rows)) window.load(key, value, 1)
  window.loaded()
  return window
}

const byNumber = (value: unknown): number => value as number
const valuesOf = (rows: readonly LiveRow[]): unknown[] => rows.map(({ value }) => value)

describe("a window", () => {
  test("without an order stands in the order of keys", () => {
    const window = windowOf({}, { c: 1, a: 2 })
    expect(window.step([put("b", 3)])).toEqual([{ type: "enter", key: "b", value: 3, index: 1 }])
    expect(valuesOf(window.result)).toEqual([2, 3, 1])
  })

  test("lets the row behind it move up when one leaves, and out again when one comes", () => {
    const window = windowOf({ orderBy: byNumber, limit: 2 }, { a: 1, b: 2, c: 3 })
    expect(window.step([gone("a")])).toEqual([
      { type: "leave", key: "a", value: 1, index: 0 },
      { type: "enter", key: "c", value: 3, index: 1 },
    ])
    expect(window.step([put("d", 0)])).toEqual([
      { type: "leave", key: "c", value: 3, index: 1 },
      { type: "enter", key: "d", value: 0, index: 0 },
    ])
  })

  test("moves a row whose place has changed, and says what it was", () => {
    const window = windowOf({ orderBy: byNumber }, { a: 1, b: 2, c: 3 })
    expect(window.step([put("a", 9)])).toEqual([{ type: "move", key: "a", value: 9, before: 1, from: 0, index: 2 }])
  })

  test("is not touched by what happens behind it", () => {
    const window = windowOf({ orderBy: byNumber, limit: 2 }, { a: 1, b: 2, c: 3, d: 4 })
    const { result } = window
    expect(window.step([put("c", 5), gone("d"), put("e", 7)])).toEqual([])
    expect(window.result).toBe(result)
  })

  test("with an offset gets its rows from before it", () => {
    const window = windowOf({ orderBy: byNumber, offset: 1, limit: 2 }, { a: 1, b: 2, c: 3, d: 4 })
    expect(window.step([put("z", 0)])).toEqual([
      { type: "leave", key: "c", value: 3, index: 1 },
      { type: "enter", key: "a", value: 1, index: 0 },
    ])
    expect(window.step([put("z", 9)])).toEqual([
      { type: "leave", key: "a", value: 1, index: 0 },
      { type: "enter", key: "c", value: 3, index: 1 },
    ])
  })

  test("keeps the rows, and the result, that a change does not change", () => {
    const select = (value: unknown): unknown => ({ name: (value as { name: string }).name })
    const window = windowOf({ select }, { a: { name: "ada", seen: 1 }, b: { name: "bob", seen: 1 } })
    const { result } = window
    expect(window.step([put("a", { name: "ada", seen: 2 })])).toEqual([])
    expect(window.result).toBe(result)
    expect(window.step([put("b", { name: "bea", seen: 2 })])).toMatchObject([{ type: "change", key: "b", index: 1 }])
    expect(window.result).not.toBe(result)
    expect(window.result[0]).toBe(result[0])
  })

  test("keeps the result also where a commit of many changes comes back to what it was", () => {
    const window = windowOf({ orderBy: byNumber, limit: 3 }, { a: 1, b: 2, c: 3 })
    const { result } = window
    const many = Array.from({ length: 50 }, (_, n) => [put(`x${n}`, -n), gone(`x${n}`)]).flat()
    expect(window.step(many)).toEqual([])
    expect(window.result).toBe(result)
  })

  test("orders by several parts, each in its direction, and by key in the end", () => {
    const orderBy: OrderBy = [
      { by: (value) => (value as number[])[0] ?? 0, direction: "descending" },
      { by: (value) => (value as number[])[1] ?? 0 },
    ]
    const window = windowOf({ orderBy }, { a: [1, 2], b: [2, 2], c: [2, 1], d: [2, 1] })
    expect(window.result.map(({ key }) => key)).toEqual(["c", "d", "b", "a"])
  })

  test("refuses what cannot be ordered by", () => {
    const window = windowOf({ orderBy: (value) => value as number })
    expect(() => window.step([put("a", undefined)])).toThrow(TypeError)
    expect(() => window.step([put("a", null)])).toThrow("not by a value of type null")
  })
})

const number = fc.integer({ min: 0, max: 12 })
const changeOfRow = fc.tuple(fc.integer({ min: 0, max: 15 }), fc.option(number, { nil: undefined }))
const steps = fc.array(fc.oneof(fc.array(changeOfRow, { maxLength: 3 }), fc.array(changeOfRow, { maxLength: 40 })), {
  maxLength: 25,
})

test("a window is at every step what filtering, sorting and slicing give, and its deltas lead there and back", () => {
  fc.assert(
    fc.property(
      steps,
      fc.nat(6),
      fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      fc.boolean(),
      (history, offset, limit, isDescending) => {
        const where = (value: unknown): boolean => (value as number) % 5 !== 0
        const orderBy: OrderBy = [{ by: byNumber, direction: isDescending ? "descending" : "ascending" }]
        const window = windowOf({ where, orderBy, offset, limit })
        const model = new Map<string, number>()
        let shown = window.result
        for (const changes of history) {
          for (const [n, value] of changes) {
            if (value === undefined) model.delete(`k${n}`)
            else model.set(`k${n}`, value)
          }
          const deltas = window.step(
            changes.map(([n, value]) => (value === undefined ? gone(`k${n}`) : put(`k${n}`, value))),
          )
          const expected = [...model]
            .filter(([, value]) => where(value))
            .sort(([leftKey, left], [rightKey, right]) => {
              if (left !== right) return isDescending ? right - left : left - right
              return leftKey < rightKey ? -1 : 1
            })
            .slice(offset, limit === undefined ? undefined : offset + limit)
            .map(([key, value]) => ({ key, value }))
          expect(window.result).toEqual(expected)
          expect(applyDeltas(shown, deltas)).toEqual(expected)
          expect(revertDeltas(window.result, deltas)).toEqual(shown)
          if (deltas.length === 0) expect(window.result).toBe(shown)
          const kept = new Set(shown)
          for (const row of window.result) {
            const before = shown.find(({ key }) => key === row.key)
            if (before !== undefined && before.value === row.value) expect(kept.has(row)).toBe(true)
          }
          shown = window.result
        }
      },
    ),
    { numRuns: 400 },
  )
})

const rows = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 30 })

test("the difference of any two results leads from one to the other and back", () => {
  fc.assert(
    fc.property(rows, rows, fc.func(fc.boolean()), (before, after, isChanged) => {
      const old = new Map(before.map((n) => [n, { key: `k${n}`, value: n }]))
      const left = [...old.values()]
      const right = after.map((n) => {
        const row = old.get(n)
        return row === undefined || isChanged(n) ? { key: `k${n}`, value: n + 100 } : row
      })
      const deltas = differenceOf(left, right)
      expect(applyDeltas(left, deltas)).toEqual(right)
      expect(revertDeltas(right, deltas)).toEqual(left)
      // No more than one delta for each row that is in one of them.
      expect(deltas.length).toBeLessThanOrEqual(new Set([...before, ...after]).size)
    }),
    { numRuns: 1_000 },
  )
})

test("the difference moves as few rows as it can", () => {
  const list = (keys: string): LiveRow[] => keys.split("").map((key) => all.get(key) as LiveRow)
  const all = new Map("abcdef".split("").map((key) => [key, { key, value: key }]))
  expect(differenceOf(list("abcdef"), list("bcdefa"))).toHaveLength(1)
  expect(differenceOf(list("abcdef"), list("fabcde"))).toHaveLength(1)
  expect(differenceOf(list("abcdef"), list("abcdef"))).toHaveLength(0)
})

test("deltas that do not belong to a result are refused", () => {
  const deltas = [{ type: "leave", key: "a", value: 1, index: 0 }] as const
  expect(() => applyDeltas([], deltas)).toThrow(RangeError)
  expect(() => applyDeltas([{ key: "b", value: 1 }], deltas)).toThrow(RangeError)
})

test("the order of order values is total, numbers of all kinds before strings", () => {
  const value = fc.oneof(
    fc.double(),
    fc.bigInt({ min: -9n, max: 9n }),
    fc.integer({ min: -9, max: 9 }),
    fc.string({ maxLength: 2 }),
    fc.constantFrom<SortKey>(Number.NaN, 0, -0, "5", "10"),
  )
  fc.assert(
    fc.property(value, value, value, (a, b, c) => {
      expect(compareSortKeys(a, b)).toBe(0 - compareSortKeys(b, a))
      expect(compareSortKeys(a, a)).toBe(0)
      if (abbreviated(a) < abbreviated(b)) expect(compareSortKeys(a, b)).toBe(-1)
      if (compareSortKeys(a, b) <= 0 && compareSortKeys(b, c) <= 0) expect(compareSortKeys(a, c)).toBeLessThanOrEqual(0)
    }),
    { numRuns: 2_000 },
  )
  const early = new Date("2020-01-01")
  expect(compareSortKeys(sortKeyFrom(early), sortKeyFrom(new Date("2021-01-01")))).toBe(-1)
  expect(compareSortKeys(Number.NaN, -Infinity)).toBe(-1)
  expect(compareSortKeys("1", 2)).toBe(1)
})

test("sorted blocks tell ranks and items like a sorted array, also when they split and empty", () => {
  // Ten items share an abbreviated key.
  const itemOf = (value: number): { value: number; abbreviated: number } => ({
    value,
    abbreviated: Math.floor(value / 100),
  })
  const blocks = new SortedBlocks<ReturnType<typeof itemOf>>((left, right) => left.value - right.value)
  const model: number[] = []
  const all = (): number[] => blocks.slice(0, Infinity).map(({ value }) => value)
  let chance = 7
  const next = (bound: number): number => {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0
    return (chance >>> 8) % bound
  }
  blocks.load(Array.from({ length: 900 }, (_, n) => itemOf((899 - n) * 10)))
  for (let n = 0; n < 900; n++) model.push(n * 10)
  for (let turn = 0; turn < 12_000; turn++) {
    // More and more, then fewer and fewer.
    const value = next(9_000)
    const at = model.findIndex((item) => item >= value)
    const rank = at < 0 ? model.length : at
    const isThere = model[rank] === value
    if (!isThere && turn < 6_000) {
      expect(blocks.add(itemOf(value))).toBe(rank)
      model.splice(rank, 0, value)
    } else if (turn >= 6_000) {
      const victim = isThere ? value : (model[Math.min(rank, model.length - 1)] as number)
      if (!isThere) expect(blocks.remove(itemOf(value))).toBe(-1)
      expect(blocks.rankOf(itemOf(victim))).toBe(model.indexOf(victim))
      expect(blocks.remove(itemOf(victim))).toBe(model.indexOf(victim))
      model.splice(model.indexOf(victim), 1)
      if (model.length === 0) break
    }
    if (turn % 500 === 0) {
      expect(all()).toEqual(model)
      expect(blocks.at(rank)?.value).toBe(model[rank])
      expect(blocks.slice(rank, rank + 5).map((item) => item.value)).toEqual(model.slice(rank, rank + 5))
    }
  }
  expect(all()).toEqual(model)
  expect(blocks.count).toBe(model.length)
})

test("sorted blocks of which only the first ranks are asked for have these in order, whatever moves behind them", () => {
  interface Item {
    value: number
    abbreviated: number
  }
  const compare = (left: Item, right: Item): number => left.value - right.value
  const bounds = fc.record({
    seed: fc.nat(),
    high: fc.constantFrom(1, 20, 300, 700),
    keyCount: fc.constantFrom(3, 5_000),
  })
  const check = ({ seed, high, keyCount }: { seed: number; high: number; keyCount: number }): void => {
    const blocks = new SortedBlocks<Item>(compare, (item) => ({ ...item }))
    let chance = seed
    const next = (bound: number): number => {
      chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0
      return (chance >>> 8) % bound
    }
    const abbreviate = (value: number): number => Math.floor((value * keyCount) / 1e9)
    const taken = new Set<number>()
    const place = (): number => {
      for (;;) {
        const value = next(0xffffff) * 50 + next(50)
        if (!taken.has(value)) return value
      }
    }
    const made = (): Item => {
      const value = place()
      taken.add(value)
      return { value, abbreviated: abbreviate(value) }
    }
    const items = Array.from({ length: 1_000 }, made).toSorted(compare)
    blocks.load(items.toReversed())
    for (let turn = 0; turn < 800; turn++) {
      const isGoing = turn >= 400
      // Anywhere; then from the front, until blocks from behind are there.
      const rank = next(isGoing ? Math.min(high, items.length) : items.length)
      const item = items[rank] as Item
      if (isGoing) expect(blocks.at(rank)).toBe(item)
      const from = blocks.remove(item, high)
      expect(Math.min(from, high)).toBe(Math.min(rank, high))
      expect(blocks.remove(item, high)).toBe(-1)
      taken.delete(item.value)
      if (isGoing) items.splice(rank, 1)
      else {
        item.value = place()
        taken.add(item.value)
        item.abbreviated = abbreviate(item.value)
        const to = blocks.add(item, high)
        items.sort(compare)
        expect(Math.min(to, high)).toBe(Math.min(items.indexOf(item), high))
        expect(Math.min(blocks.rankOf(item, high), high)).toBe(Math.min(to, high))
      }
      // Somebody looks at one behind now and then.
      const looked = next(items.length)
      if (turn % 4 === 0) expect(blocks.at(looked)).toBe(items[looked])
    }
    expect(blocks.slice(0, high)).toEqual(items.slice(0, high))
    expect(blocks.slice(0, Infinity)).toEqual(items)
  }
  fc.assert(fc.property(bounds, check), { numRuns: 6 })
})

test("a window over many rows stays right when the rows move that divide its blocks", () => {
  const values = new Map(Array.from({ length: 600 }, (_, n) => [`k${n}`, n * 10]))
  // The first part is the same for all: rows are told apart by what they are, and not by numbers that stand for them.
  const orderBy = [{ by: () => 0 }, { by: byNumber }]
  const window = windowOf({ orderBy, limit: 600 }, Object.fromEntries(values))
  const first = windowOf({ orderBy, limit: 3 }, Object.fromEntries(values))
  for (let turn = 0; turn < 300; turn++) {
    const ranked = [...values].toSorted(([, left], [, right]) => left - right)
    // Blocks are loaded with 192 rows each: the last of one goes anywhere, and then others do.
    const [key] = ranked[(191 + turn * 192) % 600] as [string, number]
    const value = ((turn * 2_741) % 6_000) + 0.5 + turn / 1_000
    values.set(key, value)
    for (const each of [window, first]) each.step([put(key, value)])
  }
  const expected = [...values.values()].toSorted((left, right) => left - right)
  expect(valuesOf(window.result)).toEqual(expected)
  expect(valuesOf(first.result)).toEqual(expected.slice(0, 3))
})
