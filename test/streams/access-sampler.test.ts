// The sampler takes its share of everything, whatever the rhythm, and never holds more than it has room for.

import { expect, test } from "vitest"
import { AccessSampler, SAMPLE_COUNT_MAX, SAMPLE_EVERY } from "../../src/streams/access-sampler.ts"

test("one access of 64 is taken on average, also of accesses that come in a rhythm", () => {
  const sampler = new AccessSampler(12_345)
  sampler.switchOn()
  const takenByPhase = new Float64Array(SAMPLE_EVERY)
  const count = 4_000_000
  for (let n = 0; n < count; n++) {
    if (--sampler.countdown > 0) continue
    sampler.countdown = sampler.distance()
    takenByPhase[n % SAMPLE_EVERY] = (takenByPhase[n % SAMPLE_EVERY] ?? 0) + 1
  }
  const expected = count / SAMPLE_EVERY / SAMPLE_EVERY
  // Six times the standard deviation of a count.
  for (const taken of takenByPhase) expect(Math.abs(taken - expected)).toBeLessThan(6 * Math.sqrt(expected))
})

test("distances are those of independent draws: each length as often as it should be", () => {
  const sampler = new AccessSampler(7)
  const distances = Array.from({ length: 100_000 }, () => sampler.distance())
  expect(Math.min(...distances)).toBe(1)
  for (const least of [2, 20, 64, 200, 500]) {
    const share = distances.filter((distance) => distance >= least).length / distances.length
    expect(share).toBeCloseTo((1 - 1 / SAMPLE_EVERY) ** (least - 1), 1.9)
  }
})

test("the same seed draws the same distances, another one others", () => {
  const draw = (seed: number): number[] => {
    const sampler = new AccessSampler(seed)
    return Array.from({ length: 20 }, () => sampler.distance())
  }
  expect(draw(1)).toEqual(draw(1))
  expect(draw(1)).not.toEqual(draw(2_000_001))
})

test("what there is no room for is shed and counted; what was taken out makes room", () => {
  const sampler = new AccessSampler(1)
  sampler.switchOn()
  for (let n = 0; n < SAMPLE_COUNT_MAX + 10; n++) sampler.add(1, 2, `k${n}`, n, n % 8, n / 2)
  expect([sampler.sampledCount, sampler.shedCount]).toEqual([SAMPLE_COUNT_MAX, 10])
  const { count, keys, hashes, shards, timesMs, kinds, tableIds } = sampler.drain()
  expect([count, keys.length, kinds.length]).toEqual([SAMPLE_COUNT_MAX, SAMPLE_COUNT_MAX, SAMPLE_COUNT_MAX])
  expect([keys[9], hashes[9], shards[9], timesMs[9], kinds[9], tableIds[9]]).toEqual(["k9", 9, 1, 4.5, "put", 1])
  sampler.add(3, 1, "later", 5, 5, 5)
  expect(sampler.drain()).toMatchObject({ count: 1, keys: ["later"], kinds: ["miss"] })
  expect(keys).toHaveLength(SAMPLE_COUNT_MAX)
  sampler.add(3, 1, "dropped", 5, 5, 5)
  sampler.shed()
  expect([sampler.drain().count, sampler.sampledCount, sampler.shedCount]).toEqual([0, SAMPLE_COUNT_MAX + 1, 11])
})
