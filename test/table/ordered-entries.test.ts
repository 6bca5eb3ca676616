// The ordered set below indexes, compared with a sorted array.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { OrderedEntries } from "../../src/table/ordered-entries.ts"

const KEY_SIZE = 1

/** A set and what should be in it, as texts of Latin-1 whose first letter stands for the index key. */
class Checked {
  readonly entries = new OrderedEntries()
  readonly texts = new Set<string>()

  insert(text: string): void {
    const bytes = Buffer.from(text, "latin1")
    expect(this.entries.insert(bytes, 0, bytes.length, KEY_SIZE)).toBe(!this.texts.has(text))
    this.texts.add(text)
  }

  remove(text: string): void {
    const bytes = Buffer.from(text, "latin1")
    expect(this.entries.remove(bytes, 0, bytes.length)).toBe(this.texts.delete(text))
  }

  sorted(): string[] {
    return [...this.texts].toSorted((left, right) => (left < right ? -1 : 1))
  }

  walk(low: string, high: string | undefined, isReverse: boolean): string[] {
    const walk = this.entries.walk(bytesOf(low), high === undefined ? undefined : bytesOf(high), isReverse)
    const texts: string[] = []
    while (walk.next()) texts.push(walk.bytes.latin1Slice(walk.start, walk.end))
    return texts
  }

  check(low: string, high: string | undefined): void {
    const sorted = this.sorted()
    const expected = sorted.filter((text) => text >= low && (high === undefined || text < high))
    expect(this.walk(low, high, false)).toEqual(expected)
    expect(this.walk(low, high, true)).toEqual(expected.toReversed())
    expect(this.entries.countBetween(bytesOf(low), high === undefined ? undefined : bytesOf(high))).toBe(
      expected.length,
    )
    expect(this.entries.count).toBe(this.texts.size)
    for (const indexKey of ["a", "b", "c", "ÿ"]) {
      const first = sorted.find((each) => each.startsWith(indexKey))
      expect(this.entries.firstOf(bytesOf(`-${indexKey}-`), 1, 1 + KEY_SIZE)).toBe(first?.slice(KEY_SIZE))
    }
  }
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1")
}

/** Few distinct short ones, and long ones that make blocks divide soon. */
const text = fc
  .tuple(fc.constantFrom("a", "b", "ÿ"), fc.nat(400), fc.constantFrom(0, 0, 30, 300))
  .map(([key, n, pad]) => `${key}${"p".repeat(pad)}${String(n).padStart(pad % 7, "0")}`)
const bound = fc.oneof(text, fc.constantFrom("", "a", "b", "b\0", "ÿ", "ÿÿ"))

