// A backup: the state of a store in another directory, made while the store runs. It is a store itself: checkpoints, a log
// that begins behind the newest of them and is empty, and a manifest. `open` brings up the newest, in its place or copied
// to another; earlier ones, as far as they are kept, are read by their LSN or a time, and restored.
//
// Order, so that a crash between any two steps leaves the backup of before, or the new one: the checkpoint is linked or
// copied, synced, read back and named; then the empty segment; then the manifest, which makes it count; then what is not
// kept goes.

import { listCheckpoints, removeCheckpoint } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { readManifest, replaceManifest } from "../checkpoint/manifest-file.ts"
import { LOCK_FILE, meaningOf, segmentFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { CannotOpen, NotAStore, StorageFailed, StoreLocked } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import type { Clock } from "../platform/clock.ts"
import type { FileSystem } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import { SegmentFiles } from "../wal/segment-files.ts"
import { heldCheckpoint, placeCheckpoint } from "./backup-checkpoint.ts"
import type { PlacedCheckpoint, PlacementOptions } from "./backup-checkpoint.ts"
import { record, throwIfAborted } from "./option-checks.ts"

export interface BackupOptions {
  /**
   * Days back to which backups in the directory stay restorable, each at its LSN. Default: only the newest is kept. That
   * one never goes, however old it is.
   */
  readonly keepDays?: number
  /**
   * Whether a file that both may share gets a second name (a hard link) instead of a copy, where the file system can: it
   * takes no room and next to no time, and protects against mistakes, but not against the loss of the disk. Default true.
   */
  readonly link?: boolean
  /** Told how the copy gets on; what it throws gives it up. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Gives it up. */
  readonly signal?: AbortSignal
}

/** What a backup holds, and what making it took. */
export interface BackupReport {
  readonly path: string
  /** The newest state in it is that behind this commit. */
  readonly lsn: number
  readonly records: number
  readonly sizeBytes: number
  /** Bytes that the store and the backup share, under a name in each; 0 where the backup held this state already. */
  readonly linkedBytes: number
  /** Bytes that were copied; 0 where the backup held this state already. */
  readonly copiedBytes: number
  /** Bytes of files that are not kept any more. Of those that the store shares it gives back what the store lets go. */
  readonly removedBytes: number
  /** LSNs of the states that can be restored, oldest first. */
  readonly keptLsns: readonly number[]
  readonly durationMs: number
}

/** Where the newest state comes from: a checkpoint of the store, or a part of its log that has to be folded first. */
export interface BackupSource {
  /** Whose it is. */
  readonly manifest: Manifest
  readonly directory: CheckpointDirectory
  /** The LSN of the state; 0 where nothing was ever written. */
  readonly lsn: number
  /** Brings it into the backup. */
  readonly place: (target: CheckpointDirectory, options: PlacementOptions) => Promise<PlacedCheckpoint>
  readonly sizeBytes: number
  readonly segmentBytes: number
  readonly clock: Clock
}

const DAY_MS = 24 * 60 * 60 * 1000
/** Longer than any store has lived, and short enough to count in milliseconds. */
const KEEP_DAYS_MAX = 1_000_000

/** Throws a TypeError for options that are none. */
export function checkBackupOptions(options: BackupOptions, names: readonly string[] = []): void {
  record("options", options, ["keepDays", "link", "onProgress", "signal", ...names])
  const { keepDays = 0, link = true } = options
  if (!(typeof keepDays === "number" && keepDays >= 0 && keepDays <= KEEP_DAYS_MAX)) {
    throw new TypeError(`keepDays must be a number of days from 0 to ${KEEP_DAYS_MAX}, not ${String(keepDays)}`)
  }
  if (typeof link !== "boolean") throw new TypeError(`link must be of type boolean, not ${String(link)}`)
}

/**
 * Backs up the newest checkpoint of a running store. `newest` is asked again where it was let go before it could be
 * opened. Fails as `backUp` does.
 */
export async function backUpNewest(
  store: Pick<BackupSource, "manifest" | "directory" | "segmentBytes" | "clock">,
  newest: () => CheckpointInfo | undefined,
  path: string,
  options: BackupOptions,
): Promise<BackupReport> {
  for (;;) {
    const checkpoint = newest()
    const { throughLsn: lsn = 0, sizeBytes = 0 } = checkpoint ?? {}
    const place: BackupSource["place"] = async (target, placement) => {
      invariant(checkpoint !== undefined, "only what was written is placed")
      return placeCheckpoint(store.directory, target, checkpoint, placement)
    }
    try {
      return await backUp({ ...store, lsn, sizeBytes, place }, path, options)
    } catch (error) {
      const isGone = error instanceof StorageFailed && error.systemCode === "ENOENT"
      if (!isGone || newest()?.number === checkpoint?.number) throw error
      probe("a checkpoint is let go before it is backed up")
    }
  }
}

/** Fails with: StoreLocked, NotAStore, CannotOpen, StorageFailed, Corruption, the signal's reason. */
export async function backUp(source: BackupSource, path: string, options: BackupOptions): Promise<BackupReport> {
  const { clock } = source
  const { fileSystem } = source.directory
  const startMs = clock.monotonicMs()
  throwIfAborted(options.signal)
  if (path.startsWith(`${source.directory.path}/`)) {
    throw new CannotOpen(path, "it is inside the store itself", "Choose a directory beside it, better on another disk")
  }
  await refuseForeign(fileSystem, path)
  await attempt(path, () => fileSystem.makeDirectory(path))
  const lock = await attempt(path, () => fileSystem.lock(path, LOCK_FILE))
  if ("heldBy" in lock) throw new StoreLocked(path, lock.heldBy)
  try {
    const target = { ...source.directory, path }
    const before = await earlierBackup(source, target)
    const placed = await bringUpToDate(source, target, before, options)
    const { removedBytes, keptLsns } = await letGo(target, placed?.info, options.keepDays, clock)
    return {
      path,
      lsn: source.lsn,
      records: placed?.info.records ?? 0,
      sizeBytes: placed?.info.sizeBytes ?? 0,
      linkedBytes: placed?.linkedBytes ?? 0,
      copiedBytes: placed?.copiedBytes ?? 0,
      removedBytes,
      keptLsns,
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

/**
 * The manifest of the backup that is there. Refuses another store's, one that has been used as a store since, and one
 * that is further on.
 */
async function earlierBackup(source: BackupSource, target: CheckpointDirectory): Promise<Manifest | undefined> {
  const { fileSystem, path, checksum } = target
  const remedy = "Choose another directory for the backup"
  const { manifest } = await readManifest(fileSystem, path, checksum)
  if (manifest === undefined) return undefined
  if (!Buffer.from(manifest.storeId).equals(source.manifest.storeId)) {
    throw new CannotOpen(path, "it holds another store", remedy)
  }
  for (const name of await attempt(path, () => fileSystem.list(path))) {
    const meaning = meaningOf(name)
    if (meaning?.kind !== "segment" || meaning.segment < manifest.firstSegment) continue
    const size = (await attempt(path, () => fileSystem.stat(fileSystem.join(path, name))))?.size ?? 0
    if (size <= SEGMENT_HEADER_SIZE) continue
    throw new CannotOpen(path, "it has been opened as a store, and may hold commits of its own", remedy)
  }
  const lsn = manifest.firstLsn - 1
  if (lsn > source.lsn) {
    throw new CannotOpen(path, `it holds a later state of this store, that at LSN ${lsn}`, remedy)
  }
  return manifest
}

/** Undefined for a store that nothing was ever written to. */
async function bringUpToDate(
  source: BackupSource,
  target: CheckpointDirectory,
  before: Manifest | undefined,
  options: BackupOptions,
): Promise<PlacedCheckpoint | undefined> {
  const { lsn } = source
  if (lsn === 0) {
    if (before === undefined) await moveOn(source, target, before)
    return undefined
  }
  const pace = (): void => options.signal?.throwIfAborted()
  // What is there without the manifest was brought by a backup that did not come to its end.
  const info = await heldCheckpoint(target, lsn, pace)
  const placed =
    info === undefined
      ? await source.place(target, { link: options.link ?? true, pace, onBytes: progressOf(source, options) })
      : { info, linkedBytes: 0, copiedBytes: 0 }
  if (before?.firstLsn !== lsn + 1) await moveOn(source, target, before)
  return placed
}

function progressOf({ sizeBytes }: BackupSource, { onProgress }: BackupOptions): (doneBytes: number) => void {
  return (doneBytes) => onProgress?.({ doneBytes, totalBytes: Math.max(sizeBytes, doneBytes) })
}

/** Lets the checkpoint be what the directory is: an empty log behind it, and the manifest. */
async function moveOn(source: BackupSource, target: CheckpointDirectory, before: Manifest | undefined): Promise<void> {
  const { fileSystem, path, checksum } = target
  const { clock, lsn, manifest, segmentBytes } = source
  const firstSegment = (before?.firstSegment ?? 0) + 1
  await removeSpares(target)
  const segments = new SegmentFiles(target)
  const { handle } = await segments.prepare(firstSegment, SEGMENT_HEADER_SIZE, segmentBytes, clock.wallMs())
  await handle.close()
  const generation = before?.generation ?? 0
  await replaceManifest(fileSystem, path, checksum, { ...manifest, generation, firstSegment, firstLsn: lsn + 1 })
  try {
    if (before !== undefined) await fileSystem.unlink(fileSystem.join(path, segmentFile(before.firstSegment)))
  } catch (error) {
    throw storageFailed("remove", segmentFile(firstSegment - 1), error)
  }
}

/** What an attempt left that was cut off while it made the segment; a new one takes the same name. */
async function removeSpares({ fileSystem, path }: CheckpointDirectory): Promise<void> {
  await attempt(path, async () => {
    for (const name of await fileSystem.list(path)) {
      if (meaningOf(name)?.kind === "spare") await fileSystem.unlink(fileSystem.join(path, name))
    }
  })
}

/**
 * Lets go of what is not kept. A state counts from the moment it was taken until the next one was: so whatever was the
 * newest backup at any time of the last `keepDays` is there.
 */
async function letGo(
  target: CheckpointDirectory,
  newest: CheckpointInfo | undefined,
  keepDays: number | undefined,
  clock: Clock,
): Promise<{ readonly removedBytes: number; readonly keptLsns: readonly number[] }> {
  if (newest === undefined) return { removedBytes: 0, keptLsns: [0] }
  const since = clock.wallMs() - (keepDays ?? 0) * DAY_MS
  let nextMs = newest.createdMs
  let isKept = keepDays !== undefined
  let removedBytes = 0
  const keptLsns = [newest.throughLsn]
  for (const number of (await listCheckpoints(target)).toReversed()) {
    if (number === newest.number) continue
    const head = number < newest.number ? await headOf(target, number) : undefined
    isKept &&= nextMs > since
    // One of the same state was replaced, because it had rotted.
    if (head !== undefined && isKept && head.throughLsn < (keptLsns[0] ?? 0)) {
      keptLsns.unshift(head.throughLsn)
      nextMs = head.createdMs
    } else removedBytes += await removeCheckpoint(target, number)
  }
  return { removedBytes, keptLsns }
}

async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw storageFailed("back up", path, error)
  }
}
