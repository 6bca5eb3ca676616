// Where a reader stands in a log that somebody else writes: a segment, an offset in it, and what the next frame must
// follow. Takes no lock and changes nothing. A frame that is half written has no right checksum yet: it is looked at again.

import { readManifest } from "../checkpoint/manifest-file.ts"
import { segmentFile } from "../format/file-names.ts"
import { FRAME_SEAL, lastLsnOf } from "../format/frame.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Corruption, CursorExpired, StorageFailed } from "../model/errors.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { SegmentReader } from "../wal/segment-reader.ts"
import type { ReadStart, SegmentFrame } from "../wal/segment-reader.ts"

export class LogCursor {
  readonly #directory: LogDirectory
  #segment: number
  #start: ReadStart = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
  #suspectOffset = -1
  isSealed = false

  /** `start`: where to go on in the segment. Default: before its first frame, whatever that follows. */
  constructor(directory: LogDirectory, segment: number, start?: ReadStart) {
    this.#directory = directory
    this.#segment = segment
    if (start !== undefined) this.#start = start
  }

  /**
   * Whether the log was cut before this place: no frame follows here, and yet there is a next segment, which is begun only
   * behind a seal. To be asked twice, because the seal may be written between two looks.
   */
  async isLeftBehind(): Promise<boolean> {
    const { fileSystem, path } = this.#directory
    const next = fileSystem.join(path, segmentFile(this.#segment + 1))
    const size = (await fileSystem.stat(next))?.size ?? 0
    if (size <= SEGMENT_HEADER_SIZE) return false
    const reader = await SegmentReader.open(this.#directory, this.#segment + 1, {
      offset: SEGMENT_HEADER_SIZE,
      previousChecksum: undefined,
      lastLsn: undefined,
      epoch: 0,
    })
    try {
      return (await reader.next()) !== undefined
    } finally {
      await reader.close()
    }
  }

  /** The segment from where it stands, or undefined where it is not there yet. Fails with: CursorExpired and others. */
  async open(): Promise<SegmentReader | undefined> {
    try {
      return await SegmentReader.open(this.#directory, this.#segment, this.#start)
    } catch (error) {
      if (!(error instanceof StorageFailed) || error.systemCode !== "ENOENT") throw error
      const { fileSystem, path, checksum } = this.#directory
      const { manifest } = await readManifest(fileSystem, path, checksum)
      if (manifest === undefined || manifest.firstSegment <= this.#segment) return undefined
      throw new CursorExpired(this.#start.lastLsn ?? 0, manifest.firstLsn)
    }
  }

  /** The next frame; undefined where none follows yet, and behind a seal. */
  async next(reader: SegmentReader): Promise<SegmentFrame | undefined> {
    if (this.isSealed) return undefined
    const frame = await reader.next()
    if (frame === undefined) return undefined
    const { header } = frame
    this.#start = {
      offset: reader.offset,
      previousChecksum: header.checksum,
      lastLsn: lastLsnOf(header),
      epoch: header.epoch,
    }
    this.isSealed = header.kind === FRAME_SEAL
    return frame
  }

  /** The segment that is read. */
  get segment(): number {
    return this.#segment
  }

  /** Where the next frame would stand in it. */
  get offset(): number {
    return this.#start.offset
  }

  nextSegment(): void {
    this.#segment++
    this.#start = { ...this.#start, offset: SEGMENT_HEADER_SIZE }
    this.isSealed = false
  }

  /**
   * Whether the log may end here. False once where an intact frame lies behind: a writer may just have put it there.
   * Fails with: Corruption when that is still so when looked at again.
   */
  async isRealEnd(reader: SegmentReader): Promise<boolean> {
    const { offset, lastLsn = 0 } = this.#start
    const found = await reader.findIntact(offset)
    if (found === undefined) return true
    if (this.#suspectOffset === offset) {
      const what = `no valid frame (${reader.stop}), but an intact one at byte ${found.offset}`
      throw new Corruption(segmentFile(this.#segment), offset, lastLsn, what)
    }
    this.#suspectOffset = offset
    return false
  }
}
