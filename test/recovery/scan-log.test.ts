// Torn or damaged: every way in which the chain of valid frames may end, and what the scan makes of it.

import { describe, expect, test } from "vitest"
import type { SealedSegment } from "../../src/format/checkpoint-block.ts"
import { FRAME_COMMITS, FRAME_EPOCH, FRAME_HEADER_SIZE, FRAME_SEAL, sealFrame } from "../../src/format/frame.ts"
import type { FrameHeader } from "../../src/format/frame.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { Corruption } from "../../src/model/errors.ts"
import { probes } from "../../src/model/invariant.ts"
import { scanLog } from "../../src/recovery/scan-log.ts"
import type { ScanResult } from "../../src/recovery/scan-log.ts"
import { listStart } from "../../src/recovery/select-checkpoint.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { FileLogHome, appendText } from "../wal/log-home.ts"
import { DIRECTORY, copyOfDisk, framesIn, manifestIn, segmentsIn, withBytes } from "./reference-store.ts"
import type { PlacedFrame } from "./reference-store.ts"

type Files = ReadonlyMap<string, Uint8Array>

/** A log whose frames are synced as `syncs` says, not closed. */
async function logWith(syncs: readonly boolean[], text: (n: number) => string = (n) => `frame ${n}`): Promise<Files> {
  const platform = simulatePlatform({ seed: 1 })
  const home = new FileLogHome(platform, DIRECTORY)
  const log = await home.open()
  for (const [n, sync] of syncs.entries()) await appendText(log, text(n), sync)
  do await new Promise((resolve) => setImmediate(resolve))
  while (platform.fileSystem.inFlightCount > 0)
  return platform.fileSystem.files()
}

async function scan(files: Files, trustedLsn?: number, sealed: readonly SealedSegment[] = []): Promise<ScanResult> {
  const fileSystem = await copyOfDisk(files)
  const manifest = manifestIn(files)
  const { storeId, checksumSeed } = manifest
  const directory = { fileSystem, checksum: crc32, path: DIRECTORY, storeId, checksumSeed }
  const start = await listStart(directory, manifest)
  const result = await scanLog(directory, start, sealed, trustedLsn, () => undefined)
  expect(fileSystem.openFileCount).toBe(0)
  expect(fileSystem.files()).toEqual(files)
  return result
}

/** The frame that holds the text of that number; the epoch's comes before the first. */
function frameOf(files: Files, n: number, segment = 1): PlacedFrame {
  return framesIn(files, segment).filter(({ kind }) => kind === FRAME_COMMITS)[n] as PlacedFrame
}

function damage(files: Files, frame: PlacedFrame): Files {
  return withBytes(files, segmentFile(frame.segment), frame.end - 1, Uint8Array.of(0xa5))
}

/** Writes a frame with a right checksum at the place that the header says. */
function plant(files: Files, header: Omit<FrameHeader, "checksum">): Files {
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + header.payloadSize)
  const { checksumSeed } = manifestIn(files)
  sealFrame(bytes, 0, header, { checksumSeed, segment: header.segment, checksum: crc32 })
  return withBytes(files, segmentFile(header.segment), header.offset, bytes)
}

/** A header that follows the frame as it should. */
function following(frame: PlacedFrame, changes: Partial<FrameHeader> = {}): FrameHeader {
  return {
    kind: FRAME_COMMITS,
    checksum: 0,
    payloadSize: 16,
    previousChecksum: frame.checksum,
    firstLsn: frame.firstLsn + frame.commitCount,
    durableLsn: 0,
    timeMs: 1_000,
    commitCount: 1,
    recordCount: 1,
    epoch: frame.epoch,
    segment: frame.segment,
    offset: frame.end,
    ...changes,
  }
}

function lastOf(files: Files): PlacedFrame {
  const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
  return framesIn(files, used.at(-1) as number).at(-1) as PlacedFrame
}

