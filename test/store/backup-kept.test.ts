// Backups that grow: what is linked and what is copied, which earlier states stay and for how long, and how each of them
// is read. On the simulated disk, whose clock can be turned, but for the links of the real one.

import { link, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { backupStore, HistoryExpired, open } from "../../src/index.ts"
import type { BackupOptions, BackupReport, Store } from "../../src/index.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const DAY_MS = 86_400_000

interface Scene {
  readonly platform: SimulatedPlatform
  readonly store: Store
  readonly put: (key: string, value: unknown) => Promise<void>
  readonly backup: (options?: BackupOptions) => Promise<BackupReport>
  readonly backupFromOutside: (options?: BackupOptions) => Promise<BackupReport>
  /** The keys in the backup, as it was at a moment. */
  readonly keysAt: (at?: number | Date) => Promise<string[]>
  readonly done: <T>(work: Promise<T>) => Promise<T>
}

async function scene(): Promise<Scene> {
  const platform = simulatePlatform({ seed: 11 })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open("/data", { platform, segmentBytes: 4096, shards: 2, checkpoint: false }))
  return {
    platform,
    store,
    done,
    put: async (key, value) => {
      await done(store.table("t").put(key, value))
    },
    backup: (options) => done(store.backup("/backup", options)),
    backupFromOutside: (options) => done(backupStore({ from: "/data", into: "/backup", platform, ...options })),
    keysAt: async (at) => {
      const past = await done(open("/backup", { readOnly: true, platform, ...(at === undefined ? {} : { at }) }))
      return [...past.table("t").keys()].sort()
    },
  }
}

describe("a linked backup", () => {
  test("is a second name of the store's checkpoint, and stays when the store lets go of it", async () => {
    const store = await temporaryStore({ keep: { checkpoints: 1 } })
    await store.table("t").put("a", 1)
    const path = join(await temporaryDirectory(), "backup")
    const { linkedBytes, sizeBytes } = await store.backup(path)
    expect(linkedBytes).toBe(sizeBytes)
    const [name = ""] = (await readdir(path)).filter((found) => found.startsWith("checkpoint"))
    const [ours, theirs] = await Promise.all([stat(join(path, name)), stat(join(store.path, name))])
    expect(ours.ino).toBe(theirs.ino)
    await store.table("t").put("b", 2)
    await store.checkpoint()
    expect((await readdir(store.path)).includes(name)).toBe(false)
    await using past = await open(path, { readOnly: true })
    expect([...past.table("t").entries()]).toEqual([["a", 1]])
  })

  test("is a copy where it is asked for, and where the file system cannot link", async () => {
    const { platform, put, backup, keysAt } = await scene()
    await put("a", 1)
    const copied = await backup({ link: false })
    expect(copied).toMatchObject({ linkedBytes: 0, copiedBytes: copied.sizeBytes })
    for (const [index, error] of ["EXDEV", "EPERM", "ENOTSUP", "EMLINK", "ENOSYS"].entries()) {
      await put(`b${index}`, 2)
      platform.fileSystem.faults.add({ operation: 1, through: Infinity, only: ["link"], error })
      const report = await backup()
      platform.fileSystem.faults.clear()
      expect(report, error).toMatchObject({ linkedBytes: 0, copiedBytes: report.sizeBytes })
    }
    expect(await keysAt()).toEqual(["a", "b0", "b1", "b2", "b3", "b4"])
  })

  test("fails as the disk does for any other reason, and leaves the one before", async () => {
    const { platform, put, backup, keysAt } = await scene()
    await put("a", 1)
    await backup()
    await put("b", 2)
    platform.fileSystem.faults.add({ operation: 1, through: Infinity, only: ["link"], error: "EIO" })
    await expect(backup()).rejects.toMatchObject({ code: "ORRERY_STORAGE_FAILED", systemCode: "EIO" })
    platform.fileSystem.faults.clear()
    expect(await keysAt()).toEqual(["a"])
    await backup()
    expect(await keysAt()).toEqual(["a", "b"])
  })

  test.each([true, false])(
    "takes nothing that has rotted in the store, and stays what it was: link %s",
    async (link) => {
      const { platform, store, put, backup, keysAt, done } = await scene()
      await put("a", 1)
      await backup({ link })
      await put("b", 2)
      const made = await done(store.checkpoint())
      const name = `/data/checkpoint-${String(made?.number).padStart(10, "0")}`
      platform.fileSystem.flipBit(name, (made?.sizeBytes ?? 0) - 90, 3)
      await expect(backup({ link })).rejects.toMatchObject({ code: "ORRERY_CORRUPTION" })
      expect(await keysAt()).toEqual(["a"])
      expect((await verifyStore(platform, "/backup")).verdict).toBe("good")
    },
  )

  test("replaces what has rotted in it, though it held that state", async () => {
    const { platform, put, backup, keysAt } = await scene()
    await put("a", 1)
    const { sizeBytes } = await backup({ link: false })
    const disk = platform.fileSystem
    const name = [...disk.files().keys()].find((path) => path.startsWith("/backup/checkpoint-")) ?? ""
    disk.flipBit(name, 200, 3)
    expect(await backup()).toMatchObject({ copiedBytes: sizeBytes, removedBytes: sizeBytes })
    expect(await keysAt()).toEqual(["a"])
  })
})

