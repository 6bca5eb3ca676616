// Phase 4 of 5. Before: scan-log. Next: replay-log.
// Makes the end of the log what the scan took it for: writes again what may be in memory only, cuts the file behind the
// last valid frame, and seals it there, so that no later recovery has to judge the same tail again.
// Guarantees: idempotent; a crash in the middle leaves a log that scans to the same end; what recovery goes on from is
// on stable storage.

import { segmentFile } from "../format/file-names.ts"
import { FRAME_SEAL, FRAME_HEADER_SIZE, sealFrame } from "../format/frame.ts"
import { probe } from "../model/invariant.ts"
import { storageFailed } from "../platform/system-error.ts"
import { readFully, writeFully } from "../platform/transfer.ts"
import type { LogDirectory, LogEnd } from "../wal/log-directory.ts"
import type { ScanResult, UnprovenRange } from "./scan-log.ts"
import type { RecoveryStart } from "./select-checkpoint.ts"

const COPY_SIZE = 1024 * 1024

/** Makes the scanned log end in a seal. Fails with: StorageFailed. */
export async function repairTail(
  directory: LogDirectory,
  start: RecoveryStart,
  scan: ScanResult,
  nowMs: number,
): Promise<LogEnd> {
  const end = {
    segments: scan.extents,
    startLsn: start.firstLsn,
    nextSegment: scan.nextSegment,
    lastLsn: scan.lastLsn,
    epoch: scan.epoch,
  }
  const { tail } = scan
  if (scan.unproven !== undefined) await writeAgain(directory, scan.unproven)
  if (tail === undefined) return { ...end, checksum: scan.checksum }
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
  const file = segmentFile(tail.segment)
  try {
    const handle = await directory.fileSystem.open(directory.fileSystem.join(directory.path, file), "write")
    try {
      // The cut must be durable before the seal: a seal with garbage behind it would be fine, but a seal whose cut was
      // lost could stand before an old frame that is intact.
      await handle.truncate(tail.offset)
      await handle.dataSync()
      await writeFully(handle, seal, tail.offset, false)
      await handle.dataSync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw storageFailed("repair", file, error)
  }
  const last = scan.extents[scan.extents.length - 1]
  if (last !== undefined) last.endOffset = tail.offset + FRAME_HEADER_SIZE
  return { ...end, checksum }
}

/** Reads the bytes, which the scan found good, and writes them to the same place, through to the disk. */
async function writeAgain(directory: LogDirectory, range: UnprovenRange): Promise<void> {
  const file = segmentFile(range.segment)
  try {
    const handle = await directory.fileSystem.open(directory.fileSystem.join(directory.path, file), "write")
    try {
      const piece = new Uint8Array(Math.min(COPY_SIZE, range.end - range.start))
      for (let offset = range.start; offset < range.end; offset += piece.length) {
        const bytes = piece.subarray(0, Math.min(piece.length, range.end - offset))
        await readFully(handle, bytes, offset)
        await writeFully(handle, bytes, offset, false)
      }
      await handle.dataSync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw storageFailed("repair", file, error)
  }
}
