// A program that opens its store, writes a little or nothing, and closes it, again and again: each owner begins a segment of
// the log, and these must not gather for ever, or opening would take longer every time.

import { beforeAll, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store } from "../../src/index.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

const PATH = "/data"
const KEPT = { keep: { checkpoints: 1 } }
const BY_HAND = { ...KEPT, checkpoint: false } as const

/** One checkpoint, and as many segments behind it as may gather. */
let crowded: SimulatedDisk

function openOn(platform: SimulatedPlatform, options: OpenOptions): Promise<Store> {
  return untilSettled(platform, open(PATH, { platform, shards: 1, segmentBytes: 65_536, audit: false, ...options }))
}

function afresh(): SimulatedPlatform {
  return simulatePlatform({ seed: 7, disk: crowded.crash("everything") })
}

function segmentsOf({ fileSystem }: SimulatedPlatform): number {
  return [...fileSystem.files().keys()].filter((path) => path.startsWith(`${PATH}/wal-`)).length
}

/** What was put is there, and the log begins behind the checkpoint. */
async function expectGood(platform: SimulatedPlatform): Promise<void> {
  const store = await openOn(platform, BY_HAND)
  expect(store.table("runs").get("last")).toBe(1)
  expect(store.recovery).toMatchObject({ checkpoint: 2, records: 0, warnings: [] })
  await untilSettled(platform, store.close())
}

beforeAll(async () => {
  const platform = simulatePlatform({ seed: 1 })
  const first = await openOn(platform, BY_HAND)
  await untilSettled(platform, first.table("runs").put("last", 1))
  await untilSettled(platform, first.checkpoint())
  await untilSettled(platform, first.close())
  for (let n = 0; n < 127; n++) await untilSettled(platform, (await openOn(platform, BY_HAND)).close())
  expect(segmentsOf(platform)).toBe(128)
  crowded = platform.fileSystem
})

test("an owner that closes its store lets go of small segments when there are too many", async () => {
  const platform = afresh()
  await untilSettled(platform, (await openOn(platform, KEPT)).close())
  expect(segmentsOf(platform)).toBe(1)
  await expectGood(platform)
})

test("one that is killed has done so while it was open", async () => {
  const platform = afresh()
  await openOn(platform, KEPT)
  for (let look = 0; look < 40 && segmentsOf(platform) > 2; look++) {
    await untilSettled(platform, new Promise<void>((resolve) => void platform.clock.after(250, resolve)))
  }
  expect(segmentsOf(platform)).toBe(1)
  await expectGood(simulatePlatform({ seed: 8, disk: platform.fileSystem.crash("kill") }))
})

test("one that makes checkpoints by hand does so when it makes one, which the plan says beforehand", async () => {
  const platform = afresh()
  await untilSettled(platform, (await openOn(platform, BY_HAND)).close())
  const store = await openOn(platform, BY_HAND)
  expect(segmentsOf(platform)).toBe(130)
  const planned = await untilSettled(platform, store.planCheckpoint())
  const report = await untilSettled(platform, store.checkpoint())
  expect(report).toMatchObject({ number: 2, records: 1 })
  expect(planned).toMatchObject({ number: 2, lsn: report?.lsn, returnedBytes: report?.returnedBytes })
  expect(segmentsOf(platform)).toBe(1)
  expect(await untilSettled(platform, store.checkpoint())).toBe(undefined)
  await untilSettled(platform, store.close())
  await expectGood(platform)
})
