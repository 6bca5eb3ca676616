// Salvage: whatever is damaged, the new store holds exactly the commits outside the ranges that are called lost, and
// nothing that was not lost is called so; the source stays as it is.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { replaceManifest } from "../../src/checkpoint/manifest-file.ts"
import { checkpointFile, segmentFile } from "../../src/format/file-names.ts"
import { FRAME_COMMITS, FRAME_EPOCH, FRAME_SEAL, sealFrame } from "../../src/format/frame.ts"
import { CannotOpen, Corruption, NotAStore } from "../../src/model/errors.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import type { SalvageReport } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { differences, SHARDS, untilSettled } from "../property/store-history.ts"
import type { Model } from "../property/store-history.ts"
import { checkedStore, contentWithout, filesBelow, openedContent } from "./checked-store.ts"
import type { CheckedStore, Files } from "./checked-store.ts"
import {
  contentAt,
  copyOfDisk,
  DIRECTORY,
  framesIn,
  manifestIn,
  segmentsIn,
  withBytes,
  withoutFile,
} from "./reference-store.ts"
import type { PlacedFrame } from "./reference-store.ts"

const TARGET = "/saved"

interface Salvaged {
  readonly report: SalvageReport
  readonly content: Model
}

/** Salvages, and checks what must hold of every salvage. */
async function salvage(files: Files, seed = 9): Promise<Salvaged> {
  const disk = await copyOfDisk(files)
  const before = filesBelow(disk, DIRECTORY)
  const platform = simulatePlatform({ seed, disk })
  const report = await salvageStore(platform, DIRECTORY, TARGET)
  expect(filesBelow(disk, DIRECTORY)).toEqual(before)
  expect(disk.openFileCount).toBe(0)
  // What was reported survives a loss of power at once.
  const after = disk.crash("nothing")
  expect(await verifyStore(simulatePlatform({ seed, disk: after }), TARGET)).toMatchObject({
    verdict: "good",
    findings: [],
  })
  return { report, content: await openedContent(after, TARGET) }
}

/** Checks that a salvage gives every commit but the lost ones. */
async function expectSalvaged({ commits }: CheckedStore, files: Files): Promise<SalvageReport> {
  const { report, content } = await salvage(files)
  expect(differences(content, contentWithout(commits, report.lostRanges))).toEqual([])
  expect(report.records).toBe(content.size)
  return report
}

function lostLsns({ lostRanges }: SalvageReport): number[] {
  return lostRanges.flatMap(({ firstLsn, lastLsn }) =>
    Array.from({ length: lastLsn - firstLsn + 1 }, (_, index) => firstLsn + index),
  )
}

/** Frames that hold a commit, of all segments. */
function commitFrames(files: Files): PlacedFrame[] {
  return segmentsIn(files).flatMap((segment) => framesIn(files, segment).filter(({ kind }) => kind === FRAME_COMMITS))
}

function withDamage(files: Files, { segment, offset }: PlacedFrame, at = 66): Files {
  const old = files.get(`${DIRECTORY}/${segmentFile(segment)}`)?.[offset + at] ?? 0
  return withBytes(files, segmentFile(segment), offset + at, Uint8Array.of(old ^ 0x10))
}

