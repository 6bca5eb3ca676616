// The backup of a store by whoever has it not open: from its files alone, without its lock, also while another process
// writes it. Where its newest checkpoint holds every commit, that one is linked or copied; else the log behind it is folded
// into a checkpoint that only the backup has. The store's directory is not changed.
//
// Of a store that is being written it holds what is written, which may be a moment ahead of what is on stable storage.

import type { CheckpointDirectory } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { listCheckpoints } from "../checkpoint/checkpoint-files.ts"
import type { Manifest } from "../format/manifest.ts"
import { CannotOpen, Corruption } from "../model/errors.ts"
import { SEGMENT_SIZE_DEFAULT } from "../model/limits.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import type { Platform } from "../platform/platform.ts"
import { findPast } from "../recovery/find-past.ts"
import type { PastPlace } from "../recovery/find-past.ts"
import { writePast } from "../recovery/write-past.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { readLog } from "../wal/log-reader.ts"
import { backUp, checkBackupOptions } from "./backup.ts"
import type { BackupOptions, BackupReport, BackupSource } from "./backup.ts"
import { placeCheckpoint } from "./backup-checkpoint.ts"
import { readStoreFiles } from "./store-reading.ts"

export interface BackupStoreOptions extends BackupOptions {
  /** The store's directory. */
  readonly from: string
  /** The backup's: not there yet, empty, or an earlier backup of the same store. */
  readonly into: string
  /** What the engine takes from outside. Default: this machine. */
  readonly platform?: Platform
}

/**
 * Backs a store up that this process has not open, from its files, whether or not another has it open. What
 * `store.backup` and this one make can go into the same directory.
 *
 * Guarantees: the store's directory is not changed. A crash leaves the backup of before, or the new one.
 * Fails with: TypeError, CannotOpen, NotAStore, StoreLocked where the backup is open, UnsupportedFormat, Corruption,
 * StorageFailed, the signal's reason.
 *
 * ```ts
 * await backupStore({ from: "./data", into: "./backup", keepDays: 7 })
 * ```
 */
export async function backupStore(options: BackupStoreOptions): Promise<BackupReport> {
  checkBackupOptions(options, ["from", "into", "platform"])
  const { from, into, platform = nodePlatform, signal } = options
  for (const [name, path] of Object.entries({ from, into })) {
    if (typeof path !== "string" || path === "") throw new TypeError(`${name} must be the path of a directory`)
  }
  if (from === into) throw new CannotOpen(into, "it is the store itself", "Choose another directory for the backup")
  return readStoreFiles(platform, from, signal, async (directory, manifest) => {
    const source = await sourceOf(platform, directory, manifest)
    return backUp(source, into, options)
  })
}

async function sourceOf(platform: Platform, directory: LogDirectory, manifest: Manifest): Promise<BackupSource> {
  const place = await findPast(directory, manifest, undefined)
  const base = await newestHead(directory, place)
  const { lsn, timeMs } = await lastCommit(directory, place, base?.throughLsn ?? 0)
  const source = { directory, manifest, segmentBytes: SEGMENT_SIZE_DEFAULT, clock: platform.clock }
  if (lsn === 0) {
    // A log without its beginning is in a checkpoint, or it is damaged.
    if (place.start.firstLsn > 1) {
      throw place.damage ?? new Corruption("manifest-0", 0, 0, "the log's beginning is in no checkpoint")
    }
  }
  if (base !== undefined && base.throughLsn === lsn) {
    const { sizeBytes } = base
    return {
      ...source,
      lsn,
      sizeBytes,
      place: (target, options) => placeCheckpoint(directory, target, base, options),
    }
  }
  return {
    ...source,
    lsn,
    sizeBytes: base?.sizeBytes ?? 0,
    place: async (target, { pace, onBytes }) => {
      const { checkpoint } = await writePast({
        source: directory,
        place: { ...place, lsn },
        target,
        number: await nextNumber(target, base?.number ?? 0),
        createdMs: timeMs,
        pace: (writtenBytes = 0) => {
          pace()
          if (writtenBytes > 0) onBytes(writtenBytes)
        },
      })
      return { info: checkpoint, linkedBytes: 0, copiedBytes: checkpoint.sizeBytes }
    },
  }
}

async function newestHead(directory: LogDirectory, { candidates }: PastPlace): ReturnType<typeof headOf> {
  const [newest] = candidates
  return newest === undefined ? undefined : headOf(directory, newest)
}

/** The last commit, and when it was made. An owner that wrote nothing has taken an LSN too: that one is not meant. */
async function lastCommit(
  directory: LogDirectory,
  { scan, start, lsn: to }: PastPlace,
  after: number,
): Promise<{ readonly lsn: number; readonly timeMs: number }> {
  let last = { lsn: after, timeMs: 0 }
  for await (const frame of readLog(directory, scan.extents, { lsn: start.firstLsn }, new Map(), after, to)) {
    last = { lsn: frame.lastLsn, timeMs: frame.timeMs }
  }
  return last
}

async function nextNumber(target: CheckpointDirectory, base: number): Promise<number> {
  return Math.max(base, (await listCheckpoints(target)).at(-1) ?? 0) + 1
}
