// Fault classes in which the disk or the operating system refuses, lies, or gives back what was not written. The numbers
// are those of the table of fault classes.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { segmentFile, spareFile } from "../../src/format/file-names.ts"
import { CommitUnknown, Corruption, OrreryError, UnsupportedFormat, WriteRejected } from "../../src/model/errors.ts"
import { writeU32 } from "../../src/format/integers.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { contentOf, differences, openStore, untilSettled } from "../property/store-history.ts"
import type { Entry } from "../property/store-history.ts"
import {
  contentAt,
  copyOfDisk,
  framesIn,
  makeStore,
  SEGMENT_SIZE,
  segmentsIn,
  withBytes,
  withoutFile,
} from "../recovery/reference-store.ts"
import type { PlacedFrame } from "../recovery/reference-store.ts"

function roundedSize(disk: SimulatedDisk): number {
  return [...disk.files().values()].reduce((sum, bytes) => sum + Math.ceil(bytes.length / 4_096) * 4_096, 0)
}

describe("a disk that refuses", () => {
  test.each(["before", "after-part", "dropping-dirty-pages"] as const)(
    "fault 10: a sync fails once (%s) and then succeeds: the write is not acknowledged, and what is later is kept",
    async (when) => {
      const { platform, store } = await makeStore({ commitCount: 5 })
      const disk = platform.fileSystem
      disk.faults.add({ operation: disk.operations.length + 1, error: "EIO", when })
      const table = store.table<Entry>("t0")
      const error = await untilSettled(platform, table.put("doubtful", { n: 900, pad: "" })).catch(
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(CommitUnknown)
      expect(disk.faults.hitCount).toBe(1)
      const failed = disk.operations.find(({ outcome }) => outcome === "EIO")
      expect(failed?.name).toBe("writeSynced")
      await untilSettled(platform, store.ready())
      await untilSettled(platform, table.put("after", { n: 901, pad: "" }))
      const live = contentOf(store)
      const { content } = await recoverDisk(disk.crash("nothing"), 1, true)
      expect(differences(content, live)).toEqual([])
      expect(content.get("t0/after")).toBe(901)
      // Nothing is written or synced on that file again, until another one has taken its name.
      const behind = disk.operations.filter(
        ({ serial, path }) => serial > (failed?.serial ?? 0) && path === failed?.path,
      )
      const renamed = behind.findIndex(({ name }) => name === "open")
      const later = behind.slice(0, renamed === -1 ? behind.length : renamed)
      expect(later.filter(({ name }) => /write|sync|truncate/i.test(name))).toEqual([])
    },
  )

  test("fault 12: the disk is full: writes fail, reads go on, and writes work again when there is room", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 5 })
    const disk = platform.fileSystem
    disk.capacityBytes = roundedSize(disk)
    const table = store.table<Entry>("t0")
    const acknowledged = new Map<string, number>()
    let failure: unknown
    for (let n = 0; n < 40 && failure === undefined; n++) {
      try {
        await untilSettled(platform, table.put(`full ${n}`, { n, pad: "p".repeat(300) }))
        acknowledged.set(`t0/full ${n}`, n)
      } catch (error) {
        failure = error
      }
    }
    expect(failure instanceof WriteRejected || failure instanceof CommitUnknown).toBe(true)
    await untilSettled(platform, store.ready())
    const live = contentOf(store)
    for (const [place, n] of [...contentAt(commits), ...acknowledged]) expect(live.get(place)).toBe(n)
    disk.capacityBytes = undefined
    platform.clock.advance(20_000)
    await untilSettled(platform, store.ready())
    await untilSettled(platform, table.put("again", { n: 999, pad: "" }))
    const { content } = await recoverDisk(disk.crash("nothing"), 1, true)
    for (const [place, n] of [...contentAt(commits), ...acknowledged, ["t0/again", 999] as const])
      expect(content.get(place)).toBe(n)
  })

  test.each(["EMFILE", "ENFILE"])(
    "fault 13: no more files may be opened (%s): a typed error that says what to do",
    async (error) => {
      const { platform, store, commits } = await makeStore({ commitCount: 20 })
      await untilSettled(platform, store.close())
      const files = platform.fileSystem.files()
      const disk = await copyOfDisk(files, { faults: [{ operation: 1, through: Infinity, only: ["open"], error }] })
      const failure = await openStore(simulatePlatform({ seed: 1, disk }), SEGMENT_SIZE).catch(
        (reason: unknown) => reason,
      )
      expect(failure).toBeInstanceOf(OrreryError)
      expect((failure as OrreryError).remedy).toContain("ulimit -n")
      expect(disk.openFileCount).toBe(0)
      expect(withoutFile(disk.files(), "LOCK")).toEqual(withoutFile(files, "LOCK"))
      disk.faults.clear()
      const again = await openStore(simulatePlatform({ seed: 1, disk }), SEGMENT_SIZE)
      expect(differences(contentOf(again), contentAt(commits))).toEqual([])
      await again.close()
    },
  )

  test("fault 14: a read fails: a typed error, and never the end of the log", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 40 })
    await untilSettled(platform, store.close())
    const files = platform.fileSystem.files()
    const clean = await copyOfDisk(files)
    await recoverDisk(clean, 1, false)
    const reads = clean.operations.filter(({ name }) => name === "read")
    expect(reads.length).toBeGreaterThan(8)
    for (const { serial } of reads) {
      const disk = await copyOfDisk(files)
      disk.failAt(serial, "EIO")
      const failure = await recoverDisk(disk, 1, false).catch((reason: unknown) => reason)
      expect(failure).toBeInstanceOf(OrreryError)
      expect(failure).not.toBeInstanceOf(Corruption)
      expect(withoutFile(disk.files(), "LOCK")).toEqual(withoutFile(files, "LOCK"))
      disk.unlockAll()
      expect(differences((await recoverDisk(disk, 1, false)).content, contentAt(commits))).toEqual([])
    }
  })

  test.each([
    ["fault 15: reads give less than was asked", ["read"]],
    ["fault 16: writes take less than was given", ["write", "writeSynced"]],
  ] as const)("%s, and nothing changes", async (_, only) => {
    const disk = new SimulatedDisk({ seed: 3, faults: [{ operation: 1, through: Infinity, quirk: "short", only }] })
    const { platform, store, commits } = await makeStore({ commitCount: 40, disk })
    await untilSettled(platform, store.close())
    const again = await openStore(platform, SEGMENT_SIZE)
    expect(differences(contentOf(again), contentAt(commits))).toEqual([])
    expect(disk.faults.hitCount).toBeGreaterThan(10)
    await untilSettled(platform, again.close())
  })

  test("fault 39: a directory that cannot be written is a typed error, and stays as it is", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 5 })
    await untilSettled(platform, store.close())
    const files = platform.fileSystem.files()
    const only = ["lock", "write", "writeSynced", "rename", "unlink", "truncate", "makeDirectory"] as const
    const disk = await copyOfDisk(files, { faults: [{ operation: 1, through: Infinity, only, error: "EROFS" }] })
    const failure = await openStore(simulatePlatform({ seed: 1, disk }), SEGMENT_SIZE).catch(
      (reason: unknown) => reason,
    )
    expect(failure).toMatchObject({ code: "ORRERY_CANNOT_OPEN", remedy: expect.stringContaining("right to write") })
    expect(disk.files()).toEqual(files)
    const readOnly = await open("/data", { readOnly: true, platform: simulatePlatform({ seed: 1, disk }) })
    expect(differences(contentOf(readOnly), contentAt(commits))).toEqual([])
    await readOnly.close()
    expect(disk.files()).toEqual(files)
  })
})

