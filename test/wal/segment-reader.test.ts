// What the reader of a segment gives out, and what it finds behind damage: whether acknowledged data is cut or refused hangs
// on both.

import { expect, test } from "vitest"
import { segmentFile } from "../../src/format/file-names.ts"
import { FRAME_COMMITS, FRAME_HEADER_SIZE, FRAME_MAGIC, sealFrame } from "../../src/format/frame.ts"
import { encodeSegmentHeader, SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { WINDOW_SIZE } from "../../src/platform/file-window.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import { SegmentReader } from "../../src/wal/segment-reader.ts"

const SIZE = 2 * WINDOW_SIZE + 4096
const PAYLOAD_SIZE = 128
/** The first window begins with the file. */
const FIRST_EDGE = WINDOW_SIZE

async function directoryOn(disk: SimulatedDisk): Promise<LogDirectory> {
  await disk.makeDirectory("/data")
  return { fileSystem: disk, checksum: crc32, path: "/data", storeId: new Uint8Array(16).fill(7), checksumSeed: 99 }
}

/** A segment of nothing but `filler`, and one frame. */
function segmentWith(
  { storeId, checksumSeed }: LogDirectory,
  offset: number,
  filler: number,
  payloadSize: number = PAYLOAD_SIZE,
): Uint8Array {
  const bytes = new Uint8Array(SIZE).fill(filler)
  bytes.set(encodeSegmentHeader({ storeId, segment: 1, segmentSize: SIZE, createdMs: 1 }, crc32))
  const header = {
    kind: FRAME_COMMITS,
    payloadSize,
    previousChecksum: 0,
    firstLsn: 5,
    durableLsn: 4,
    timeMs: 1,
    commitCount: 1,
    recordCount: 1,
    epoch: 1,
    segment: 1,
    offset,
  }
  sealFrame(bytes, offset, header, { checksumSeed, segment: 1, checksum: crc32 })
  return bytes
}

test("an intact frame is found wherever it stands to the edges of what is read at a time", async () => {
  const disk = new SimulatedDisk({ keepsTrace: false })
  const directory = await directoryOn(disk)
  const file = await disk.open(`/data/${segmentFile(1)}`, "create")
  // Garbage without a frame's magic moves the window on as zeros do.
  for (const filler of [0, 0xa5]) {
    for (let offset = FIRST_EDGE - FRAME_HEADER_SIZE - PAYLOAD_SIZE - 8; offset <= FIRST_EDGE + 8; offset += 8) {
      await file.write(segmentWith(directory, offset, filler), 0)
      const start = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
      const reader = await SegmentReader.open(directory, 1, start)
      expect((await reader.findIntact(SEGMENT_HEADER_SIZE))?.offset, `a frame at ${offset}`).toBe(offset)
      expect(await reader.findIntact(offset + 8), `behind the frame at ${offset}`).toBeUndefined()
      await reader.close()
    }
  }
  await file.close()
})

test("bytes that look like the beginning of a frame, where none can begin, hide none behind them", async () => {
  const disk = new SimulatedDisk({ keepsTrace: false })
  const directory = await directoryOn(disk)
  const file = await disk.open(`/data/${segmentFile(1)}`, "create")
  const start = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(FRAME_MAGIC)
  // At the end of what is read at a time there is no room to tell, and at the end of the file nothing comes behind.
  for (const misplaced of [FIRST_EDGE - 63, FIRST_EDGE - 57, SIZE - 63, SIZE - 4]) {
    const frameOffset = misplaced < SIZE - 100 ? (misplaced + 70) & ~7 : SIZE - 512
    const bytes = segmentWith(directory, frameOffset, 0)
    bytes.set(magic, misplaced)
    await file.write(bytes, 0)
    const reader = await SegmentReader.open(directory, 1, start)
    expect((await reader.findIntact(SEGMENT_HEADER_SIZE))?.offset, `${misplaced}`).toBe(frameOffset)
    expect(await reader.findIntact(frameOffset + 8), `${misplaced}`).toBeUndefined()
    await reader.close()
  }
  await file.close()
})

test("a disk that does not read on is told as such, and not as the end", async () => {
  const disk = new SimulatedDisk({ keepsTrace: false })
  const directory = await directoryOn(disk)
  const file = await disk.open(`/data/${segmentFile(1)}`, "create")
  await file.write(segmentWith(directory, SEGMENT_HEADER_SIZE, 0), 0)
  await file.close()
  const start = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
  const reader = await SegmentReader.open(directory, 1, start)
  expect((await reader.next())?.header.firstLsn).toBe(5)
  disk.faults.add({ operation: 1, through: Infinity, only: ["read"], error: "EIO" })
  await expect(reader.findIntact(reader.offset)).rejects.toMatchObject({ _tag: "StorageFailed", systemCode: "EIO" })
  await reader.close()
})

test("a file that is shorter than it was ends where it ends", async () => {
  const disk = new SimulatedDisk({ keepsTrace: false })
  const directory = await directoryOn(disk)
  const file = await disk.open(`/data/${segmentFile(1)}`, "create")
  const start = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: 4, epoch: 1 }
  const frameEnd = SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE + PAYLOAD_SIZE
  for (const [size, stop] of [
    [SEGMENT_HEADER_SIZE, "end"],
    [SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE - 1, "end"],
    [SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE, "no-frame"],
    [frameEnd - 1, "no-frame"],
  ] as const) {
    await file.write(segmentWith(directory, SEGMENT_HEADER_SIZE, 0), 0)
    await file.truncate(size)
    const reader = await SegmentReader.open(directory, 1, start)
    // The caller knows of a frame there: its writer has told so.
    expect(await reader.next(frameEnd), `${size}`).toBeUndefined()
    expect(reader.stop, `${size}`).toBe(stop)
    await reader.close()
  }
  await file.close()
})