describe("the log ends", () => {
  test("at a seal", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const home = new FileLogHome(platform, DIRECTORY)
    const log = await home.open()
    await appendText(log, "one")
    await log.close()
    const result = await scan(platform.fileSystem.files())
    expect(result).toMatchObject({ tail: undefined, lastLsn: log.endLsn, nextSegment: 2, stop: "end", frameCount: 2 })
  })

  test("in zeros, and nothing was torn", async () => {
    const files = await logWith([true, true])
    const result = await scan(files)
    expect(result).toMatchObject({ lastLsn: 3, nextSegment: 2, stop: "zeros" })
    expect(result.tail).toMatchObject({ segment: 1, isTorn: false, frameCount: 3, offset: lastOf(files).end })
  })

  test("at the end of a file that is cut behind a frame", async () => {
    const files = await logWith([true, true])
    const cut = new Map(files)
    cut.set(
      `${DIRECTORY}/${segmentFile(1)}`,
      (files.get(`${DIRECTORY}/${segmentFile(1)}`) as Uint8Array).slice(0, lastOf(files).end),
    )
    const result = await scan(cut)
    expect(result).toMatchObject({ lastLsn: 3, stop: "end" })
    expect(result.tail).toMatchObject({ isTorn: false })
  })

  test("before the first frame of a store that was only just made", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const { lock, log, manifest } = await takeDirectory(platform, DIRECTORY, true, 4096)
    await lock.release()
    const result = await scanLog(log, await listStart(log, manifest), [], undefined, () => undefined)
    expect(result).toMatchObject({ lastLsn: 0, epoch: 0, checksum: 0, nextSegment: 1, frameCount: 0, tail: undefined })
  })
})

describe("no valid frame follows, and nothing intact lies behind: the tail was never finished, and is cut", () => {
  const tears: readonly (readonly [string, (files: Files, frame: PlacedFrame) => Files])[] = [
    [
      "its payload is zeros",
      (files, { offset, end }) => withBytes(files, segmentFile(1), offset + 64, new Uint8Array(end - offset - 64)),
    ],
    ["its last byte is wrong", (files, frame) => damage(files, frame)],
    [
      "its header is zeros and its payload is there",
      (files, { offset }) => withBytes(files, segmentFile(1), offset, new Uint8Array(64)),
    ],
    [
      "its header is garbage",
      (files, { offset }) => withBytes(files, segmentFile(1), offset, new Uint8Array(64).fill(0xa5)),
    ],
    [
      "its length says more than the file",
      (files, { offset }) => withBytes(files, segmentFile(1), offset + 8, Uint8Array.of(0, 0, 1, 0)),
    ],
    [
      "its length says more than a frame may have",
      (files, { offset }) => withBytes(files, segmentFile(1), offset + 8, Uint8Array.of(0xf8, 0xff, 0xff, 0xff)),
    ],
    ["its length says less", (files, { offset }) => withBytes(files, segmentFile(1), offset + 8, Uint8Array.of(8, 0))],
    [
      "the file ends in it",
      (files, { end }) =>
        new Map(files).set(
          `${DIRECTORY}/${segmentFile(1)}`,
          (files.get(`${DIRECTORY}/${segmentFile(1)}`) as Uint8Array).slice(0, end - 8),
        ),
    ],
    [
      "the file ends in its header",
      (files, { offset }) =>
        new Map(files).set(
          `${DIRECTORY}/${segmentFile(1)}`,
          (files.get(`${DIRECTORY}/${segmentFile(1)}`) as Uint8Array).slice(0, offset + 40),
        ),
    ],
    [
      "everything behind is garbage",
      (files, { offset }) => withBytes(files, segmentFile(1), offset, new Uint8Array(4096 - offset).fill(0xa5)),
    ],
  ]
  test.each(tears)("%s", async (_, tear) => {
    const files = await logWith([true, true, true], (n) => `frame ${n} `.repeat(20))
    const frame = frameOf(files, 2)
    const result = await scan(tear(files, frame))
    expect(result.lastLsn).toBe(frame.firstLsn - 1)
    expect(result.tail).toMatchObject({ segment: 1, offset: frame.offset, frameCount: 3 })
    expect(result.checksum).toBe(frame.previousChecksum)
  })
})

