// A copy of the store in another directory, made while the store runs. A backup is a store itself: a checkpoint, a log
// that begins behind it and is empty, and a manifest. `open` brings it up, in its place or copied to another.
//
// Order, so that a crash between any two steps leaves the backup of before, or the new one: the checkpoint is copied,
// synced, read back and named; then the empty segment; then the manifest, which makes it count; then what was before goes.

import { listCheckpoints, removeCheckpoint, removeUnfinished } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { verifyCheckpoint } from "../checkpoint/checkpoint-reader.ts"
import { readManifest, replaceManifest } from "../checkpoint/manifest-file.ts"
import { CHECKPOINT_NEW_FILE, checkpointFile, LOCK_FILE, meaningOf, segmentFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { CannotOpen, NotAStore, StoreLocked } from "../model/errors.ts"
import type { Clock } from "../platform/clock.ts"
import type { FileHandle, FileSystem } from "../platform/file-system.ts"
import { storageFailed, typedError } from "../platform/system-error.ts"
import { copyFully } from "../platform/transfer.ts"
import { SegmentFiles } from "../wal/segment-files.ts"

export interface BackupOptions {
  /** Told how the copy gets on; what it throws gives it up. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Gives it up. */
  readonly signal?: AbortSignal
}

/** What a backup holds, and what making it took. */
export interface BackupReport {
  readonly path: string
  /** The backup is the state behind this commit. */
  readonly lsn: number
  readonly records: number
  readonly sizeBytes: number
  /** Bytes that were copied; 0 where the backup held this state already. */
  readonly copiedBytes: number
  readonly durationMs: number
}

export interface BackupSource {
  readonly directory: CheckpointDirectory
  readonly manifest: Manifest
  /** Undefined where nothing was ever written. */
  readonly checkpoint: CheckpointInfo | undefined
  readonly segmentBytes: number
  readonly clock: Clock
}

/** Fails with: StoreLocked, NotAStore, CannotOpen, StorageFailed, Corruption, the signal's reason. */
export async function backUp(source: BackupSource, path: string, options: BackupOptions): Promise<BackupReport> {
  const { clock, checkpoint } = source
  const { fileSystem } = source.directory
  const startMs = clock.monotonicMs()
  options.signal?.throwIfAborted()
  await refuseForeign(fileSystem, path)
  await attempt(path, () => fileSystem.makeDirectory(path))
  const lock = await attempt(path, () => fileSystem.lock(path, LOCK_FILE))
  if ("heldBy" in lock) throw new StoreLocked(path, lock.heldBy)
  try {
    const target = { ...source.directory, path }
    const before = await earlierBackup(source, target)
    const copiedBytes = await bringUpToDate(source, target, before, options)
    return {
      path,
      lsn: checkpoint?.throughLsn ?? 0,
      records: checkpoint?.records ?? 0,
      sizeBytes: checkpoint?.sizeBytes ?? 0,
      copiedBytes,
      durationMs: clock.monotonicMs() - startMs,
    }
  } finally {
    await lock.release()
  }
}

/** A directory that is neither empty nor a store is somebody else's. */
async function refuseForeign(fileSystem: FileSystem, path: string): Promise<void> {
  const stat = await attempt(path, () => fileSystem.stat(path))
  if (stat === undefined) return
  if (stat.kind !== "directory")
    throw new CannotOpen(path, "it is not a directory", "Choose a directory, or a new path")
  const names = await attempt(path, () => fileSystem.list(path))
  if (names.some((name) => meaningOf(name)?.kind === "manifest")) return
  const foreign = names.find((name) => meaningOf(name) === undefined)
  if (foreign !== undefined) throw new NotAStore(path, foreign)
}

/** The manifest of the backup that is there. Refuses another store's, and one that has been used as a store since. */
async function earlierBackup(source: BackupSource, target: CheckpointDirectory): Promise<Manifest | undefined> {
  const { fileSystem, path, checksum } = target
  const { manifest } = await readManifest(fileSystem, path, checksum)
  if (manifest === undefined) return undefined
  if (!Buffer.from(manifest.storeId).equals(source.manifest.storeId)) {
    throw new CannotOpen(path, "it holds another store", "Choose another directory for the backup")
  }
  for (const name of await attempt(path, () => fileSystem.list(path))) {
    const meaning = meaningOf(name)
    if (meaning?.kind !== "segment" || meaning.segment < manifest.firstSegment) continue
    const size = (await attempt(path, () => fileSystem.stat(fileSystem.join(path, name))))?.size ?? 0
    if (size <= SEGMENT_HEADER_SIZE) continue
    const reason = "it has been opened as a store, and may hold commits of its own"
    throw new CannotOpen(path, reason, "Choose another directory for the backup")
  }
  return manifest
}

/** Returns the bytes copied. */
async function bringUpToDate(
  source: BackupSource,
  target: CheckpointDirectory,
  before: Manifest | undefined,
  options: BackupOptions,
): Promise<number> {
  const { checkpoint } = source
  if (checkpoint === undefined) {
    if (before === undefined) await moveOn(source, target, before)
    return 0
  }
  const held = before === undefined ? [] : await listCheckpoints(target)
  // A checkpoint that is there without the manifest was copied by a backup that did not come to its end.
  if (held.includes(checkpoint.number) && before?.firstLsn === checkpoint.throughLsn + 1) {
    await verifyCheckpoint(target, checkpoint.number)
    return 0
  }
  const copiedBytes = await copyCheckpoint(source.directory, target, checkpoint, options)
  await moveOn(source, target, before)
  return copiedBytes
}

async function copyCheckpoint(
  source: CheckpointDirectory,
  target: CheckpointDirectory,
  { number, sizeBytes }: CheckpointInfo,
  options: BackupOptions,
): Promise<number> {
  const { fileSystem, path } = target
  const name = checkpointFile(number)
  await removeUnfinished(target)
  try {
    // Held open: the store may let go of it meanwhile.
    const from = await fileSystem.open(fileSystem.join(source.path, name), "read")
    let into: FileHandle | undefined
    let copied: number
    try {
      into = await fileSystem.open(fileSystem.join(path, CHECKPOINT_NEW_FILE), "create")
      copied = await copyFully(from, into, sizeBytes, (doneBytes) => {
        options.signal?.throwIfAborted()
        options.onProgress?.({ doneBytes, totalBytes: sizeBytes })
      })
    } finally {
      await into?.close()
      await from.close()
    }
    await verifyCheckpoint(target, number, CHECKPOINT_NEW_FILE)
    await fileSystem.rename(fileSystem.join(path, CHECKPOINT_NEW_FILE), fileSystem.join(path, name))
    await fileSystem.syncDirectory(path)
    return copied
  } catch (error) {
    throw typedError("copy", name, error)
  }
}

/** Lets the copied checkpoint be what the directory is: an empty log behind it, the manifest, and nothing else. */
async function moveOn(source: BackupSource, target: CheckpointDirectory, before: Manifest | undefined): Promise<void> {
  const { fileSystem, path, checksum } = target
  const { checkpoint, clock, manifest, segmentBytes } = source
  const firstSegment = (before?.firstSegment ?? 0) + 1
  const segments = new SegmentFiles(target)
  const { handle } = await segments.prepare(firstSegment, SEGMENT_HEADER_SIZE, segmentBytes, clock.wallMs())
  await handle.close()
  const generation = before?.generation ?? 0
  const firstLsn = (checkpoint?.throughLsn ?? 0) + 1
  await replaceManifest(fileSystem, path, checksum, { ...manifest, generation, firstSegment, firstLsn })
  try {
    if (before !== undefined) await fileSystem.unlink(fileSystem.join(path, segmentFile(before.firstSegment)))
  } catch (error) {
    throw storageFailed("remove", segmentFile(firstSegment - 1), error)
  }
  for (const number of await listCheckpoints(target)) {
    if (number !== checkpoint?.number) await removeCheckpoint(target, number)
  }
}

async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw storageFailed("back up", path, error)
  }
}
