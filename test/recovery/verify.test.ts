// Verify: calls good what is good and a kill a kill, finds every flipped bit that counts, agrees with what open does, and
// changes nothing.

import { describe, expect, test } from "vitest"
import { checkpointFile, segmentFile } from "../../src/format/file-names.ts"
import { FRAME_SEAL } from "../../src/format/frame.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { CannotOpen, NotAStore } from "../../src/model/errors.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { VerifyReport } from "../../src/recovery/verify.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences, untilSettled } from "../property/store-history.ts"
import { checkedStore } from "./checked-store.ts"
import type { CheckedStore, Files } from "./checked-store.ts"
import {
  contentAt,
  copyOfDisk,
  DIRECTORY,
  framesIn,
  makeStore,
  segmentsIn,
  withBytes,
  withoutFile,
} from "./reference-store.ts"

async function verifyDisk(disk: SimulatedDisk): Promise<VerifyReport> {
  return verifyStore(simulatePlatform({ seed: 3, disk }), DIRECTORY)
}

async function verifyFiles(files: Files): Promise<VerifyReport> {
  return verifyDisk(await copyOfDisk(files))
}

function damageIn(report: VerifyReport): string[] {
  return report.findings.flatMap(({ isDamage, file, what }) => (isDamage ? [`${file}: ${what}`] : []))
}

describe("what is called good", () => {
  test("a store that was made and closed without a write", async () => {
    const { files } = await checkedStore({ parts: [], end: "closed" })
    expect(await verifyFiles(files)).toMatchObject({
      verdict: "good",
      findings: [],
      commits: 0,
      records: 0,
      lastLsn: 1,
    })
  })

  test("a closed store, with everything in it counted", async () => {
    const { platform, store } = await makeStore({ commitCount: 40 })
    await untilSettled(platform, store.close())
    const files = platform.fileSystem.files()
    const report = await verifyFiles(files)
    const frames = segmentsIn(files).reduce((sum, segment) => sum + framesIn(files, segment).length, 0)
    expect(report).toMatchObject({
      verdict: "good",
      findings: [],
      findingCount: 0,
      frames,
      commits: 40,
      checkpoints: 0,
    })
    // Two tables and one shape are defined on the way.
    expect(report.records).toBe(43)
    expect(report.lastLsn).toBe(41)
    expect(report.segments).toBe(segmentsIn(files).length)
  })

  test("a store with checkpoints, each of which is compared with the log", async () => {
    const { files } = await checkedStore({ parts: [12, 15, 20, 3], end: "closed" })
    expect(await verifyFiles(files)).toMatchObject({ verdict: "good", findings: [], checkpoints: 3, commits: 50 })
  })

  test("a store whose log begins behind a checkpoint", async () => {
    const { files } = await checkedStore({ parts: [60, 60, 60, 5], end: "closed", keep: 2 })
    expect(segmentsIn(files)[0]).toBeGreaterThan(1)
    expect(await verifyFiles(files)).toMatchObject({ verdict: "good", findings: [], checkpoints: 2 })
  })
})

describe("what is called a torn tail", () => {
  test("a store that was killed between two writes", async () => {
    const { files } = await checkedStore({ parts: [10, 10], end: "killed" })
    const report = await verifyFiles(files)
    expect(report).toMatchObject({ verdict: "torn tail", findingCount: 1, commits: 20, checkpoints: 1 })
    expect(report.findings[0]).toMatchObject({ isDamage: false, lsn: 21 })
  })

  test("a store whose last frame was written in part", async () => {
    const { files, commits } = await checkedStore({ parts: [10], end: "killed" })
    const last = framesIn(files, 2).at(-1) ?? framesIn(files, 1).at(-1)
    const segment = framesIn(files, 2).length > 0 ? 2 : 1
    const torn = withBytes(files, segmentFile(segment), (last?.end ?? 0) - 24, new Uint8Array(24))
    expect(await verifyFiles(torn)).toMatchObject({ verdict: "torn tail", commits: commits.length - 1 })
  })
})

