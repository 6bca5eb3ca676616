// The log in files: the suite of every log, over the simulated disk and over real files, and what only files have:
// segments that rotate, are prepared ahead, recycled and pinned, and disks that fail.

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { segmentFile, spareFile } from "../../src/format/file-names.ts"
import { LogUnavailable, OrreryError, StorageFailed } from "../../src/model/errors.ts"
import { probes } from "../../src/model/invariant.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import type { Failure } from "../../src/simulation/fault-plan.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { LogFrame } from "../../src/format/log-frame.ts"
import type { FileLog } from "../../src/wal/file-log.ts"
import { describeLog } from "./log-conformance.ts"
import { appendText, copyOf, draftOf, FileLogHome, framesOf, textsOf } from "./log-home.ts"

const SEGMENT_SIZE = 4096

describeLog("the file log over the simulated disk", async () => new FileLogHome(simulatePlatform({ seed: 1 }), "/data"))

describeLog("the file log over real files", async () => {
  const directory = await mkdtemp(join(tmpdir(), "orrery-log-"))
  const home = new FileLogHome(nodePlatform, join(directory, "store"))
  return {
    open: (options) => home.open(options),
    dispose: async () => {
      await home.dispose()
      await rm(directory, { recursive: true })
    },
  }
})

interface Scene {
  readonly disk: SimulatedDisk
  readonly home: FileLogHome
}

function sceneOn(disk: SimulatedDisk = new SimulatedDisk()): Scene {
  return { disk, home: new FileLogHome(simulatePlatform({ seed: 1, disk }), "/data", SEGMENT_SIZE) }
}

/** The names in the directory that begin so, in order. */
function namesOf(disk: SimulatedDisk, start: string): string[] {
  return [...disk.files().keys()]
    .map((path) => path.slice("/data/".length))
    .filter((name) => name.startsWith(start))
    .sort()
}

function bytesOf(disk: SimulatedDisk, name: string): Buffer {
  return Buffer.from(disk.files().get(`/data/${name}`) ?? new Uint8Array(0))
}

async function appendMany(log: FileLog, count: number, word: string = "frame"): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, n) => `${word} ${n} `.repeat(40))
  for (const text of texts) await appendText(log, text)
  return texts
}

/** Lets everything that the log does in the background come to its end. */
async function quiet(disk: SimulatedDisk): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve))
  while (disk.inFlightCount > 0)
}

