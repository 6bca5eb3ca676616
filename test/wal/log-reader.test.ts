// What reading the log says of files that are not as their writer left them, and how a log that lets go of its beginning
// goes on behind a failure.

import { describe, expect, test } from "vitest"
import { segmentFile } from "../../src/format/file-names.ts"
import { Corruption, StorageFailed } from "../../src/model/errors.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { FileLog } from "../../src/wal/file-log.ts"
import { readLog } from "../../src/wal/log-reader.ts"
import { appendText, FileLogHome, framesOf, textsOf } from "./log-home.ts"

const FILE = `/data/${segmentFile(1)}`

interface Scene {
  readonly disk: SimulatedDisk
  readonly home: FileLogHome
  readonly log: FileLog
  readonly texts: readonly string[]
}

async function written(count: number): Promise<Scene> {
  const platform = simulatePlatform({ seed: 1 })
  const home = new FileLogHome(platform, "/data")
  const log = await home.open()
  const texts = Array.from({ length: count }, (_, n) => `frame ${n} `.repeat(40))
  for (const text of texts) await appendText(log, text)
  return { disk: platform.fileSystem, home, log, texts }
}

describe("reading", () => {
  test.each([
    ["a byte of a frame has changed", (disk: SimulatedDisk, end: number) => disk.flipBit(FILE, end - 9, 1), "checksum"],
    ["the segment's header has changed", (disk: SimulatedDisk) => disk.flipBit(FILE, 12, 1), "header"],
  ])("is Corruption where %s, and gives what stands before", async (_, damage, what) => {
    const { disk, log, texts } = await written(4)
    damage(disk, log.sizeBytes)
    const read: string[] = []
    const failed = (async () => {
      for await (const { buffer, start, end } of log.read(lsnOf(0)))
        read.push(buffer.bytes.toString("utf8", start, end))
    })()
    await expect(failed).rejects.toThrow(Corruption)
    await expect(failed).rejects.toMatchObject({ file: segmentFile(1), found: expect.stringContaining(what) })
    expect(read.map((text) => text.replace(/\0+$/, ""))).toEqual(what === "checksum" ? texts.slice(0, 3) : [])
    expect(disk.openFileCount).toBe(1)
  })

  test("is Corruption where the file has lost its end", async () => {
    const { disk, log } = await written(4)
    const file = await disk.open(FILE, "write")
    await file.truncate(log.sizeBytes - 8)
    await file.close()
    await expect(textsOf(log)).rejects.toMatchObject({ _tag: "Corruption", found: "no valid frame (no-frame)" })
  })

  test("beside another reader of the same segment keeps its place for both, until both have ended", async () => {
    const { log, home, texts } = await written(3)
    const pins = new Map<number, number>()
    const directory = { ...home.platform, path: "/data", ...(home.manifest as NonNullable<typeof home.manifest>) }
    const reader = (): ReturnType<typeof readLog> =>
      readLog(directory, log.extentsThrough(log.endLsn), { lsn: 1 }, pins, 0, log.endLsn)
    const [one, other] = [reader(), reader()]
    await one.next()
    await other.next()
    expect([...pins]).toEqual([[1, 2]])
    await one.return(undefined)
    expect([...pins]).toEqual([[1, 1]])
    expect(await framesOf(other)).toHaveLength(texts.length - 1)
    expect([...pins]).toEqual([])
  })

  test("of segments that nobody has read counts all their bytes, and begins at their beginning", async () => {
    const { home, log, texts } = await written(20)
    await log.close()
    expect(log.segmentCount).toBeGreaterThan(2)
    const manifest = home.manifest as NonNullable<typeof home.manifest>
    const directory = { ...home.platform, path: "/data", ...manifest }
    const segments = log.extentsThrough(log.endLsn).map((extent) => ({ ...extent, marks: [] }))
    const end = {
      segments,
      startLsn: 1,
      nextSegment: segments.length + 1,
      lastLsn: log.endLsn,
      epoch: log.epoch,
      checksum: 0,
    }
    const next = await FileLog.begin(directory, end, {
      clock: home.platform.clock,
      segmentSize: 4096,
      owner: "test",
      lsnMin: 1,
      saveStart: () => Promise.resolve(),
    })
    const [first, ...rest] = segments as [(typeof segments)[0], ...typeof segments]
    const middle = lsnOf(first.firstLsn + 1)
    expect(next.bytesAfter(middle)).toBe(next.sizeBytes)
    expect(next.bytesAfter(first.lastLsn)).toBe(next.sizeBytes - first.endOffset)
    expect(next.bytesAfter(rest.at(-1)?.lastLsn as number)).toBeLessThan(300)
    expect((await framesOf(next.read(middle))).map(({ text }) => text)).toEqual(texts.slice(1))
    await next.close()
  })
})

describe("letting go of the log's beginning", () => {
  test.each(["rename", "unlink"] as const)("goes on behind a %s that was done, and told as failed", async (name) => {
    const clean = await written(40)
    expect(clean.log.segmentCount).toBeGreaterThan(4)
    await clean.log.truncate(clean.log.endLsn)
    // Two are kept as spares, under other names; the others are removed.
    const operation = clean.disk.operations.find((one) => one.name === name && one.path.includes("/wal-"))?.serial
    const { disk, log } = await written(40)
    disk.faults.add({ operation: operation as number, error: "EIO", when: "after-part" })
    await expect(log.truncate(log.endLsn)).rejects.toThrow(StorageFailed)
    expect(disk.faults.hitCount).toBe(1)
    await log.truncate(log.endLsn)
    expect(log.segmentCount).toBe(1)
    const segmentsOf = (one: SimulatedDisk): string[] => [...one.files().keys()].filter((path) => path.includes("wal-"))
    expect(segmentsOf(disk)).toEqual(segmentsOf(clean.disk))
    await log.close()
    expect(disk.openFileCount).toBe(0)
  })
})
