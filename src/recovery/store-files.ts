// What a store's directory holds, for those who read it without owning it: its manifest, its segments and checkpoints,
// and how large they are. Changes nothing, takes no lock.

import type { CheckpointDirectory } from "../checkpoint/checkpoint-files.ts"
import { readManifest } from "../checkpoint/manifest-file.ts"
import { checkpointFile, meaningOf } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { CannotOpen } from "../model/errors.ts"
import type { Platform } from "../platform/platform.ts"
import { storageFailed } from "../platform/system-error.ts"
import { examine } from "./examine-directory.ts"

export interface StoreFiles {
  /** The newest good copy; undefined where none is. */
  readonly manifest: Manifest | undefined
  /** What is wrong with the copies, one line each. */
  readonly problems: readonly string[]
  /** How many copies there are, damaged ones included. */
  readonly manifestCount: number
  /** Segments that the log consists of, oldest first. */
  readonly segments: readonly number[]
  /** Oldest first. */
  readonly checkpoints: readonly number[]
  /** Bytes, by name, of all of these. */
  readonly sizes: ReadonlyMap<string, number>
}

/** Told how far a reader of the whole store has come. */
export type ReadProgress = (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void

/** Fails with: CannotOpen and NotAStore where there is no store, UnsupportedFormat, StorageFailed. */
export async function findStoreFiles(platform: Platform, path: string): Promise<StoreFiles> {
  const { fileSystem } = platform
  const found = await examine(platform, path)
  if (found === "absent") throw noStore(path)
  const { manifest, problems } = await readManifest(fileSystem, path, platform.checksum)
  const sizes = new Map<string, number>()
  const segments: number[] = []
  const checkpoints: number[] = []
  let manifestCount = 0
  try {
    for (const name of await fileSystem.list(path)) {
      const meaning = meaningOf(name)
      if (meaning?.kind === "manifest") manifestCount++
      else if (meaning?.kind === "checkpoint") checkpoints.push(meaning.number)
      // Older ones were let go, and wait for their removal.
      else if (meaning?.kind === "segment" && meaning.segment >= (manifest?.firstSegment ?? 1))
        segments.push(meaning.segment)
      else continue
      sizes.set(name, (await fileSystem.stat(fileSystem.join(path, name)))?.size ?? 0)
    }
  } catch (error) {
    throw storageFailed("list", path, error)
  }
  segments.sort((left, right) => left - right)
  checkpoints.sort((left, right) => left - right)
  const files = { manifest, problems, manifestCount, segments, checkpoints, sizes }
  if (found === "empty" && !hasData(files)) throw noStore(path)
  return files
}

export function directoryOf(platform: Platform, path: string, manifest: Manifest): CheckpointDirectory {
  const { fileSystem, checksum } = platform
  return { fileSystem, checksum, path, storeId: manifest.storeId, checksumSeed: manifest.checksumSeed }
}

/** Whether more is there than an interrupted first open leaves: a segment 1 that has a header and no more. */
function hasData({ segments, checkpoints, sizes }: StoreFiles): boolean {
  const isBeyondFirst = segments.some((segment) => segment !== 1)
  return checkpoints.length > 0 || isBeyondFirst || [...sizes.values()].some((size) => size > SEGMENT_HEADER_SIZE)
}

/** Counts bytes that were read, for the caller and against the signal. */
export class ReadMeter {
  readonly totalBytes: number
  readonly #sizes: ReadonlyMap<string, number>
  readonly #onProgress: ReadProgress | undefined
  readonly #signal: AbortSignal | undefined
  /** Of the files before the one that is read. */
  #before = 0
  #file = ""

  constructor(files: StoreFiles, options: { readonly onProgress?: ReadProgress; readonly signal?: AbortSignal }) {
    this.#sizes = files.sizes
    this.totalBytes = [...files.sizes.values()].reduce((sum, size) => sum + size, 0)
    this.#onProgress = options.onProgress
    this.#signal = options.signal
  }

  /** Begins a file; the one before is done with. Throws the signal's reason. */
  begin(file: string): void {
    this.#before += this.#sizes.get(this.#file) ?? 0
    this.#file = file
    this.at(0)
  }

  /** Stands at an offset of the file. Throws the signal's reason. */
  at(offset: number): void {
    this.#signal?.throwIfAborted()
    this.#onProgress?.({ doneBytes: Math.min(this.#before + offset, this.totalBytes), totalBytes: this.totalBytes })
  }

  beginCheckpoint(number: number): void {
    this.begin(checkpointFile(number))
  }

  end(): void {
    this.begin("")
    this.#before = this.totalBytes
    this.at(0)
  }
}

function noStore(path: string): CannotOpen {
  return new CannotOpen(path, "there is no store", "Check the path")
}