describe("earlier backups", () => {
  test("stay as long as keepDays says, each at its LSN and at its time, and the newest for ever", async () => {
    const { platform, done, put, backup, keysAt } = await scene()
    const taken: { readonly lsn: number; readonly timeMs: number; readonly keys: string[] }[] = []
    for (let day = 0; day < 5; day++) {
      await put(`day ${day}`, day)
      const { lsn, keptLsns } = await backup({ keepDays: 2 })
      const keys = Array.from({ length: day + 1 }, (_, index) => `day ${index}`)
      taken.push({ lsn, timeMs: platform.clock.wallMs(), keys })
      // On the day itself, two days of the past, and the one before, which was the newest until then.
      expect(keptLsns).toEqual(taken.slice(Math.max(0, day - 2)).map((one) => one.lsn))
      platform.clock.jumpWall(DAY_MS)
    }
    for (const { lsn, timeMs, keys } of taken.slice(2)) {
      expect(await keysAt(lsn)).toEqual(keys)
      expect(await keysAt(new Date(timeMs))).toEqual(keys)
      expect(await keysAt(new Date(timeMs + DAY_MS / 2))).toEqual(keys)
    }
    await expect(keysAt(taken[1]?.lsn)).rejects.toThrow(HistoryExpired)
    await expect(keysAt(new Date(taken[1]?.timeMs ?? 0))).rejects.toMatchObject({ oldest: taken[2]?.lsn })
    const between = (taken[2]?.lsn ?? 0) + 1
    if (between < (taken[3]?.lsn ?? 0)) await expect(keysAt(between)).rejects.toMatchObject({ oldest: taken[3]?.lsn })
    platform.clock.jumpWall(100 * DAY_MS)
    const last = await backup({ keepDays: 2 })
    expect(last.keptLsns).toEqual([taken[4]?.lsn])
    expect(last.removedBytes).toBeGreaterThan(0)
    expect(await keysAt()).toEqual(taken[4]?.keys)
    expect((await done(verifyStore(platform, "/backup"))).verdict).toBe("good")
  })

  test("of a store that nothing was written to for long stay: each was the newest until the next", async () => {
    const { platform, put, backup, keysAt } = await scene()
    await put("a", 1)
    const { lsn } = await backup({ keepDays: 7 })
    platform.clock.jumpWall(30 * DAY_MS)
    expect((await backup({ keepDays: 7 })).keptLsns).toEqual([lsn])
    await put("b", 2)
    const later = await backup({ keepDays: 7 })
    expect(later.keptLsns).toEqual([lsn, later.lsn])
    expect(await keysAt(lsn)).toEqual(["a"])
    platform.clock.jumpWall(8 * DAY_MS)
    expect((await backup({ keepDays: 7 })).keptLsns).toEqual([later.lsn])
  })

  test("go with the next backup that does not ask for them, and their state is refused", async () => {
    const { put, backup, keysAt } = await scene()
    await put("a", 1)
    const first = await backup({ keepDays: 30 })
    await put("b", 2)
    const second = await backup({ keepDays: 30 })
    expect(second.removedBytes).toBe(0)
    await put("c", 3)
    const third = await backup()
    expect(third).toMatchObject({ keptLsns: [third.lsn], removedBytes: first.sizeBytes + second.sizeBytes })
    await expect(keysAt(first.lsn)).rejects.toThrow(HistoryExpired)
  })

  test("do not stand in the way of opening the newest as a store, which goes on and lets go of them", async () => {
    const { platform, done, put, backup } = await scene()
    await put("a", 1)
    await backup({ keepDays: 30 })
    await put("b", 2)
    const { lsn } = await backup({ keepDays: 30 })
    const opened = await done(open("/backup", { platform, create: false, keep: { checkpoints: 1 } }))
    expect([...opened.table("t").keys()].sort()).toEqual(["a", "b"])
    expect((await done(opened.table("t").put("c", 3))).lsn).toBeGreaterThan(lsn)
    await done(opened.checkpoint())
    await done(opened.close())
    const names = [...platform.fileSystem.files().keys()].filter((name) => name.startsWith("/backup/checkpoint"))
    expect(names).toHaveLength(1)
  })

  test("are never replaced by an earlier state", async () => {
    const { platform, done, put, backup, store } = await scene()
    await put("a", 1)
    await done(store.backup("/older"))
    await put("b", 2)
    const { lsn } = await backup()
    await expect(done(backupStore({ from: "/older", into: "/backup", platform }))).rejects.toThrow(
      `it holds a later state of this store, that at LSN ${lsn}`,
    )
  })
})

