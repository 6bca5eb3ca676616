// A defect of restoring in the place of a store, found by writing a test for each of its branches.
//
// Cause: a restore with force that finds one that a crash has cut off between its two renames ends that one first. It did
// so under the lock of the directory that is built, which by that rename became the directory at the path, and was locked
// a second time. Symptom: the restore failed, and named this very process as the one that had the store open; the next
// attempt worked. Fix: what was cut off is ended under a lock that is given back before the others are taken.

import { expect, test } from "vitest"
import { open, restoreStore } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

test("a restore with force ends one that was cut off between its renames, and takes its place at the first attempt", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const { fileSystem } = platform
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open("/data", { platform }))
  const { lsn } = await done(store.table("t").put("a", 1))
  await done(store.table("t").put("a", 2))
  await done(store.close())
  await done(restoreStore({ from: "/data", into: "/earlier", at: lsn, platform }))
  await done(restoreStore({ from: "/data", into: "/data.restoring", platform }))
  await done(fileSystem.rename("/data", "/data.replaced"))
  await done(restoreStore({ from: "/earlier", into: "/data", force: true, platform }))
  expect(await fileSystem.list("/")).toEqual(["data", "earlier"])
  const restored = await done(open("/data", { platform }))
  expect(restored.table("t").get("a")).toBe(1)
  await done(restored.close())
})