describe("a disk that forgets", () => {
  test("fault 17: rot in the middle of the log is refused, with the place", async () => {
    const { platform } = await makeStore({ commitCount: 40 })
    const files = platform.fileSystem.crash("kill").files()
    for (const segment of segmentsIn(files).slice(0, 2)) {
      for (const frame of framesIn(files, segment)) {
        const disk = await copyOfDisk(files)
        disk.flipBit(`/data/${segmentFile(segment)}`, frame.end - 1, 4)
        await expect(recoverDisk(disk, 1, true)).rejects.toMatchObject({
          code: "ORRERY_CORRUPTION",
          file: segmentFile(segment),
          offset: frame.offset,
          remedy: expect.stringContaining("backup"),
        })
      }
    }
  })

  test("fault 18: rot in the last frame of a log that nobody closed looks like a crash: it alone is cut, and told", async () => {
    const { platform, commits } = await makeStore({ commitCount: 20 })
    const files = platform.fileSystem.crash("kill").files()
    const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
    const last = framesIn(files, used.at(-1) as number).at(-1) as PlacedFrame
    for (let offset = last.offset; offset < last.end; offset += 5) {
      const disk = await copyOfDisk(files)
      disk.flipBit(`/data/${segmentFile(last.segment)}`, offset, offset % 8)
      const { content, report } = await recoverDisk(disk, 1, true)
      expect(differences(content, contentAt(commits.slice(0, -1))), `byte ${offset}`).toEqual([])
      expect(report.tail, `byte ${offset}`).toContain(`a torn frame at byte ${last.offset}`)
    }
  })

  test("fault 19: rot in one copy of the manifest is told; in both it is refused", async () => {
    const { platform, store, commits } = await makeStore({ commitCount: 5 })
    await untilSettled(platform, store.close())
    const disk = await copyOfDisk(platform.fileSystem.files())
    disk.flipBit("/data/manifest-0", 50, 1)
    const { content, report } = await recoverDisk(disk.snapshot(), 1, true)
    expect(differences(content, contentAt(commits))).toEqual([])
    expect(report.warnings).toHaveLength(1)
    disk.flipBit("/data/manifest-1", 50, 1)
    await expect(recoverDisk(disk, 1, true)).rejects.toThrow(Corruption)
  })

  test("fault 20: a frame, a sector or a segment of another place or another life is never taken for this one's", async () => {
    const { platform, commits } = await makeStore({ commitCount: 40 })
    const files = platform.fileSystem.crash("kill").files()
    const pathOf = (segment: number): string => `/data/${segmentFile(segment)}`
    const first = files.get(pathOf(1)) as Uint8Array
    const second = files.get(pathOf(2)) as Uint8Array
    // A sector of one file written into another, at the same place, and at a place further on in the same file.
    for (const [segment, from, to] of [
      [2, first, 1_024],
      [1, second, 1_024],
      [1, first, 2_048],
    ] as const) {
      const disk = await copyOfDisk(withBytes(files, segmentFile(segment), to, from.slice(512, 1_024)))
      await expect(recoverDisk(disk, 1, true)).rejects.toThrow(Corruption)
    }
    const swapped = new Map(files).set(pathOf(1), second).set(pathOf(2), first)
    await expect(recoverDisk(await copyOfDisk(swapped), 1, true)).rejects.toThrow(Corruption)
    // Frames that are intact in a spare do not get into the log when it becomes a segment.
    const spare = await copyOfDisk(new Map(files).set(`/data/${spareFile(50)}`, second))
    for (let time = 0; time < 3; time++) {
      const { content } = await recoverDisk(spare, 1, true)
      expect(differences(content, contentAt(commits)), `open ${time}`).toEqual([])
    }
    const isTaken = segmentsIn(spare.files()).some((segment) =>
      Buffer.from(spare.files().get(pathOf(segment)) ?? []).includes(Buffer.from(second.subarray(2_048, 2_112))),
    )
    expect(isTaken && !spare.files().has(`/data/${spareFile(50)}`)).toBe(true)
  })

  test("fault 20: a whole frame that was written over another of its size is no frame there, however right it is", async () => {
    const { platform, commits } = await makeStore({ commitCount: 40 })
    const files = platform.fileSystem.crash("kill").files()
    const frames = segmentsIn(files).flatMap((segment) => framesIn(files, segment))
    const last = frames.at(-1) as PlacedFrame
    const sizeOf = ({ offset, end }: PlacedFrame): number => end - offset
    const bytesOf = ({ segment, offset, end }: PlacedFrame): Uint8Array =>
      (files.get(`/data/${segmentFile(segment)}`) as Uint8Array).slice(offset, end)
    const pairs = frames.flatMap((source) =>
      frames.flatMap((target) => (source !== target && sizeOf(source) === sizeOf(target) ? [{ source, target }] : [])),
    )
    const [inSegment, across, atEnd] = [
      pairs.find(({ source, target }) => source.segment === target.segment && target !== last),
      // Where the two stand at the same place of their segments, the segment's number alone tells them apart.
      pairs.find(({ source, target }) => source.segment !== target.segment && source.offset === target.offset),
      pairs.find(({ target }) => target === last),
    ] as const
    for (const pair of [inSegment, across, atEnd]) {
      const { source, target } = pair as NonNullable<typeof pair>
      const changed = withBytes(files, segmentFile(target.segment), target.offset, bytesOf(source))
      const recovered = recoverDisk(await copyOfDisk(changed), 1, true)
      if (target !== last) {
        await expect(recovered).rejects.toMatchObject({ file: segmentFile(target.segment), offset: target.offset })
        continue
      }
      expect(differences((await recovered).content, contentAt(commits.slice(0, -1)))).toEqual([])
    }
  })

  test("fault 26: a newer format or unknown flags are refused, and no byte is touched", async () => {
    const { platform, store } = await makeStore({ commitCount: 20 })
    await untilSettled(platform, store.close())
    const files = withoutFile(platform.fileSystem.files(), "LOCK")
    for (const [name, size] of [
      ["manifest-0", 96],
      ["manifest-1", 96],
      [segmentFile(1), 64],
    ] as const) {
      for (const [at, value] of [
        [8, 2],
        [12, 2],
      ] as const) {
        const bytes = (files.get(`/data/${name}`) as Uint8Array).slice()
        writeU32(bytes, at, value)
        writeU32(bytes, 4, crc32(bytes.subarray(8, size), 0))
        const disk = await copyOfDisk(new Map(files).set(`/data/${name}`, bytes))
        const before = disk.files()
        await expect(recoverDisk(disk, 1, true)).rejects.toThrow(UnsupportedFormat)
        expect(withoutFile(disk.files(), "LOCK")).toEqual(before)
      }
    }
  })
})

