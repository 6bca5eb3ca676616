// Recovery that is cut off: a first open, a recovery, a recovery of that one, at every operation of the disk; and disks
// that fail or are slow to give what was asked.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { segmentFile, spareFile } from "../../src/format/file-names.ts"
import { encodeSegmentHeader } from "../../src/format/segment-header.ts"
import { Corruption, OrreryError, UnsupportedFormat } from "../../src/model/errors.ts"
import { writeU32 } from "../../src/format/integers.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { contentOf, differences, untilSettled } from "../property/store-history.ts"
import {
  contentAt,
  copyOfDisk,
  DIRECTORY,
  framesIn,
  makeStore,
  manifestIn,
  segmentsIn,
  SEGMENT_SIZE,
  withBytes,
} from "./reference-store.ts"
import type { ReferenceCommit } from "./reference-store.ts"

interface Killed {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly commits: readonly ReferenceCommit[]
}

/** A store with a tail that was torn in its last, unacknowledged frame. */
async function killedStore(commitCount = 24): Promise<Killed> {
  const { platform, commits } = await makeStore({ commitCount })
  const files = platform.fileSystem.crash("kill").files()
  const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
  const segment = used.at(-1) as number
  const end = framesIn(files, segment).at(-1)?.end as number
  return { files: withBytes(files, segmentFile(segment), end, new Uint8Array(100).fill(0xa5)), commits }
}

describe("a first open", () => {
  test("that is cut off anywhere leaves a directory that opens as a new store", async () => {
    const disk = new SimulatedDisk()
    await disk.makeDirectory("/")
    const platform = simulatePlatform({ seed: 1, disk })
    const store = await open(DIRECTORY, { platform, shards: 3, segmentBytes: SEGMENT_SIZE })
    let stateCount = 0
    const made = { again: 0, found: 0 }
    for (const state of crashStates(disk.trace())) {
      stateCount++
      const { content, report } = await recoverDisk(state.mount(), 2, true)
      expect(content.size, state.describe()).toBe(0)
      made[report.foundStore ? "found" : "again"]++
    }
    expect(stateCount).toBeGreaterThan(60)
    expect(made.again).toBeGreaterThan(0)
    expect(made.found).toBeGreaterThan(0)
    await store.close()
  })

  test("that is cut off twice opens the third time, and keeps what is put then", async () => {
    const first = new SimulatedDisk()
    await open(DIRECTORY, { platform: simulatePlatform({ seed: 1, disk: first }), segmentBytes: SEGMENT_SIZE })
    for (const outer of crashStates(first.trace(), { seed: 3, limit: 30 })) {
      const second = outer.mount()
      await recoverDisk(second, 2, true)
      for (const inner of crashStates(second.trace(), { seed: 3, limit: 8 })) {
        const { platform, store, commits } = await makeStore({ commitCount: 3, disk: inner.mount() })
        expect(differences(contentOf(store), contentAt(commits))).toEqual([])
        await untilSettled(platform, store.close())
      }
    }
  })

  test("whose operation fails anywhere is a typed error, and the next one works", async () => {
    const clean = simulatePlatform({ seed: 1 })
    const settings = { shards: 1, segmentBytes: SEGMENT_SIZE }
    await open(DIRECTORY, { platform: clean, ...settings })
    const operations = clean.fileSystem.operations
    for (const { serial, name, path } of operations) {
      // A close that fails is met by nobody but the operating system.
      if (name === "close") continue
      const platform = simulatePlatform({ seed: 1 })
      platform.fileSystem.failAt(serial, "EIO")
      const where = `operation ${serial}: ${name} of ${path}`
      const failure = await open(DIRECTORY, { platform, ...settings }).catch((error: unknown) => error)
      expect(failure, where).toBeInstanceOf(OrreryError)
      expect(platform.fileSystem.openFileCount, where).toBe(0)
      const store = await open(DIRECTORY, { platform, ...settings })
      await store.table<number>("t").put("a", 1)
      expect(store.table<number>("t").get("a")).toBe(1)
      await store.close()
    }
  })
})