describe("ordered entries", () => {
  test("are what a sorted array is, walked either way between any bounds", () => {
    const change = fc.tuple(fc.constantFrom("insert", "insert", "remove"), text)
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 400, size: "max" }),
        bound,
        fc.option(bound, { nil: undefined }),
        (changes, low, high) => {
          const checked = new Checked()
          for (const [kind, changed] of changes) {
            if (kind === "insert") checked.insert(changed)
            else checked.remove(changed)
          }
          checked.check(low, high)
          checked.check("", undefined)
        },
      ),
      { numRuns: 60 },
    )
  })

  test("tell the first record of an index key, also where those before it have left its block", () => {
    const entries = new OrderedEntries()
    const nameOf = (n: number): string => String(n).padStart(300, "0")
    const change = (kind: "insert" | "remove", indexKey: string, n: number): void => {
      const bytes = bytesOf(indexKey + nameOf(n))
      if (kind === "insert") entries.insert(bytes, 0, bytes.length, KEY_SIZE)
      else entries.remove(bytes, 0, bytes.length)
    }
    // Some that keep the first block alive, and enough for several blocks.
    for (let n = 0; n < 20; n++) change("insert", "a", n)
    for (let n = 0; n < 200; n++) change("insert", "b", n)
    for (let n = 0; n < 200; n++) {
      expect(entries.firstOf(bytesOf("b"), 0, KEY_SIZE)).toBe(nameOf(n))
      change("remove", "b", n)
    }
    expect(entries.firstOf(bytesOf("b"), 0, KEY_SIZE)).toBe(undefined)
  })

  test("many, that come and go in any order, are in order, and their memory is given back", () => {
    const checked = new Checked()
    const count = 20_000
    for (let n = 0; n < count; n++) checked.insert(`k${(n * 7_919) % count}`)
    expect(checked.entries.blockCount).toBeGreaterThan(10)
    checked.check("k5", "k7")
    checked.check("", undefined)
    // Each takes at most twice its own bytes.
    const raw = checked.sorted().reduce((sum, entry) => sum + entry.length, 0)
    expect(checked.entries.byteSize).toBeLessThan(2 * (raw + 6 * count))
    for (let n = 0; n < count; n++) if (n % 100 !== 0) checked.remove(`k${n}`)
    checked.check("", undefined)
    expect(checked.entries.byteSize).toBeLessThan(20_000)
    for (let n = 0; n < count; n += 100) checked.remove(`k${n}`)
    checked.check("", undefined)
    expect(checked.entries.blockCount).toBe(1)
  })

  test("that come in ascending order fill their blocks", () => {
    const checked = new Checked()
    for (let n = 0; n < 20_000; n++) checked.insert(`k${String(n).padStart(5, "0")}`)
    // Six bytes, four of a header, two of an offset.
    expect(checked.entries.byteSize / 20_000).toBeLessThan(14)
    checked.check("k00100", "k19999")
  })

  test("of the greatest size fit, and divide their blocks", () => {
    const checked = new Checked()
    for (let n = 0; n < 50; n++) checked.insert(`k${(n * 17) % 50}${"x".repeat(5_100)}`)
    checked.check("k2", "k4")
    for (let n = 0; n < 50; n += 2) checked.remove(`k${n}${"x".repeat(5_100)}`)
    checked.check("", undefined)
  })

  test("are the same whatever the order in which they came", () => {
    const texts = fc.uniqueArray(text, { maxLength: 300 })
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.nat()), (distinct, dice) => {
        const [one, other] = [new Checked(), new Checked()]
        for (const each of distinct) one.insert(each)
        const left = [...distinct]
        while (left.length > 0) {
          const [taken] = left.splice((dice.next().value as number) % left.length, 1)
          other.insert(taken as string)
        }
        expect(one.walk("", undefined, false)).toEqual(other.walk("", undefined, false))
      }),
      { numRuns: 30 },
    )
  })

  test.each([false, true])("are each met once by a walk during which others come and go, reverse %s", (isReverse) => {
    const checked = new Checked()
    for (let n = 0; n < 3_000; n++) checked.insert(`k${String(n).padStart(4, "0")}`)
    const walk = checked.entries.walk(bytesOf("k1"), bytesOf("k2"), isReverse)
    const met: string[] = []
    for (let step = 0; walk.next(); step++) {
      met.push(walk.bytes.latin1Slice(walk.start, walk.end))
      // What was just met goes, and so does much that comes before and after the bounds; new ones come everywhere.
      checked.remove(met.at(-1) as string)
      checked.remove(`k${String(step % 1_000).padStart(4, "0")}`)
      checked.remove(`k2${String(step % 1_000).padStart(3, "0")}`)
      checked.insert(`k15 ${step} ${"x".repeat(step % 400)}`)
    }
    const old = met.filter((entry) => entry.length === 5)
    const expected = Array.from({ length: 1_000 }, (_, n) => `k${n + 1_000}`)
    expect(old).toEqual(isReverse ? expected.toReversed() : expected)
    expect(new Set(met).size).toBe(met.length)
  })

  test("are forgotten by clear, also under a walk", () => {
    const checked = new Checked()
    for (let n = 0; n < 3_000; n++) checked.insert(`k${n}`)
    const walk = checked.entries.walk(bytesOf(""), undefined, false)
    expect(walk.next()).toBe(true)
    checked.entries.clear()
    expect(walk.next()).toBe(false)
    expect([checked.entries.count, checked.entries.blockCount]).toEqual([0, 1])
  })
})
