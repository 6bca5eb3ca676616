// The five phases together: what they report, what they tell meanwhile, how much they hold in memory, and what they do
// not believe after a failed sync.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { segmentFile } from "../../src/format/file-names.ts"
import { CommitUnknown, WriteRejected } from "../../src/model/errors.ts"
import { RECOVERY_PHASES, RecoveryMeter } from "../../src/recovery/report.ts"
import type { RecoveryProgress } from "../../src/recovery/report.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { contentOf, differences, openStore, untilSettled } from "../property/store-history.ts"
import type { Entry } from "../property/store-history.ts"
import { appendText, FileLogHome, textsOf } from "../wal/log-home.ts"
import {
  contentAt,
  copyOfDisk,
  DIRECTORY,
  framesIn,
  makeStore,
  SEGMENT_SIZE,
  segmentsIn,
  withBytes,
} from "./reference-store.ts"

describe("the report", () => {
  test("of a new store says that nothing was found", async () => {
    const { store } = await makeStore({ commitCount: 0 })
    expect(store.recovery).toMatchObject({
      foundStore: false,
      frames: 0,
      commits: 0,
      records: 0,
      lastLsn: 0,
      epoch: 0,
      cutBytes: 0,
      tail: "the log is empty",
      warnings: [],
    })
    await store.close()
  })

  test("of a closed store counts what is in it", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 50 })
    await untilSettled(platform, store.close())
    const files = platform.fileSystem.files()
    const frames = segmentsIn(files).flatMap((segment) => framesIn(files, segment))
    const { report } = await recoverDisk(platform.fileSystem, 1, false)
    const last = commits.at(-1)?.lsn as number
    expect(report).toMatchObject({
      foundStore: true,
      segments: segmentsIn(files).length,
      frames: frames.filter(({ kind }) => kind !== 3).length,
      commits: commits.length,
      lastLsn: last,
      epoch: 1,
      wasSealed: true,
      cutBytes: 0,
      tail: "sealed by its last owner",
    })
    expect(report.records).toBe(frames.reduce((sum, { kind, recordCount }) => sum + (kind === 1 ? recordCount : 0), 0))
    expect(report.records).toBeGreaterThan(report.commits)
    expect(report.logBytes).toBe(
      segmentsIn(files).reduce((sum, segment) => sum + (framesIn(files, segment).at(-1)?.end as number), 0),
    )
  })

  test("of a killed store says that nobody closed it, and of a torn one where it was cut", async () => {
    const { platform, commits } = await makeStore({ commitCount: 5 })
    const files = platform.fileSystem.crash("kill").files()
    const killed = await recoverDisk(await copyOfDisk(files), 1, false)
    expect(killed.report).toMatchObject({ wasSealed: false, cutBytes: 0 })
    expect(killed.report.tail).toContain("did not close it")
    const last = framesIn(files, 1).at(-1)
    const torn = withBytes(files, segmentFile(1), (last?.end as number) - 1, Uint8Array.of(0xa5))
    const { report, content } = await recoverDisk(await copyOfDisk(torn), 1, false)
    expect(report).toMatchObject({ wasSealed: false, cutBytes: SEGMENT_SIZE - (last?.offset as number) })
    expect(report.tail).toContain(`a torn frame at byte ${last?.offset} of segment 1`)
    expect(differences(content, contentAt(commits.slice(0, -1)))).toEqual([])
  })

  test("times every phase, failed ones too", async () => {
    let nowMs = 0
    const meter = new RecoveryMeter(() => nowMs)
    await meter.phase("scan-log", async () => {
      nowMs += 5
    })
    await expect(
      meter.phase("replay-log", () => {
        nowMs += 7
        return Promise.reject(new Error("bad"))
      }),
    ).rejects.toThrow("bad")
    expect(meter.phaseMs).toMatchObject({ "scan-log": 5, "replay-log": 7, "repair-tail": 0 })
  })
})

describe("progress", () => {
  test("comes from every phase in turn, and never goes back or past its total", async () => {
    const { platform, store } = await makeStore({ commitCount: 120 })
    await untilSettled(platform, store.close())
    const told: RecoveryProgress[] = []
    const again = await open(DIRECTORY, {
      platform,
      segmentBytes: SEGMENT_SIZE,
      onRecovery: (progress) => told.push(progress),
    })
    expect([...new Set(told.map(({ phase }) => phase))]).toEqual(RECOVERY_PHASES)
    for (const phase of RECOVERY_PHASES) {
      const steps = told.filter((progress) => progress.phase === phase)
      const done = steps.map(({ doneBytes }) => doneBytes)
      expect(done).toEqual(done.toSorted((a, b) => a - b))
      for (const { doneBytes, totalBytes } of steps) expect(doneBytes).toBeLessThanOrEqual(totalBytes)
    }
    const scans = told.filter(({ phase }) => phase === "scan-log")
    expect(scans.length).toBeGreaterThan(3)
    expect(scans.at(-1)?.doneBytes).toBe(again.recovery.logBytes)
    await untilSettled(platform, again.close())
  })

  test("may give up opening: nothing is open afterwards, and the directory is free", async () => {
    const { platform, store } = await makeStore({ commitCount: 30 })
    await untilSettled(platform, store.close())
    const before = platform.fileSystem.files()
    const controller = new AbortController()
    const opening = open(DIRECTORY, {
      platform,
      segmentBytes: SEGMENT_SIZE,
      signal: controller.signal,
      onRecovery: ({ phase }) => phase === "scan-log" && controller.abort(new Error("enough")),
    })
    await expect(opening).rejects.toThrow("enough")
    expect(platform.fileSystem.openFileCount).toBe(0)
    expect(platform.fileSystem.files()).toEqual(before)
    const again = await openStore(platform, SEGMENT_SIZE)
    expect(again.recovery.foundStore).toBe(true)
    await untilSettled(platform, again.close())
  })
})

