// Makes and retires the files of segments. A segment file gets its name only when it is whole: zero-filled (a data sync
// into preallocated bytes takes two thirds of the time that an append takes, for it changes no metadata), headed, synced;
// then renamed; then the directory synced. A crash between two steps leaves a spare, never a half-made segment.
//
// Retired segments wait as spares and are used again without zeroing: the segment number under every frame's checksum
// keeps the frames of their former life from passing.

import { meaningOf, segmentFile, spareFile } from "../format/file-names.ts"
import { encodeSegmentHeader } from "../format/segment-header.ts"
import { SPARE_SEGMENT_COUNT_MAX } from "../model/limits.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import { writeFully } from "../platform/transfer.ts"
import type { LogDirectory } from "./log-directory.ts"

const ZEROS = new Uint8Array(256 * 1024)

export interface PreparedSegment {
  readonly segment: number
  readonly size: number
  readonly handle: FileHandle
}

export class SegmentFiles {
  readonly #directory: LogDirectory
  /** Numbers of spares that are `segmentSize` long and free for use. */
  readonly #spares: number[] = []
  #spareNext = 1
  recycledCount = 0

  constructor(directory: LogDirectory) {
    this.#directory = directory
  }

  /** Finds the spares that an earlier owner left. Removes those that do not fit. Fails with: StorageFailed. */
  async adopt(segmentSize: number): Promise<void> {
    const { fileSystem, path } = this.#directory
    try {
      for (const name of await fileSystem.list(path)) {
        const meaning = meaningOf(name)
        if (meaning?.kind !== "spare") continue
        this.#spareNext = Math.max(this.#spareNext, meaning.number + 1)
        const stat = await fileSystem.stat(this.#path(name))
        const fits = stat?.size === segmentSize && this.#spares.length < SPARE_SEGMENT_COUNT_MAX
        if (fits) this.#spares.push(meaning.number)
        else await fileSystem.unlink(this.#path(name))
      }
    } catch (error) {
      throw storageFailed("list", path, error)
    }
  }

  /** Makes the segment's file, replacing one of that name that holds no frame. Fails with: StorageFailed. */
  async prepare(segment: number, size: number, fullSize: number, createdMs: number): Promise<PreparedSegment> {
    const { fileSystem, path, checksum, storeId } = this.#directory
    const recycled = size === fullSize ? this.#spares.pop() : undefined
    const number = recycled ?? this.#spareNext++
    const name = spareFile(number)
    const header = encodeSegmentHeader({ storeId, segment, segmentSize: size, createdMs }, checksum)
    let handle: FileHandle | undefined
    try {
      handle = await fileSystem.open(this.#path(name), recycled === undefined ? "create" : "write")
      if (recycled === undefined) {
        for (let offset = 0; offset < size; offset += ZEROS.length) {
          await writeFully(handle, ZEROS.subarray(0, Math.min(ZEROS.length, size - offset)), offset, false)
        }
      } else this.recycledCount++
      await writeFully(handle, header, 0, false)
      await handle.dataSync()
      await fileSystem.rename(this.#path(name), this.#path(segmentFile(segment)))
      await fileSystem.syncDirectory(path)
      return { segment, size, handle }
    } catch (error) {
      await handle?.close().catch(() => undefined)
      await this.#discard(name)
      throw storageFailed("prepare", segmentFile(segment), error)
    }
  }

  /** Takes a segment out of the log. Keeps its file for reuse if it may and has the right size. Returns bytes given back. */
  async retire(segment: number, mayRecycle: boolean, fullSize: number): Promise<number> {
    const { fileSystem } = this.#directory
    const name = segmentFile(segment)
    try {
      const size = (await fileSystem.stat(this.#path(name)))?.size
      // Gone, by an attempt that was told that it had failed.
      if (size === undefined) return 0
      if (mayRecycle && size === fullSize && this.#spares.length < SPARE_SEGMENT_COUNT_MAX) {
        const number = this.#spareNext++
        await fileSystem.rename(this.#path(name), this.#path(spareFile(number)))
        this.#spares.push(number)
        return 0
      }
      await fileSystem.unlink(this.#path(name))
      return size
    } catch (error) {
      throw storageFailed("retire", name, error)
    }
  }

  /** Removes a file that is of no more use; a failure leaves a spare, which the next owner removes. */
  async #discard(name: string): Promise<void> {
    await this.#directory.fileSystem.unlink(this.#path(name)).catch(() => undefined)
  }

  #path(name: string): string {
    return this.#directory.fileSystem.join(this.#directory.path, name)
  }
}
