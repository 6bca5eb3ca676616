// Which segments recovery starts from: all that the manifest names, without a gap, and nothing that it let go.

import { describe, expect, test } from "vitest"
import { segmentFile, spareFile } from "../../src/format/file-names.ts"
import { encodeManifest } from "../../src/format/manifest.ts"
import { Corruption } from "../../src/model/errors.ts"
import { listStart, removeLeftovers } from "../../src/recovery/select-checkpoint.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { untilSettled } from "../property/store-history.ts"
import {
  copyOfDisk,
  DIRECTORY,
  framesIn,
  makeStore,
  manifestIn,
  segmentsIn,
  withBytes,
  withoutFile,
} from "./reference-store.ts"

const MANIFEST = {
  generation: 2,
  storeId: new Uint8Array(16),
  checksumSeed: 1,
  hashSecret: { low: 1, high: 2 },
  firstSegment: 3,
  firstLsn: 40,
  createdMs: 0,
}

async function directoryWith(names: readonly string[]): Promise<LogDirectory & { fileSystem: SimulatedDisk }> {
  const fileSystem = await copyOfDisk(new Map(names.map((name) => [`${DIRECTORY}/${name}`, new Uint8Array(64)])))
  return { fileSystem, checksum: crc32, path: DIRECTORY, storeId: MANIFEST.storeId, checksumSeed: 1 }
}

describe("the start of recovery", () => {
  test("is the first segment that the manifest names, and its first LSN", async () => {
    const directory = await directoryWith([3, 4, 5, 10].slice(0, 3).map(segmentFile))
    expect(await listStart(directory, MANIFEST)).toEqual({
      checkpoints: [],
      segments: [3, 4, 5],
      sizeBytes: 192,
      isUnused: false,
      firstLsn: 40,
    })
  })

  test("counts segments as numbers", async () => {
    const directory = await directoryWith([9, 10, 11].map(segmentFile))
    expect((await listStart(directory, { ...MANIFEST, firstSegment: 9 })).segments).toEqual([9, 10, 11])
  })

  test("passes over segments that were let go, which are removed later, and nothing else with them", async () => {
    const others = [spareFile(1), "notes.txt", "wal-1", "wal-00000000010", "WAL-0000000001", "LOCK"]
    const directory = await directoryWith([...[1, 2, 3, 4].map(segmentFile), ...others])
    const all = await directory.fileSystem.list(DIRECTORY)
    expect((await listStart(directory, MANIFEST)).segments).toEqual([3, 4])
    expect(await directory.fileSystem.list(DIRECTORY)).toEqual(all)
    await removeLeftovers(directory, MANIFEST)
    expect(await directory.fileSystem.list(DIRECTORY)).toEqual([...[3, 4].map(segmentFile), ...others].sort())
  })

  test.each([
    ["the first", [4, 5], 3],
    ["one in the middle", [3, 5], 4],
    ["every one", [], 3],
    ["every one that was not let go", [1, 2], 3],
  ])("is refused where %s is missing", async (_, present, missing) => {
    const directory = await directoryWith(present.map(segmentFile))
    const refused = listStart(directory, MANIFEST)
    await expect(refused).rejects.toThrow(Corruption)
    await expect(refused).rejects.toMatchObject({ file: segmentFile(missing), found: "the segment is missing" })
  })

  test("that cannot be read is an error of the disk", async () => {
    const directory = await directoryWith([segmentFile(3)])
    directory.fileSystem.failAt(1, "EIO")
    await expect(listStart(directory, MANIFEST)).rejects.toMatchObject({
      _tag: "StorageFailed",
      systemCode: "EIO",
    })
  })
})

test("a store without one of its sealed segments is refused, and not touched", async () => {
  const { platform, store } = await makeStore({ commitCount: 60 })
  await untilSettled(platform, store.close())
  const files = platform.fileSystem.files()
  const segments = segmentsIn(files)
  expect(segments.length).toBeGreaterThan(3)
  for (const segment of segments.slice(0, -1)) {
    const disk = await copyOfDisk(withoutFile(files, segmentFile(segment)))
    const before = disk.files()
    await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({ _tag: "Corruption", file: segmentFile(segment) })
    expect(disk.files()).toEqual(before)
  }
})

test("a store that is refused keeps what an interrupted checkpoint and compaction left", async () => {
  const { platform, store } = await makeStore({ commitCount: 60 })
  await untilSettled(platform, store.checkpoint())
  await untilSettled(platform, store.close())
  const files = platform.fileSystem.files()
  const last = segmentsIn(files).at(-1) as number
  const manifest = manifestIn(files)
  const late = { ...manifest, firstSegment: 2, firstLsn: framesIn(files, 2)[0]?.firstLsn ?? 0 }
  let left = withBytes(files, "checkpoint.new", 0, Uint8Array.of(1, 2, 3))
  for (const copy of ["manifest-0", "manifest-1"]) left = withBytes(left, copy, 0, encodeManifest(late, crc32))
  const [frame] = framesIn(files, last)
  const disk = await copyOfDisk(withBytes(left, segmentFile(last), (frame?.offset ?? 0) + 70, Uint8Array.of(255, 254)))
  const before = disk.files()
  await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({ _tag: "Corruption", file: segmentFile(last) })
  expect(disk.files()).toEqual(before)
  // And where nothing is wrong, they go.
  const good = await copyOfDisk(left)
  await recoverDisk(good, 1, true)
  expect(good.files().has(`${DIRECTORY}/checkpoint.new`)).toBe(false)
  expect(segmentsIn(good.files())[0]).toBe(2)
})

test("a segment emptied to zeros, cut to nothing or put in another's place is refused", async () => {
  const { platform, store } = await makeStore({ commitCount: 60 })
  await untilSettled(platform, store.close())
  const files = platform.fileSystem.files()
  const pathOf = (segment: number): string => `${DIRECTORY}/${segmentFile(segment)}`
  const second = files.get(pathOf(2)) as Uint8Array
  expect(framesIn(files, 2).length).toBeGreaterThan(3)
  for (const bytes of [
    new Uint8Array(second.length),
    new Uint8Array(0),
    second.slice(0, 63),
    second.slice(0, 64),
    files.get(pathOf(1)) as Uint8Array,
  ]) {
    const disk = await copyOfDisk(new Map(files).set(pathOf(2), bytes))
    await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({ _tag: "Corruption", file: segmentFile(2) })
  }
})