describe("a store without damage", () => {
  test.each([
    ["closed", { parts: [40], end: "closed" as const }],
    ["killed", { parts: [40], end: "killed" as const }],
    ["with checkpoints", { parts: [10, 12, 9], end: "closed" as const }],
    ["with a log that begins late", { parts: [60, 60, 9], end: "closed" as const, keep: 1 }],
  ])("that is %s is copied whole", async (_, options) => {
    const store = await checkedStore(options)
    const report = await expectSalvaged(store, store.files)
    expect(report).toMatchObject({ lostRanges: [], lostRangeCount: 0, tables: 2 })
    expect(report.lastLsn).toBe(store.commits.at(-1)?.lsn)
    expect(report.checkpoint).toBe(options.parts.length > 1 ? options.parts.length - 1 : undefined)
  })

  test("and without a commit becomes an empty store", async () => {
    const store = await checkedStore({ parts: [], end: "closed" })
    expect(await expectSalvaged(store, store.files)).toMatchObject({ records: 0, tables: 0, bytes: 0, lostRanges: [] })
  })

  test("keeps its values byte for byte, under secrets and an id of its own", async () => {
    const platform = simulatePlatform({ seed: 4 })
    const store = await open(DIRECTORY, { platform, shards: SHARDS, checkpoint: false })
    const values: readonly unknown[] = [
      { a: 1, b: [new Date(5), new Map([[1, { a: 2, b: 3 }]])] },
      "x".repeat(700_000),
      new Uint8Array(300_000).fill(7),
      undefined,
      2n ** 70n,
      Number.NaN,
    ]
    const table = store.table("ключи")
    for (const [index, value] of values.entries()) {
      await untilSettled(platform, table.put(`ключ ${index}`, value))
      await untilSettled(platform, store.table("b").put(String(index), { a: index, b: index }))
    }
    await untilSettled(platform, table.put("", 1))
    await untilSettled(platform, store.close())
    await salvageStore(platform, DIRECTORY, TARGET)
    const saved = await open(TARGET, { platform, shards: 2 })
    for (const [index, value] of values.entries()) expect(saved.table("ключи").get(`ключ ${index}`)).toEqual(value)
    expect(saved.table("ключи").get("")).toBe(1)
    expect(saved.table("b").get("5")).toEqual({ a: 5, b: 5 })
    // It goes on as any store does: with shapes and tables that are new, and old ones.
    await untilSettled(platform, saved.table("b").put("6", { a: 6, b: 6 }))
    await untilSettled(platform, saved.table("c").put("7", { c: 7 }))
    await untilSettled(platform, saved.close())
    expect(await verifyStore(platform, TARGET)).toMatchObject({ verdict: "good" })
    const files = platform.fileSystem.files()
    const source = manifestIn(files)
    const moved = new Map([...files].map(([path, bytes]) => [path.replace(TARGET, DIRECTORY), bytes]))
    const target = manifestIn(moved)
    expect(target.storeId).not.toEqual(source.storeId)
    expect(target.hashSecret).not.toEqual(source.hashSecret)
    expect(target.checksumSeed).not.toBe(source.checksumSeed)
  })
})

