// How operations of the simulated disk are numbered, watched and brought to an end.

import { describe, expect, test } from "vitest"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { delayed, shuffled } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { bytesOf } from "../platform/file-system-contract.ts"
import { diskWithFile } from "./durable-file.ts"

describe("operations", () => {
  test("are numbered in the order of the calls, and counted as they end", async () => {
    const disk = new SimulatedDisk()
    const opened = disk.open("/a", "create")
    expect([disk.operationCount, disk.inFlightCount]).toEqual([0, 1])
    const file = await opened
    await file.write(bytesOf(1, 2), 0)
    await disk.stat("/b")
    await expect(disk.unlink("/b")).rejects.toThrow()
    expect([disk.operationCount, disk.inFlightCount]).toEqual([4, 0])
    expect(disk.operations.map(({ serial, name, path, outcome }) => [serial, name, path, outcome])).toEqual([
      [1, "open", "/a", "done"],
      [2, "write", "/a", "done"],
      [3, "stat", "/b", "done"],
      [4, "unlink", "/b", "ENOENT"],
    ])
  })

  test("of two on one handle the second is refused and remembered", async () => {
    const { disk, file } = await diskWithFile()
    const first = file.write(bytesOf(1), 0)
    await expect(file.write(bytesOf(2), 0)).rejects.toThrow(InvariantViolation)
    await first
    expect(disk.violations).toEqual(["one operation is in flight a file, but write of /a began during another"])
  })

  test("two changes of one file through two handles are refused, a read beside a write is not", async () => {
    const { disk, file } = await diskWithFile()
    const reader = await disk.open("/a", "read")
    const writer = await disk.open("/a", "write")
    await Promise.all([file.write(bytesOf(1), 0), reader.read(new Uint8Array(1), 0)])
    expect(disk.violations).toEqual([])
    const first = file.dataSync()
    await expect(writer.write(bytesOf(2), 0)).rejects.toThrow(InvariantViolation)
    await first
  })

  test("may be in flight together where nobody watches", async () => {
    const disk = new SimulatedDisk({ watchesUse: false })
    const file = await disk.open("/a", "create")
    await Promise.all([file.write(bytesOf(1), 0), file.write(bytesOf(2), 1)])
    expect(disk.files().get("/a")).toEqual(bytesOf(1, 2))
  })

  test("on different files end in a shuffled order, the same for the same seed", async () => {
    const orders = await Promise.all(
      [1, 1, 2, 3, 4].map(async (seed) => {
        const disk = new SimulatedDisk({ completion: shuffled(new SimulatedRandom(seed)) })
        const ended: string[] = []
        await Promise.all(
          ["a", "b", "c", "d"].map(async (name) => {
            const file = await disk.open(`/${name}`, "create")
            for (let step = 0; step < 3; step++) {
              await file.write(bytesOf(step), step)
              ended.push(`${name}${step}`)
            }
          }),
        )
        return ended.join()
      }),
    )
    expect(orders[0]).toBe(orders[1])
    expect(new Set(orders).size).toBe(4)
  })

  test("wait for the simulated clock where they are told to", async () => {
    const clock = new SimulatedClock()
    const disk = new SimulatedDisk({ completion: delayed(clock, new SimulatedRandom(1), 10) })
    let isOpen = false
    const opened = disk.open("/a", "create").then(() => (isOpen = true))
    for (let turn = 0; turn < 100; turn++) await Promise.resolve()
    expect(isOpen).toBe(false)
    clock.advance(10)
    await opened
    expect(isOpen).toBe(true)
  })

  test("count the handles that are open", async () => {
    const disk = new SimulatedDisk()
    const file = await disk.open("/a", "create")
    await disk.open("/b", "read").catch(() => undefined)
    expect(disk.openFileCount).toBe(1)
    await file.close()
    await file.close()
    expect(disk.openFileCount).toBe(0)
  })
})
