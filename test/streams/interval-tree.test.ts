// The tree of intervals, against a look at each of them.

import fc from "fast-check"
import { expect, test } from "vitest"
import { IntervalTree } from "../../src/streams/interval-tree.ts"
import type { Interval } from "../../src/streams/interval-tree.ts"

const bound = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 3 })
const interval = fc.record({ low: bound, high: fc.option(bound, { nil: undefined }) })

function holds({ low, high }: Interval, text: string): boolean {
  return low <= text && (high === undefined || text < high)
}

function nameOf({ low, high }: Interval): string {
  return `${low}..${high ?? ""}${high === undefined ? "" : "!"}`
}

function matches(tree: IntervalTree<string>, text: string): readonly string[] {
  const found = ["what was there before"]
  const count = tree.match(text, found, 1)
  return found.slice(1, count)
}

test("finds the intervals that hold a text, in their order, whatever came and went", () => {
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 60 }), fc.array(bound, { maxLength: 8 }), (changes, texts) => {
      const tree = new IntervalTree<string>()
      const all = new Map<string, Interval>()
      for (const change of changes) {
        const name = nameOf(change)
        // One that is there goes.
        if (all.delete(name)) tree.remove(change)
        else {
          all.set(name, change)
          tree.add(change, name)
        }
        expect(tree.isEmpty).toBe(all.size === 0)
        for (const text of texts) {
          const found = matches(tree, text)
          const held = [...all].flatMap(([id, each]) => (holds(each, text) ? [id] : []))
          expect(found).toHaveLength(held.length)
          expect(new Set(found)).toEqual(new Set(held))
          const lows = found.map((id) => all.get(id)?.low ?? "")
          expect(lows.every((low, at) => at === 0 || low >= (lows[at - 1] ?? ""))).toBe(true)
        }
      }
    }),
    { numRuns: 150 },
  )
})

test("looks at a few of many intervals that follow each other, whatever their order of coming", () => {
  const count = 1_024
  const textOf = (n: number): string => n.toString().padStart(6, "0")
  for (const order of [(n: number): number => n, (n: number): number => count - 1 - n]) {
    const tree = new IntervalTree<number>()
    let looks = 0
    for (let n = 0; n < count; n++) {
      const at = order(n)
      const low = { [Symbol.toPrimitive]: (): string => (looks++, textOf(at)) }
      // A bound that tells of every comparison: one compares with it as with a string, and no string would tell.
      tree.add({ low: low as unknown as string, high: textOf(at + 1) }, at)
    }
    looks = 0
    for (let n = 0; n < count; n++) {
      const found: number[] = []
      expect([tree.match(textOf(n), found, 0), found[0]]).toEqual([1, n])
    }
    // The mean depth of a treap is below twice the logarithm; each step down is one comparison with a beginning.
    expect(looks / count).toBeLessThan(24)
  }
})
