// Each kind of fault of the simulated disk: what the caller sees, what the page cache has, what the medium keeps.

import { describe, expect, test } from "vitest"
import type { FileHandle } from "../../src/platform/file-system.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { FaultPlan } from "../../src/simulation/fault-plan.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { bytesOf } from "../platform/file-system-contract.ts"
import { diskWithFile } from "./durable-file.ts"

function countOf(disk: SimulatedDisk, byte: number): number {
  return (
    disk
      .files()
      .get("/a")
      ?.filter((found) => found === byte).length ?? 0
  )
}

describe("a failing operation", () => {
  test("fails with the code that was asked for, once, and without effect", async () => {
    const { disk, file } = await diskWithFile()
    disk.failAt(5, "EIO")
    await expect(file.write(bytesOf(2, 2), 0)).rejects.toMatchObject({ code: "EIO", path: "/a" })
    expect(countOf(disk, 2)).toBe(0)
    expect(await file.write(bytesOf(2, 2), 0)).toBe(2)
    expect(disk.faults.hitCount).toBe(1)
    expect(disk.operations.map(({ outcome }) => outcome).slice(-2)).toEqual(["EIO", "done"])
  })

  test.each([
    ["open", (disk: SimulatedDisk) => disk.open("/b", "create")],
    ["rename", (disk: SimulatedDisk) => disk.rename("/a", "/b")],
    ["unlink", (disk: SimulatedDisk) => disk.unlink("/a")],
    ["list", (disk: SimulatedDisk) => disk.list("/")],
    ["stat", (disk: SimulatedDisk) => disk.stat("/a")],
    ["makeDirectory", (disk: SimulatedDisk) => disk.makeDirectory("/a")],
    ["syncDirectory", (disk: SimulatedDisk) => disk.syncDirectory("/")],
    ["lock", (disk: SimulatedDisk) => disk.lock("/", "LOCK")],
    ["freeBytes", (disk: SimulatedDisk) => disk.freeBytes("/")],
    ["totalBytes", (disk: SimulatedDisk) => disk.totalBytes("/")],
    ["read", (_: SimulatedDisk, file: FileHandle) => file.read(new Uint8Array(1), 0)],
    ["writeSynced", (_: SimulatedDisk, file: FileHandle) => file.writeSynced(bytesOf(2), 0)],
    ["dataSync", (_: SimulatedDisk, file: FileHandle) => file.dataSync()],
    ["truncate", (_: SimulatedDisk, file: FileHandle) => file.truncate(0)],
    ["size", (_: SimulatedDisk, file: FileHandle) => file.size()],
  ])("can be %s, and leaves the files as they were", async (_, operate) => {
    const { disk, file } = await diskWithFile()
    const before = disk.files()
    disk.failAt(5, "EMFILE")
    await expect(operate(disk, file)).rejects.toMatchObject({ code: "EMFILE" })
    expect(disk.files()).toEqual(before)
    expect(disk.crash("everything").files()).toEqual(before)
  })

  test("can be close, which closes all the same", async () => {
    const { disk, file } = await diskWithFile()
    disk.failAt(5, "EIO")
    await expect(file.close()).rejects.toMatchObject({ code: "EIO" })
    expect(disk.openFileCount).toBe(0)
    await expect(file.size()).rejects.toMatchObject({ code: "EBADF" })
  })

  test("a range hits each operation of the names that it says, until the plan is cleared", async () => {
    const { disk, file } = await diskWithFile()
    disk.faults.add({ operation: 5, through: Infinity, only: ["write", "dataSync"], error: "EIO" })
    await expect(file.write(bytesOf(2), 0)).rejects.toMatchObject({ code: "EIO" })
    expect(await file.size()).toBe(4096)
    await expect(file.dataSync()).rejects.toMatchObject({ code: "EIO" })
    disk.faults.clear()
    await file.dataSync()
    expect(disk.faults.hitCount).toBe(2)
  })

  test("a plan is plain data, and the first fault of it wins", () => {
    const plan = new FaultPlan([
      { operation: 3, error: "EIO" },
      { operation: 1, through: 9, quirk: "short" },
    ])
    expect(plan.hit(3, "write")).toMatchObject({ error: "EIO" })
    expect(plan.hit(4, "write")).toMatchObject({ quirk: "short" })
    expect(plan.hit(10, "write")).toBeUndefined()
    expect(plan.hitCount).toBe(2)
  })
})

