// The bytes of format version 1. They never change: a byte that comes out differently is a new format version, with a
// golden file of its own beside this one.

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import {
  FRAME_COMMITS,
  FRAME_EPOCH,
  FRAME_SEAL,
  isFrameIntact,
  readFrameHeader,
  sealFrame,
} from "../../src/format/frame.ts"
import { decodeManifest, encodeManifest, FORMAT_VERSION } from "../../src/format/manifest.ts"
import { allocateRecordBuffer, FLAG_CONTINUES } from "../../src/format/record.ts"
import { RecordWriter } from "../../src/format/record-writer.ts"
import { decodeSegmentHeader, encodeSegmentHeader } from "../../src/format/segment-header.ts"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import { crc32 } from "../../src/simulation/checksum.ts"

const golden = JSON.parse(readFileSync(new URL("../golden/format/v1.json", import.meta.url), "utf8")) as Record<
  string,
  string
>

const MANIFEST = {
  generation: 0x0001_0203_0405,
  storeId: Uint8Array.from({ length: 16 }, (_, at) => 0xa0 + at),
  checksumSeed: 0xcafebabe,
  hashSecret: { low: 0x03020100, high: 0x07060504 },
  firstSegment: 0x11223344,
  firstLsn: 0x8899_aabb_ccdd,
  createdMs: 1_767_225_600_123,
}
const SEGMENT = { storeId: MANIFEST.storeId, segment: 5, segmentSize: 16_777_216, createdMs: 1_767_225_600_456 }
const PLACE = { checksumSeed: MANIFEST.checksumSeed, segment: 5, checksum: crc32 }
const COMMON = {
  previousChecksum: 0x0badf00d,
  firstLsn: 0x1122_3344_5566,
  durableLsn: 0x1122_3344_5560,
  timeMs: 1_767_225_601_000,
  epoch: 3,
  segment: 5,
  offset: 64,
}

function records(write: (writer: RecordWriter, buffer: ReturnType<typeof allocateRecordBuffer>) => number): Buffer {
  const buffer = allocateRecordBuffer(256)
  const writer = new RecordWriter(MANIFEST.hashSecret, new ValueEncoder(new ShapeRegistry()))
  return buffer.bytes.subarray(0, write(writer, buffer))
}

const put = records((writer, buffer) => writer.put(buffer, 0, 0, 0x0102, "ada", "Lovelace"))

function frame(kind: number, payload: Uint8Array, commitCount: number, recordCount: number): Uint8Array {
  const bytes = new Uint8Array(64 + payload.length)
  bytes.set(payload, 64)
  sealFrame(bytes, 0, { ...COMMON, kind, payloadSize: payload.length, commitCount, recordCount }, PLACE)
  return bytes
}

const built: Readonly<Record<string, Uint8Array>> = {
  manifest: encodeManifest(MANIFEST, crc32),
  segmentHeader: encodeSegmentHeader(SEGMENT, crc32),
  frameOfCommits: frame(FRAME_COMMITS, put, 1, 1),
  frameOfEpoch: frame(FRAME_EPOCH, Buffer.from("pid 1 on host a\0"), 1, 0),
  frameOfSeal: frame(FRAME_SEAL, new Uint8Array(0), 0, 17),
  recordOfPut: put,
  recordOfPutBeyondAscii: records((writer, buffer) => writer.put(buffer, 0, FLAG_CONTINUES, 1, "Zürich", null)),
  recordOfDelete: records((writer, buffer) => writer.delete(buffer, 0, FLAG_CONTINUES, 0x01020304, "a key of 16 byte")),
  recordOfTable: records((writer, buffer) => writer.defineTable(buffer, 0, 0, 9, "Städte")),
  recordOfShape: records((writer, buffer) => writer.defineShape(buffer, 0, FLAG_CONTINUES, 4, ["name", "größe"])),
}

describe("format version 1", () => {
  test("is the version that is written", () => {
    expect(FORMAT_VERSION).toBe(1)
  })

  test.each(Object.keys(built))("the bytes of %s are what they have always been", (name) => {
    expect(Buffer.from(built[name] as Uint8Array).toString("hex")).toBe(golden[name])
  })

  test("every golden entry is built", () => {
    expect(Object.keys(golden)).toEqual(Object.keys(built))
  })

  test("the golden bytes are read, under the native checksum as under the simulated one", () => {
    for (const { checksum } of [nodePlatform, { checksum: crc32 }]) {
      const bytesOf = (name: string): Uint8Array => Uint8Array.from(Buffer.from(golden[name] as string, "hex"))
      expect(decodeManifest(bytesOf("manifest"), "manifest-0", checksum)).toEqual(MANIFEST)
      const expected = { file: "wal-0000000005", storeId: SEGMENT.storeId, segment: 5 }
      expect(decodeSegmentHeader(bytesOf("segmentHeader"), expected, checksum)).toEqual(SEGMENT)
      for (const name of ["frameOfCommits", "frameOfEpoch", "frameOfSeal"]) {
        const place = { ...PLACE, checksum }
        const header = readFrameHeader(bytesOf(name), 0, place, 64)
        expect(header).toMatchObject(COMMON)
        expect(header !== undefined && isFrameIntact(bytesOf(name), 0, header, place)).toBe(true)
      }
    }
  })

  test("fields stand where the description has them, little-endian", () => {
    const { manifest, segmentHeader, frameOfCommits, recordOfPut } = golden
    expect(manifest?.slice(0, 8)).toBe(Buffer.from("ORRM").toString("hex"))
    expect(manifest?.slice(16, 24)).toBe("01000000")
    expect(manifest?.slice(48, 80)).toBe("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")
    expect(manifest?.slice(104, 112)).toBe("44332211")
    expect(segmentHeader?.slice(0, 8)).toBe(Buffer.from("ORRS").toString("hex"))
    expect(frameOfCommits?.slice(0, 8)).toBe(Buffer.from("ORRF").toString("hex"))
    expect(frameOfCommits?.slice(32, 48)).toBe("6655443322110000")
    expect(recordOfPut?.slice(16, 38)).toBe("0300" + "01" + "00" + "02010000" + "616461")
    expect(recordOfPut).toContain(Buffer.from("Lovelace").toString("hex"))
  })
})