describe("use that goes wrong", () => {
  test("fault 23: a second opener gets a typed error that names the first", async () => {
    const { platform, store } = await makeStore({ commitCount: 1 })
    const refused = openStore(platform, SEGMENT_SIZE)
    await expect(refused).rejects.toMatchObject({ code: "ORRERY_LOCKED", heldBy: expect.stringContaining("pid") })
    await untilSettled(platform, store.close())
    const again = await openStore(platform, SEGMENT_SIZE)
    await untilSettled(platform, again.close())
  })

  test("fault 24: the lock of a killed owner is free at once", async () => {
    const { platform } = await makeStore({ commitCount: 3 })
    const disk = platform.fileSystem.crash("kill")
    expect([...disk.files().keys()]).toContain("/data/LOCK")
    const again = await openStore(simulatePlatform({ seed: 1, disk }), SEGMENT_SIZE)
    expect(again.recovery.foundStore).toBe(true)
    await again.close()
  })

  test("fault 25: a file system that cannot lock is refused", async () => {
    const platform = simulatePlatform({ seed: 1 })
    platform.fileSystem.faults.add({ operation: 1, through: Infinity, only: ["lock"], error: "EOPNOTSUPP" })
    await expect(openStore(platform, SEGMENT_SIZE)).rejects.toMatchObject({ code: "ORRERY_UNSUPPORTED_FILE_SYSTEM" })
    expect([...platform.fileSystem.files().keys()]).toEqual([])
  })

  test("fault 40: a store that is closed while it is written to drains, and refuses what comes later", async () => {
    const { platform, store } = await makeStore({ commitCount: 1 })
    const table = store.table<Entry>("t0")
    const writes = Array.from({ length: 50 }, (_, n) => table.put(`unawaited ${n}`, { n, pad: "p".repeat(100) }))
    const closing = store.close()
    await expect(table.put("late", { n: 1, pad: "" })).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
    await untilSettled(platform, closing)
    const lsns = (await Promise.all(writes)).map(({ lsn }) => lsn)
    expect(lsns).toEqual(lsns.toSorted((a, b) => a - b))
    const { content } = await recoverDisk(platform.fileSystem.crash("nothing"), 1, false)
    for (let n = 0; n < 50; n++) expect(content.get(`t0/unawaited ${n}`)).toBe(n)
    expect(content.has("t0/late")).toBe(false)
  })
})

