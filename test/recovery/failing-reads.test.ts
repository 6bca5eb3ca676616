// Readers of a store on a disk that fails, or whose files go away under them: what they tell is a typed error of the disk,
// never damage, an empty store or age; and where they take the one for the other it would be seen here.

import { describe, expect, test } from "vitest"
import { open, restoreStore } from "../../src/index.ts"
import { encodeManifest } from "../../src/format/manifest.ts"
import { checkpointFile, segmentFile } from "../../src/format/file-names.ts"
import { Corruption, StorageFailed } from "../../src/model/errors.ts"
import { foldOutcome, isOutcomeTrue } from "../../src/recovery/fold-job.ts"
import type { FoldJob } from "../../src/recovery/fold-job.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import { directoryOf, findStoreFiles } from "../../src/recovery/store-files.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { untilSettled } from "../property/store-history.ts"
import { checkedStore } from "./checked-store.ts"
import type { Files } from "./checked-store.ts"
import { copyOfDisk, DIRECTORY, manifestIn, segmentsIn, withBytes, withoutFile } from "./reference-store.ts"

/** A log that begins late, and one checkpoint. */
async function lateFiles(): Promise<Files> {
  return (await checkedStore({ parts: [60, 30, 3], end: "closed", keep: 1 })).files
}

/** The same files on a disk where, as soon as they are listed, one of them goes away. */
async function diskLosing(files: Files, lost: string, listing = 1): Promise<SimulatedDisk> {
  const disk = await copyOfDisk(files)
  const list = disk.list.bind(disk)
  let count = 0
  disk.list = async (path) => {
    const names = await list(path)
    if (path === DIRECTORY && ++count === listing) await disk.unlink(`${DIRECTORY}/${lost}`)
    return names
  }
  return disk
}

describe("a checkpoint that cannot be read", () => {
  test.each([
    ["opening", (disk: SimulatedDisk) => recoverDisk(disk, 1, true)],
    ["reading the past", (disk: SimulatedDisk) => openPast(disk)],
    ["restoring", (disk: SimulatedDisk) => restore(disk)],
  ])("is an error of the disk when %s, whichever read of it fails, and not passed over as damage", async (_, use) => {
    const files = await lateFiles()
    const failing = async (failed: number): Promise<{ disk: SimulatedDisk; reads: number; outcome: unknown }> => {
      const disk = await copyOfDisk(files)
      const openFile = disk.open.bind(disk)
      let reads = 0
      disk.open = async (path, mode) => {
        const handle = await openFile(path, mode)
        if (!path.endsWith(checkpointFile(2))) return handle
        const read = handle.read.bind(handle)
        handle.read = (...input) => {
          if (++reads === failed) disk.failAt(disk.operations.length + 1, "EIO")
          return read(...input)
        }
        return handle
      }
      const outcome = await use(disk).then(
        () => "done",
        (error: unknown) => error,
      )
      return { disk, reads, outcome }
    }
    const clean = await failing(0)
    expect(clean).toMatchObject({ outcome: "done" })
    expect(clean.reads).toBeGreaterThan(1)
    for (let failed = 1; failed <= clean.reads; failed++) {
      const { disk, outcome } = await failing(failed)
      expect(outcome, `read ${failed}`).toMatchObject({ _tag: "StorageFailed", systemCode: "EIO" })
      expect(disk.faults.hitCount).toBe(1)
      expect(disk.openFileCount).toBe(0)
    }
  })

  test("is damage of the newest where none is good, or a gap where none is there", async () => {
    const files = await lateFiles()
    const size = files.get(`${DIRECTORY}/${checkpointFile(2)}`)?.length ?? 0
    const rotten = withBytes(files, checkpointFile(2), size - 100, Uint8Array.of(1, 2, 3))
    const headless = withBytes(files, checkpointFile(2), 20, Uint8Array.of(9))
    for (const use of [restore, openPast]) {
      for (const damaged of [rotten, headless]) {
        await expect(use(await copyOfDisk(damaged))).rejects.toMatchObject({
          _tag: "Corruption",
          file: checkpointFile(2),
        })
      }
      await expect(use(await copyOfDisk(withoutFile(files, checkpointFile(2))))).rejects.toMatchObject({
        _tag: "Corruption",
        found: expect.stringContaining("no checkpoint reaches so far"),
      })
    }
  })

  test("and is all that a backup has, is damage at every moment that is asked for", async () => {
    const platform = simulatePlatform({ seed: 3 })
    const store = await untilSettled(platform, open(DIRECTORY, { platform, checkpoint: false }))
    await untilSettled(platform, store.table("t").put("a", 1))
    await untilSettled(platform, store.backup("/backup"))
    await untilSettled(platform, store.close())
    const checkpoint = [...platform.fileSystem.files().keys()].find((path) => path.startsWith("/backup/checkpoint-"))
    platform.fileSystem.flipBit(checkpoint as string, 20, 1)
    for (const at of [undefined, new Date(platform.clock.wallMs()), new Date(0)]) {
      const options = { readOnly: true, platform, ...(at === undefined ? {} : { at }) } as const
      await expect(untilSettled(platform, open("/backup", options))).rejects.toMatchObject({
        _tag: "Corruption",
        found: "it has no valid head",
      })
    }
  })
})

