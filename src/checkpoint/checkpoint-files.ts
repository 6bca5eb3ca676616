// Which checkpoints a directory holds. A checkpoint gets its name only when it is whole, synced and read back: so a file
// of that name is one, and `checkpoint.new` is none.

import { CHECKPOINT_NEW_FILE, checkpointFile, meaningOf } from "../format/file-names.ts"
import type { Checksum } from "../model/checksum.ts"
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
  return removeFile(directory, checkpointFile(number))
}

/** Removes what an interrupted attempt left, if there is anything. Fails with: StorageFailed. */
export async function removeUnfinished(directory: CheckpointDirectory): Promise<void> {
  await removeFile(directory, CHECKPOINT_NEW_FILE)
}

async function removeFile({ fileSystem, path }: CheckpointDirectory, name: string): Promise<number> {
  const file = fileSystem.join(path, name)
  try {
    const stat = await fileSystem.stat(file)
    if (stat === undefined) return 0
    await fileSystem.unlink(file)
    return stat.size
  } catch (error) {
    throw storageFailed("remove", name, error)
  }
}