describe("what is no store", () => {
  test.each([
    ["a directory that is not there", new Map<string, Uint8Array>(), "/nowhere", CannotOpen],
    ["an empty directory", new Map<string, Uint8Array>(), DIRECTORY, CannotOpen],
    ["a file", new Map([[`${DIRECTORY}/a`, new Uint8Array(3)]]), `${DIRECTORY}/a`, CannotOpen],
    ["somebody else's directory", new Map([[`${DIRECTORY}/a`, new Uint8Array(3)]]), DIRECTORY, NotAStore],
  ])("%s is a typed error", async (_, files, path, error) => {
    const disk = await copyOfDisk(files)
    await expect(verifyStore(simulatePlatform({ seed: 1, disk }), path)).rejects.toThrow(error)
    expect(disk.openFileCount).toBe(0)
  })
})

describe("damage", () => {
  test("in the middle of the log is named with the LSNs that are lost, and what lies behind is checked too", async () => {
    const { files, commits } = await checkedStore({ parts: [60], end: "closed" })
    const [, frame] = framesIn(files, 2)
    const [, , other] = framesIn(files, 3)
    let damaged = withBytes(files, segmentFile(2), (frame?.offset ?? 0) + 70, Uint8Array.of(1, 2, 3))
    damaged = withBytes(damaged, segmentFile(3), (other?.offset ?? 0) + 70, Uint8Array.of(1, 2, 3))
    const report = await verifyFiles(damaged)
    expect(report).toMatchObject({ verdict: "damaged", commits: commits.length - 2, lastLsn: commits.at(-1)?.lsn })
    expect(report.findings.map(({ file, offset, what }) => [file, offset, what.slice(0, 14)])).toEqual([
      [segmentFile(2), frame?.offset, "no valid frame"],
      [segmentFile(2), frame?.offset, `LSN ${frame?.firstLsn} is lost`.slice(0, 14)],
      [segmentFile(3), other?.offset, "no valid frame"],
      [segmentFile(3), other?.offset, `LSN ${other?.firstLsn} is lost`.slice(0, 14)],
    ])
  })

  test("that takes a segment away is named, with its LSNs", async () => {
    const { files } = await checkedStore({ parts: [60], end: "closed" })
    const frames = framesIn(files, 2).filter(({ kind }) => kind !== FRAME_SEAL)
    const report = await verifyFiles(withoutFile(files, segmentFile(2)))
    expect(damageIn(report)).toEqual([
      `${segmentFile(2)}: the segment is missing`,
      `${segmentFile(2)}: LSN ${frames[0]?.firstLsn} to ${frames.at(-1)?.firstLsn} are lost`,
    ])
  })

  test("that takes the end of the log away is found by a checkpoint", async () => {
    const { files } = await checkedStore({ parts: [60, 0], end: "closed" })
    const last = segmentsIn(files).at(-1) ?? 0
    expect(damageIn(await verifyFiles(withoutFile(files, segmentFile(last))))).toEqual([
      expect.stringContaining("but a checkpoint says that it was durable through 61"),
    ])
  })

  test("to a checkpoint does not keep the next one from being compared with the one before", async () => {
    const { files } = await checkedStore({ parts: [10, 10, 10, 10], end: "closed" })
    const report = await verifyFiles(withBytes(files, checkpointFile(2), 200, Uint8Array.of(255, 255)))
    expect(report).toMatchObject({ verdict: "damaged", checkpoints: 2, findingCount: 1 })
  })

  test("to both manifests leaves nothing else to check, and to one is a finding", async () => {
    const { files } = await checkedStore({ parts: [5], end: "closed" })
    const one = withBytes(files, "manifest-0", 50, Uint8Array.of(9))
    expect(damageIn(await verifyFiles(one))).toEqual([expect.stringContaining("manifest-0: the checksum")])
    const both = withBytes(one, "manifest-1", 50, Uint8Array.of(9))
    expect(await verifyFiles(both)).toMatchObject({ verdict: "damaged", findingCount: 3, frames: 0 })
    const none = withoutFile(withoutFile(files, "manifest-0"), "manifest-1")
    expect(damageIn(await verifyFiles(none))).toEqual([expect.stringContaining("the manifest is missing")])
    const missing = await verifyFiles(withoutFile(files, "manifest-1"))
    expect(damageIn(missing)).toEqual(["manifest-1: the copy is missing"])
    // The other is of the first generation: as it stands where a first open was cut off between the two.
    const unfinished = await verifyFiles(withoutFile(files, "manifest-0"))
    expect(unfinished).toMatchObject({ verdict: "good", findingCount: 1 })
  })

  test("everywhere makes no more findings than are kept", async () => {
    const { files } = await checkedStore({ parts: [1_100], end: "closed", padSize: 0 })
    const damaged = new Map(files)
    for (const segment of segmentsIn(files)) {
      const bytes = (files.get(`${DIRECTORY}/${segmentFile(segment)}`) ?? new Uint8Array(0)).slice()
      for (const [index, { offset, kind }] of framesIn(files, segment).entries()) {
        if (kind !== FRAME_SEAL && index % 2 === 1) bytes[offset + 30] = 255
      }
      damaged.set(`${DIRECTORY}/${segmentFile(segment)}`, bytes)
    }
    const report = await verifyFiles(damaged)
    expect(report.verdict).toBe("damaged")
    expect(report.findings).toHaveLength(1_000)
    expect(report.findingCount).toBeGreaterThan(1_000)
  })
})

