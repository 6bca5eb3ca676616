// The log in files: the first implementation of `Log`. Owns one epoch. Frames go to the current segment; when one does
// not fit, the segment is sealed, and the next one, prepared meanwhile, takes its place.
//
// A failed write or sync poisons the log: no later append succeeds, whatever the disk says then. Failing to prepare the
// next segment does not: nothing was written, the append did not happen, and it may be tried again.

import { segmentFile } from "../format/file-names.ts"
import { FRAME_HEADER_SIZE, frameSize } from "../format/frame.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Fenced, LogUnavailable } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Clock } from "../platform/clock.ts"
import { storageFailed } from "../platform/system-error.ts"
import { markBefore, markFrame } from "./log-directory.ts"
import type { LogDirectory, LogEnd, SegmentExtent } from "./log-directory.ts"
import { readLog } from "./log-reader.ts"
import type { LogFrame } from "../format/log-frame.ts"
import type { FrameDraft, Log } from "./log.ts"
import { SegmentFiles } from "./segment-files.ts"
import type { PreparedSegment } from "./segment-files.ts"
import { SegmentWriter } from "./segment-writer.ts"
import type { LogTail } from "./segment-writer.ts"

export interface FileLogOptions {
  readonly clock: Clock
  /** Size of a full segment in bytes. */
  readonly segmentSize: number
  /** Written into the epoch frame: who owns the log, for people. */
  readonly owner: string
  /** LSNs below this one were given out and lost, and must not be given out again. */
  readonly lsnMin: number
  /** Makes the new start of the log durable, before anything of the old one goes. */
  readonly saveStart: (segment: number, lsn: number) => Promise<void>
}

/** The first segment of an epoch is small, so that opening does not wait for a full one to be zero-filled. */
const FIRST_SEGMENT_SIZE = 1024 * 1024

export class FileLog implements Log {
  readonly #directory: LogDirectory
  readonly #options: FileLogOptions
  readonly #files: SegmentFiles
  readonly #tail: LogTail
  readonly #extents: SegmentExtent[]
  /** The first LSN that was not let go; shared with the readers. */
  readonly #start: { lsn: number }
  readonly #pins = new Map<number, number>()
  /** Segments that are no part of the log any more, and still have their files. */
  readonly #retired: number[] = []
  #writer: SegmentWriter
  #next: Promise<PreparedSegment> | undefined
  #failure: unknown
  /** The last LSN that readers find. Moves when a frame is noted, not when it is written: never past what `read` gives. */
  #endLsn: number
  #isClosed = false
  #isAppending = false
  rotationCount = 0

  private constructor(
    directory: LogDirectory,
    options: FileLogOptions,
    files: SegmentFiles,
    end: LogEnd,
    first: PreparedSegment,
  ) {
    this.#directory = directory
    this.#options = options
    this.#files = files
    this.#tail = { epoch: end.epoch + 1, lastLsn: end.lastLsn, durableLsn: end.lastLsn, checksum: end.checksum }
    this.#extents = [...end.segments]
    this.#start = { lsn: end.startLsn }
    this.#endLsn = end.lastLsn
    this.#writer = new SegmentWriter(directory, first)
  }

  /** Begins a new epoch behind the end of the log. Fails with: StorageFailed. */
  static async begin(directory: LogDirectory, end: LogEnd, options: FileLogOptions): Promise<FileLog> {
    const files = new SegmentFiles(directory)
    await files.adopt(options.segmentSize)
    const size = Math.min(FIRST_SEGMENT_SIZE, options.segmentSize)
    const first = await files.prepare(end.nextSegment, size, options.segmentSize, options.clock.wallMs())
    const log = new FileLog(directory, options, files, end, first)
    const firstLsn = Math.max(end.lastLsn + 1, options.lsnMin)
    const offset = log.#writer.offset
    try {
      await log.#writer.appendEpoch(options.owner, firstLsn, options.clock.wallMs(), log.#tail)
    } catch (error) {
      await log.#writer.close()
      throw new LogUnavailable("the epoch could not be written", error)
    }
    log.#noteFrame(firstLsn, offset)
    return log
  }

