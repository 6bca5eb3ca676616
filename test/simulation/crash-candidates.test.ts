// The numbered ways to keep a part of what is pending, and the states that are built of them.

import { describe, expect, test } from "vitest"
import { candidateCount, candidateOf, sampleOf, StateBuilder } from "../../src/simulation/crash-candidates.ts"
import type { PendingUnit } from "../../src/simulation/disk-changes.ts"
import { DiskTree, ROOT } from "../../src/simulation/disk-tree.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { present } from "../platform/file-system-contract.ts"

const random = (): SimulatedRandom => new SimulatedRandom(1)

/** Creations of files "0", "1", … in the root. */
function creations(count: number): PendingUnit[] {
  return Array.from({ length: count }, (_, index) => ({
    operation: index + 1,
    change: { kind: "create", place: { directory: ROOT, name: String(index) }, node: 100 + index, of: "file" },
    isForgotten: false,
  }))
}

describe("the candidates", () => {
  test("of three units are all of them, in order", () => {
    const all = Array.from({ length: candidateCount(3, 99) }, (_, number) => {
      const { kind, kept, torn } = candidateOf(number, 3, random)
      return `${kind} ${[...kept].map((keep, index) => (index === torn ? "t" : keep)).join("")}`
    })
    expect(all.join("; ")).toBe(
      "nothing 000; everything 111; " +
        "prefix 000; torn-zeros t00; torn-garbage t00; torn-half t00; hole 011; " +
        "prefix 100; torn-zeros 1t0; torn-garbage 1t0; torn-half 1t0; hole 101; " +
        "prefix 110; torn-zeros 11t; torn-garbage 11t; torn-half 11t; hole 110; " +
        "subset 000; subset 100; subset 010; subset 110; subset 001; subset 101; subset 011; subset 111",
    )
  })

  test("of nothing pending are one", () => {
    expect(candidateCount(0, 99)).toBe(1)
    expect(candidateOf(0, 0, random)).toEqual({ kind: "nothing", kept: new Uint8Array(0) })
  })

  test("of six units include all subsets, of seven the samples asked for", () => {
    expect(candidateCount(6, 99)).toBe(2 + 6 * 5 + 64)
    expect(candidateCount(7, 99)).toBe(2 + 7 * 5 + 99)
    expect(candidateOf(2 + 7 * 5, 7, random).kind).toBe("sample")
  })

  test("samples are sparse, half and dense, and now and then torn", () => {
    const chance = new SimulatedRandom(2)
    const samples = Array.from({ length: 300 }, () => sampleOf(40, chance))
    const counts = samples.map(({ kept }) => kept.filter((keep) => keep === 1).length)
    expect(counts.some((count) => count < 10)).toBe(true)
    expect(counts.some((count) => count > 15 && count < 25)).toBe(true)
    expect(counts.some((count) => count > 30)).toBe(true)
    const torn = samples.filter((sample) => sample.torn !== undefined)
    expect(torn.length).toBeGreaterThan(30)
    expect(torn.every((sample) => sample.kept[present(sample.torn)] === 1)).toBe(true)
  })
})

describe("the states built of them", () => {
  test("do not depend on the order in which they are asked for", () => {
    const pending = creations(5)
    const build = (builder: StateBuilder, number: number): string =>
      [
        ...(builder
          .build(candidateOf(number, 5, random))
          ?.namedFiles()
          .keys() ?? ["cannot be torn"]),
      ].join()
    const numbers = Array.from({ length: candidateCount(5, 0) }, (_, number) => number)
    const forward = new StateBuilder(new DiskTree(), pending)
    const backward = new StateBuilder(new DiskTree(), pending)
    const expected = numbers.map((number) => build(forward, number))
    const found = numbers.toReversed().map((number) => build(backward, number))
    expect(found.toReversed()).toEqual(expected)
    expect(new Set(expected).size).toBe(33)
  })

  test("leave the medium as it is", () => {
    const medium = new DiskTree()
    const before = medium.fingerprint()
    new StateBuilder(medium, creations(3)).build(candidateOf(1, 3, random))
    expect(medium.fingerprint()).toBe(before)
    expect([...medium.namedFiles()]).toEqual([])
  })
})
