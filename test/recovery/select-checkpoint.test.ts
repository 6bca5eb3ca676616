// Which segments recovery starts from: all that the manifest names, without a gap, and nothing that it let go.

import { describe, expect, test } from "vitest"
import { segmentFile, spareFile } from "../../src/format/file-names.ts"
import { Corruption } from "../../src/model/errors.ts"
import { selectCheckpoint } from "../../src/recovery/select-checkpoint.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { untilSettled } from "../property/store-history.ts"
import { copyOfDisk, DIRECTORY, framesIn, makeStore, segmentsIn, withoutFile } from "./reference-store.ts"

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
    expect(await selectCheckpoint(directory, MANIFEST)).toEqual({
      checkpoints: [],
      segments: [3, 4, 5],
      isUnused: false,
      firstLsn: 40,
    })
  })

  test("counts segments as numbers", async () => {
    const directory = await directoryWith([9, 10, 11].map(segmentFile))
    expect((await selectCheckpoint(directory, { ...MANIFEST, firstSegment: 9 })).segments).toEqual([9, 10, 11])
  })

  test("removes segments that were let go, and nothing else", async () => {
    const others = [spareFile(1), "notes.txt", "wal-1", "wal-00000000010", "WAL-0000000001", "LOCK"]
    const directory = await directoryWith([...[1, 2, 3, 4].map(segmentFile), ...others])
    expect((await selectCheckpoint(directory, MANIFEST)).segments).toEqual([3, 4])
    expect(await directory.fileSystem.list(DIRECTORY)).toEqual([...[3, 4].map(segmentFile), ...others].sort())
  })

  test.each([
    ["the first", [4, 5], 3],
    ["one in the middle", [3, 5], 4],
    ["every one", [], 3],
    ["every one that was not let go", [1, 2], 3],
  ])("is refused where %s is missing", async (_, present, missing) => {
    const directory = await directoryWith(present.map(segmentFile))
    const refused = selectCheckpoint(directory, MANIFEST)
    await expect(refused).rejects.toThrow(Corruption)
    await expect(refused).rejects.toMatchObject({ file: segmentFile(missing), found: "the segment is missing" })
  })

  test("that cannot be read is an error of the disk", async () => {
    const directory = await directoryWith([segmentFile(3)])
    directory.fileSystem.failAt(1, "EIO")
    await expect(selectCheckpoint(directory, MANIFEST)).rejects.toMatchObject({
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
