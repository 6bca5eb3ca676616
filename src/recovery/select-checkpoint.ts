// Phase 1 of 5. Next: load-checkpoint.
// Decides where recovery starts. Guarantees: it starts at data that the manifest names, or not at all. Without
// checkpoints that is the oldest segment of the log, and everything before it was let go on purpose.

import { meaningOf, segmentFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { storageFailed } from "../platform/system-error.ts"
import type { LogDirectory } from "../wal/log-directory.ts"

export interface RecoveryStart {
  /** Segments to go through, oldest first, without a gap. */
  readonly segments: readonly number[]
  /** The LSN that the first frame must have. */
  readonly firstLsn: number
}

/** Fails with: Corruption when a segment is missing, StorageFailed. */
export async function selectCheckpoint(directory: LogDirectory, manifest: Manifest): Promise<RecoveryStart> {
  const { fileSystem, path } = directory
  const segments: number[] = []
  try {
    for (const name of await fileSystem.list(path)) {
      const meaning = meaningOf(name)
      if (meaning?.kind !== "segment") continue
      if (meaning.segment >= manifest.firstSegment) segments.push(meaning.segment)
      else {
        // Let go before a crash that came between the manifest and the unlink.
        probe("a retired segment is removed by recovery")
        await fileSystem.unlink(fileSystem.join(path, name))
      }
    }
  } catch (error) {
    throw storageFailed("list", path, error)
  }
  segments.sort((a, b) => a - b)
  for (let index = 0, expected = manifest.firstSegment; index < Math.max(segments.length, 1); index++, expected++) {
    if (segments[index] !== expected) throw new Corruption(segmentFile(expected), 0, 0, "the segment is missing")
  }
  return { segments, firstLsn: manifest.firstLsn }
}
