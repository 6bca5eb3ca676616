// Phase 1 of 5. Next: load-checkpoint.
// Finds what recovery may start from: the checkpoints, newest first, and the log from the oldest segment that the
// manifest names; what was before it was let go on purpose. What an interrupted checkpoint or compaction left is passed over
// here, and removed when nothing is left that could be refused.

import { removeUnfinished } from "../checkpoint/checkpoint-files.ts"
import { meaningOf, segmentFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { storageFailed } from "../platform/system-error.ts"
import type { LogDirectory } from "../wal/log-directory.ts"

/** Segments of a backup that is being replaced. */
const UNUSED_COUNT_MAX = 2
/** Files whose sizes are asked for at a time. */
const STAT_COUNT = 16

export interface RecoveryStart {
  /** Numbers of the checkpoints, newest first. */
  readonly checkpoints: readonly number[]
  /** Segments to go through, oldest first, without a gap. */
  readonly segments: readonly [number, ...number[]]
  /** Of their files, together. */
  readonly sizeBytes: number
  /** Whether no segment has room for a frame: the first open came to no end, or this is a backup. */
  readonly isUnused: boolean
  /** The LSN that the first frame must have. */
  readonly firstLsn: number
}

/** Changes nothing. Fails with: Corruption when a segment is missing, StorageFailed. */
export async function listStart(directory: LogDirectory, manifest: Manifest): Promise<RecoveryStart> {
  const { fileSystem, path } = directory
  const segments: number[] = []
  const checkpoints: number[] = []
  try {
    for (const name of await fileSystem.list(path)) {
      const meaning = meaningOf(name)
      if (meaning?.kind === "checkpoint") checkpoints.push(meaning.number)
      else if (meaning?.kind === "segment" && meaning.segment >= manifest.firstSegment) segments.push(meaning.segment)
    }
  } catch (error) {
    throw storageFailed("list", path, error)
  }
  const [first, ...later] = segments.sort((a, b) => a - b)
  if (first !== manifest.firstSegment) throw missing(manifest.firstSegment)
  for (const [index, segment] of later.entries()) if (segment !== first + index + 1) throw missing(first + index + 1)
  checkpoints.sort((a, b) => b - a)
  const sizes: number[] = []
  for (let index = 0; index < segments.length; index += STAT_COUNT) {
    const some = segments.slice(index, index + STAT_COUNT)
    sizes.push(...(await Promise.all(some.map((segment) => sizeOf(directory, segment)))))
  }
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0)
  const isUnused = sizes.length <= UNUSED_COUNT_MAX && sizes.every((size) => size <= SEGMENT_HEADER_SIZE)
  return { checkpoints, segments: [first, ...later], sizeBytes, isUnused, firstLsn: manifest.firstLsn }
}

/**
 * Removes what an interrupted checkpoint or compaction left. Not before the log is found good: a store that is refused is
 * not changed. Returns how many files that were. Fails with: StorageFailed.
 */
export async function removeLeftovers(directory: LogDirectory, manifest: Manifest): Promise<number> {
  let count = Number(await removeUnfinished(directory))
  const { fileSystem, path } = directory
  try {
    for (const name of await fileSystem.list(path)) {
      const meaning = meaningOf(name)
      if (meaning?.kind !== "segment" || meaning.segment >= manifest.firstSegment) continue
      // Let go before a crash that came between the manifest and the unlink.
      probe("a retired segment is removed by recovery")
      await fileSystem.unlink(fileSystem.join(path, name))
      count++
    }
    return count
  } catch (error) {
    throw storageFailed("clean", path, error)
  }
}

function missing(segment: number): Corruption {
  return new Corruption(segmentFile(segment), 0, 0, "the segment is missing")
}

async function sizeOf({ fileSystem, path }: LogDirectory, segment: number): Promise<number> {
  const name = segmentFile(segment)
  try {
    return (await fileSystem.stat(fileSystem.join(path, name)))?.size ?? 0
  } catch (error) {
    throw storageFailed("stat", name, error)
  }
}