describe("a backup from outside", () => {
  test("of a store that is open holds what was written, and changes nothing in it", async () => {
    const { platform, put, backupFromOutside, keysAt, store } = await scene()
    for (let n = 0; n < 30; n++) await put(`k${n}`, { n })
    const before = [...platform.fileSystem.files()].filter(([name]) => name.startsWith("/data/"))
    const report = await backupFromOutside()
    expect([...platform.fileSystem.files()].filter(([name]) => name.startsWith("/data/"))).toEqual(before)
    expect(report).toMatchObject({ records: 30, linkedBytes: 0, copiedBytes: report.sizeBytes })
    expect(await keysAt()).toHaveLength(30)
    await put("more", 1)
    expect(store.table("t").size).toBe(31)
    expect(await keysAt()).toHaveLength(30)
  })

  test("links the checkpoint where that holds every commit, and takes nothing where nothing is new", async () => {
    const { platform, done, put, store, backupFromOutside } = await scene()
    await put("a", 1)
    await done(store.checkpoint())
    const first = await backupFromOutside()
    expect(first).toMatchObject({ linkedBytes: first.sizeBytes, copiedBytes: 0, records: 1 })
    const before = platform.fileSystem.files()
    expect(await backupFromOutside()).toMatchObject({ linkedBytes: 0, copiedBytes: 0, lsn: first.lsn })
    expect([...platform.fileSystem.files().keys()]).toEqual([...before.keys()])
    await put("b", 2)
    const second = await backupFromOutside()
    expect(second.copiedBytes).toBe(second.sizeBytes)
    expect(await backupFromOutside()).toMatchObject({ linkedBytes: 0, copiedBytes: 0, lsn: second.lsn })
  })

  test("does not take for a commit what an owner writes who only opens and closes the store", async () => {
    const { platform, done, put, store, backupFromOutside, keysAt } = await scene()
    await put("a", 1)
    await done(store.close())
    for (let n = 0; n < 3; n++) await done((await done(open("/data", { platform, checkpoint: false }))).close())
    const { lsn } = await backupFromOutside()
    expect(lsn).toBe(2)
    expect(await keysAt()).toEqual(["a"])
    const opened = await done(open("/backup", { platform, create: false }))
    expect((await done(opened.table("t").put("b", 2))).lsn).toBeGreaterThan(lsn)
    await done(opened.close())
  })

  test("and those of the store itself go into one directory, in any order, and none is lost", async () => {
    const { put, backup, backupFromOutside, keysAt, platform, done } = await scene()
    const kept: number[] = []
    for (let n = 0; n < 8; n++) {
      await put(`k${n}`, n)
      const { lsn } = await (n % 3 === 2 ? backup({ keepDays: 9 }) : backupFromOutside({ keepDays: 9 }))
      kept.push(lsn)
    }
    for (const [n, lsn] of kept.entries()) expect(await keysAt(lsn), `at ${lsn}`).toHaveLength(n + 1)
    expect((await backup({ keepDays: 9 })).keptLsns).toEqual(kept)
    expect((await done(verifyStore(platform, "/backup"))).verdict).toBe("good")
  })

  test("is refused where there is no store, into itself, and with options that are none", async () => {
    const { platform } = await scene()
    const from = "/data"
    await expect(backupStore({ from: "/nowhere", into: "/b", platform })).rejects.toThrow("there is no store")
    await expect(backupStore({ from, into: from, platform })).rejects.toThrow("it is the store itself")
    await expect(backupStore({ from, into: `${from}/backup`, platform })).rejects.toThrow("it is inside the store")
    await expect(backupStore({ from, into: "", platform })).rejects.toThrow(TypeError)
    await expect(backupStore({ from, into: "/b", platform, keepDays: -1 })).rejects.toThrow(TypeError)
    await expect(backupStore({ from, into: "/b", platform, links: true } as never)).rejects.toThrow('has no "links"')
  })

  test("of a store that was never written to is an empty store", async () => {
    const { backupFromOutside, keysAt } = await scene()
    expect(await backupFromOutside()).toMatchObject({ lsn: 0, records: 0 })
    expect(await keysAt()).toEqual([])
  })
})

test("a link that is there already is not in the way: what was not finished is begun anew", async () => {
  const store = await temporaryStore()
  await store.table("t").put("a", 1)
  const path = join(await temporaryDirectory(), "backup")
  await store.backup(path)
  await store.table("t").put("b", 2)
  const report = await store.checkpoint()
  const name = `checkpoint-${String(report?.number).padStart(10, "0")}`
  await link(join(store.path, name), join(path, "checkpoint.new"))
  await link(join(store.path, name), join(path, name))
  expect(await store.backup(path)).toMatchObject({ lsn: report?.lsn, linkedBytes: 0, copiedBytes: 0 })
  await using past = await open(path, { readOnly: true })
  expect(past.table("t").size).toBe(2)
})
