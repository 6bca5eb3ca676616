// Cause: the directory's own name was made durable only by the open that created it. Symptom: a first open that was
// killed between creating the directory and syncing its parent, or a directory that the user had just made, and a power
// cut after acknowledged writes: the whole store was gone, and the next open began an empty one.
// Fix: an open that finds no store makes the name durable, whoever created it.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

test("a first open killed at any operation, opened again, keeps its writes over a power cut", async () => {
  const reference = simulatePlatform({ seed: 1 })
  const store = await open("/data", { platform: reference, segmentBytes: 4096 })
  await untilSettled(reference, store.close())
  let count = 0
  for (const killed of crashStates(reference.fileSystem.trace(), { seed: 1 })) {
    if (killed.kind !== "everything") continue
    count++
    // The process died, the machine did not: what was pending is still pending.
    const second = simulatePlatform({ seed: 2, disk: killed.mount() })
    const again = await open("/data", { platform: second, segmentBytes: 4096 })
    await again.table("t").put("k", count)
    const disk = second.fileSystem.crash("nothing")
    const third = simulatePlatform({ seed: 3, disk })
    const last = await open("/data", { platform: third, segmentBytes: 4096 })
    expect(last.table("t").get("k"), killed.describe()).toBe(count)
    await untilSettled(third, last.close())
  }
  expect(count).toBeGreaterThan(20)
})

test("a directory that the user has just made keeps a store over a power cut", async () => {
  const platform = simulatePlatform({ seed: 1 })
  // Made, and its parent not synced: an unsynced name is pending.
  platform.fileSystem.faults.add({ operation: 1, through: Infinity, quirk: "lying-sync" })
  await platform.fileSystem.makeDirectory("/data")
  platform.fileSystem.faults.clear()
  const store = await open("/data", { platform, segmentBytes: 4096 })
  await store.table("t").put("k", 1)
  const disk = platform.fileSystem.crash("nothing", { faults: [] })
  const again = await open("/data", { platform: simulatePlatform({ seed: 2, disk }), segmentBytes: 4096 })
  expect(again.table("t").get("k")).toBe(1)
})
