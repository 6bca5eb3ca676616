// Checkpoints that are as good as any in themselves, under right checksums, and are not what the log says: each is found
// by comparing it with the one before it and the log.

import { describe, expect, test } from "vitest"
import type { CheckpointInfo } from "../../src/checkpoint/checkpoint-files.ts"
import { BLOCK_HEADER_SIZE, BLOCK_RECORDS, readBlockHeader, sealBlock } from "../../src/format/checkpoint-block.ts"
import type { BlockHeader } from "../../src/format/checkpoint-block.ts"
import { checkpointFile, segmentFile } from "../../src/format/file-names.ts"
import { FRAME_COMMITS } from "../../src/format/frame.ts"
import { recordSize } from "../../src/format/record.ts"
import { checkCheckpoint } from "../../src/recovery/check-checkpoint.ts"
import { FoldCheck } from "../../src/recovery/check-fold.ts"
import type { FoldOutcome } from "../../src/recovery/check-fold.ts"
import { directoryOf } from "../../src/recovery/store-files.ts"
import { surveyLog } from "../../src/recovery/survey-log.ts"
import { logFrameOf } from "../../src/wal/segment-reader.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import type { VerifyReport } from "../../src/recovery/verify.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { checkedStore } from "./checked-store.ts"
import type { Files } from "./checked-store.ts"
import { copyOfDisk, DIRECTORY, framesIn, manifestIn, segmentsIn, withBytes } from "./reference-store.ts"
import type { PlacedFrame } from "./reference-store.ts"

async function verifyFiles(files: Files): Promise<VerifyReport> {
  return verifyStore(simulatePlatform({ seed: 3, disk: await copyOfDisk(files) }), DIRECTORY)
}

function damageIn(report: VerifyReport): string[] {
  return report.findings.flatMap(({ isDamage, file, what }) => (isDamage ? [`${file}: ${what}`] : []))
}

/**
 * A checkpoint with its blocks sealed anew, under another number or LSN, and with its records changed: `change` is told
 * the block, the number of the record in the checkpoint, and where its value ends.
 */
function resealed(
  files: Files,
  source: number,
  target: { readonly number: number; readonly throughLsn: number | undefined },
  change: (buffer: Uint8Array, record: number, end: number) => void = () => undefined,
): Files {
  const bytes = Buffer.from(files.get(`${DIRECTORY}/${checkpointFile(source)}`) ?? new Uint8Array(0))
  const { checksumSeed } = manifestIn(files)
  const from = { checkpoint: source, checksumSeed, checksum: crc32 }
  let record = 0
  for (let at = 0; at < bytes.length;) {
    const header = readBlockHeader(bytes, at, from) as BlockHeader
    const end = at + BLOCK_HEADER_SIZE + header.payloadSize
    if (header.kind === BLOCK_RECORDS) {
      for (let position = at + BLOCK_HEADER_SIZE; position < end; record++) {
        const keySize = bytes.readUInt16LE(position + 8)
        const valueSize = bytes.readUInt32LE(position + 4)
        change(bytes, record, position + 16 + keySize + valueSize)
        position += recordSize(keySize, valueSize)
      }
    }
    const throughLsn = target.throughLsn ?? header.throughLsn
    sealBlock(bytes, at, { ...header, throughLsn }, { ...from, checkpoint: target.number })
    at = end
  }
  return new Map(files).set(`${DIRECTORY}/${checkpointFile(target.number)}`, bytes)
}

function recordsIn(files: Files, number: number): number {
  let count = 0
  resealed(files, number, { number, throughLsn: undefined }, () => count++)
  return count
}