describe("an intact frame behind the bad one", () => {
  test("that says the log was durable past the bad place: acknowledged data is gone, refuse", async () => {
    const files = await logWith([true, true, true])
    const bad = frameOf(files, 1)
    const refused = scan(damage(files, bad))
    await expect(refused).rejects.toThrow(Corruption)
    await expect(refused).rejects.toMatchObject({ file: segmentFile(1), offset: bad.offset, lsn: bad.firstLsn - 1 })
  })

  test("however far behind, and whatever lies between", async () => {
    const files = await logWith([true, true, false, false, false, true, true])
    const bad = frameOf(files, 1)
    const rest = frameOf(files, 6)
    const refused = scan(
      withBytes(files, segmentFile(1), bad.offset, new Uint8Array(rest.offset - bad.offset).fill(0xa5)),
    )
    await expect(refused).rejects.toMatchObject({ code: "ORRERY_CORRUPTION", offset: bad.offset })
  })

  test("that was written without a sync behind one that never reached the disk: nothing synced is lost, cut both", async () => {
    const before = probes().get("unsynced frames behind a hole are cut") ?? 0
    const files = await logWith([true, false, false, false])
    const bad = frameOf(files, 1)
    const result = await scan(damage(files, bad))
    expect(result).toMatchObject({ lastLsn: bad.firstLsn - 1, stop: "checksum" })
    expect(result.tail).toMatchObject({ offset: bad.offset, isTorn: true })
    expect(probes().get("unsynced frames behind a hole are cut")).toBe(before + 2)
  })

  test("that is a seal: everything before it was synced, refuse", async () => {
    const platform = simulatePlatform({ seed: 1 })
    const log = await new FileLogHome(platform, DIRECTORY).open()
    await appendText(log, "one", false)
    await log.close()
    const files = platform.fileSystem.files()
    await expect(scan(damage(files, frameOf(files, 0)))).rejects.toMatchObject({ code: "ORRERY_CORRUPTION", lsn: 1 })
  })

  test("in a later segment: it was begun behind a synced seal, refuse", async () => {
    const files = await logWith(
      Array.from({ length: 16 }, () => true),
      (n) => `frame ${n} `.repeat(40),
    )
    expect(framesIn(files, 2).length).toBeGreaterThan(0)
    const seal = framesIn(files, 1).at(-1) as PlacedFrame
    expect(seal.kind).toBe(FRAME_SEAL)
    const refused = scan(damage(files, seal))
    await expect(refused).rejects.toMatchObject({
      code: "ORRERY_CORRUPTION",
      file: segmentFile(1),
      offset: seal.offset,
    })
    const zeros = new Uint8Array(4096 - 64)
    await expect(scan(withBytes(files, segmentFile(1), 64, zeros))).rejects.toMatchObject({
      file: segmentFile(1),
      offset: 64,
    })
  })

  test("of another place does not count: it is no frame of this one", async () => {
    const files = await logWith([true, true, true])
    const frame = frameOf(files, 2)
    const bytes = (files.get(`${DIRECTORY}/${segmentFile(1)}`) as Uint8Array).slice(frame.offset, frame.end)
    const result = await scan(withBytes(damage(files, frame), segmentFile(1), frame.end + 128, bytes))
    expect(result.lastLsn).toBe(frame.firstLsn - 1)
  })

  test("a prepared segment without frames behind the tail is no damage", async () => {
    const before = probes().get("a prepared segment lies behind the tail") ?? 0
    const files = await logWith([true, true], () => "x".repeat(1_500))
    expect(segmentsIn(files)).toEqual([1, 2])
    const result = await scan(damage(files, frameOf(files, 1)))
    expect(result).toMatchObject({ lastLsn: 2, nextSegment: 2 })
    expect(probes().get("a prepared segment lies behind the tail")).toBe(before + 1)
  })
})