async function openPast(disk: SimulatedDisk): Promise<unknown> {
  const platform = simulatePlatform({ seed: 1, disk })
  return untilSettled(platform, open(DIRECTORY, { readOnly: true, platform }))
}

async function restore(disk: SimulatedDisk): Promise<unknown> {
  const platform = simulatePlatform({ seed: 1, disk })
  return untilSettled(platform, restoreStore({ from: DIRECTORY, into: "/restored", platform }))
}

describe("a file that goes away behind the listing", () => {
  test.each([
    ["opening", (disk: SimulatedDisk) => recoverDisk(disk, 1, true)],
    ["verifying", (disk: SimulatedDisk) => verifyStore(simulatePlatform({ seed: 1, disk }), DIRECTORY)],
  ])("is an error of the disk when %s", async (_, use) => {
    const { files } = await checkedStore({ parts: [30, 3], end: "closed" })
    const last = segmentsIn(files).at(-1) as number
    const clean = await copyOfDisk(files)
    await use(clean)
    const listings = clean.operations.filter(({ name, path }) => name === "list" && path === DIRECTORY).length
    const told = new Set<unknown>()
    for (let listing = 1; listing <= listings; listing++) {
      const disk = await diskLosing(files, segmentFile(last), listing)
      const outcome: unknown = await use(disk).catch((error: unknown) => error)
      // Gone before it was missed, it is what the checkpoint knows of.
      if (outcome instanceof Corruption) expect(outcome.found).toContain("the log ends at LSN")
      else if (outcome instanceof Error) expect(outcome).toMatchObject({ _tag: "StorageFailed", systemCode: "ENOENT" })
      told.add(outcome instanceof StorageFailed)
    }
    expect(told).toContain(true)
  })

  test("counts no bytes", async () => {
    const { files } = await checkedStore({ parts: [30, 3], end: "closed" })
    const disk = await diskLosing(files, checkpointFile(1), 2)
    const { sizes, checkpoints } = await findStoreFiles(simulatePlatform({ seed: 1, disk }), DIRECTORY)
    expect(checkpoints).toEqual([1])
    expect(sizes.get(checkpointFile(1))).toBe(0)
  })
})

describe("the copies of a manifest that are both good", () => {
  test.each([
    ["of which one is older", "the copy is older than the other", "good", {}],
    ["of different stores", "the copies are of different stores", "damaged", { storeId: new Uint8Array(16).fill(7) }],
  ])("%s are told", async (_, what, verdict, change) => {
    const { files } = await checkedStore({ parts: [60, 3], end: "closed" })
    const manifest = manifestIn(files)
    const newer = { ...manifest, generation: 4 }
    const older = { ...manifest, createdMs: manifest.createdMs + 1, ...change, generation: 3 }
    let changed = withBytes(files, "manifest-0", 0, encodeManifest(newer, crc32))
    changed = withBytes(changed, "manifest-1", 0, encodeManifest(older, crc32))
    const disk = await copyOfDisk(changed)
    const report = await verifyStore(simulatePlatform({ seed: 1, disk }), DIRECTORY)
    expect(report).toMatchObject({ verdict, findings: [{ file: "manifest-1", what, isDamage: verdict === "damaged" }] })
  })
})