/** Whether a byte may change without anybody being able to tell. */
function isMeaningless(files: Files, name: string, offset: number): boolean {
  const segment = segmentsIn(files).find((number) => segmentFile(number) === name)
  // Locks and spares hold nothing.
  if (segment === undefined) return !name.startsWith("manifest-") && !name.startsWith("checkpoint-0")
  const frames = framesIn(files, segment)
  return offset >= (frames.at(-1)?.end ?? SEGMENT_HEADER_SIZE)
}

/** The bytes that a crash could have left as they are: the last frame, if the log has no seal, and the last seal. */
function isInTail(files: Files, name: string, offset: number): boolean {
  const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
  const last = used.at(-1) ?? 0
  return name === segmentFile(last) && offset >= (framesIn(files, last).at(-1)?.offset ?? 0)
}

interface Flips {
  readonly wrong: string[]
  readonly verdicts: Record<string, number>
}

async function flipEverything({ files, commits }: CheckedStore, normal: string): Promise<Flips> {
  const base = await copyOfDisk(files, { keepsTrace: false })
  const whole = contentAt(commits)
  let disk = base.snapshot({ keepsTrace: false })
  const wrong: string[] = []
  const verdicts: Record<string, number> = {}
  for (const [path, bytes] of files) {
    const name = path.slice(path.lastIndexOf("/") + 1)
    for (let offset = 0; offset < bytes.length; offset++) {
      const isWithout = isMeaningless(files, name, offset)
      // Unused bytes are as good as each other: of many some are enough.
      if (isWithout && offset % 41 !== 0) continue
      const bit = (offset * 5 + 3) % 8
      disk.flipBit(path, offset, bit)
      const { verdict } = await verifyDisk(disk)
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1
      const allowed = isWithout ? ["good", "torn tail"] : isInTail(files, name, offset) ? ["torn tail"] : ["damaged"]
      if (!allowed.includes(verdict)) wrong.push(`${name} byte ${offset}: ${verdict}, expected ${allowed.join(" or ")}`)
      const opened = await openOutcome(disk, whole)
      // What is refused is not changed: the bit back, and it is as before.
      if (opened === "refused") {
        disk.flipBit(path, offset, bit)
        disk.unlockAll()
      } else disk = base.snapshot({ keepsTrace: false })
      // What is refused or warned of is damage; what is good opens equal; what is damaged is refused, or warned of, or
      // older than what was needed to open.
      if (opened === "refused" && verdict !== "damaged") wrong.push(`${name} byte ${offset}: refused, but ${verdict}`)
      if (opened === "warned" && verdict !== "damaged") wrong.push(`${name} byte ${offset}: warned, but ${verdict}`)
      if (opened === "different" && verdict === "good") wrong.push(`${name} byte ${offset}: good, but not equal`)
      if (opened === "different" && verdict === "damaged") wrong.push(`${name} byte ${offset}: opened, but not equal`)
      if (verdict === normal && opened === "refused") wrong.push(`${name} byte ${offset}: ${verdict}, but refused`)
    }
  }
  return { wrong, verdicts }
}

