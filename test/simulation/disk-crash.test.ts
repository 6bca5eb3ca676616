// Crashes of the simulated disk: what the next process finds, and what becomes of the one before.

import { describe, expect, test } from "vitest"
import { delayed } from "../../src/simulation/completion-order.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { bytesOf, held } from "../platform/file-system-contract.ts"
import { diskWithFile } from "./durable-file.ts"

describe("a crash", () => {
  test("of the process alone keeps what was written, and does not make it durable", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2), 0)
    const next = disk.crash("kill")
    expect(next.files().get("/a")?.[0]).toBe(2)
    expect(next.crash("nothing").files().get("/a")?.[0]).toBe(1)
  })

  test("leaves units to the next process, whose sync makes them durable", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(2), 0)
    const next = disk.crash("kill")
    await (await next.open("/a", "write")).dataSync()
    expect(next.crash("nothing").files().get("/a")?.[0]).toBe(2)
  })

  test("of the process alone keeps synced data for a name that is still pending", async () => {
    const disk = new SimulatedDisk()
    await (await disk.open("/a", "create")).writeSynced(bytesOf(1, 2), 0)
    expect(disk.crash("kill").crash("everything").files()).toEqual(new Map([["/a", bytesOf(1, 2)]]))
  })

  test("fails at once what would have ended later", async () => {
    const completion = delayed(new SimulatedClock(), new SimulatedRandom(1), 10)
    const disk = new SimulatedDisk({ completion })
    const opened = disk.open("/a", "create")
    disk.crash("nothing")
    await expect(opened).rejects.toMatchObject({ code: "EIO" })
  })

  test("fails what is in flight and everything that comes later with EIO", async () => {
    const { disk, file } = await diskWithFile()
    const inFlight = file.writeSynced(bytesOf(2), 0)
    disk.crash("nothing")
    await expect(inFlight).rejects.toMatchObject({ code: "EIO" })
    await expect(file.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: "EIO" })
    await expect(disk.open("/a", "read")).rejects.toMatchObject({ code: "EIO" })
    await expect(file.close()).rejects.toMatchObject({ code: "EIO" })
  })

  test("in a synced write may keep any part of it", async () => {
    const { disk, file } = await diskWithFile()
    const inFlight = file.writeSynced(new Uint8Array(1024).fill(2), 0)
    const sums = [...crashStates(disk.trace())]
      .filter((state) => state.inFlight.some(({ name }) => name === "writeSynced"))
      .map(
        (state) =>
          state
            .mount()
            .files()
            .get("/a")
            ?.filter((byte) => byte === 2).length,
      )
    expect(new Set(sums)).toEqual(new Set([0, 256, 512, 768, 1024]))
    await inFlight
  })

  test("frees every lock", async () => {
    const disk = new SimulatedDisk()
    held(await disk.lock("/", "LOCK"))
    held(await disk.crash("kill").lock("/", "LOCK"))
  })

  test("a lock can be forgotten without one", async () => {
    const disk = new SimulatedDisk({ owner: "pid 7 on host x since 2026-02-03T00:00:00.000Z" })
    held(await disk.lock("/", "LOCK"))
    expect(await disk.lock("/", "LOCK")).toEqual({ heldBy: "pid 7 on host x since 2026-02-03T00:00:00.000Z" })
    disk.unlockAll()
    held(await disk.lock("/", "LOCK"))
  })

  test("with a sample kept is the same for the same seed", async () => {
    const contents = new Set<string>()
    for (const seed of [1, 1, 2, 3, 4, 5]) {
      const disk = new SimulatedDisk({ seed })
      const file = await disk.open("/a", "create")
      await disk.syncDirectory("/")
      await file.write(new Uint8Array(8192).fill(1), 0)
      contents.add(String(disk.crash("sample").files().get("/a")))
    }
    expect(contents.size).toBeGreaterThan(1)
    expect(contents.size).toBeLessThanOrEqual(5)
  })

  test("of a disk that keeps no trace leaves the same", async () => {
    for (const kind of ["nothing", "everything", "kill"] as const) {
      const [traced, untraced] = await Promise.all(
        [true, false].map(async (keepsTrace) => {
          const disk = new SimulatedDisk({ keepsTrace })
          const file = await disk.open("/a", "create")
          await file.writeSynced(bytesOf(1, 2, 3), 0)
          await disk.syncDirectory("/")
          await file.write(bytesOf(9), 1)
          return disk.crash(kind).files()
        }),
      )
      expect(untraced).toEqual(traced)
    }
    expect(() => new SimulatedDisk({ keepsTrace: false }).trace()).toThrow("keeps its trace")
  })

  test("of a copy leaves the disk alone", async () => {
    const { disk, file } = await diskWithFile()
    const copy = disk.snapshot()
    await file.write(bytesOf(2), 0)
    await (await copy.open("/a", "write")).write(bytesOf(3), 0)
    copy.crash("nothing")
    expect(disk.files().get("/a")?.[0]).toBe(2)
    expect(copy.files().get("/a")?.[0]).toBe(3)
  })
})