describe("a frame with a right checksum is not valid", () => {
  const wrongs: readonly (readonly [string, Partial<FrameHeader>])[] = [
    ["that names another predecessor", { previousChecksum: 12345 }],
    ["that leaves LSNs out", { firstLsn: 5 }],
    ["that repeats LSNs", { firstLsn: 2 }],
    ["of a later epoch that no frame began", { epoch: 2 }],
    ["of an earlier epoch", { epoch: 0 }],
    ["that begins the epoch that it is in again", { kind: FRAME_EPOCH, epoch: 1 }],
    ["that begins an earlier epoch", { kind: FRAME_EPOCH, epoch: 0 }],
    ["that begins an epoch at an LSN that is taken", { kind: FRAME_EPOCH, epoch: 2, firstLsn: 3 }],
    ["that holds no commit", { commitCount: 0 }],
    ["of a kind that does not exist", { kind: 4 }],
    ["of kind 0", { kind: 0 }],
    ["whose LSNs pass 48 bits", { commitCount: 0xffff_ffff, firstLsn: 2 ** 48 - 5 }],
    ["that is a seal with commits", { kind: FRAME_SEAL, commitCount: 1, recordCount: 3 }],
  ]
  test.each(wrongs)("%s", async (_, changes) => {
    const files = await logWith([true, true])
    const last = lastOf(files)
    const good = await scan(plant(files, following(last)))
    expect(good.lastLsn).toBe(4)
    const planted = plant(files, following(last, changes))
    // A misplaced seal refuses; everything else is cut.
    const result = await scan(planted).catch((error: unknown) => error)
    if (changes.kind === FRAME_SEAL) expect(result).toBeInstanceOf(Corruption)
    else expect(result).toMatchObject({ lastLsn: 3, tail: { offset: last.end, isTorn: true } })
  })

  test("when it is a seal that counts other frames than there are: refuse", async () => {
    const files = await logWith([true, true])
    const last = lastOf(files)
    const seal = { kind: FRAME_SEAL, commitCount: 0, payloadSize: 0 }
    expect((await scan(plant(files, following(last, { ...seal, recordCount: 3 })))).tail).toBeUndefined()
    for (const recordCount of [2, 4]) {
      const refused = scan(plant(files, following(last, { ...seal, recordCount })))
      await expect(refused).rejects.toThrow(/the seal counts/)
      await expect(refused).rejects.toMatchObject({ offset: last.end, lsn: 3 })
    }
  })

  test("an epoch frame may leave LSNs out", async () => {
    const files = await logWith([true])
    const result = await scan(plant(files, following(lastOf(files), { kind: FRAME_EPOCH, epoch: 7, firstLsn: 1_000 })))
    expect(result).toMatchObject({ lastLsn: 1_000, epoch: 7 })
  })
})

describe("after a failed sync in this process", () => {
  test("frames behind what was known to be durable are not believed, however whole they look", async () => {
    const before = probes().get("an unsynced frame is not trusted after a failed sync") ?? 0
    const files = await logWith([true, true, true, true])
    for (const trusted of [2, 3, 4]) {
      const result = await scan(files, trusted)
      expect(result).toMatchObject({ lastLsn: trusted, stop: "untrusted", nextSegment: 2 })
      expect(result.tail).toMatchObject({ offset: frameOf(files, trusted - 1).offset, isTorn: true })
    }
    expect(probes().get("an unsynced frame is not trusted after a failed sync")).toBe(before + 3)
    expect(await scan(files, 5)).toMatchObject({ lastLsn: 5, stop: "zeros" })
  })

  test("a seal with nothing trusted behind it holds, and is to be written again", async () => {
    const files = await logWith(
      Array.from({ length: 16 }, () => true),
      (n) => `frame ${n} `.repeat(40),
    )
    const seal = framesIn(files, 1).at(-1) as PlacedFrame
    const result = await scan(files, seal.firstLsn - 1)
    expect(result).toMatchObject({ lastLsn: seal.firstLsn - 1, stop: "untrusted", nextSegment: 2, tail: undefined })
    expect(result.unproven).toEqual({ segment: 1, start: seal.offset, end: seal.end })
    const more = await scan(files, seal.firstLsn)
    expect(more).toMatchObject({ lastLsn: seal.firstLsn, nextSegment: 3 })
    expect(more.tail).toMatchObject({ segment: 2 })
  })
})