describe("segments", () => {
  test("a frame that does not fit goes into the next segment, and the full one is sealed", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    const texts = await appendMany(log, 30)
    expect(log.rotationCount).toBeGreaterThan(2)
    expect(log.segmentCount).toBe(log.rotationCount + 1)
    expect(await textsOf(log)).toEqual(texts)
    const next = await sceneOn(disk.crash("nothing")).home.open()
    expect(await textsOf(next)).toEqual(texts)
  })

  test("the next segment is there, zeros behind its header, before it is needed", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "small")
    await quiet(disk)
    expect(namesOf(disk, "wal-")).toEqual([segmentFile(1)])
    await appendText(log, "x".repeat(2_000))
    await quiet(disk)
    expect(namesOf(disk, "wal-")).toEqual([segmentFile(1), segmentFile(2)])
    const prepared = bytesOf(disk, segmentFile(2))
    expect(prepared).toHaveLength(SEGMENT_SIZE)
    expect(prepared.subarray(64).every((byte) => byte === 0)).toBe(true)
    const written = disk.operationCount
    await appendText(log, "y".repeat(1_500))
    await appendText(log, "z".repeat(500))
    expect(log.rotationCount).toBe(1)
    expect(disk.operations.slice(written).filter(({ name }) => name === "rename" || name === "open")).toEqual([])
  })

  test("a segment gets its name only when its zeros and its header are synced", async () => {
    const { disk, home } = sceneOn()
    await appendMany(await home.open(), 30)
    const operations = disk.operations.filter(({ detail, path }) => /wal-|spare-/.test(path + detail))
    const renames = operations.filter(({ name }) => name === "rename")
    expect(renames.length).toBeGreaterThan(3)
    for (const rename of renames) {
      const before = operations.filter(({ path, serial }) => path === rename.path && serial < rename.serial)
      expect(before.at(-1)?.name).toBe("dataSync")
      const next = disk.operations.find(({ name, serial }) => name === "syncDirectory" && serial > rename.serial)
      expect(next?.path).toBe("/data")
    }
  })

  test("a frame larger than a segment gets one of its size, and the next is of the usual size again", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    const texts = ["a", "b".repeat(20_000), "c", "d"]
    for (const text of texts) await appendText(log, text)
    await quiet(disk)
    expect(bytesOf(disk, segmentFile(2)).length).toBe(64 + 64 + 20_000 + 64)
    expect(bytesOf(disk, segmentFile(3)).length).toBe(SEGMENT_SIZE)
    expect(await textsOf(log)).toEqual(texts)
    expect(await textsOf(await sceneOn(disk.crash("nothing")).home.open())).toEqual(texts)
  })

  test("a frame and the seal fill a segment to its last byte, and one record more rotates", async () => {
    for (const [extra, rotations] of [
      [0, 0],
      [8, 1],
    ] as const) {
      const { home } = sceneOn()
      const log = await home.open()
      const used = log.sizeBytes
      await appendText(log, "x".repeat(SEGMENT_SIZE - used - 64 - 64 + extra))
      expect(log.rotationCount).toBe(rotations)
    }
  })

  test("a seal says that the frames before it are durable when they are: every power cut leaves a log that opens", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "synced")
    for (let n = 0; log.rotationCount < 1; n++) await appendText(log, `written ${n} `.repeat(40), false)
    let stateCount = 0
    for (const state of crashStates(disk.trace(), { seed: 1 })) {
      stateCount++
      await expect(sceneOn(state.mount()).home.open(), state.describe()).resolves.toBeDefined()
    }
    expect(stateCount).toBeGreaterThan(200)
  })

  test("at no moment is it told to be durable, or to go, further than a read gives", async () => {
    const { home } = sceneOn()
    const log = await home.open()
    let isOver = false
    const appending = appendMany(log, 12).then(() => (isOver = true))
    let momentCount = 0
    for (; !isOver; momentCount++) {
      const given = log.extentsThrough(Number.POSITIVE_INFINITY).at(-1)?.lastLsn ?? 0
      expect(log.durableLsn).toBeLessThanOrEqual(given)
      expect(log.endLsn).toBeLessThanOrEqual(given)
      await Promise.resolve()
    }
    await appending
    expect(momentCount).toBeGreaterThan(50)
  })

  test("closing cuts the segment behind its seal, and keeps the prepared one as a spare", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "x".repeat(2_500))
    await log.close()
    expect(bytesOf(disk, segmentFile(1)).length).toBe(log.sizeBytes)
    expect(namesOf(disk, "spare-")).toHaveLength(1)
    expect(disk.openFileCount).toBe(0)
  })

  test("an owner uses the spares of the one before, and removes those of another size", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "x".repeat(2_500))
    await log.close()
    const stray = await disk.open(`/data/${spareFile(77)}`, "create")
    await stray.write(new Uint8Array(100).fill(1), 0)
    await stray.close()
    const next = await home.open()
    expect(next.recycledCount).toBe(1)
    expect(namesOf(disk, "spare-")).toEqual([])
  })
})

