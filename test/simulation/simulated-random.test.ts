// Chance from a seed: the reference sequence of its algorithm, repeatability, ranges.

import { describe, expect, test } from "vitest"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"

function draw(seed: number, count: number): number[] {
  const random = new SimulatedRandom(seed)
  return Array.from({ length: count }, () => random.nextUint32())
}

/** xoshiro128** 1.1 as published, in 64-bit integers, from the same state. */
function reference(state: readonly number[], count: number): number[] {
  const words = state.map(BigInt)
  const mask = 0xffffffffn
  const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (32n - bits))) & mask
  return Array.from({ length: count }, () => {
    let [a = 0n, b = 0n, c = 0n, d = 0n] = words
    const result = (rotate((b * 5n) & mask, 7n) * 9n) & mask
    const shifted = (b << 9n) & mask
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11n)
    words.splice(0, 4, a, b, c, d)
    return Number(result)
  })
}

/** splitmix32, which fills the state. */
function stateOf(seed: number): number[] {
  let state = seed | 0
  return Array.from({ length: 4 }, () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  })
}

describe("simulated chance", () => {
  test.each([0, 1, 42, 0x7fffffff])("from seed %i is xoshiro128** from a state by splitmix32", (seed) => {
    expect(draw(seed, 200)).toEqual(reference(stateOf(seed), 200))
  })

  test("is the same for the same seed, and another for every other", () => {
    expect(draw(7, 100)).toEqual(draw(7, 100))
    const starts = [0, 1, -1, 2, 2 ** 32, 2 ** 33, Number.MAX_SAFE_INTEGER].map((seed) => draw(seed, 4).join())
    expect(new Set(starts).size).toBe(starts.length)
  })

  test("below(n) gives every number from 0 to n - 1, about equally often", () => {
    const random = new SimulatedRandom(3)
    const counts = new Uint32Array(10)
    for (let draws = 0; draws < 10_000; draws++) {
      const number = random.below(10)
      counts[number] = (counts[number] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(850)
    expect(Math.max(...counts)).toBeLessThan(1150)
  })

  test("pick gives each item in time, and refuses an empty list", () => {
    const random = new SimulatedRandom(4)
    const picked = new Set(Array.from({ length: 100 }, () => random.pick(["a", "b", "c"])))
    expect([...picked].sort()).toEqual(["a", "b", "c"])
    expect(() => random.pick([])).toThrow("there is an item to pick")
  })

  test("chance(n) comes true about once in n", () => {
    const random = new SimulatedRandom(5)
    const count = Array.from({ length: 8000 }, () => random.chance(8)).filter(Boolean).length
    expect(count).toBeGreaterThan(850)
    expect(count).toBeLessThan(1150)
  })

  test("fill gives every byte, and the same ones for the same seed", () => {
    const [first, second] = [new Uint8Array(5000), new Uint8Array(5000)]
    new SimulatedRandom(6).fill(first)
    new SimulatedRandom(6).fill(second)
    expect(first).toEqual(second)
    expect(new Set(first).size).toBe(256)
  })
})