  get epoch(): number {
    return this.#tail.epoch
  }
  get endLsn(): Lsn {
    return lsnOf(this.#endLsn)
  }
  get durableLsn(): Lsn {
    return lsnOf(Math.min(this.#tail.durableLsn, this.#endLsn))
  }
  get oldestLsn(): Lsn {
    return lsnOf(this.#start.lsn)
  }
  /** Bytes of all frames in the log. */
  get sizeBytes(): number {
    return this.#extents.reduce((sum, extent) => sum + extent.endOffset, 0)
  }
  /** Bytes of frames behind an LSN, from the known frame start before it on: at most a few hundred KiB too many. */
  bytesAfter(lsn: number): number {
    return this.#extents.reduce((sum, extent) => {
      if (extent.lastLsn <= lsn) return sum
      return sum + extent.endOffset - (extent.firstLsn > lsn ? 0 : (markBefore(extent, lsn)?.offset ?? 0))
    }, 0)
  }
  /** Segments that hold something behind an LSN. */
  segmentsAfter(lsn: number): number {
    return this.#extents.reduce((count, extent) => count + Number(extent.lastLsn > lsn), 0)
  }
  /** What is known of the segments that hold commits up to an LSN, as it stands now: for a reader on another thread. */
  extentsThrough(lsn: number): SegmentExtent[] {
    return this.#extents
      .filter(({ firstLsn }) => firstLsn <= lsn)
      .map((extent) => ({ ...extent, marks: [...extent.marks] }))
  }
  get segmentCount(): number {
    return this.#extents.length
  }
  get recycledCount(): number {
    return this.#files.recycledCount
  }

  async append(draft: FrameDraft, expected: Lsn): Promise<void> {
    this.#checkUsable()
    invariant(!this.#isAppending, "I5: one append is in flight")
    invariant(expected === this.#tail.lastLsn, "I3: a frame follows its predecessor")
    this.#isAppending = true
    try {
      const payloadSize = draft.end - draft.start
      if (!this.#writer.hasRoom(payloadSize)) await this.#rotate(payloadSize)
      const firstLsn = this.#tail.lastLsn + 1
      const offset = this.#writer.offset
      await this.#poisoning(this.#writer.append(draft, this.#tail))
      this.#noteFrame(firstLsn, offset)
      if (this.#writer.offset > this.#writer.size / 2) this.#prepareNext(0)
    } finally {
      this.#isAppending = false
    }
  }

  async sync(): Promise<void> {
    this.#checkUsable()
    invariant(!this.#isAppending, "I5: one append is in flight")
    this.#isAppending = true
    try {
      await this.#poisoning(this.#writer.sync())
      this.#tail.durableLsn = this.#tail.lastLsn
    } finally {
      this.#isAppending = false
    }
  }

  read(after: Lsn, to?: Lsn): AsyncIterableIterator<LogFrame> {
    return readLog(this.#directory, this.#extents, this.#start, this.#pins, after, to ?? this.durableLsn)
  }

  async truncate(upTo: Lsn): Promise<number> {
    this.#checkUsable()
    let count = 0
    while (count < this.#extents.length - 1 && (this.#extents[count] as SegmentExtent).lastLsn <= upTo) count++
    const first = this.#extents[count]
    if (count > 0 && first !== undefined) {
      const startLsn = (this.#extents[count - 1] as SegmentExtent).lastLsn + 1
      await this.#options.saveStart(first.segment, startLsn)
      this.#retired.push(...this.#extents.splice(0, count).map(({ segment }) => segment))
      this.#start.lsn = startLsn
    }
    return this.#retire()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const next = await this.#next?.catch(() => undefined)
    try {
      await next?.handle.close()
      if (this.#failure === undefined) {
        await this.#writer.seal(this.#options.clock.wallMs(), this.#tail)
        this.#noteEnd()
        await this.#writer.trim()
        if (next !== undefined) await this.#files.retire(next.segment, true, this.#options.segmentSize)
        await this.#syncDirectory()
      }
    } catch (error) {
      throw storageFailed("close", segmentFile(this.#writer.segment), error)
    } finally {
      await this.#writer.close()
    }
  }

  /** Ends this owner's epoch without touching the files, as a newer owner does. Waits for nothing. */
  fence(): void {
    this.#failure ??= new Fenced(this.#tail.epoch)
  }

  /** Those that a failure left go with the next truncation. */
  async #retire(): Promise<number> {
    if (this.#retired.length === 0) return 0
    let bytes = 0
    for (let segment = this.#retired[0]; segment !== undefined; segment = this.#retired[0]) {
      const isPinned = (this.#pins.get(segment) ?? 0) > 0
      if (isPinned) probe("a segment is retired while it is read")
      bytes += await this.#files.retire(segment, !isPinned, this.#options.segmentSize)
      this.#retired.shift()
    }
    await this.#syncDirectory()
    return bytes
  }

  async #syncDirectory(): Promise<void> {
    const { fileSystem, path } = this.#directory
    await fileSystem.syncDirectory(path).catch((error: unknown) => Promise.reject(storageFailed("sync", path, error)))
  }

  async #rotate(payloadSize: number): Promise<void> {
    probe("segment rotated")
    const next = await this.#takeNext(SEGMENT_HEADER_SIZE + frameSize(payloadSize) + FRAME_HEADER_SIZE)
    const old = this.#writer
    try {
      await this.#poisoning(old.seal(this.#options.clock.wallMs(), this.#tail))
    } catch (error) {
      await next.handle.close()
      throw error
    }
    this.#noteEnd()
    this.#writer = new SegmentWriter(this.#directory, next)
    this.rotationCount++
    await old.close()
  }

  /** The next segment, at least `size` bytes long. */
  async #takeNext(size: number): Promise<PreparedSegment> {
    this.#prepareNext(size)
    const next = await (this.#next as Promise<PreparedSegment>)
    this.#next = undefined
    if (next.size >= size) return next
    await next.handle.close()
    this.#prepareNext(size)
    return this.#takeNext(size)
  }

  #prepareNext(sizeMin: number): void {
    if (this.#next !== undefined) return
    const size = Math.max(this.#options.segmentSize, sizeMin)
    const next = this.#files.prepare(
      this.#writer.segment + 1,
      size,
      this.#options.segmentSize,
      this.#options.clock.wallMs(),
    )
    this.#next = next
    // A failure is met by whoever needs the segment; until then the next append may try again.
    next.catch(() => {
      if (this.#next === next) this.#next = undefined
    })
  }

  #noteFrame(firstLsn: number, offset: number): void {
    let extent = this.#extents[this.#extents.length - 1]
    if (extent === undefined || extent.segment !== this.#writer.segment) {
      extent = { segment: this.#writer.segment, firstLsn, lastLsn: firstLsn, endOffset: 0, marks: [] }
      this.#extents.push(extent)
    }
    extent.lastLsn = this.#tail.lastLsn
    extent.endOffset = this.#writer.offset
    this.#endLsn = this.#tail.lastLsn
    markFrame(extent, firstLsn, offset)
  }

  #noteEnd(): void {
    const extent = this.#extents[this.#extents.length - 1]
    if (extent !== undefined) extent.endOffset = this.#writer.offset
  }

  #checkUsable(): void {
    if (this.#failure instanceof Fenced) throw this.#failure
    if (this.#failure !== undefined) throw new LogUnavailable("an earlier write or sync failed", this.#failure)
    if (this.#isClosed) throw new LogUnavailable("it is closed")
  }

  async #poisoning(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#failure ??= error
      throw new LogUnavailable("a write or sync failed", error)
    }
    this.#checkUsable()
  }
}