test.each([0, 8, PAYLOAD_SIZE])(
  "a frame of %i bytes with one bit turned over is not given out",
  async (payloadSize) => {
    const disk = new SimulatedDisk({ keepsTrace: false })
    const directory = await directoryOn(disk)
    const file = await disk.open(`/data/${segmentFile(1)}`, "create")
    const whole = segmentWith(directory, SEGMENT_HEADER_SIZE, 0, payloadSize)
    const next = async (): Promise<string> => {
      const start = { offset: SEGMENT_HEADER_SIZE, previousChecksum: 0, lastLsn: 4, epoch: 1 }
      const reader = await SegmentReader.open(directory, 1, start)
      const frame = await reader.next()
      await reader.close()
      return frame === undefined ? reader.stop : "given out"
    }
    await file.write(whole, 0)
    expect(await next()).toBe("given out")
    for (let at = SEGMENT_HEADER_SIZE; at < SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE + payloadSize; at++) {
      disk.flipBit(`/data/${segmentFile(1)}`, at, at % 8)
      expect(await next(), `byte ${at}`).not.toBe("given out")
      disk.flipBit(`/data/${segmentFile(1)}`, at, at % 8)
    }
    await file.close()
  },
)

test.each([
  { offset: SEGMENT_HEADER_SIZE, reads: 1 },
  { offset: WINDOW_SIZE, reads: 2 },
])("reading from byte $offset on takes $reads calls, the header included", async ({ offset, reads }) => {
  const disk = new SimulatedDisk({ keepsTrace: true })
  const directory = await directoryOn(disk)
  const file = await disk.open(`/data/${segmentFile(1)}`, "create")
  await file.write(segmentWith(directory, offset, 0), 0)
  const reader = await SegmentReader.open(directory, 1, { offset, previousChecksum: 0, lastLsn: 4, epoch: 1 })
  expect((await reader.next())?.header.firstLsn).toBe(5)
  const calls = disk.operations.filter(({ name }) => name === "read")
  expect(calls).toHaveLength(reads)
  if (reads > 1) expect(calls[0]?.detail).toBe(`${SEGMENT_HEADER_SIZE} at 0`)
  await reader.close()
  await file.close()
})