describe("damage to the log", () => {
  test("of any one frame loses the commit in it, and what depends on its definitions", async () => {
    const store = await checkedStore({ parts: [40], end: "closed", padSize: 150 })
    const frames = commitFrames(store.files)
    expect(frames).toHaveLength(40)
    for (const [index, frame] of frames.entries()) {
      const damaged = withDamage(store.files, frame)
      const report = await expectSalvaged(store, damaged)
      const lost = lostLsns(report)
      expect(lost, `frame ${index}`).toContain(frame.firstLsn)
      // The first commits define two tables and the shape of all values.
      if (index > 3) expect(lost, `frame ${index}`).toEqual([frame.firstLsn])
    }
  })

  test.each([
    ["magic", 0],
    ["payload size", 8],
    ["previous checksum", 12],
    ["first LSN", 16],
    ["offset", 52],
    ["kind", 56],
  ])("in the %s of a header loses the commit of that frame", async (_, at) => {
    const store = await checkedStore({ parts: [30], end: "closed" })
    const frame = commitFrames(store.files)[17] as PlacedFrame
    const report = await expectSalvaged(store, withDamage(store.files, frame, at))
    expect(lostLsns(report)).toEqual([frame.firstLsn])
    expect(report.lostRanges[0]).toMatchObject({ file: segmentFile(frame.segment), offset: frame.offset })
  })

  test("at several places lists them all, and goes on behind each", async () => {
    const store = await checkedStore({ parts: [60], end: "closed" })
    const frames = commitFrames(store.files)
    let damaged: Files = store.files
    for (const index of [11, 12, 13, 30, 44]) damaged = withDamage(damaged, frames[index] as PlacedFrame)
    const report = await expectSalvaged(store, damaged)
    expect(lostLsns(report)).toEqual([11, 12, 13, 30, 44].map((index) => frames[index]?.firstLsn))
    expect(report.lostRanges).toHaveLength(3)
  })

  test("that takes a segment away, or its header, or its seal", async () => {
    const store = await checkedStore({ parts: [60], end: "closed" })
    const { files } = store
    const middle = framesIn(files, 2)
    const missing = await expectSalvaged(store, withoutFile(files, segmentFile(2)))
    expect(lostLsns(missing)).toEqual(middle.filter(({ kind }) => kind !== FRAME_SEAL).map(({ firstLsn }) => firstLsn))
    const headless = await expectSalvaged(store, withBytes(files, segmentFile(2), 20, Uint8Array.of(1, 2, 3)))
    expect(headless.lostRanges).toEqual([])
    const unsealed = await expectSalvaged(store, withDamage(files, middle.at(-1) as PlacedFrame, 20))
    expect(unsealed.lostRanges).toEqual([])
  })

  test("that takes the epoch's frame away loses the LSN that it had, and no commit", async () => {
    const store = await checkedStore({ parts: [20], end: "closed" })
    const segment = segmentsIn(store.files)[0] as number
    const epoch = framesIn(store.files, segment).find(({ kind }) => kind === FRAME_EPOCH) as PlacedFrame
    const report = await expectSalvaged(store, withDamage(store.files, epoch, 20))
    expect(lostLsns(report)).toEqual([epoch.firstLsn])
  })

  test("that lets an old frame shine through behind it does not bring the old commit back", async () => {
    const store = await checkedStore({ parts: [30], end: "closed" })
    const frames = commitFrames(store.files)
    const [before, old] = [frames[20], frames[21]] as [PlacedFrame, PlacedFrame]
    expect(before.segment).toBe(old.segment)
    const file = segmentFile(old.segment)
    const bytes = (store.files.get(`${DIRECTORY}/${file}`) as Uint8Array).slice()
    const place = { checksumSeed: manifestIn(store.files).checksumSeed, segment: old.segment, checksum: crc32 }
    sealFrame(bytes, old.offset, { ...old, firstLsn: 6 }, place)
    const damaged = withDamage(withBytes(store.files, file, 0, bytes), before)
    const report = await expectSalvaged(store, damaged)
    expect(lostLsns(report)).toEqual([before.firstLsn, old.firstLsn])
    const disk = await copyOfDisk(damaged)
    const { findings } = await verifyStore(simulatePlatform({ seed: 1, disk }), DIRECTORY)
    expect(findings.map(({ what }) => what)).toContainEqual(expect.stringContaining("repeats LSN 6"))
  })

  test("that no checksum shows loses the commit whose records make no sense, and no other of its frame", async () => {
    const platform = simulatePlatform({ seed: 5 })
    const store = await open(DIRECTORY, { platform, shards: SHARDS, checkpoint: false })
    await untilSettled(platform, store.table("a").put("first", 0))
    const writes = ["x", "y", "z"].map((key, index) => store.table("a").put(key, index))
    const [, y] = await untilSettled(platform, Promise.all(writes))
    await untilSettled(platform, store.close())
    const files = platform.fileSystem.files()
    const frame = commitFrames(files).find(({ commitCount }) => commitCount === 3) as PlacedFrame
    const file = segmentFile(frame.segment)
    const bytes = (files.get(`${DIRECTORY}/${file}`) as Uint8Array).slice()
    // The hash of the second record; three records of 24 bytes.
    bytes[frame.offset + 64 + 24] = (bytes[frame.offset + 64 + 24] ?? 0) ^ 1
    const place = { checksumSeed: manifestIn(files).checksumSeed, segment: frame.segment, checksum: crc32 }
    sealFrame(bytes, frame.offset, frame, place)
    const damaged = withBytes(files, file, 0, bytes)
    const disk = await copyOfDisk(damaged)
    const report = await salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, TARGET)
    expect(report.lostRanges[0]).toMatchObject({
      firstLsn: y?.lsn,
      lastLsn: y?.lsn,
      reason: expect.stringContaining("hash"),
    })
    const saved = await open(TARGET, { platform: simulatePlatform({ seed: 2, disk }) })
    expect([...saved.table("a").entries()].sort(([left], [right]) => (left < right ? -1 : 1))).toEqual([
      ["first", 0],
      ["x", 0],
      ["z", 2],
    ])
  })
})

