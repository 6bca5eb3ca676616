// Faults as values: which calls they hit, and that each kind reaches the system under test.

import { describe, expect, test } from "vitest"
import type { OperationName } from "../../src/simulation/disk-trace.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { crash } from "../../src/testing/crash.ts"
import { boundDisk, diskFaultsOf, rotDisk, type CrashFault } from "../../src/testing/fault-choice.ts"
import type { ToyOp } from "./toy-test.ts"
import { toyTest } from "./toy-test.ts"

const { faults } = crash
const CALLS: readonly OperationName[] = ["open", "write", "dataSync", "write", "dataSync", "syncDirectory"]

function faultsOf(...chosen: readonly CrashFault[]): unknown {
  return diskFaultsOf(chosen, CALLS, new SimulatedRandom(1))
}

describe("the calls that are hit", () => {
  test.each<[string, CrashFault, unknown]>([
    ["the third of all", faults.error("EIO", "anything", 3), { operation: 3, through: 3, error: "EIO" }],
    ["the second write", faults.error("ENOSPC", "write", 2), { operation: 4, through: 4, error: "ENOSPC" }],
    [
      "every data sync from the second on",
      faults.error("EIO", "dataSync", { from: 2 }),
      { operation: 5, through: Infinity, only: ["dataSync"] },
    ],
    ["a sync that fails once", faults.syncFailsOnce(1), { operation: 3, through: 3, when: "dropping-dirty-pages" }],
    ["half of a write", faults.halfDone("EIO", "write", 1), { operation: 2, when: "after-part" }],
    ["short writes, all of them", faults.short("write"), { operation: 2, through: Infinity, quirk: "short" }],
    [
      "syncs of every kind that lie",
      faults.lyingSync(),
      { operation: 3, through: Infinity, quirk: "lying-sync", only: ["dataSync", "writeSynced", "syncDirectory"] },
    ],
  ])("%s", (_what, fault, expected) => {
    expect(faultsOf(fault)).toEqual([expect.objectContaining(expected as object)])
  })

  test("a call that never comes cannot fail", () => {
    expect(faultsOf(faults.error("EIO", "rename"), faults.error("EIO", "write", 9))).toEqual([])
  })

  test("the seed chooses among all calls of the kind, and the same ones again", () => {
    const chosen = (seed: number): unknown =>
      diskFaultsOf([faults.error("EIO", "write")], CALLS, new SimulatedRandom(seed))[0]?.operation
    const all = Array.from({ length: 40 }, (_, seed) => chosen(seed))
    expect(new Set(all)).toEqual(new Set([2, 4]))
    expect(Array.from({ length: 40 }, (_, seed) => chosen(seed))).toEqual(all)
  })
})

describe("what is no call", () => {
  test("the room of the disk and the files that may be open are bounds of it", () => {
    const disk = new SimulatedDisk()
    boundDisk(disk, [faults.noSpaceAfter(8192), faults.openFilesMax(3)])
    expect(disk.capacityBytes).toBe(8192)
  })

  test("rot turns one bit over where it is told to, or where the seed says", async () => {
    const rotten = async (seed: number, where: Parameters<typeof faults.bitRot>[0]): Promise<Uint8Array> => {
      const disk = new SimulatedDisk()
      const file = await disk.open("/a", "create")
      await file.write(new Uint8Array(100), 0)
      rotDisk(disk, [faults.bitRot(where)], new SimulatedRandom(seed))
      return disk.files().get("/a") ?? new Uint8Array(0)
    }
    expect((await rotten(1, { path: "/a", offset: 7, bit: 3 }))[7]).toBe(8)
    expect((await rotten(1, {})).filter((byte) => byte !== 0)).toHaveLength(1)
    expect(await rotten(1, {})).toEqual(await rotten(1, {}))
    expect((await rotten(1, { path: "/b" })).every((byte) => byte === 0)).toBe(true)
  })
})

describe("in a crash test", () => {
  const ops: readonly ToyOp[] = [{ put: { a: 1 } }, { put: { b: 2 } }, { put: { c: 3 } }]
  const options = { ...toyTest(2), ops, budget: { histories: 4, ms: 20_000 } }

  test("a disk that lies about syncs loses what was acknowledged, and the test notices", async () => {
    await expect(crash.assert({ ...options, faults: faults.lyingSync() })).rejects.toThrow("after a crash")
  })

  test("a full disk fails writes, and loses nothing that was acknowledged", async () => {
    const outcomes = new Set<string>()
    const big: readonly ToyOp[] = Array.from({ length: 6 }, (_, n) => ({ put: { ["k".repeat(1500) + n]: n } }))
    const { recoveredView: _, model: __, ...plain } = options
    await crash.assert({
      ...plain,
      ops: big,
      faults: faults.noSpaceAfter(4096),
      invariant: (store, history) => {
        for (const { op, outcome } of history) {
          outcomes.add(outcome)
          if (outcome !== "acknowledged" || !("put" in op)) continue
          for (const [key, value] of Object.entries(op.put)) expect(store.get(key)).toBe(value)
        }
      },
    })
    expect(outcomes).toContain("unknown")
    expect(outcomes).toContain("acknowledged")
  })

  test("a file too many fails the opening of the first history, which is what the fault asked for", async () => {
    const report = await crash.assert({ ...options, faults: faults.openFilesMax(0) })
    expect(report.states).toBeGreaterThan(0)
  })

  test("reads and writes that do a part are looped over by a store that is right", async () => {
    const report = await crash.assert({ ...options, faults: [faults.short("write"), faults.short("read")] })
    expect(report.faultsMet).toBeGreaterThan(4)
  })
})