test("a tail leaves no seal to write again: it is replaced whole", async () => {
  for (const syncs of [
    [true, true, true],
    [true, true, false, false, false],
  ]) {
    const result = await scan(await logWith(syncs))
    expect(result.unproven).toBeUndefined()
    expect(result.tail).toMatchObject({ segment: 1 })
  }
})

test("the scan finds every frame of every segment, where each lies and what it holds", async () => {
  const files = await logWith(
    Array.from({ length: 30 }, (_, n) => n % 2 === 0),
    (n) => `frame ${n} `.repeat(30),
  )
  const result = await scan(files)
  const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
  expect(used.length).toBeGreaterThan(2)
  expect(result.extents.map(({ segment }) => segment)).toEqual(used)
  let next = 1
  for (const extent of result.extents) {
    const frames = framesIn(files, extent.segment)
    expect(extent.firstLsn).toBe(next)
    expect(extent.endOffset).toBe(frames.at(-1)?.end)
    expect(extent.marks[0]).toEqual({ lsn: next, offset: 64 })
    next = extent.lastLsn + 1
  }
  expect(result.lastLsn).toBe(31)
  expect(next).toBe(32)
  expect(result.frameCount).toBe(31)
})

describe("segments that a checkpoint knows as sealed", () => {
  /** Several sealed segments and one that is not, and what is known of the sealed ones. */
  async function rotated(): Promise<{ readonly files: Files; readonly whole: ScanResult }> {
    const files = await logWith(
      Array.from({ length: 40 }, () => true),
      (n) => `frame ${n} ${"x".repeat(300)}`,
    )
    const whole = await scan(files)
    expect(whole.extents.length).toBeGreaterThan(3)
    return { files, whole }
  }

  function withoutMarks({ extents }: ScanResult): unknown {
    return extents.map(({ segment, firstLsn, lastLsn, endOffset }) => ({ segment, firstLsn, lastLsn, endOffset }))
  }

  test("are not read, and nothing else changes", async () => {
    const { files, whole } = await rotated()
    for (let count = 1; count < whole.extents.length; count++) {
      const sealed = whole.extents.slice(0, count)
      const result = await scan(files, undefined, sealed)
      const { segmentCount, frameCount, sizeBytes, extents } = result
      expect(result).toEqual({ ...whole, segmentCount, frameCount, sizeBytes, extents })
      expect(withoutMarks(result)).toEqual(withoutMarks(whole))
      expect(segmentCount).toBe(whole.segmentCount - count)
      expect(frameCount).toBeLessThan(whole.frameCount)
      expect(sizeBytes).toBeLessThan(whole.sizeBytes)
      // Whoever reads history meets the damage; the state does not need what is damaged.
      const damaged = damage(files, frameOf(files, 2, sealed[count - 1]?.segment))
      expect(await scan(damaged, undefined, sealed)).toEqual(result)
      await expect(scan(damaged, undefined, sealed.slice(0, -1))).rejects.toThrow(Corruption)
    }
  })

  test("are those that the log begins with, where older ones were let go since", async () => {
    const { files, whole } = await rotated()
    const older = { segment: 0, firstLsn: 0, lastLsn: 0, endOffset: 64 }
    const result = await scan(files, undefined, [older, ...whole.extents.slice(0, 2)])
    expect(result.segmentCount).toBe(whole.segmentCount - 2)
  })

  test("of another log are not believed", async () => {
    const { files, whole } = await rotated()
    const behind = whole.extents.map((extent) => ({ ...extent, segment: extent.segment + 100 }))
    const before = whole.extents.map((extent) => ({ ...extent, firstLsn: extent.firstLsn - 1 }))
    for (const sealed of [behind, before]) expect(await scan(files, undefined, sealed)).toEqual(whole)
  })

  test("are read where no frame follows them: the whole log must say why", async () => {
    const { files, whole } = await rotated()
    const ahead = whole.extents.map((extent) => ({ ...extent, lastLsn: extent.lastLsn + 1000 })).slice(0, -1)
    const before = probes().get("the log is read from its beginning after all") ?? 0
    expect(await scan(files, undefined, ahead)).toEqual(whole)
    expect(probes().get("the log is read from its beginning after all")).toBe(before + 1)
  })
})
