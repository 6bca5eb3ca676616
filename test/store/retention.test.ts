// What is let go, and what is kept: by the number of checkpoints, and by how far back the past is to be read.

import { expect, test } from "vitest"
import { HistoryExpired, open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

const HOUR_MS = 3_600_000

/** One put and one checkpoint an hour. Returns when each was made, and its LSN. */
async function hours(
  store: Store,
  platform: SimulatedPlatform,
  count: number,
): Promise<{ readonly timeMs: number; readonly lsn: number }[]> {
  const made: { timeMs: number; lsn: number }[] = []
  for (let hour = 0; hour < count; hour++) {
    // Only whole segments go.
    await untilSettled(platform, store.table("t").put("filler", "x".repeat(3000)))
    const { lsn } = await untilSettled(platform, store.table("t").put("hour", hour))
    made.push({ timeMs: platform.clock.wallMs(), lsn })
    await untilSettled(platform, store.checkpoint())
    platform.clock.advance(HOUR_MS)
  }
  return made
}

test("by default the newest three checkpoints are kept, and the log behind the oldest of them", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const store = await untilSettled(platform, open("/data", { platform, shards: 2, segmentBytes: 4096 }))
  await hours(store, platform, 10)
  expect(store.metrics().checkpoint.kept).toBe(3)
  expect([...platform.fileSystem.files().keys()].filter((name) => name.includes("checkpoint-"))).toHaveLength(3)
  await untilSettled(platform, store.close())
})

test("where the past is to be readable for some time, it is, to the commit, and no further", async () => {
  const platform = simulatePlatform({ seed: 2 })
  const keep = { checkpoints: 1, historyMs: 5 * HOUR_MS }
  const store = await untilSettled(platform, open("/data", { platform, shards: 2, segmentBytes: 4096, keep }))
  const made = await hours(store, platform, 30)
  const nowMs = platform.clock.wallMs()
  const at = (timeMs: number): Promise<unknown> =>
    untilSettled(platform, open("/data", { platform, readOnly: true, at: new Date(timeMs) })).then((past) =>
      past.table("t").get("hour"),
    )
  for (const [hour, { timeMs }] of made.entries()) {
    if (timeMs >= nowMs - keep.historyMs - HOUR_MS) expect(await at(timeMs)).toBe(hour)
  }
  await expect(at(made[10]?.timeMs ?? 0)).rejects.toThrow(HistoryExpired)
  expect(store.metrics().checkpoint.kept).toBeLessThan(9)
  await untilSettled(platform, store.close())
})

test("where so many bytes of the log are to be readable, they are, and not many more", async () => {
  const platform = simulatePlatform({ seed: 4 })
  const keep = { checkpoints: 1, historyBytes: 20_000 }
  const store = await untilSettled(platform, open("/data", { platform, shards: 2, segmentBytes: 4096, keep }))
  const made = await hours(store, platform, 40)
  const { log, checkpoint } = store.metrics()
  expect(log.bytes).toBeGreaterThanOrEqual(keep.historyBytes)
  // A checkpoint an hour, and a segment, are what it is rounded up by.
  expect(log.bytes).toBeLessThan(2 * keep.historyBytes)
  expect(checkpoint.kept).toBeGreaterThan(1)
  // About six of the last hours can be read, and no more.
  const hourAt = (hour: number): Promise<unknown> =>
    untilSettled(platform, open("/data", { platform, readOnly: true, at: made[hour]?.lsn ?? 0 })).then((past) =>
      past.table("t").get("hour"),
    )
  expect(await hourAt(35)).toBe(35)
  await expect(hourAt(20)).rejects.toThrow(HistoryExpired)
  await untilSettled(platform, store.close())
})

test("what was let go is counted as it was given back", async () => {
  const platform = simulatePlatform({ seed: 3 })
  const options = { platform, segmentBytes: 4096, keep: { checkpoints: 1 }, audit: false }
  const store = await untilSettled(platform, open("/data", options))
  const table = store.table<string>("t")
  let returned = 0
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 40; n++) await untilSettled(platform, table.put(`k${n}`, `${round}`.padEnd(300)))
    const used = (): number => [...platform.fileSystem.files().values()].reduce((sum, bytes) => sum + bytes.length, 0)
    const before = used()
    const report = await untilSettled(platform, store.checkpoint())
    // The checkpoint came, and what the report says went.
    expect(used()).toBe(before + (report?.sizeBytes ?? 0) - (report?.returnedBytes ?? 0))
    returned += report?.returnedBytes ?? 0
  }
  expect(returned).toBeGreaterThan(50_000)
  expect(store.metrics().checkpoint.returnedBytes).toBe(returned)
  await untilSettled(platform, store.close())
})

test("rules that keep less than those of the owner before are applied also where nothing was written since", async () => {
  const platform = simulatePlatform({ seed: 4 })
  const before = await untilSettled(platform, open("/data", { platform, shards: 2, segmentBytes: 4096 }))
  await hours(before, platform, 6)
  await untilSettled(platform, before.close())
  const store = await untilSettled(
    platform,
    open("/data", { platform, shards: 2, segmentBytes: 4096, keep: { checkpoints: 1 } }),
  )
  const report = await untilSettled(platform, store.checkpoint())
  expect(report?.returnedBytes).toBeGreaterThan(0)
  expect(store.metrics().checkpoint).toMatchObject({ kept: 1, made: 0 })
  expect(await untilSettled(platform, store.checkpoint())).toBeUndefined()
  expect(store.table("t").get("hour")).toBe(5)
  await untilSettled(platform, store.close())
})