describe("a salvage", () => {
  test("is refused where somebody has the target, and ends with the reason of its signal, at any time", async () => {
    const { files } = await checkedStore({ parts: [10], end: "closed" })
    const disk = await copyOfDisk(files)
    await disk.makeDirectory("/saved")
    const lock = await disk.lock("/saved", "LOCK")
    const platform = simulatePlatform({ seed: 1, disk })
    await expect(salvageStore(platform, DIRECTORY, "/saved")).rejects.toMatchObject({
      _tag: "StoreLocked",
      path: "/saved",
    })
    if ("release" in lock) await lock.release()
    const reason = new Error("enough")
    let steps = 0
    const countSteps = (): void => void steps++
    const { signal } = new AbortController()
    await salvageStore(platform, DIRECTORY, "/counted", { signal, onProgress: countSteps })
    expect(steps).toBeGreaterThan(3)
    for (const last of [1, steps]) {
      const controller = new AbortController()
      let step = 0
      const onProgress = (): void => {
        if (++step === last) controller.abort(reason)
      }
      const given = salvageStore(platform, DIRECTORY, `/given-${last}`, { signal: controller.signal, onProgress })
      await expect(given).rejects.toBe(reason)
    }
    // What was begun has no manifest, and whoever looks at it is told.
    const { findings } = await verifyStore(platform, `/given-${steps}`)
    expect(findings).toMatchObject([{ what: expect.stringContaining("the manifest is missing"), isDamage: true }])
    await expect(verifyStore(platform, "/given-1")).rejects.toThrow("there is no store")
    expect(disk.openFileCount).toBe(0)
  })

  test("whose target reads back otherwise than it was written fails, and says where", async () => {
    const { files } = await checkedStore({ parts: [10], end: "closed" })
    const disk = await copyOfDisk(files)
    const openFile = disk.open.bind(disk)
    disk.open = (path, mode) => {
      const isRead = mode === "read" && path === `/saved/${segmentFile(1)}`
      if (isRead) disk.flipBit(path, 300, 2)
      return openFile(path, mode)
    }
    await expect(salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, "/saved")).rejects.toMatchObject({
      _tag: "Corruption",
      file: segmentFile(1),
      found: expect.stringContaining("the target reads back damaged: no valid frame"),
    })
    expect(disk.openFileCount).toBe(0)
  })
})

describe("a checkpoint that is made as a job", () => {
  async function jobOn(): Promise<{ disk: SimulatedDisk; job: FoldJob; directory: ReturnType<typeof directoryOf> }> {
    const { files } = await checkedStore({ parts: [10, 3], end: "closed" })
    const disk = await copyOfDisk(files)
    const { storeId, checksumSeed } = manifestIn(files)
    const job = { path: DIRECTORY, storeId, checksumSeed, extents: [], startLsn: 1, throughLsn: 14, number: 2, base: 1 }
    const directory = directoryOf(simulatePlatform({ seed: 1, disk }), DIRECTORY, manifestIn(files))
    return { disk, job: { ...job, createdMs: 5 }, directory }
  }

  test("fails as data where the disk fails, and passes a defect on", async () => {
    const { disk, job } = await jobOn()
    disk.failAt(disk.operations.length + 1, "EIO")
    expect(await foldOutcome(job, disk, crc32, () => undefined)).toMatchObject({ kind: "storage", systemCode: "EIO" })
    const defect = new TypeError("a defect")
    disk.open = () => Promise.reject(defect)
    await expect(foldOutcome(job, disk, crc32, () => undefined)).rejects.toBe(defect)
  })

  test("cannot be proven on a disk that does not read", async () => {
    const { disk, job, directory } = await jobOn()
    const checkpoint = { number: 2, throughLsn: 14, records: 1, sizeBytes: 9, createdMs: 5 }
    expect(await isOutcomeTrue({ kind: "made", checkpoint }, job, directory)).toBe(false)
    disk.failAt(disk.operations.length + 1, "EIO")
    await expect(isOutcomeTrue({ kind: "made", checkpoint }, job, directory)).rejects.toThrow(StorageFailed)
  })
})