test("fault 27: recovery reads through a window of 1 MiB, however long the log; only a larger frame makes it larger", async () => {
  const sizeOfReads = (operations: readonly { name: string; detail: string }[]): number =>
    Math.max(...operations.filter(({ name }) => name === "read").map(({ detail }) => Number.parseInt(detail, 10)))
  const window = 1024 * 1024
  const platform = simulatePlatform({ seed: 1 })
  const home = new FileLogHome(platform, DIRECTORY, 6 * window)
  let log = await home.open()
  const texts = Array.from({ length: 70 }, (_, n) => `${n}`.padEnd(100_000, "."))
  for (const text of texts) await appendText(log, text, false)
  await log.close()
  let before = platform.fileSystem.operations.length
  log = await home.open()
  expect(home.report?.logBytes).toBeGreaterThan(6 * window)
  expect(sizeOfReads(platform.fileSystem.operations.slice(before))).toBeLessThanOrEqual(window)
  await appendText(log, "x".repeat(2 * window))
  await log.close()
  before = platform.fileSystem.operations.length
  log = await home.open()
  expect(sizeOfReads(platform.fileSystem.operations.slice(before))).toBeLessThanOrEqual(4 * window)
  expect((await textsOf(log)).map((text) => text.length)).toEqual([...texts.map(() => 100_000), 2 * window])
})

describe("after a failed sync, in the same process", () => {
  test.each(["before", "dropping-dirty-pages"] as const)(
    "the store recovers without what the disk refused (%s), and what comes later survives a power cut",
    async (when) => {
      const { platform, store, commits } = await makeStore({ commitCount: 20 })
      const disk = platform.fileSystem
      const table = store.table<Entry>("t0")
      disk.faults.add({
        operation: disk.operations.length + 1,
        only: ["writeSynced"],
        through: Infinity,
        error: "EIO",
        when,
      })
      const refused = table.put("doubtful", { n: 1_000, pad: "" })
      refused.catch(() => disk.faults.clear())
      const error = await untilSettled(platform, refused).catch((reason: unknown) => reason)
      expect(error instanceof CommitUnknown || error instanceof WriteRejected).toBe(true)
      await untilSettled(platform, store.ready())
      const { lsn } = await untilSettled(platform, table.put("after", { n: 2_000, pad: "" }))
      expect(lsn).toBeGreaterThan((commits.at(-1)?.lsn as number) + 1)
      const live = contentOf(store)
      expect(live.get("t0/after")).toBe(2_000)
      expect(live.has("t0/doubtful")).toBe(false)
      for (const crash of ["nothing", "everything"] as const) {
        const { content } = await recoverDisk(disk.snapshot().crash(crash), 1, true)
        expect(differences(content, live)).toEqual([])
      }
      await untilSettled(platform, store.close())
    },
  )

  test("also when the process was restarted between, and the page cache still has what the disk refused", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 20 })
    const disk = platform.fileSystem
    disk.faults.add({
      operation: disk.operations.length + 1,
      only: ["writeSynced"],
      error: "EIO",
      when: "dropping-dirty-pages",
      through: Infinity,
    })
    const refused = store.table<Entry>("t0").put("doubtful", { n: 1_000, pad: "" })
    refused.catch(() => undefined)
    while (disk.faults.hitCount === 0) await new Promise((resolve) => setImmediate(resolve))
    // Killed before it could do anything about it. The next process reads the frame out of the page cache.
    const platformAfter = simulatePlatform({ seed: 2, disk: disk.crash("kill") })
    const again = await openStore(platformAfter, SEGMENT_SIZE)
    await untilSettled(platformAfter, again.table<Entry>("t0").put("after", { n: 2_000, pad: "" }))
    const live = contentOf(again)
    expect(live.get("t0/after")).toBe(2_000)
    for (const { place } of commits) expect(live.has(place) || contentAt(commits).get(place) === undefined).toBe(true)
    for (const crash of ["nothing", "everything"] as const) {
      const { content } = await recoverDisk(platformAfter.fileSystem.snapshot().crash(crash), 1, true)
      expect(differences(content, live)).toEqual([])
    }
    await untilSettled(platformAfter, again.close())
  })
})