describe("a recovery", () => {
  test("that is cut off anywhere is done again, and finds the same; to a depth of two", async () => {
    const { files, commits } = await killedStore()
    const expected = contentAt(commits)
    const disk = await copyOfDisk(files)
    await recoverDisk(disk, 1, true)
    let stateCount = 0
    let nestedCount = 0
    for (const state of crashStates(disk.trace())) {
      stateCount++
      const mounted = state.mount()
      const { content } = await recoverDisk(mounted, 2, true)
      expect(differences(content, expected), state.describe()).toEqual([])
      if (stateCount % 10 !== 0) continue
      for (const inner of crashStates(mounted.trace(), { seed: stateCount, limit: 20 })) {
        nestedCount++
        const again = await recoverDisk(inner.mount(), 3, true)
        expect(differences(again.content, expected), `${state.describe()}\nthen ${inner.describe()}`).toEqual([])
      }
    }
    expect(stateCount).toBeGreaterThan(60)
    expect(nestedCount).toBeGreaterThan(60)
  })

  test("done twice changes nothing the second time", async () => {
    const { files, commits } = await killedStore()
    const disk = await copyOfDisk(files)
    const first = await recoverDisk(disk, 1, false)
    expect(first.report).toMatchObject({ wasSealed: false, cutBytes: expect.any(Number) })
    const repaired = disk.files()
    const second = await recoverDisk(disk, 2, false)
    expect(disk.files()).toEqual(repaired)
    expect(second.report).toMatchObject({ wasSealed: true, cutBytes: 0, lastLsn: first.report.lastLsn })
    expect(differences(second.content, contentAt(commits))).toEqual([])
    expect(disk.crash("nothing").files()).toEqual(repaired)
  })

  test("of a sealed log leaves every byte as it was", async () => {
    const { platform, store } = await makeStore({ commitCount: 24 })
    await untilSettled(platform, store.close())
    const before = platform.fileSystem.files()
    const disk = await copyOfDisk(before)
    const { report } = await recoverDisk(disk, 1, false)
    expect(report.wasSealed).toBe(true)
    expect(disk.files()).toEqual(before)
    expect(disk.crash("nothing").files()).toEqual(before)
  })

  test("with an error of the disk at any operation says so: an error is never the end of the log", async () => {
    const { files, commits } = await killedStore()
    const clean = await copyOfDisk(files)
    await recoverDisk(clean, 1, true)
    const reads = clean.operations.filter(({ name }) => name === "read")
    expect(reads.length).toBeGreaterThan(4)
    for (const { serial, name, path } of clean.operations) {
      if (name === "close") continue
      for (const when of ["before", "after-part"] as const) {
        const disk = await copyOfDisk(files)
        disk.faults.add({ operation: serial, error: "EIO", when })
        const failure = await recoverDisk(disk, 1, true).catch((error: unknown) => error)
        const where = `operation ${serial}: ${name} of ${path}, ${when}`
        expect(failure, where).toBeInstanceOf(OrreryError)
        expect(failure, where).not.toBeInstanceOf(Corruption)
        expect(disk.openFileCount, where).toBe(0)
        disk.faults.clear()
        disk.unlockAll()
        const { content } = await recoverDisk(disk, 1, true)
        expect(differences(content, contentAt(commits)), where).toEqual([])
      }
    }
  })

  test("over short reads and writes finds the same", async () => {
    const { files, commits } = await killedStore(60)
    for (let seed = 1; seed <= 5; seed++) {
      const disk = await copyOfDisk(files, { seed, faults: [{ operation: 1, through: Infinity, quirk: "short" }] })
      const { content } = await recoverDisk(disk, seed, true)
      expect(differences(content, contentAt(commits))).toEqual([])
      expect(disk.faults.hitCount).toBeGreaterThan(10)
    }
  })
})

describe("what does not belong to the log", () => {
  test("spares that a crash left are used or removed", async () => {
    const { files, commits } = await killedStore()
    const left = new Map(files)
    for (let number = 5; number < 12; number++)
      left.set(`${DIRECTORY}/${spareFile(number)}`, new Uint8Array(SEGMENT_SIZE).fill(number))
    left.set(`${DIRECTORY}/${spareFile(99)}`, new Uint8Array(10))
    const disk = await copyOfDisk(left)
    const { content } = await recoverDisk(disk, 1, true)
    expect(differences(content, contentAt(commits))).toEqual([])
    expect([...disk.files().keys()].filter((path) => path.includes("spare-")).length).toBeLessThanOrEqual(2)
  })

  test("a segment of another store is refused, wherever it stands", async () => {
    const mine = await killedStore(40)
    const other = await makeStore({ commitCount: 40, seed: 99 })
    const others = other.platform.fileSystem.crash("kill").files()
    for (const segment of segmentsIn(mine.files)) {
      const path = `${DIRECTORY}/${segmentFile(segment)}`
      const foreign = others.get(path)
      if (foreign === undefined) continue
      const disk = await copyOfDisk(new Map(mine.files).set(path, foreign))
      const refused = recoverDisk(disk, 1, true)
      await expect(refused).rejects.toThrow(Corruption)
      await expect(refused).rejects.toMatchObject({ found: "the segment belongs to another store" })
    }
  })

  test.each([
    ["a newer format version", 8, 2],
    ["unknown flags", 12, 4],
  ])("a segment with %s is refused, and no byte of the log is changed", async (_, at, value) => {
    const { files } = await killedStore(40)
    for (const segment of segmentsIn(files)) {
      const path = `${DIRECTORY}/${segmentFile(segment)}`
      const bytes = (files.get(path) as Uint8Array).slice()
      writeU32(bytes, at, value)
      writeU32(bytes, 4, crc32(bytes.subarray(8, 64), 0))
      const disk = await copyOfDisk(new Map(files).set(path, bytes))
      const before = disk.files()
      await expect(recoverDisk(disk, 1, true)).rejects.toThrow(UnsupportedFormat)
      expect(disk.files()).toEqual(before)
    }
  })

  test("a segment under the name of another is refused", async () => {
    const { files } = await killedStore(40)
    const { storeId } = manifestIn(files)
    const header = encodeSegmentHeader({ storeId, segment: 9, segmentSize: SEGMENT_SIZE, createdMs: 0 }, crc32)
    const disk = await copyOfDisk(withBytes(files, segmentFile(2), 0, header))
    await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({ found: "the header says segment 9" })
  })
})
