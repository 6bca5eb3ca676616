// When a batch goes before the end of its turn: by group commit over a log that answers when the test says so.

import { expect, test } from "vitest"
import type { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { scene, turn } from "./commit-scene.ts"
import type { HeldLog, Scene } from "./commit-scene.ts"

test("half a turn's writes go early once they have been coming in for as long as the last flush took", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 100, 120 * 1024)
  putFor(write, clock, 90)
  // Large enough, but the disk would not have ended before they do: the turn's end takes all of them.
  expect(log.drafts).toHaveLength(1)
  await turn()
  expect(log.drafts[1]).toMatchObject({ commitCount: 90 })
})

test("and from 48 KiB on, however much more went last", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 10, 400 * 1024)
  putFor(write, clock, 40)
  expect(log.drafts).toHaveLength(1)
  putFor(write, clock, 20)
  expect(log.drafts).toHaveLength(2)
  expect(log.drafts[1]?.size).toBeGreaterThanOrEqual(48 * 1024)
  expect(log.drafts[1]?.commitCount).toBeLessThan(60)
  // One is in flight: what comes meanwhile waits for its end, however much it is.
  putFor(write, clock, 200)
  expect(log.drafts).toHaveLength(2)
  await log.end()
  expect(log.drafts).toHaveLength(3)
  expect(log.inFlightCountMax).toBe(1)
})

test("callers that write again when they are told fall into two halves, of which one is always on its way", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 1, 20 * 1024)
  await callAgain(20, clock, write)
  for (let n = 0; n < 5; n++) await log.end()
  const counts = log.drafts.slice(1).map(({ commitCount }) => commitCount)
  expect(counts).toEqual([10, 10, 10, 10, 10, 10])
  expect(log.inFlightCount).toBe(1)
})

test("which become one again where two flushes in a row take longer than all of them", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 1, 20 * 1024)
  await callAgain(20, clock, write)
  await log.end()
  for (const tookMs of [30, 5, 30, 30, 30, 30]) {
    clock.advance(tookMs)
    await log.end()
  }
  const counts = log.drafts.slice(2).map(({ commitCount }) => commitCount)
  expect(counts).toEqual([10, 10, 10, 10, 20, 20, 20])
})

test("who was told and writes no more does not keep the others waiting for longer than the turn", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 100, 64)
  await flushed(log, clock, write, 100, 64)
  void write()
  await turn()
  void write()
  clock.advance(100)
  await log.end()
  expect(log.drafts.slice(2)).toMatchObject([{ commitCount: 1 }, { commitCount: 1 }])
  expect(log.inFlightCount).toBe(1)
})

test("the half of little is left to the turn's end", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 1, 1024)
  for (let n = 0; n < 31; n++) {
    void write("synced", 64)
    clock.advance(1)
  }
  expect(log.drafts).toHaveLength(1)
  void write("synced", 64)
  expect(log.drafts).toHaveLength(2)
})

test("one quick flush among slow ones does not make a disk quick", async () => {
  const { log, clock, write } = scene({ bytes: 10_000_000 }, 100_000_000)
  await flushed(log, clock, write, 100, 20 * 1024)
  await flushed(log, clock, write, 1, 20 * 1024)
  putFor(write, clock, 20)
  expect(log.drafts).toHaveLength(2)
  await turn()
  await log.end()
  for (let n = 0; n < 5; n++) await flushed(log, clock, write, 1, 20 * 1024)
  putFor(write, clock, 20)
  expect(log.drafts.at(-1)?.commitCount).toBeLessThan(20)
})

/** One flush of so many bytes that takes so long, by the simulated clock. */
async function flushed(
  log: HeldLog,
  clock: SimulatedClock,
  write: Scene["write"],
  tookMs: number,
  size: number,
): Promise<void> {
  void write("synced", size)
  await turn()
  clock.advance(tookMs)
  await log.end()
}

/** Callers that write 1 KiB, again and again, and take a simulated millisecond each time. */
async function callAgain(count: number, clock: SimulatedClock, write: Scene["write"]): Promise<void> {
  const call = async (): Promise<void> => {
    for (let n = 0; n < 100; n++) {
      const receipt = write("synced", 1024)
      clock.advance(1)
      await receipt
    }
  }
  for (let n = 0; n < count; n++) void call()
  await turn()
}

/** Writes of 1 KiB, one a simulated millisecond, within one turn. */
function putFor(write: Scene["write"], clock: SimulatedClock, count: number): void {
  for (let n = 0; n < count; n++) {
    void write("synced", 1024)
    clock.advance(1)
  }
}