describe("keys, values and names that mean harm", () => {
  test("fault 28: strange keys come back exactly after a crash, or are refused", async () => {
    const { platform, store } = await makeStore({ commitCount: 0 })
    const table = store.table<Entry>("t")
    const keys = [
      "__proto__",
      "constructor",
      "toString",
      "",
      "\0",
      "a\0b",
      "\u{1f600}",
      "é",
      "e\u0301",
      "../../etc/passwd",
      " ",
      "\ufeff",
    ]
    for (const [n, key] of keys.entries()) await untilSettled(platform, table.put(key, { n, pad: "" }))
    for (const key of ["\ud800", "a\udc00", "\udc00\ud800"]) {
      await expect(table.put(key, { n: 0, pad: "" })).rejects.toMatchObject({ code: "ORRERY_KEY_REFUSED" })
    }
    const { content } = await recoverDisk(platform.fileSystem.crash("nothing"), 1, false)
    expect(content).toEqual(new Map(keys.map((key, n) => [`t/${key}`, n])))
  })

  test("fault 30: the names of tables never become paths", async () => {
    const { platform, store } = await makeStore({ commitCount: 0 })
    const names = ["../outside", "/etc/passwd", "a/b", "C:\\x", "..", "LOCK", "manifest-0", "wal-0000000001"]
    for (const [n, name] of names.entries())
      await untilSettled(platform, store.table<Entry>(name).put("key", { n, pad: "" }))
    await untilSettled(platform, store.close())
    const known = /^\/data\/(LOCK|manifest-[01]|wal-\d{10}|spare-\d{10}|audit\.log)$/
    expect([...platform.fileSystem.files().keys()].filter((path) => !known.test(path))).toEqual([])
    const again = await open("/data", { platform, segmentBytes: SEGMENT_SIZE })
    expect(again.tables().toSorted()).toEqual(names.toSorted())
    for (const [n, name] of names.entries()) expect(again.table<Entry>(name).get("key")?.n).toBe(n)
    await untilSettled(platform, again.close())
  })
})