async function openOutcome(
  disk: SimulatedDisk,
  whole: ReadonlyMap<string, number>,
): Promise<"equal" | "different" | "refused" | "warned"> {
  try {
    const { content, report } = await recoverDisk(disk, 1, false)
    if (differences(content, new Map(whole)).length > 0) return "different"
    return report.warnings.length > 0 ? "warned" : "equal"
  } catch {
    return "refused"
  }
}

describe("one bit of every byte of every file", () => {
  test("of a closed store with checkpoints is found, or means nothing", async () => {
    const store = await checkedStore({ parts: [4, 3, 2], end: "closed", padSize: 4 })
    const { wrong, verdicts } = await flipEverything(store, "good")
    expect(wrong).toEqual([])
    expect(verdicts["damaged"]).toBeGreaterThan(1_000)
    // The last seal: recovery writes it again.
    expect(verdicts["torn tail"]).toBeGreaterThanOrEqual(64)
  })

  test("of a killed store whose log begins late is found, or looks like the crash that it was", async () => {
    const store = await checkedStore({ parts: [50, 30, 3], end: "killed", padSize: 8, keep: 1 })
    expect(segmentsIn(store.files)[0]).toBeGreaterThan(1)
    const { wrong, verdicts } = await flipEverything(store, "torn tail")
    expect(wrong).toEqual([])
    expect(verdicts["damaged"]).toBeGreaterThan(1_000)
    expect(verdicts["good"]).toBeUndefined()
  })
})

describe("how it reads", () => {
  test("it changes nothing, opens files to read only, and takes no lock", async () => {
    const { files } = await checkedStore({ parts: [10, 10, 10], end: "killed" })
    const disk = await copyOfDisk(withBytes(files, checkpointFile(1), 90, Uint8Array.of(1)))
    const before = disk.files()
    await verifyDisk(disk)
    expect(disk.files()).toEqual(before)
    const names = new Set(disk.operations.map(({ name }) => name))
    expect([...names].filter((name) => !["stat", "list", "open", "read", "size", "close"].includes(name))).toEqual([])
    expect(disk.openFileCount).toBe(0)
  })

  test("progress goes up to the size of all files, and a signal ends it with its reason", async () => {
    const { files } = await checkedStore({ parts: [30, 30], end: "closed" })
    const disk = await copyOfDisk(files)
    const platform = simulatePlatform({ seed: 1, disk })
    const seen: number[] = []
    let totalBytes = 0
    const report = await verifyStore(platform, DIRECTORY, {
      onProgress: (progress) => {
        seen.push(progress.doneBytes)
        totalBytes = progress.totalBytes
      },
    })
    expect(seen).toEqual([...seen].sort((left, right) => left - right))
    expect(seen.at(-1)).toBe(totalBytes)
    expect(report.bytes).toBe(totalBytes)
    const reason = new Error("enough")
    const controller = new AbortController()
    const given = verifyStore(platform, DIRECTORY, {
      signal: controller.signal,
      onProgress: ({ doneBytes }) => {
        if (doneBytes > totalBytes / 2) controller.abort(reason)
      },
    })
    await expect(given).rejects.toBe(reason)
    expect(disk.openFileCount).toBe(0)
  })

  test("a disk that fails to read is StorageFailed, and no damage", async () => {
    const { files } = await checkedStore({ parts: [5, 5], end: "closed" })
    const clean = await copyOfDisk(files)
    await verifyDisk(clean)
    for (let operation = 1; operation <= clean.operationCount; operation++) {
      const disk = await copyOfDisk(files)
      disk.failAt(operation, "EIO")
      await expect(verifyDisk(disk), `operation ${operation}`).rejects.toMatchObject({
        code: expect.stringMatching(/ORRERY_STORAGE_FAILED|ORRERY_CANNOT_OPEN/),
      })
      expect(disk.openFileCount).toBe(0)
    }
  })
})