describe("damage", () => {
  test("that puts another history's checkpoint in its place is found", async () => {
    // A checkpoint of another history, that is as good as the right one in itself.
    const right = await checkedStore({ parts: [10, 11, 5], end: "closed" })
    const wrong = await checkedStore({ parts: [10, 11, 5], end: "closed", padSize: 61 })
    const path = `${DIRECTORY}/${checkpointFile(2)}`
    const mixed = new Map(right.files).set(path, wrong.files.get(path) ?? new Uint8Array(0))
    const report = await verifyFiles(mixed)
    expect(report).toMatchObject({ verdict: "damaged", checkpoints: 2 })
    expect(damageIn(report)).toEqual([expect.stringContaining("it is not what the log says")])
  })

  test("that changes one record of a checkpoint is found, whichever record it is", async () => {
    const { files } = await checkedStore({ parts: [14, 4, 3], end: "closed" })
    const recordCount = recordsIn(files, 2)
    expect(recordCount).toBeGreaterThan(6)
    for (let index = 0; index < recordCount; index++) {
      const changed = resealed(files, 2, { number: 2, throughLsn: undefined }, (buffer, record, end) => {
        // The last character of the padding: the value is as good as before.
        if (record === index) buffer[end - 1] = "q".charCodeAt(0)
      })
      const report = await verifyFiles(changed)
      expect(report, `record ${index}`).toMatchObject({ verdict: "damaged", checkpoints: 2 })
      expect(damageIn(report), `record ${index}`).toEqual([expect.stringContaining("it is not what the log says")])
    }
    expect(await verifyFiles(resealed(files, 2, { number: 2, throughLsn: undefined }))).toMatchObject({
      verdict: "good",
    })
  })

  test.each([
    ["a commit that puts a new key", [3, 2], 6, "of 1 records that the log put into table 2, 0 are there"],
    ["a commit that deletes a key", [19, 1], 21, "holds a record that the log deleted"],
    ["commits that put keys again", [14, 4], 19, "holds another record than the log put there"],
  ])("that leaves %s out of a checkpoint is found", async (_, parts, throughLsn, what) => {
    const { files } = await checkedStore({ parts: [...parts, 0], end: "closed" })
    expect(await verifyFiles(files)).toMatchObject({ verdict: "good", checkpoints: 2 })
    expect(damageIn(await verifyFiles(resealed(files, 1, { number: 2, throughLsn })))).toEqual([
      expect.stringContaining(what),
    ])
  })

  test("to the log between two checkpoints is said to keep them from being compared", async () => {
    const { files } = await checkedStore({ parts: [10, 10, 10, 3], end: "closed" })
    const frame = segmentsIn(files)
      .flatMap((segment) => framesIn(files, segment))
      .find(({ firstLsn }) => firstLsn === 15) as PlacedFrame
    const damaged = withBytes(files, segmentFile(frame.segment), frame.offset + 66, Uint8Array.of(255))
    const { findings } = await verifyFiles(damaged)
    expect(findings.map(({ file, what, isDamage }) => [file, what.slice(0, 40), isDamage])).toEqual([
      [segmentFile(frame.segment), expect.stringContaining("no valid frame (checksum), but"), true],
      [segmentFile(frame.segment), "LSN 15 is lost", true],
      [checkpointFile(2), "not compared with the log: the log betwe", false],
    ])
  })

  test("is not looked for behind more of the log than is held in memory", async () => {
    const { files } = await checkedStore({ parts: [10, 10], end: "closed" })
    const platform = simulatePlatform({ seed: 1, disk: await copyOfDisk(files) })
    const manifest = manifestIn(files)
    const directory = directoryOf(platform, DIRECTORY, manifest)
    const { info, catalogue } = await checkCheckpoint(directory, 1, manifest.hashSecret, () => undefined, platform)
    const outcomes: FoldOutcome[] = []
    const fold = new FoldCheck(directory, [{ info: info as CheckpointInfo, catalogue }], 1, 500)
    for await (const piece of surveyLog({ directory, segments: segmentsIn(files), firstSegment: 1, firstLsn: 1 })) {
      if (piece.kind === "frame" && piece.frame.header.kind === FRAME_COMMITS) {
        outcomes.push(...(await fold.take(logFrameOf(piece.frame))))
      }
    }
    expect(outcomes).toMatchObject([{ difference: undefined, skipped: "the log between has more than 500 bytes" }])
    expect(fold.rest()).toEqual([])
  })
})
