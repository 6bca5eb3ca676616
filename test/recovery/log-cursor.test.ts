// Where a reader stands in a log that somebody else writes: what it says where the segment is not there, where the log
// went on without it, and where no frame follows although one lies behind.

import { describe, expect, test } from "vitest"
import { encodeManifest } from "../../src/format/manifest.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { FRAME_SEAL } from "../../src/format/frame.ts"
import { CursorExpired, StorageFailed } from "../../src/model/errors.ts"
import { LogCursor } from "../../src/recovery/log-cursor.ts"
import { directoryOf } from "../../src/recovery/store-files.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import type { SegmentReader } from "../../src/wal/segment-reader.ts"
import { checkedStore } from "./checked-store.ts"
import type { Files } from "./checked-store.ts"
import { copyOfDisk, DIRECTORY, framesIn, manifestIn, withBytes, withoutFile } from "./reference-store.ts"
import type { PlacedFrame } from "./reference-store.ts"

interface Scene {
  readonly disk: SimulatedDisk
  readonly directory: LogDirectory
}

async function sceneOf(files: Files, manifestOf: Files = files): Promise<Scene> {
  const disk = await copyOfDisk(files)
  return { disk, directory: directoryOf(simulatePlatform({ seed: 1, disk }), DIRECTORY, manifestIn(manifestOf)) }
}

/** Goes through the segment to where no frame follows. */
async function readOn(cursor: LogCursor, reader: SegmentReader): Promise<number> {
  let count = 0
  while ((await cursor.next(reader)) !== undefined) count++
  return count
}

describe("a segment that is not there", () => {
  test("is yet to come, or went with what was let go, as the manifest says", async () => {
    const { files } = await checkedStore({ parts: [20], end: "killed" })
    const without = withoutFile(files, segmentFile(1))
    expect(await new LogCursor((await sceneOf(without, files)).directory, 1).open()).toBeUndefined()
    let late: Files = without
    const manifest = { ...manifestIn(files), firstSegment: 2, firstLsn: 17 }
    for (const copy of ["manifest-0", "manifest-1"]) late = withBytes(late, copy, 0, encodeManifest(manifest, crc32))
    const { directory } = await sceneOf(late)
    const start = { offset: 128, previousChecksum: undefined, lastLsn: 5, epoch: 1 }
    await expect(new LogCursor(directory, 1).open()).rejects.toMatchObject({ _tag: "CursorExpired" })
    await expect(new LogCursor(directory, 1, start).open()).rejects.toThrow(new CursorExpired(5, 17).message)
    // Whoever replaces the store may have taken the manifest away for a moment.
    const gone = withoutFile(withoutFile(without, "manifest-0"), "manifest-1")
    expect(await new LogCursor((await sceneOf(gone, files)).directory, 1).open()).toBeUndefined()
  })

  test("is not what a disk says that fails", async () => {
    const { files } = await checkedStore({ parts: [5], end: "killed" })
    const { disk, directory } = await sceneOf(files)
    disk.faults.add({ operation: 1, through: Infinity, only: ["read"], error: "EIO" })
    await expect(new LogCursor(directory, 1).open()).rejects.toThrow(StorageFailed)
    expect(disk.openFileCount).toBe(0)
  })
})

test("behind a seal the next segment is read, and no frame stands behind a seal", async () => {
  const { files } = await checkedStore({ parts: [60], end: "killed" })
  const { disk, directory } = await sceneOf(files)
  const cursor = new LogCursor(directory, 1)
  const reader = (await cursor.open()) as SegmentReader
  const frames = framesIn(files, 1)
  expect(await readOn(cursor, reader)).toBe(frames.length)
  expect(frames.at(-1)?.kind).toBe(FRAME_SEAL)
  expect(cursor).toMatchObject({ isSealed: true, segment: 1, offset: frames.at(-1)?.end })
  expect(await cursor.next(reader)).toBeUndefined()
  await reader.close()
  cursor.nextSegment()
  expect(cursor).toMatchObject({ isSealed: false, segment: 2, offset: 64 })
  const next = (await cursor.open()) as SegmentReader
  expect((await cursor.next(next))?.header.firstLsn).toBe(framesIn(files, 2)[0]?.firstLsn)
  await next.close()
  expect(disk.openFileCount).toBe(0)
})

describe("where no frame follows", () => {
  test("the log ends, unless an intact frame lies behind also when it is looked at again", async () => {
    const { files } = await checkedStore({ parts: [10], end: "killed" })
    const bad = framesIn(files, 1)[6] as PlacedFrame
    const { disk, directory } = await sceneOf(withBytes(files, segmentFile(1), bad.offset + 40, Uint8Array.of(0xff)))
    const cursor = new LogCursor(directory, 1)
    const reader = (await cursor.open()) as SegmentReader
    expect(await readOn(cursor, reader)).toBe(6)
    // It may just have been written: once is not enough.
    expect(await cursor.isRealEnd(reader)).toBe(false)
    await expect(cursor.isRealEnd(reader)).rejects.toMatchObject({
      _tag: "Corruption",
      file: segmentFile(1),
      offset: bad.offset,
      lsn: bad.firstLsn - 1,
      found: expect.stringContaining(`an intact one at byte ${bad.end}`),
    })
    await reader.close()
    expect(disk.openFileCount).toBe(0)
    const whole = await sceneOf(files)
    const atEnd = new LogCursor(whole.directory, 1)
    const again = (await atEnd.open()) as SegmentReader
    await readOn(atEnd, again)
    expect(await atEnd.isRealEnd(again)).toBe(true)
    await again.close()
  })

  test("it is left behind only where frames stand in the next segment", async () => {
    const { files } = await checkedStore({ parts: [60], end: "killed" })
    const isLeft = async (changed: Files): Promise<boolean> =>
      new LogCursor((await sceneOf(changed, files)).directory, 1).isLeftBehind()
    expect(await isLeft(files)).toBe(true)
    expect(await isLeft(withoutFile(files, segmentFile(2)))).toBe(false)
    const path = `${DIRECTORY}/${segmentFile(2)}`
    const header = (files.get(path) as Uint8Array).slice(0, 64)
    expect(await isLeft(new Map(files).set(path, header))).toBe(false)
    const prepared = new Uint8Array(4096)
    prepared.set(header)
    expect(await isLeft(new Map(files).set(path, prepared))).toBe(false)
  })
})