describe("an operation that fails after a part", () => {
  const afterPart = { operation: 5, error: "ENOSPC", when: "after-part" } as const

  test("a write has taken half of its bytes", async () => {
    const { disk, file } = await diskWithFile({ faults: [afterPart] })
    await expect(file.write(new Uint8Array(1000).fill(2), 0)).rejects.toMatchObject({ code: "ENOSPC" })
    expect(countOf(disk, 2)).toBe(500)
  })

  test("a synced write has taken half, and none of it is durable", async () => {
    const { disk, file } = await diskWithFile({ faults: [afterPart] })
    await expect(file.writeSynced(new Uint8Array(1000).fill(2), 0)).rejects.toMatchObject({ code: "ENOSPC" })
    expect(countOf(disk.snapshot().crash("nothing"), 2)).toBe(0)
    expect(countOf(disk.crash("everything"), 2)).toBe(500)
  })

  test("a data sync has made the older half durable, and a later one the rest", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ ...afterPart, operation: 6, error: "EIO" }] })
    await file.write(new Uint8Array(4096).fill(2), 0)
    await expect(file.dataSync()).rejects.toMatchObject({ code: "EIO" })
    expect(countOf(disk.snapshot().crash("nothing"), 2)).toBe(2048)
    await file.dataSync()
    expect(countOf(disk.crash("nothing"), 2)).toBe(4096)
  })

  test("a rename, an unlink, a creation have happened", async () => {
    for (const [operate, names] of [
      [(disk: SimulatedDisk) => disk.rename("/a", "/b"), ["/b"]],
      [(disk: SimulatedDisk) => disk.unlink("/a"), []],
      [(disk: SimulatedDisk) => disk.open("/b", "create"), ["/a", "/b"]],
    ] as const) {
      const { disk } = await diskWithFile({ faults: [afterPart] })
      await expect(operate(disk)).rejects.toMatchObject({ code: "ENOSPC" })
      expect([...disk.files().keys()]).toEqual(names)
      expect(disk.openFileCount).toBe(1)
    }
  })

  test("a lock is not taken", async () => {
    const { disk } = await diskWithFile({ faults: [afterPart] })
    await expect(disk.lock("/", "LOCK")).rejects.toMatchObject({ code: "ENOSPC" })
    expect(await disk.lock("/", "LOCK")).toHaveProperty("release")
  })
})

describe("a sync that fails and drops the dirty pages", () => {
  const dropping = { error: "EIO", when: "dropping-dirty-pages" } as const

  test("is followed by syncs that succeed and write nothing of what it dropped", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ ...dropping, operation: 6 }] })
    await file.write(bytesOf(2), 0)
    await expect(file.dataSync()).rejects.toMatchObject({ code: "EIO" })
    await file.write(bytesOf(3), 1)
    await file.dataSync()
    const read = new Uint8Array(2)
    await file.read(read, 0)
    expect([...read]).toEqual([2, 3])
    expect([...(disk.snapshot().crash("nothing").files().get("/a")?.slice(0, 2) ?? [])]).toEqual([1, 3])
  })

  test("may have written it all the same", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ ...dropping, operation: 6 }] })
    await file.write(bytesOf(2), 0)
    await file.dataSync().catch(() => undefined)
    await file.dataSync()
    expect(disk.crash("everything").files().get("/a")?.[0]).toBe(2)
  })

  test("can be that of a synced write", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ ...dropping, operation: 5 }] })
    await expect(file.writeSynced(bytesOf(2), 0)).rejects.toMatchObject({ code: "EIO" })
    await file.dataSync()
    expect(disk.files().get("/a")?.[0]).toBe(2)
    expect(disk.crash("nothing").files().get("/a")?.[0]).toBe(1)
  })

  test("is forgotten where the same bytes are written and synced again", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ ...dropping, operation: 6 }] })
    await file.write(bytesOf(2, 2), 0)
    await file.dataSync().catch(() => undefined)
    await file.write(bytesOf(3, 3), 0)
    await file.dataSync()
    const states = [...crashStates(disk.trace())].filter((state) => state.afterOperation === disk.operationCount)
    expect(states.map((state) => state.mount().files().get("/a")?.[0])).toEqual([3])
  })
})

test("a lying sync succeeds and makes nothing durable", async () => {
  const { disk, file } = await diskWithFile({ faults: [{ operation: 5, through: 8, quirk: "lying-sync" }] })
  await file.writeSynced(bytesOf(2), 0)
  await file.dataSync()
  await disk.rename("/a", "/b")
  await disk.syncDirectory("/")
  expect(disk.snapshot().crash("nothing").files().get("/a")?.[0]).toBe(1)
  await file.dataSync()
  expect(disk.crash("nothing").files().get("/a")?.[0]).toBe(2)
})

describe("short transfers", () => {
  test("take a part, at least one byte, and the rest comes with the next calls", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ operation: 5, through: Infinity, quirk: "short" }] })
    const source = new Uint8Array(1000).map((_, index) => index % 251)
    const counts: number[] = []
    for (let at = 0; at < source.length; at += counts.at(-1) ?? 0) {
      counts.push(await (at < 500 ? file.write(source.subarray(at), at) : file.writeSynced(source.subarray(at), at)))
    }
    expect(counts.length).toBeGreaterThan(2)
    expect(Math.min(...counts)).toBeGreaterThan(0)
    const target = new Uint8Array(1000)
    let readCount = 0
    for (let at = 0; at < target.length; readCount++) at += await file.read(target.subarray(at), at)
    expect(readCount).toBeGreaterThan(1)
    expect(target).toEqual(source)
    expect(disk.faults.hitCount).toBe(counts.length + readCount)
  })

  test("of a synced write make exactly what they took durable", async () => {
    const { disk, file } = await diskWithFile({ faults: [{ operation: 5, quirk: "short" }] })
    const count = await file.writeSynced(new Uint8Array(1000).fill(2), 0)
    expect(count).toBeLessThan(1000)
    expect(countOf(disk.crash("nothing"), 2)).toBe(count)
  })
})