describe("damage to checkpoints", () => {
  const parts = [60, 60, 60, 5]

  test("of the newest one is met by the one before and the log", async () => {
    const store = await checkedStore({ parts, end: "closed", keep: 2 })
    const damaged = withBytes(store.files, checkpointFile(3), 300, Uint8Array.of(1, 2, 3))
    expect(await expectSalvaged(store, damaged)).toMatchObject({ checkpoint: 2, lostRanges: [] })
  })

  test("of its head leaves nothing known of it, and is met in the same way", async () => {
    const store = await checkedStore({ parts, end: "closed", keep: 2 })
    const damaged = withBytes(store.files, checkpointFile(3), 20, Uint8Array.of(9))
    expect(await expectSalvaged(store, damaged)).toMatchObject({ checkpoint: 2, lostRanges: [] })
  })

  test("of all of them, where the log is whole, is met by the log", async () => {
    const store = await checkedStore({ parts: [20, 20, 5], end: "closed" })
    let damaged = withBytes(store.files, checkpointFile(1), 300, Uint8Array.of(1, 2, 3))
    damaged = withoutFile(damaged, checkpointFile(2))
    expect(await expectSalvaged(store, damaged)).toMatchObject({ checkpoint: undefined, lostRanges: [] })
  })

  test("of all of them, where the log begins late, loses what was in them, and what it defined", async () => {
    const store = await checkedStore({ parts, end: "closed", keep: 2 })
    const { firstLsn } = manifestIn(store.files)
    let damaged = withBytes(store.files, checkpointFile(3), 300, Uint8Array.of(1, 2, 3))
    damaged = withBytes(damaged, checkpointFile(2), 300, Uint8Array.of(1, 2, 3))
    const report = await expectSalvaged(store, damaged)
    expect(report.lostRanges[0]).toMatchObject({ firstLsn: 1, lastLsn: firstLsn - 1, file: checkpointFile(3) })
    expect(report.records).toBe(0)
  })

  test("does no harm to the log behind, and a good one makes damage before it harmless", async () => {
    const store = await checkedStore({ parts: [30, 30], end: "closed" })
    const frames = commitFrames(store.files)
    const before = withDamage(store.files, frames[10] as PlacedFrame)
    expect(await expectSalvaged(store, before)).toMatchObject({ checkpoint: 1, lostRanges: [] })
    const behind = withDamage(store.files, frames[40] as PlacedFrame)
    const report = await expectSalvaged(store, behind)
    expect(lostLsns(report)).toEqual([frames[40]?.firstLsn])
  })

  test("and the end of the log gone: the newest is enough, and without it the loss is known by its head", async () => {
    const store = await checkedStore({ parts: [40, 40, 0], end: "closed" })
    const last = segmentsIn(store.files).at(-1) as number
    const shorter = withoutFile(store.files, segmentFile(last))
    expect(await expectSalvaged(store, shorter)).toMatchObject({ checkpoint: 2, lostRanges: [] })
    const damaged = withBytes(shorter, checkpointFile(2), 300, Uint8Array.of(1, 2, 3))
    const report = await expectSalvaged(store, damaged)
    const gone = commitFrames(store.files).filter(({ segment }) => segment === last)
    expect(lostLsns(report)).toEqual(gone.map(({ firstLsn }) => firstLsn))
  })
})

