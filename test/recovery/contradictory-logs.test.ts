// Logs whose every checksum is right and that contradict themselves, or what stands beside them, and logs of which so much
// is gone that what is left must be pieced together: verify names each, salvage loses no more than it must.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { checkpointFile, segmentFile } from "../../src/format/file-names.ts"
import { FRAME_COMMITS, FRAME_SEAL } from "../../src/format/frame.ts"
import { RECORD_TABLE, RECORD_VALUE_SIZE } from "../../src/format/record.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { salvageStore } from "../../src/recovery/salvage.ts"
import type { SalvageReport } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { VerifyReport } from "../../src/recovery/verify.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences, untilSettled } from "../property/store-history.ts"
import { checkedStore, contentWithout, openedContent } from "./checked-store.ts"
import type { CheckedStore, Files } from "./checked-store.ts"
import { withFrames } from "./rebuilt-log.ts"
import { copyOfDisk, DIRECTORY, framesIn, makeStore, segmentsIn, withBytes, withoutFile } from "./reference-store.ts"
import type { PlacedFrame } from "./reference-store.ts"

const TARGET = "/saved"

async function verified(files: Files): Promise<VerifyReport> {
  return verifyStore(simulatePlatform({ seed: 3, disk: await copyOfDisk(files) }), DIRECTORY)
}

function damageIn({ findings }: VerifyReport): string[] {
  return findings.flatMap(({ isDamage, file, what }) => (isDamage ? [`${file}: ${what}`] : []))
}

/** Salvages, and checks that the new store has every commit that is not called lost. */
async function salvaged({ commits }: Pick<CheckedStore, "commits">, files: Files): Promise<SalvageReport> {
  const disk = await copyOfDisk(files)
  const report = await salvageStore(simulatePlatform({ seed: 2, disk }), DIRECTORY, TARGET)
  const content = await openedContent(disk, TARGET)
  expect(differences(content, contentWithout(commits, report.lostRanges))).toEqual([])
  return report
}

function commitFrames(files: Files): PlacedFrame[] {
  return segmentsIn(files).flatMap((segment) => framesIn(files, segment).filter(({ kind }) => kind === FRAME_COMMITS))
}

/** The frame with one bit of its payload turned over. */
function withBadFrame(files: Files, { segment, offset }: PlacedFrame): Files {
  const old = files.get(`${DIRECTORY}/${segmentFile(segment)}`)?.[offset + 66] ?? 0
  return withBytes(files, segmentFile(segment), offset + 66, Uint8Array.of(old ^ 0x10))
}

