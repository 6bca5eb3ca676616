// Phase 4 of 5. Before: scan-log. Next: replay-log.
// Makes the end of the log what the scan took it for: on stable storage, without what lies behind it, and sealed, so that
// no later recovery has to judge the same tail again.
// Guarantees: idempotent; a crash in the middle leaves a log that scans to the same end; no byte that counts is written
// over.
//
// What was read may be in memory only (see UnprovenRange), so it has to be written again; but not in its own place, where
// a power cut could tear the only copy. A tail is copied into a spare file, with its seal, which then takes its name. The
// seal of a closed log is written again in place: torn, it makes the log a tail, and nothing more, once no whole frame
// stands behind it.

import { segmentFile, spareFile } from "../format/file-names.ts"
import { FRAME_HEADER_SIZE, FRAME_SEAL, sealFrame } from "../format/frame.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { probe } from "../model/invariant.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import { readFully, writeFully } from "../platform/transfer.ts"
import type { LogDirectory, LogEnd } from "../wal/log-directory.ts"
import type { ScanResult, TailToRepair, UnprovenRange } from "./scan-log.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

const COPY_SIZE = 1024 * 1024
/** The spare that repair works in; others count from 1. */
const REPAIR_SPARE = 0

/** The end of the log as the scan found it. It can be read; nothing may be written behind it before it is repaired. */
export function scannedEnd(start: RecoveryStart, scan: ScanResult): LogEnd {
  return {
    segments: scan.extents,
    startLsn: start.firstLsn,
    nextSegment: scan.nextSegment,
    lastLsn: scan.lastLsn,
    epoch: scan.epoch,
    checksum: scan.checksum,
  }
}

/** Makes the scanned log end in a seal that is on stable storage. Fails with: StorageFailed. */
export async function repairTail(
  directory: LogDirectory,
  start: RecoveryStart,
  scan: ScanResult,
  nowMs: number,
): Promise<LogEnd> {
  const end = scannedEnd(start, scan)
  const { tail } = scan
  if (tail === undefined) {
    if (scan.unproven === undefined) return end
    if (scan.cutFrameCount > 0 || scan.stop === "untrusted") await emptySegment(directory, scan.nextSegment)
    await writeSealAgain(directory, scan.unproven)
    return end
  }
  if (tail.isTorn) probe("torn tail cut")
  const seal = new Uint8Array(FRAME_HEADER_SIZE)
  const checksum = sealFrame(
    seal,
    0,
    {
      kind: FRAME_SEAL,
      payloadSize: 0,
      previousChecksum: scan.checksum,
      firstLsn: scan.lastLsn + 1,
      durableLsn: scan.lastLsn,
      timeMs: nowMs,
      commitCount: 0,
      recordCount: tail.frameCount,
      epoch: scan.epoch,
      segment: tail.segment,
      offset: tail.offset,
    },
    { checksumSeed: directory.checksumSeed, segment: tail.segment, checksum: directory.checksum },
  )
  await replaceTail(directory, tail, seal)
  const last = scan.extents[scan.extents.length - 1]
  if (last !== undefined) last.endOffset = tail.offset + FRAME_HEADER_SIZE
  return { ...end, checksum }
}

/** Puts a copy of the segment up to the end of its last valid frame, and the seal, into the segment's place. */
async function replaceTail(directory: LogDirectory, tail: TailToRepair, seal: Uint8Array): Promise<void> {
  const { fileSystem, path } = directory
  const file = segmentFile(tail.segment)
  const source = fileSystem.join(path, file)
  const copy = fileSystem.join(path, spareFile(REPAIR_SPARE))
  try {
    // Left by a repair that was cut off.
    if ((await fileSystem.stat(copy)) !== undefined) await fileSystem.unlink(copy)
    await withFile(fileSystem.open(source, "read"), (from) =>
      withFile(fileSystem.open(copy, "create"), async (to) => {
        await copyBytes(from, to, 0, tail.offset)
        await writeFully(to, seal, tail.offset, false)
        await to.dataSync()
      }),
    )
    await fileSystem.rename(copy, source)
    await fileSystem.syncDirectory(path)
  } catch (error) {
    throw storageFailed("repair", file, error)
  }
}

/**
 * Takes away the frames of a segment none of which is part of the log. They have to go before the seal in front of them is
 * written again: torn by a crash, it would no longer tell that they are to be cut, and whole frames in the segment behind
 * an unsealed one are refused.
 */
async function emptySegment(directory: LogDirectory, segment: number): Promise<void> {
  const file = segmentFile(segment)
  try {
    await withFile(
      directory.fileSystem.open(directory.fileSystem.join(directory.path, file), "write"),
      async (handle) => {
        probe("cut frames go before the seal is written again")
        await handle.truncate(SEGMENT_HEADER_SIZE)
        await handle.dataSync()
      },
    )
  } catch (error) {
    throw storageFailed("repair", file, error)
  }
}

async function writeSealAgain(directory: LogDirectory, seal: UnprovenRange): Promise<void> {
  const file = segmentFile(seal.segment)
  try {
    await withFile(
      directory.fileSystem.open(directory.fileSystem.join(directory.path, file), "write"),
      async (handle) => {
        await copyBytes(handle, handle, seal.start, seal.end)
        await handle.dataSync()
      },
    )
  } catch (error) {
    throw storageFailed("repair", file, error)
  }
}

async function copyBytes(from: FileHandle, to: FileHandle, start: number, end: number): Promise<void> {
  const piece = new Uint8Array(Math.min(COPY_SIZE, end - start))
  for (let offset = start; offset < end; offset += piece.length) {
    const bytes = piece.subarray(0, Math.min(piece.length, end - offset))
    await readFully(from, bytes, offset)
    await writeFully(to, bytes, offset, false)
  }
}

async function withFile(opening: Promise<FileHandle>, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await opening
  try {
    await use(handle)
  } finally {
    await handle.close()
  }
}