describe("recycled segments", () => {
  test("are full of old frames, of which none is ever read again", async () => {
    for (const crash of ["kill", "nothing", "everything"] as const) {
      const { disk, home } = sceneOn()
      const log = await home.open()
      await appendMany(log, 30, "old")
      await log.truncate(log.endLsn)
      const oldest = log.oldestLsn
      const texts = await appendMany(log, 20, "new")
      await quiet(disk)
      expect(log.recycledCount).toBeGreaterThan(0)
      // Segments that are in use hold bytes of their former lives behind their last frame.
      const inUse = namesOf(disk, "wal-").map((name) => bytesOf(disk, name).toString("latin1"))
      expect(inUse.some((bytes) => bytes.includes("new 1") || bytes.includes("old 2"))).toBe(true)
      const stale = inUse.filter((bytes) => bytes.includes("old 1") || bytes.includes("old 2"))
      expect(stale.length).toBeGreaterThan(0)
      const next = await sceneOn(disk.crash(crash)).home.open()
      const read = await framesOf(next.read(lsnOf(oldest - 1)))
      expect(read.filter(({ text }) => text.startsWith("new")).map(({ text }) => text)).toEqual(texts)
      expect(read.filter(({ text }) => text.startsWith("old")).length).toBeLessThan(10)
      expect(read.map(({ firstLsn }) => firstLsn)).toEqual(
        read.map(({ firstLsn }) => firstLsn).toSorted((a, b) => a - b),
      )
    }
  })

  test("are kept by twos; the others give their room back", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendMany(log, 60)
    const segments = log.segmentCount
    const bytes = await log.truncate(log.endLsn)
    expect(log.segmentCount).toBe(1)
    expect(namesOf(disk, "spare-")).toHaveLength(2)
    expect(bytes).toBe((segments - 1 - 2) * SEGMENT_SIZE)
  })

  test("are not made of a segment that somebody reads", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    const texts = await appendMany(log, 24)
    const before = probes().get("a segment is retired while it is read") ?? 0
    const reading = log.read(lsnOf(0))
    const first = await reading.next()
    expect(first.done).toBe(false)
    await log.truncate(log.endLsn)
    expect(probes().get("a segment is retired while it is read")).toBe(before + 1)
    await appendMany(log, 40, "new")
    // The rest of the pinned segment is what it was, although the log has let go of it and recycled others.
    expect(log.recycledCount).toBeGreaterThan(0)
    const rest: string[] = []
    await expect(
      (async () => {
        for (;;) {
          const next = await reading.next()
          if (next.done === true) return
          rest.push(copyOf(next.value).text)
        }
      })(),
    ).rejects.toMatchObject({ code: "ORRERY_CURSOR_EXPIRED" })
    expect(rest.length).toBeGreaterThan(3)
    expect(rest).toEqual(texts.slice(1, 1 + rest.length))
    await log.close()
    expect(disk.openFileCount).toBe(0)
  })

  test("are not made of a segment that somebody reads who has not got all of it in memory yet", async () => {
    const mebibyte = 1024 * 1024
    const disk = new SimulatedDisk()
    const home = new FileLogHome(simulatePlatform({ seed: 1, disk }), "/data", 4 * mebibyte)
    const log = await home.open()
    const textOf = (n: number): string => `${n} `.padEnd(mebibyte / 8, ".")
    const appendSome = async (from: number, count: number): Promise<void> => {
      for (let n = from; n < from + count; n++) await appendText(log, textOf(n), false)
    }
    // The first segment of an epoch is small, and never used again; the reader stands at the beginning of the second.
    await appendSome(0, 80)
    await log.sync()
    const [small] = log.extentsThrough(log.endLsn)
    const reading = log.read(lsnOf(small?.lastLsn ?? 0), log.durableLsn)
    const read: string[] = []
    for (let n = 0; n < 3; n++) read.push(copyOf((await reading.next()).value as LogFrame).text)
    await log.truncate(log.endLsn)
    await appendSome(100, 90)
    expect(log.recycledCount).toBeGreaterThan(0)
    await expect(
      (async () => {
        for await (const frame of { [Symbol.asyncIterator]: () => reading }) read.push(copyOf(frame).text)
      })(),
    ).rejects.toMatchObject({ code: "ORRERY_CURSOR_EXPIRED" })
    expect(read.length).toBeGreaterThan(20)
    const first = Number.parseInt(read[0] ?? "", 10)
    expect(read).toEqual(read.map((_, index) => textOf(first + index)))
    await log.close()
  })

  test("leave a log that begins right behind them, also where the next owner has left LSNs out", async () => {
    const { disk, home } = sceneOn()
    const first = await home.open()
    await appendMany(first, 12)
    const end = first.endLsn
    await first.close()
    const second = await home.open({ lsnMin: end + 100 })
    expect(second.endLsn).toBe(end + 100)
    await second.truncate(end)
    // A checkpoint through that LSN is what the log goes on from.
    expect(second.oldestLsn).toBe(end + 1)
    expect(home.manifest?.firstLsn).toBe(end + 1)
    expect(namesOf(disk, "wal-")).toHaveLength(1)
    await second.close()
  })

  test("the new start of the log is durable before the first old segment goes", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendMany(log, 30)
    const before = disk.operations.length
    await log.truncate(lsnOf(log.endLsn - 8))
    const operations = disk.operations.slice(before)
    const manifest = operations.findLastIndex(({ detail }) => detail.includes("manifest-"))
    const synced = operations.findIndex(({ name }, index) => index > manifest && name === "syncDirectory")
    const gone = operations.findIndex(
      ({ name, path }) => (name === "rename" || name === "unlink") && path.includes("wal-"),
    )
    expect(manifest).toBeGreaterThanOrEqual(0)
    expect(synced).toBeGreaterThan(manifest)
    expect(gone).toBeGreaterThan(synced)
  })
})

