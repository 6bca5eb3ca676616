// Files with two names on the simulated disk, and what a crash leaves of them: a further name is as durable as any other
// name, and the bytes belong to the file, whichever of its names is left.

import { describe, expect, test } from "vitest"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { bytesOf } from "../platform/file-system-contract.ts"
import { diskWithFile } from "./durable-file.ts"

/** Which of the names there are, in every state of the disk's last moment. */
function lastNames(disk: SimulatedDisk): Set<string> {
  const seen = new Set<string>()
  for (const state of crashStates(disk.trace())) {
    if (state.afterOperation === disk.operationCount) seen.add([...state.mount().files().keys()].join(" "))
  }
  return seen
}

describe("a further name", () => {
  test("may be lost until its directory is synced, and is there from then on", async () => {
    const { disk } = await diskWithFile()
    await disk.link("/a", "/b")
    expect(lastNames(disk)).toEqual(new Set(["/a", "/a /b"]))
    await disk.syncDirectory("/")
    expect(lastNames(disk)).toEqual(new Set(["/a /b"]))
  })

  test("keeps the durable bytes when the first one goes, in every state with either", async () => {
    const { disk } = await diskWithFile()
    const before = disk.files().get("/a")
    await disk.link("/a", "/b")
    await disk.syncDirectory("/")
    await disk.unlink("/a")
    for (const state of crashStates(disk.trace())) {
      if (state.afterOperation !== disk.operationCount) continue
      expect(state.mount().files().get("/b")).toEqual(before)
    }
    expect(lastNames(disk)).toEqual(new Set(["/a /b", "/b"]))
    expect(disk.crash("nothing").files().get("/b")).toEqual(before)
  })

  test("that was not synced cannot save a file whose first name is gone for good", async () => {
    const disk = new SimulatedDisk()
    await disk.makeDirectory("/d")
    const file = await disk.open("/d/a", "create")
    await file.write(bytesOf(1), 0)
    await file.dataSync()
    await file.close()
    await disk.syncDirectory("/d")
    await disk.link("/d/a", "/b")
    await disk.unlink("/d/a")
    await disk.syncDirectory("/d")
    expect(lastNames(disk)).toEqual(new Set(["", "/b"]))
  })

  test("of a file that was synced through the other one has its bytes after a crash", async () => {
    const { disk, file } = await diskWithFile()
    await disk.link("/a", "/b")
    await disk.syncDirectory("/")
    await file.write(bytesOf(7), 3)
    await file.dataSync()
    const after = disk.crash("nothing").files()
    expect(after.get("/b")?.[3]).toBe(7)
    expect(after.get("/b")).toEqual(after.get("/a"))
  })

  test("takes no room, and gives none back while the other is there", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 8192 })
    const file = await disk.open("/a", "create")
    await file.write(new Uint8Array(4096), 0)
    await file.close()
    await disk.link("/a", "/b")
    expect(await disk.freeBytes("/")).toBe(4096)
    await disk.unlink("/a")
    expect(await disk.freeBytes("/")).toBe(4096)
    await disk.unlink("/b")
    expect(await disk.freeBytes("/")).toBe(8192)
  })
})

test("a removed directory may come back until the one above is synced", async () => {
  const disk = new SimulatedDisk()
  await disk.makeDirectory("/d")
  await disk.removeDirectory("/d")
  const isThere = async (kind: "nothing" | "everything"): Promise<boolean> =>
    (await disk.snapshot().crash(kind).stat("/d")) !== undefined
  expect([await isThere("nothing"), await isThere("everything")]).toEqual([true, false])
  await disk.syncDirectory("/")
  expect(await isThere("nothing")).toBe(false)
})
