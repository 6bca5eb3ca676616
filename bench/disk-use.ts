// What a store's directory takes on the disk, and for what.

import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"

export interface DiskUse {
  /** Bytes of all files. */
  readonly directoryBytes: number
  /** Of these, of checkpoints. */
  readonly checkpointBytes: number
  /** Of these, of the log's segments, preallocated room and what is kept for reuse included. */
  readonly segmentBytes: number
}

export function diskUseOf(directory: string): DiskUse {
  const use = { directoryBytes: 0, checkpointBytes: 0, segmentBytes: 0 }
  for (const name of readdirSync(directory)) {
    // A file may go between the two calls: a store that is open is at work.
    const size = statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
    use.directoryBytes += size
    if (name.startsWith("checkpoint")) use.checkpointBytes += size
    else if (name.startsWith("wal-") || name.startsWith("spare")) use.segmentBytes += size
  }
  return use
}