describe("a disk that fails", () => {
  test("a next segment that cannot be made leaves the log usable, and appends nothing", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "small")
    disk.capacityBytes = [...disk.files().values()].reduce(
      (sum, bytes) => sum + Math.ceil(bytes.length / 4096) * 4096,
      0,
    )
    const end = log.endLsn
    const big = "x".repeat(3_900)
    for (let attempt = 0; attempt < 3; attempt++) {
      const failure = await appendText(log, big).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(StorageFailed)
      expect(failure).toMatchObject({ systemCode: "ENOSPC", operation: "prepare" })
      expect(log.endLsn).toBe(end)
    }
    expect(bytesOf(disk, segmentFile(1)).includes("xxx")).toBe(false)
    expect(namesOf(disk, "spare-")).toEqual([])
    await appendText(log, "fits")
    disk.capacityBytes = undefined
    await appendText(log, big)
    expect(await textsOf(log)).toEqual(["small", "fits", big])
    await log.close()
    expect(disk.openFileCount).toBe(0)
    expect(await textsOf(await sceneOn(disk.crash("nothing")).home.open())).toEqual(["small", "fits", big])
  })

  test("a segment that could not be prepared ahead is prepared when it is needed", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    disk.faults.add({ operation: disk.operations.length + 2, through: Infinity, only: ["open"], error: "EMFILE" })
    const text = "x".repeat(2_500)
    await appendText(log, text)
    await quiet(disk)
    expect(disk.faults.hitCount).toBeGreaterThan(0)
    disk.faults.clear()
    await appendText(log, text)
    expect(log.rotationCount).toBe(1)
    expect(await textsOf(log)).toEqual([text, text])
  })

  const failures: readonly (readonly [string, Omit<Failure, "operation">])[] = [
    ["a failed synced write", { error: "EIO", only: ["writeSynced"] }],
    ["half of a synced write", { error: "ENOSPC", only: ["writeSynced"], when: "after-part" }],
    ["a synced write that loses its pages", { error: "EIO", only: ["writeSynced"], when: "dropping-dirty-pages" }],
  ]
  test.each(failures)("%s ends the log for ever, although the disk works again", async (_, failure) => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "kept")
    disk.faults.add({ ...failure, operation: disk.operations.length + 1 })
    const end = log.endLsn
    const durable = log.durableLsn
    await expect(appendText(log, "unknown")).rejects.toThrow(LogUnavailable)
    expect(disk.faults.hitCount).toBe(1)
    const before = disk.operations.length
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(appendText(log, "no")).rejects.toThrow(LogUnavailable)
      await expect(log.sync()).rejects.toThrow(LogUnavailable)
      await expect(log.truncate(end)).rejects.toThrow(LogUnavailable)
    }
    expect(disk.operations.length).toBe(before)
    expect(log.endLsn).toBe(end)
    expect(log.durableLsn).toBe(durable)
    await log.close()
    expect(disk.operations.slice(before).map(({ name }) => name)).toEqual(["close"])
    const texts = await textsOf(await sceneOn(disk.crash("nothing")).home.open())
    expect(texts).toEqual(["kept"])
  })

  test.each([
    ["a failed sync", { error: "EIO", only: ["dataSync"] }],
    ["a sync that loses its pages", { error: "EIO", only: ["dataSync"], when: "dropping-dirty-pages" }],
  ] as const)("%s ends the log for ever, and a later sync of the same file is never believed", async (_, failure) => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    await appendText(log, "kept")
    await appendText(log, "unsynced", false)
    const durable = log.durableLsn
    disk.faults.add({ ...failure, operation: disk.operations.length + 1 })
    await expect(log.sync()).rejects.toThrow(LogUnavailable)
    expect(disk.faults.hitCount).toBe(1)
    const before = disk.operations.length
    await expect(log.sync()).rejects.toThrow(LogUnavailable)
    await expect(appendText(log, "no")).rejects.toThrow(LogUnavailable)
    expect(log.durableLsn).toBe(durable)
    await log.close()
    expect(disk.operations.slice(before).map(({ name }) => name)).toEqual(["close"])
  })

  test("what cannot be prepared ahead is nobody's concern where the log is closed meanwhile", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    disk.faults.add({ operation: disk.operations.length + 2, through: Infinity, only: ["open"], error: "EMFILE" })
    const text = "x".repeat(2_500)
    await appendText(log, text)
    // The next segment is on its way now.
    await log.close()
    expect(disk.faults.hitCount).toBeGreaterThan(0)
    expect(disk.openFileCount).toBe(0)
    disk.faults.clear()
    expect(await textsOf(await home.open())).toEqual([text])
  })

  test("what fails while a segment is prepared is told, also where its file cannot be closed, nor removed", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    const operation = disk.operations.length + 2
    disk.faults.add({ operation, through: Infinity, only: ["dataSync"], error: "EIO" })
    for (const only of ["close", "unlink"] as const) {
      disk.faults.add({ operation, through: Infinity, only: [only], error: "EBADF" })
    }
    const text = "x".repeat(SEGMENT_SIZE)
    await expect(appendText(log, text)).rejects.toMatchObject({ _tag: "StorageFailed", systemCode: "EIO" })
    expect(disk.faults.hitCount).toBe(3)
    disk.faults.clear()
    await appendText(log, text)
    expect(await textsOf(log)).toEqual([text])
    await log.close()
  })

  test("a seal that fails ends the log, and what was to follow is not in it", async () => {
    const { disk, home } = sceneOn()
    const log = await home.open()
    const text = "x".repeat(2_500)
    await appendText(log, text)
    await quiet(disk)
    disk.faults.add({ operation: disk.operations.length + 1, through: Infinity, only: ["writeSynced"], error: "EIO" })
    await expect(appendText(log, text)).rejects.toThrow(LogUnavailable)
    disk.faults.clear()
    await expect(appendText(log, text)).rejects.toThrow(LogUnavailable)
    await log.close()
    expect(disk.openFileCount).toBe(0)
    expect(await textsOf(await sceneOn(disk.crash("everything")).home.open())).toEqual([text])
  })

  test("an epoch that cannot be written is told, and leaves nothing open", async () => {
    const { disk, home } = sceneOn()
    disk.faults.add({ operation: 1, through: Infinity, only: ["writeSynced"], error: "EIO" })
    await expect(home.open()).rejects.toThrow(LogUnavailable)
    expect(disk.openFileCount).toBe(0)
    disk.faults.clear()
    const log = await home.open()
    await appendText(log, "one")
    expect(await textsOf(log)).toEqual(["one"])
  })

  test("short reads and writes change nothing", async () => {
    const { disk, home } = sceneOn(
      new SimulatedDisk({ seed: 5, faults: [{ operation: 1, through: Infinity, quirk: "short" }] }),
    )
    const log = await home.open()
    const texts = await appendMany(log, 20)
    expect(await textsOf(log)).toEqual(texts)
    await log.close()
    expect(disk.faults.hitCount).toBeGreaterThan(50)
    expect(await textsOf(await home.open())).toEqual(texts)
  })

  /** Everything that a log does, once. Gives back the texts whose appends were acknowledged, and those in doubt. */
  async function useLog(home: FileLogHome): Promise<{ acked: string[]; tried: string[]; errors: unknown[] }> {
    const acked: string[] = []
    const tried: string[] = []
    const errors: unknown[] = []
    let log: FileLog
    try {
      log = await home.open()
    } catch (error) {
      return { acked, tried, errors: [error] }
    }
    const attempt = async (run: () => Promise<unknown>): Promise<void> => {
      await run().catch((error: unknown) => errors.push(error))
    }
    for (let n = 0; n < 6; n++) {
      const text = `frame ${n} `.repeat(100)
      tried.push(text)
      await attempt(() =>
        log.append(draftOf(text, { sync: n % 3 !== 0 }), log.endLsn).then(() => n % 3 !== 0 && acked.push(text)),
      )
    }
    await attempt(() => log.sync())
    await attempt(() => textsOf(log))
    await attempt(() => log.truncate(lsnOf(1)))
    await attempt(() => log.close())
    return { acked, tried, errors }
  }

  test.each([
    ["EIO", "before"],
    ["ENOSPC", "after-part"],
    ["EIO", "dropping-dirty-pages"],
  ] as const)("any one operation may fail (%s, %s): a typed error, no open file, nothing lost", async (error, when) => {
    const made = sceneOn()
    await (await made.home.open()).close()
    const clean = sceneOn(made.disk.snapshot())
    await useLog(clean.home)
    const operationCount = clean.disk.operations.length
    expect(operationCount).toBeGreaterThan(80)
    for (let operation = 1; operation <= operationCount; operation++) {
      const { disk, home } = sceneOn(made.disk.snapshot())
      disk.faults.add({ operation, error, when })
      const { acked, tried, errors } = await useLog(home)
      await quiet(disk)
      const where = `operation ${operation}, ${JSON.stringify(clean.disk.operations[operation - 1])}`
      for (const one of errors) expect(one, where).toBeInstanceOf(OrreryError)
      expect(disk.openFileCount, where).toBe(0)
      const crashed = disk.crash(operation % 2 === 0 ? "nothing" : "everything")
      const read = await textsOf(await sceneOn(crashed).home.open())
      expect(
        tried.filter((text) => read.includes(text)),
        where,
      ).toEqual(read)
      for (const text of acked) expect(read, where).toContain(text)
    }
  })
})