describe("a log whose checksums are right", () => {
  test("and whose frame is not filled by its records loses the commits of that frame", async () => {
    const store = await checkedStore({ parts: [20], end: "closed" })
    const { firstLsn } = commitFrames(store.files)[10] as PlacedFrame
    const files = withFrames(store.files, (frame, payload) => {
      if (frame.firstLsn === firstLsn) payload.writeUInt32LE(100_000, RECORD_VALUE_SIZE)
      return undefined
    })
    const report = await verified(files)
    expect(damageIn(report)).toEqual([expect.stringContaining(": records do not fill their frame")])
    expect(report).toMatchObject({ verdict: "damaged", commits: 19 })
    expect(await salvaged(store, files)).toMatchObject({
      lostRanges: [{ firstLsn, lastLsn: firstLsn, reason: "records do not fill their frame" }],
    })
  })

  test("and whose seal counts other frames than there are is damaged, and loses nothing", async () => {
    const store = await checkedStore({ parts: [20], end: "closed" })
    const files = withFrames(store.files, ({ kind, segment, recordCount }) =>
      kind === FRAME_SEAL && segment === 1 ? { recordCount: recordCount + 1 } : undefined,
    )
    expect(damageIn(await verified(files))).toEqual([
      expect.stringMatching(/: the seal counts \d+ frames, there are \d+$/),
    ])
    expect(await salvaged(store, files)).toMatchObject({ lostRanges: [] })
    await expect(recoverDisk(await copyOfDisk(files), 1, true)).rejects.toMatchObject({
      _tag: "Corruption",
      found: expect.stringContaining("the seal counts"),
    })
  })

  test("and whose commit makes no sense loses nothing of what a checkpoint behind it holds", async () => {
    const store = await checkedStore({ parts: [10, 5], end: "closed" })
    const [early, late] = [commitFrames(store.files)[4], commitFrames(store.files)[12]] as [PlacedFrame, PlacedFrame]
    const files = withFrames(store.files, ({ firstLsn }, payload) => {
      if (firstLsn === early.firstLsn || firstLsn === late.firstLsn) payload.writeUInt32LE(9, RECORD_TABLE)
      return undefined
    })
    expect(damageIn(await verified(files))).toEqual([
      expect.stringContaining(`the commit of LSN ${early.firstLsn} holds the table 9, which is not defined`),
      expect.stringContaining(`the commit of LSN ${late.firstLsn} holds the table 9, which is not defined`),
    ])
    expect(await salvaged(store, files)).toMatchObject({
      checkpoint: 1,
      lostRanges: [{ firstLsn: late.firstLsn, lastLsn: late.firstLsn }],
    })
  })

  test("and whose commits make no sense one after the other loses them as one range", async () => {
    const platform = simulatePlatform({ seed: 5 })
    const store = await open(DIRECTORY, { platform, checkpoint: false })
    const table = store.table("a")
    await untilSettled(platform, table.put("first", 0))
    const [x, y] = await untilSettled(platform, Promise.all(["x", "y", "z"].map((key) => table.put(key, 1))))
    await untilSettled(platform, store.close())
    const files = withFrames(platform.fileSystem.files(), ({ commitCount }, payload) => {
      // Three records of 24 bytes.
      if (commitCount === 3) for (const at of [0, 24]) payload.writeUInt32LE(9, at + RECORD_TABLE)
      return undefined
    })
    const disk = await copyOfDisk(files)
    const report = await salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, TARGET)
    expect(report).toMatchObject({ lostRangeCount: 1, records: 2 })
    expect(report.lostRanges).toMatchObject([{ firstLsn: x?.lsn, lastLsn: y?.lsn }])
  })

  test("and that has frames of no commits is read to its end all the same", async () => {
    const store = await checkedStore({ parts: [20], end: "closed" })
    const frames = commitFrames(store.files)
    const empty = new Set([11, 12].map((index) => frames[index]?.firstLsn))
    const files = withFrames(store.files, ({ firstLsn, kind }) =>
      kind === FRAME_COMMITS && empty.has(firstLsn) ? { commitCount: 0 } : undefined,
    )
    const report = await verified(files)
    expect(report).toMatchObject({ verdict: "damaged", commits: 18, lastLsn: store.commits.at(-1)?.lsn })
    expect(damageIn(report)[0]).toContain("no valid frame (chain), but ")
    expect(await salvaged(store, files)).toMatchObject({
      lostRanges: [{ firstLsn: frames[11]?.firstLsn, lastLsn: frames[12]?.firstLsn }],
    })
  })
})

