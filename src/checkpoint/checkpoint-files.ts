// Which checkpoints a directory holds. A checkpoint gets its name only when it is whole, synced and read back: so a file
// of that name is one, and `checkpoint.new` is none.

import { CHECKPOINT_NEW_FILE, checkpointFile, meaningOf } from "../format/file-names.ts"
import type { Checksum } from "../model/checksum.ts"
import { StorageFailed } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { FileSystem } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"

/** Where checkpoints are, whose they are, and how they are checked. */
export interface CheckpointDirectory {
  readonly fileSystem: FileSystem
  readonly checksum: Checksum
  readonly path: string
  readonly storeId: Uint8Array
  readonly checksumSeed: number
}

export interface CheckpointInfo {
  readonly number: number
  /** The state is that behind this commit. */
  readonly throughLsn: number
  readonly records: number
  readonly sizeBytes: number
  /** Wall clock when it was begun. */
  readonly createdMs: number
}

/** Numbers of the checkpoints, oldest first. Fails with: StorageFailed. */
export async function listCheckpoints(directory: CheckpointDirectory): Promise<number[]> {
  try {
    return (await directory.fileSystem.list(directory.path))
      .flatMap((name) => {
        const meaning = meaningOf(name)
        return meaning?.kind === "checkpoint" ? [meaning.number] : []
      })
      .sort((left, right) => left - right)
  } catch (error) {
    throw storageFailed("list", directory.path, error)
  }
}

/** Removes a checkpoint. Returns the bytes given back. Fails with: StorageFailed. */
export async function removeCheckpoint(directory: CheckpointDirectory, number: number): Promise<number> {
  return (await removeFile(directory, checkpointFile(number))) ?? 0
}

/** Removes what an interrupted attempt left. False where there was nothing. Fails with: StorageFailed. */
export async function removeUnfinished(directory: CheckpointDirectory): Promise<boolean> {
  return (await removeFile(directory, CHECKPOINT_NEW_FILE)) !== undefined
}

/** Segments of the log for which a checkpoint leaves room: the one that comes next, and the one behind it. */
const SPARED_SEGMENT_COUNT = 2

/**
 * Refuses a checkpoint of up to `sizeBytes` where the disk has no room for it and for the log, which goes on meanwhile:
 * writes must not fail because a checkpoint has filled the disk. Where the room is not known, there is enough.
 * Fails with: StorageFailed (ENOSPC).
 */
export async function requireRoom(
  { fileSystem, path }: CheckpointDirectory,
  number: number,
  sizeBytes: number,
  segmentBytes: number,
): Promise<void> {
  const freeBytes = await fileSystem.freeBytes(path).catch(() => undefined)
  if (freeBytes === undefined || freeBytes >= sizeBytes + SPARED_SEGMENT_COUNT * segmentBytes) return
  probe("a checkpoint is refused because the disk is nearly full")
  throw new StorageFailed("write", checkpointFile(number), "ENOSPC")
}

async function removeFile({ fileSystem, path }: CheckpointDirectory, name: string): Promise<number | undefined> {
  const file = fileSystem.join(path, name)
  try {
    const stat = await fileSystem.stat(file)
    if (stat === undefined) return undefined
    await fileSystem.unlink(file)
    return stat.size
  } catch (error) {
    throw storageFailed("remove", name, error)
  }
}