describe("a full disk", () => {
  test("takes the bytes that fit, then fails with ENOSPC", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 3 * 4096 })
    const file = await disk.open("/a", "create")
    expect(await file.write(new Uint8Array(20_000).fill(1), 100)).toBe(3 * 4096 - 100)
    await expect(file.write(bytesOf(1), 3 * 4096)).rejects.toMatchObject({ code: "ENOSPC" })
    await expect(file.writeSynced(bytesOf(1), 3 * 4096)).rejects.toMatchObject({ code: "ENOSPC" })
    expect(await file.size()).toBe(3 * 4096)
  })

  test("still takes writes over what is there", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 4096 })
    const file = await disk.open("/a", "create")
    await file.write(new Uint8Array(4096), 0)
    expect(await file.writeSynced(new Uint8Array(4096).fill(2), 0)).toBe(4096)
    expect(await disk.freeBytes("/")).toBe(0)
    expect(await disk.totalBytes("/")).toBe(4096)
  })

  test("does not count a hole, and fails when the hole is filled", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 4096 })
    const file = await disk.open("/a", "create")
    await file.truncate(100_000)
    expect(await disk.freeBytes("/")).toBe(4096)
    expect(await file.write(bytesOf(1), 50_000)).toBe(1)
    await expect(file.write(bytesOf(1), 0)).rejects.toMatchObject({ code: "ENOSPC" })
  })

  test.each(["unlink", "truncate", "rename over", "more room"] as const)("has room again after %s", async (act) => {
    const disk = new SimulatedDisk({ capacityBytes: 2 * 4096 })
    const file = await disk.open("/a", "create")
    await file.write(new Uint8Array(8192), 0)
    const other = await disk.open("/b", "create")
    await expect(other.write(bytesOf(1), 0)).rejects.toMatchObject({ code: "ENOSPC" })
    if (act === "truncate") await file.truncate(4096)
    else if (act === "more room") disk.capacityBytes = 3 * 4096
    else {
      await file.close()
      await (act === "unlink" ? disk.unlink("/a") : disk.rename("/b", "/a"))
    }
    expect(await other.write(bytesOf(1), 0)).toBe(1)
  })

  test("is as full after a crash", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 2 * 4096 })
    const file = await disk.open("/a", "create")
    await disk.syncDirectory("/")
    await file.writeSynced(new Uint8Array(4096).fill(1), 0)
    await file.write(new Uint8Array(4096).fill(1), 4096)
    expect(await disk.snapshot().crash("kill").freeBytes("/")).toBe(0)
    expect(await disk.crash("nothing").freeBytes("/")).toBe(4096)
  })

  test("bounds nothing where no capacity is set", async () => {
    const disk = new SimulatedDisk()
    expect(await disk.freeBytes("/")).toBeUndefined()
    expect(await disk.totalBytes("/")).toBeUndefined()
  })
})

test("no more files can be open than the limit says", async () => {
  const disk = new SimulatedDisk()
  disk.openFileCountMax = 1
  const file = await disk.open("/a", "create")
  await expect(disk.open("/b", "create")).rejects.toMatchObject({ code: "EMFILE" })
  expect([...disk.files().keys()]).toEqual(["/a"])
  await file.close()
  await disk.open("/b", "create")
})

describe("rot", () => {
  test("turns one bit over, in what is read and on the medium", async () => {
    const { disk, file } = await diskWithFile()
    disk.flipBit("/a", 700, 3)
    const target = new Uint8Array(1)
    await file.read(target, 700)
    expect(target[0]).toBe(1 ^ 8)
    expect(disk.snapshot().crash("nothing").files().get("/a")?.[700]).toBe(1 ^ 8)
    disk.flipBit("/a", 700, 3)
    expect(countOf(disk.crash("nothing"), 1)).toBe(4096)
  })

  test("is part of the trace, from its moment on", async () => {
    const { disk, file } = await diskWithFile()
    await file.writeSynced(bytesOf(2), 0)
    disk.flipBit("/a", 1, 0)
    await file.writeSynced(bytesOf(3), 2)
    const heads = [...crashStates(disk.trace())]
      .filter(({ afterOperation }) => afterOperation >= 5)
      .map((state) => state.mount().files().get("/a")?.slice(0, 3).join())
    const rotten = heads.findIndex((head) => head?.split(",")[1] === "0")
    expect(heads.slice(0, rotten)).toContain("2,1,1")
    expect(heads.slice(rotten).every((head) => head?.split(",")[1] === "0")).toBe(true)
    expect(heads.at(-1)).toBe("2,0,3")
  })

  test("needs a byte to hit", async () => {
    const { disk } = await diskWithFile()
    expect(() => disk.flipBit("/a", 4096, 0)).toThrow("the bit to flip is in a file")
    expect(() => disk.flipBit("/b", 0, 0)).toThrow("ENOENT")
  })
})
