import fc from "fast-check"
import { expect, test } from "vitest"
import { PrefixRoutes } from "../../src/streams/prefix-routes.ts"

function matches(routes: PrefixRoutes<string>, key: string): string[] {
  const size = Buffer.byteLength(key)
  // A record's padding, and the next record behind it, must not count.
  const words = new Uint32Array(4 + ((size + 3) >>> 2) + 4).fill(0xffffffff)
  Buffer.from(words.buffer).write(key, 16)
  const found: string[] = ["what was there before"]
  const count = routes.match(words, 4, size, found, 1)
  return found.slice(1, count).toSorted()
}

const text = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "é", "\u0000"), maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
)

test("finds exactly the prefixes that a key starts with", () => {
  fc.assert(
    fc.property(fc.uniqueArray(text), fc.array(text), (prefixes, keys) => {
      const wellFormed = prefixes.filter((prefix) => prefix !== "" && prefix.isWellFormed())
      const routes = new PrefixRoutes<string>()
      for (const prefix of wellFormed) routes.add(Buffer.from(prefix), prefix)
      for (const key of [...keys, ...wellFormed].filter((candidate) => candidate.isWellFormed())) {
        expect(matches(routes, key)).toEqual(wellFormed.filter((prefix) => key.startsWith(prefix)).toSorted())
        expect(routes.find(Buffer.from(key))).toBe(wellFormed.includes(key) ? key : undefined)
      }
    }),
    { numRuns: 1_000 },
  )
})

test("forgets what was removed, and nothing else", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[ab]{1,6}$/)), fc.nat(), (prefixes, at) => {
      const routes = new PrefixRoutes<string>()
      for (const prefix of prefixes) routes.add(Buffer.from(prefix), prefix)
      const count = prefixes.length === 0 ? 0 : at % prefixes.length
      for (const prefix of prefixes.slice(0, count)) routes.remove(Buffer.from(prefix))
      const left = prefixes.slice(count)
      expect(routes.isEmpty).toBe(left.length === 0)
      for (const prefix of prefixes) {
        expect(routes.find(Buffer.from(prefix))).toBe(left.includes(prefix) ? prefix : undefined)
        expect(matches(routes, `${prefix}c`)).toEqual(left.filter((other) => prefix.startsWith(other)).toSorted())
      }
    }),
  )
})

test("prefixes with the same hash are told apart", () => {
  const routes = new PrefixRoutes<string>()
  const byHash = new Map<number, string>()
  // The hash of two words, as the routes fold them. Of some 80,000 texts two have the same.
  const fold = (hash: number, word: number): number => {
    const mixed = Math.imul(hash ^ word, 0x9e3779b1)
    return mixed ^ (mixed >>> 15)
  }
  let pair: readonly [string, string] | undefined
  for (let n = 1; pair === undefined; n++) {
    const key = Math.imul(n, 0x2545f491).toString(36).slice(-4).padStart(4, "_") + n.toString(36).padStart(4, "0")
    const words = new Uint32Array(new Uint8Array(Buffer.from(key)).buffer)
    const hash = fold(fold(0x3c6ef372, words[0] ?? 0), words[1] ?? 0)
    const other = byHash.get(hash)
    if (other !== undefined) pair = [other, key]
    byHash.set(hash, key)
  }
  const [left, right] = pair
  routes.add(Buffer.from(left), left)
  expect(matches(routes, right)).toEqual([])
  routes.add(Buffer.from(right), right)
  expect(matches(routes, left)).toEqual([left])
  expect(matches(routes, right)).toEqual([right])
  routes.remove(Buffer.from(left))
  expect(matches(routes, left)).toEqual([])
  expect(matches(routes, right)).toEqual([right])
})