describe("what is refused", () => {
  test("a target that holds anything, and the source is not read", async () => {
    const { files } = await checkedStore({ parts: [3], end: "closed" })
    const disk = await copyOfDisk(files)
    const platform = simulatePlatform({ seed: 1, disk })
    await expect(salvageStore(platform, DIRECTORY, DIRECTORY)).rejects.toThrow(CannotOpen)
    await expect(salvageStore(platform, DIRECTORY, `${DIRECTORY}/LOCK`)).rejects.toThrow(CannotOpen)
    expect(disk.files()).toEqual((await copyOfDisk(files)).files())
  })

  test("a source that is no store, or has no good manifest", async () => {
    const { files } = await checkedStore({ parts: [3], end: "closed" })
    const foreign = await copyOfDisk(new Map([[`${DIRECTORY}/a`, new Uint8Array(3)]]))
    await expect(salvageStore(simulatePlatform({ seed: 1, disk: foreign }), DIRECTORY, TARGET)).rejects.toThrow(
      NotAStore,
    )
    const empty = await copyOfDisk(new Map())
    await expect(salvageStore(simulatePlatform({ seed: 1, disk: empty }), DIRECTORY, TARGET)).rejects.toThrow(
      CannotOpen,
    )
    const bare = await copyOfDisk(withoutFile(withoutFile(files, "manifest-0"), "manifest-1"))
    await expect(salvageStore(simulatePlatform({ seed: 1, disk: bare }), DIRECTORY, TARGET)).rejects.toThrow(Corruption)
    expect(filesBelow(bare, TARGET).size).toBe(0)
  })

  test("to be opened: a target whose salvage was cut off, at whatever operation of the disk", async () => {
    const { files, commits } = await checkedStore({ parts: [10, 10], end: "killed" })
    const clean = await copyOfDisk(files)
    await salvageStore(simulatePlatform({ seed: 1, disk: clean }), DIRECTORY, TARGET)
    let failed = 0
    for (let operation = 1; operation <= clean.operationCount; operation++) {
      const disk = await copyOfDisk(files)
      disk.failAt(operation, "EIO")
      const outcome = await salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, TARGET).catch(
        (error: unknown) => error,
      )
      if (!(outcome instanceof Error)) continue
      failed++
      expect(disk.openFileCount, `operation ${operation}`).toBe(0)
      const content = await openedContent(disk.crash("everything"), TARGET).catch(() => undefined)
      // Refused, or nothing, or all of it, where only the last proof was missing.
      if (content !== undefined && content.size > 0) {
        expect(differences(content, contentAt(commits)), `operation ${operation}`).toEqual([])
      }
    }
    expect(failed).toBeGreaterThan(50)
  })

  test("to go on, by a signal", async () => {
    const { files } = await checkedStore({ parts: [10], end: "closed" })
    const disk = await copyOfDisk(files)
    const reason = new Error("enough")
    const controller = new AbortController()
    const given = salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, TARGET, {
      signal: controller.signal,
      onProgress: ({ doneBytes, totalBytes }) => {
        if (doneBytes === totalBytes) controller.abort(reason)
      },
    })
    await expect(given).rejects.toBe(reason)
    expect(disk.openFileCount).toBe(0)
  })
})

test("a manifest whose first segment was let go for another is salvaged from there", async () => {
  const store = await checkedStore({ parts: [60], end: "closed" })
  const disk = await copyOfDisk(store.files)
  const firstLsn = framesIn(store.files, 2)[0]?.firstLsn ?? 0
  await replaceManifest(disk, DIRECTORY, crc32, { ...manifestIn(store.files), firstSegment: 2, firstLsn })
  const report = await salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, TARGET)
  expect(report.lostRanges[0]).toMatchObject({ firstLsn: 1, lastLsn: firstLsn - 1 })
  expect(report.records).toBe(0)
})
