// Brings a checkpoint into a backup: as a second name of the same file where the file system can, else as a copy; under
// another number where the backup has given its own to another state. Read back in every case before it gets its name, and
// nothing of it counts before the backup's manifest says so.

import { listCheckpoints, removeUnfinished } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf, verifyCheckpoint } from "../checkpoint/checkpoint-reader.ts"
import { foldCheckpoint } from "../checkpoint/fold-checkpoint.ts"
import { CHECKPOINT_NEW_FILE, checkpointFile } from "../format/file-names.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { Corruption } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { FileHandle } from "../platform/file-system.ts"
import { storageFailed, systemCodeOf } from "../platform/system-error.ts"
import { copyFully } from "../platform/transfer.ts"

/** What the file system says where it cannot give a file a second name there, and a copy has to do. */
const CANNOT_LINK: ReadonlySet<string> = new Set(["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"])

export interface PlacedCheckpoint {
  /** As it is in the backup. */
  readonly info: CheckpointInfo
  readonly linkedBytes: number
  readonly copiedBytes: number
}

export interface PlacementOptions {
  readonly link: boolean
  readonly onBytes: (doneBytes: number) => void
  /** Throws where the work should end. */
  readonly pace: () => void
}

/**
 * The checkpoint of a state that the backup holds already, whole; undefined where it does not. An LSN stands for one commit
 * of a store: one that was lost is not given out again. Fails with: StorageFailed.
 */
export async function heldCheckpoint(
  target: CheckpointDirectory,
  throughLsn: number,
  pace: () => void,
): Promise<CheckpointInfo | undefined> {
  for (const number of (await listCheckpoints(target)).toReversed()) {
    if ((await headOf(target, number))?.throughLsn !== throughLsn) continue
    try {
      return await verifyCheckpoint(target, number, undefined, pace)
    } catch (error) {
      if (!(error instanceof Corruption)) throw error
      probe("a checkpoint in a backup has rotted")
    }
  }
  return undefined
}

/** Fails with: StorageFailed, Corruption, what `pace` and `onBytes` throw. */
export async function placeCheckpoint(
  source: CheckpointDirectory,
  target: CheckpointDirectory,
  checkpoint: CheckpointInfo,
  options: PlacementOptions,
): Promise<PlacedCheckpoint> {
  const { number, sizeBytes } = checkpoint
  const newest = (await listCheckpoints(target)).at(-1) ?? 0
  // The highest number is the newest state; a number that is taken stays with what has it.
  if (number <= newest) return rewrite(source, target, checkpoint, newest + 1, options)
  const { fileSystem, path } = target
  const name = checkpointFile(number)
  const unfinished = fileSystem.join(path, CHECKPOINT_NEW_FILE)
  await removeUnfinished(target)
  try {
    const from = fileSystem.join(source.path, name)
    const isLinked = options.link && (await tryLink(source, from, unfinished))
    const copiedBytes = isLinked ? 0 : await copy(target, from, unfinished, sizeBytes, options)
    const info = await verifyCheckpoint(target, number, CHECKPOINT_NEW_FILE, options.pace)
    if (isLinked) options.onBytes(sizeBytes)
    await fileSystem.rename(unfinished, fileSystem.join(path, name))
    await fileSystem.syncDirectory(path)
    return { info, linkedBytes: isLinked ? sizeBytes : 0, copiedBytes }
  } catch (error) {
    throw storageFailed("copy", name, error)
  }
}

async function tryLink({ fileSystem }: CheckpointDirectory, from: string, into: string): Promise<boolean> {
  try {
    await fileSystem.link(from, into)
    return true
  } catch (error) {
    if (!CANNOT_LINK.has(systemCodeOf(error))) throw error
    probe("a backup is copied because it cannot be linked")
    return false
  }
}

async function copy(
  { fileSystem }: CheckpointDirectory,
  from: string,
  into: string,
  sizeBytes: number,
  options: PlacementOptions,
): Promise<number> {
  // Held open: the store may let go of it meanwhile.
  const source = await fileSystem.open(from, "read")
  let target: FileHandle | undefined
  try {
    target = await fileSystem.open(into, "create")
    return await copyFully(source, target, sizeBytes, (doneBytes) => {
      options.pace()
      options.onBytes(doneBytes)
    })
  } finally {
    await target?.close()
    await source.close()
  }
}

/** The same state under another number, which is under the checksums of a checkpoint. */
async function rewrite(
  directory: CheckpointDirectory,
  target: CheckpointDirectory,
  { number: base, throughLsn, createdMs, sizeBytes }: CheckpointInfo,
  number: number,
  { pace, onBytes }: PlacementOptions,
): Promise<PlacedCheckpoint> {
  probe("a checkpoint is backed up under another number")
  const readLog = async function* (): AsyncGenerator<LogFrame, undefined> {}
  const write = { directory, target, base, number, throughLsn, createdMs, readLog }
  const info = await foldCheckpoint({
    ...write,
    pace: (writtenBytes = 0) => {
      pace()
      if (writtenBytes > 0) onBytes(Math.min(writtenBytes, sizeBytes))
    },
  })
  if (info === undefined) throw new Corruption(checkpointFile(number), 0, throughLsn, "the checkpoint was not made")
  return { info, linkedBytes: 0, copiedBytes: info.sizeBytes }
}