describe("a log of which much is gone", () => {
  test("all of it: the checkpoints are what is left", async () => {
    const store = await checkedStore({ parts: [30, 5], end: "closed" })
    let files: Files = store.files
    for (const segment of segmentsIn(files)) files = withoutFile(files, segmentFile(segment))
    const report = await verified(files)
    expect(damageIn(report)).toEqual([
      `${segmentFile(1)}: the segment is missing`,
      `${segmentFile(1)}: the log ends at LSN 0, but a checkpoint says that it was durable through 31`,
    ])
    expect(report).toMatchObject({ segments: 0, frames: 0, checkpoints: 1 })
    const saved = await salvageStore(simulatePlatform({ seed: 2, disk: await copyOfDisk(files) }), DIRECTORY, TARGET)
    expect(saved).toMatchObject({ checkpoint: 1, lastLsn: 31, lostRanges: [] })
    await expect(recoverDisk(await copyOfDisk(files), 1, true)).rejects.toMatchObject({
      found: "the segment is missing",
    })
  })

  test("several segments in a row are told as one, and so is what they held", async () => {
    const store = await checkedStore({ parts: [60], end: "closed", padSize: 200 })
    const lost = [2, 3].flatMap((segment) => framesIn(store.files, segment).filter(({ kind }) => kind !== FRAME_SEAL))
    const files = withoutFile(withoutFile(store.files, segmentFile(2)), segmentFile(3))
    const [first, last] = [lost[0]?.firstLsn, lost.at(-1)?.firstLsn]
    expect(damageIn(await verified(files))).toEqual([
      `${segmentFile(2)}: the segments up to ${segmentFile(3)} are missing`,
      `${segmentFile(2)}: LSN ${first} to ${last} are lost`,
    ])
    expect(await salvaged(store, files)).toMatchObject({ lostRanges: [{ firstLsn: first, lastLsn: last }] })
  })

  test("frames that were not synced: the seal behind them says that they were there, for every hole", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 12, levelOf: () => "written", padSize: 40 })
    await untilSettled(platform, store.close())
    const whole = platform.fileSystem.files()
    const frames = framesIn(whole, 1)
    expect(segmentsIn(whole).filter((segment) => framesIn(whole, segment).length > 0)).toEqual([1])
    expect(frames.at(-1)?.kind).toBe(FRAME_SEAL)
    const holes = [4, 7].map((index) => frames[index] as PlacedFrame)
    const files = holes.reduce<Files>(withBadFrame, whole)
    const seal = `an intact seal stands at byte ${frames.at(-1)?.offset}`
    expect(damageIn(await verified(files)).filter((what) => what.includes("no valid frame"))).toEqual(
      holes.map(() => `${segmentFile(1)}: no valid frame (checksum), but ${seal}`),
    )
    const report = await salvaged({ commits }, files)
    expect(report.lostRanges).toMatchObject(holes.map(({ firstLsn }) => ({ firstLsn, lastLsn: firstLsn })))
  })

  test("a whole segment behind one without a seal is not taken for the end of the log", async () => {
    const store = await checkedStore({ parts: [60], end: "closed" })
    const segments = segmentsIn(store.files).filter((segment) => framesIn(store.files, segment).length > 0)
    const [before, last] = segments.slice(-2) as [number, number]
    const seal = framesIn(store.files, before).at(-1) as PlacedFrame
    const size = store.files.get(`${DIRECTORY}/${segmentFile(last)}`)?.length ?? 0
    const zeroed = withBytes(store.files, segmentFile(before), seal.offset, new Uint8Array(64))
    const files = withBytes(zeroed, segmentFile(last), 0, new Uint8Array(size).fill(0xa5))
    const report = await verified(files)
    expect(damageIn(report)[0]).toBe(
      `${segmentFile(before)}: no valid frame (zeros), but ${segmentFile(last)} is damaged`,
    )
    expect(report).toMatchObject({ verdict: "damaged", lastLsn: seal.firstLsn - 1 })
  })

  test("everything but a checkpoint, where segments are there for commits: open refuses, and names the place", async () => {
    const store = await checkedStore({ parts: [30, 0], end: "closed" })
    let files: Files = store.files
    for (const segment of segmentsIn(files).slice(1)) files = withoutFile(files, segmentFile(segment))
    const size = files.get(`${DIRECTORY}/${segmentFile(1)}`)?.length ?? 0
    files = withBytes(files, segmentFile(1), SEGMENT_HEADER_SIZE, new Uint8Array(size - SEGMENT_HEADER_SIZE))
    const disk = await copyOfDisk(files)
    const before = disk.files()
    await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({
      _tag: "Corruption",
      file: segmentFile(1),
      found: "the log ends at LSN 0, but the checkpoint says that it was durable through 31",
    })
    expect(disk.files()).toEqual(before)
  })

  test("the end, of which a checkpoint knows the segments as sealed: what is there is read, and refused", async () => {
    const store = await checkedStore({ parts: [60, 0], end: "closed", padSize: 200 })
    const segments = segmentsIn(store.files)
    expect(segments.length).toBeGreaterThan(3)
    let files: Files = store.files
    for (const segment of segments.slice(2)) files = withoutFile(files, segmentFile(segment))
    const lastLsn = (framesIn(files, 2).at(-1)?.firstLsn ?? 0) - 1
    await expect(recoverDisk(await copyOfDisk(files), 1, true)).rejects.toMatchObject({
      _tag: "Corruption",
      file: segmentFile(2),
      found: `the log ends at LSN ${lastLsn}, but the checkpoint says that it was durable through 61`,
    })
    expect(await salvaged(store, files)).toMatchObject({ checkpoint: 1, lostRanges: [] })
    expect(damageIn(await verified(files))).toEqual([expect.stringContaining("durable through 61")])
    expect(files.has(`${DIRECTORY}/${checkpointFile(1)}`)).toBe(true)
  })
})
