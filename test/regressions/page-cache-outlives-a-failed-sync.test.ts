// Cause: after a failed sync the kernel keeps the pages it could not write, and calls them clean. A store that was closed
// and opened again on the same machine read its last frames out of them, took them for recovered, and went on behind
// them. Symptom: when the power went later, those frames were gone and the ones behind them were not: the log had a hole
// in acknowledged data, and was refused as damaged. Found by the errno sweep.
// Fix: recovery puts a synced copy in the place of an unsealed tail, and writes the last seal again, before a new epoch.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

test("frames that only the page cache holds are on the disk before a new epoch begins behind them", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const options = { platform, segmentBytes: 4096, shards: 2 }
  const first = await open("/data", options)
  await first.table("t").put("a", 1)
  await first.table("t").put("b", 2, { durability: "written" })
  const next = platform.fileSystem.operations.length + 1
  platform.fileSystem.faults.add({ operation: next, error: "EIO", when: "dropping-dirty-pages", only: ["dataSync"] })
  await expect(first.close()).rejects.toMatchObject({ code: "ORRERY_COMMIT_UNKNOWN" })

  const second = await open("/data", options)
  expect(second.table("t").get("b")).toBe(2)
  await second.table("t").put("c", 3)

  const disk = platform.fileSystem.crash("nothing", { faults: [] })
  const third = await open("/data", { ...options, platform: simulatePlatform({ seed: 2, disk }) })
  expect(Object.fromEntries(third.table("t"))).toEqual({ a: 1, b: 2, c: 3 })
  await untilSettled(platform, third.close())
})

// Everything before the seal is on the disk; without it the log has no end where the next epoch continues it.
test("a seal that only the page cache holds is on the disk before a new epoch begins behind it", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const options = { platform, segmentBytes: 4096, shards: 2 }
  const first = await open("/data", options)
  await first.table("t").put("a", 1)
  const next = platform.fileSystem.operations.length + 1
  platform.fileSystem.faults.add({ operation: next, error: "EIO", when: "dropping-dirty-pages", only: ["writeSynced"] })
  await expect(first.close()).rejects.toMatchObject({ code: "ORRERY_STORAGE_FAILED" })
  expect(platform.fileSystem.faults.hitCount).toBe(1)

  const second = await open("/data", options)
  expect(second.recovery.wasSealed).toBe(true)
  await second.table("t").put("b", 2)

  const disk = platform.fileSystem.crash("nothing", { faults: [] })
  const third = await open("/data", { ...options, platform: simulatePlatform({ seed: 2, disk }) })
  expect(Object.fromEntries(third.table("t"))).toEqual({ a: 1, b: 2 })
  await untilSettled(platform, third.close())
})
