// A place where a log lives, as the conformance suite needs it, and the log in files in such a place.

import { recover } from "../../src/recovery/recover.ts"
import type { RecoveryReport } from "../../src/recovery/report.ts"
import { replaceManifest } from "../../src/checkpoint/manifest-file.ts"
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts"
import type { LogFrame } from "../../src/format/log-frame.ts"
import type { Manifest } from "../../src/format/manifest.ts"
import { allocateRecordBuffer } from "../../src/format/record.ts"
import type { Platform } from "../../src/platform/platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { FileLog } from "../../src/wal/file-log.ts"
import type { FrameDraft, Log } from "../../src/wal/log.ts"

export interface OpenLogOptions {
  /** LSNs below are not given out. */
  readonly lsnMin?: number
}

export interface LogHome {
  /** Opens the log as its next owner; an older owner that is still open is fenced. */
  open(options?: OpenLogOptions): Promise<Log>
  /** Gives everything back. */
  dispose(): Promise<void>
}

/** What a frame held, copied. */
export interface ReadFrame {
  readonly firstLsn: number
  readonly lastLsn: number
  readonly epoch: number
  readonly recordCount: number
  readonly timeMs: number
  readonly text: string
}

export class FileLogHome implements LogHome {
  readonly platform: Platform
  readonly path: string
  readonly segmentSize: number
  report: RecoveryReport | undefined
  manifest: Manifest | undefined
  /** What the owner in this process knew to be durable when its log failed. */
  trustedLsn: number | undefined
  readonly #logs: FileLog[] = []

  constructor(platform: Platform, path: string, segmentSize: number = 4096) {
    this.platform = platform
    this.path = path
    this.segmentSize = segmentSize
  }

  async open(options: OpenLogOptions = {}): Promise<FileLog> {
    for (const log of this.#logs) log.fence()
    const owned = await takeDirectory(this.platform, this.path, true, this.segmentSize)
    try {
      this.manifest = owned.manifest
      const { end, report } = await recover({
        directory: owned.log,
        clock: this.platform.clock,
        manifest: owned.manifest,
        foundStore: owned.foundStore,
        trustedLsn: this.trustedLsn,
        warnings: owned.warnings,
        state: undefined,
        fold: { apply: () => undefined },
        onProgress: () => undefined,
      })
      this.report = report
      const { fileSystem, path, checksum } = owned.log
      const log = await FileLog.begin(owned.log, end, {
        clock: this.platform.clock,
        segmentSize: this.segmentSize,
        owner: "test",
        lsnMin: options.lsnMin ?? 1,
        saveStart: async (firstSegment, firstLsn) => {
          const manifest = { ...(this.manifest ?? owned.manifest), firstSegment, firstLsn }
          this.manifest = await replaceManifest(fileSystem, path, checksum, manifest)
        },
      })
      this.#logs.push(log)
      return log
    } finally {
      await owned.lock.release()
    }
  }

  async dispose(): Promise<void> {
    for (const log of this.#logs.splice(0)) await log.close()
  }
}

/** A frame of `commitCount` commits that holds the text. */
export function draftOf(
  text: string,
  options: { commitCount?: number; sync?: boolean; timeMs?: number } = {},
): FrameDraft {
  const { commitCount = 1, sync = true, timeMs = 1_000 } = options
  const size = (Buffer.byteLength(text) + 7) & ~7
  const buffer = allocateRecordBuffer(FRAME_HEADER_SIZE + size)
  buffer.bytes.write(text, FRAME_HEADER_SIZE)
  return {
    buffer,
    start: FRAME_HEADER_SIZE,
    end: FRAME_HEADER_SIZE + size,
    commitCount,
    recordCount: commitCount,
    timeMs,
    sync,
  }
}

/** Appends a frame of one commit behind the end. */
export function appendText(log: Log, text: string, sync: boolean = true): Promise<void> {
  return log.append(draftOf(text, { sync }), log.endLsn)
}

export function copyOf(frame: LogFrame): ReadFrame {
  const { firstLsn, lastLsn, epoch, recordCount, timeMs } = frame
  const text = frame.buffer.bytes.toString("utf8", frame.start, frame.end).replace(/\0+$/, "")
  return { firstLsn, lastLsn, epoch, recordCount, timeMs, text }
}

export async function framesOf(frames: AsyncIterable<LogFrame>): Promise<ReadFrame[]> {
  const read: ReadFrame[] = []
  for await (const frame of frames) read.push(copyOf(frame))
  return read
}

/** The texts of all durable frames of the log. */
export async function textsOf(log: Log): Promise<string[]> {
  const after = (log.oldestLsn - 1) as typeof log.oldestLsn
  return (await framesOf(log.read(after))).map(({ text }) => text)
}
