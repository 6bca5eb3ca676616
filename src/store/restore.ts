// From a backup, or from the files of any store, to a new store: the state of a moment as a checkpoint, an empty log behind
// it, and a manifest. Built beside the place that it takes, proven, and only then put there.

import type { CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { headOf } from "../checkpoint/checkpoint-reader.ts"
import { freshManifest } from "../checkpoint/fresh-manifest.ts"
import { replaceManifest } from "../checkpoint/manifest-file.ts"
import type { Manifest } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { CannotOpen, Corruption } from "../model/errors.ts"
import { SEGMENT_SIZE_DEFAULT } from "../model/limits.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import type { Platform } from "../platform/platform.ts"
import { appendAudit, carryAudit } from "../recovery/audit-file.ts"
import { findPast } from "../recovery/find-past.ts"
import type { Moment, PastPlace } from "../recovery/find-past.ts"
import { DirectoryReplacement, isWorkOf } from "../recovery/replace-directory.ts"
import { verifyStore } from "../recovery/verify.ts"
import { writePast } from "../recovery/write-past.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { SegmentFiles } from "../wal/segment-files.ts"
import { record, throwIfAborted } from "./option-checks.ts"
import { momentFrom } from "./settings.ts"
import { readStoreFiles } from "./store-reading.ts"

export interface RestoreOptions {
  /** A backup, or the directory of any store. It is only read, and may be open elsewhere. */
  readonly from: string
  /** Where the new store goes: a path that is not there yet, an empty directory, or with `force` a store. */
  readonly into: string
  /** Which state: the LSN of its last commit, or a time (a Date, or a text that Date takes). Default: the newest. */
  readonly at?: number | string | Date
  /** Whether a store in `into` is replaced. It may be the one in `from`. What is no store is never replaced. Default false. */
  readonly force?: boolean
  /** Told how writing and proving the new store get on; what it throws gives it up. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Gives it up. */
  readonly signal?: AbortSignal
  /** What the engine takes from outside. Default: this machine. */
  readonly platform?: Platform
}

/** What was restored. */
export interface RestoreReport {
  readonly path: string
  /** The new store holds the state behind this commit; its own go on above it. */
  readonly lsn: number
  /** When that commit was made, or the checkpoint that the state was read from; 0 where nothing was ever written. */
  readonly timeMs: number
  readonly records: number
  /** Of the checkpoint that holds them. */
  readonly bytes: number
  readonly durationMs: number
}

/**
 * Writes a new store with the state of a backup, or of any store, as it was at a moment.
 *
 * The new store has an id of its own, because its history may part from that of the old one: from its LSN on, the same
 * LSN may stand for another commit. So a follower of the old store does not mistake it for the same, and a backup of the
 * old one refuses to be overwritten with it. Positions in the old store's changes mean nothing in it beyond that LSN:
 * consumers read the tables once, and follow from there. LSNs go on above that of the state; what was before it is not in
 * its log. It takes over the old store's key hashes, so that records need not be read to be moved.
 *
 * Guarantees: the new store was read back and proven before it is where it should be. A crash at any step leaves what was
 * there, or the new store, and the next `open` finds one of them. A store there is replaced only with `force`, and only
 * if nobody has it open. Memory is bounded.
 * Fails with: TypeError, CannotOpen, NotAStore, StoreLocked, HistoryExpired, UnsupportedFormat, Corruption, StorageFailed,
 * the signal's reason.
 *
 * ```ts
 * await restoreStore({ from: "./backup", into: "./data", at: "2026-11-19T12:00Z" })
 * ```
 */
export async function restoreStore(options: RestoreOptions): Promise<RestoreReport> {
  const { from, into, moment } = checkOptions(options)
  const { platform = nodePlatform, signal } = options
  const startMs = platform.clock.monotonicMs()
  throwIfAborted(signal)
  const replacement = await DirectoryReplacement.begin(platform, into, options.force ?? false)
  try {
    const built = await readStoreFiles(platform, from, signal, async (source, manifest) => {
      await replacement.clear()
      return build(platform, source, manifest, moment, replacement.building, options)
    })
    signal?.throwIfAborted()
    const { lsn, timeMs, checkpoint } = built
    await carryAudit(platform.fileSystem, into, replacement.building)
    await appendAudit(platform, replacement.building, "restored", {
      from,
      lsn,
      timeMs,
      records: checkpoint?.records ?? 0,
    })
    await replacement.swap()
    return {
      path: options.into,
      lsn,
      timeMs,
      records: checkpoint?.records ?? 0,
      bytes: checkpoint?.sizeBytes ?? 0,
      durationMs: platform.clock.monotonicMs() - startMs,
    }
  } catch (error) {
    await replacement.abandon()
    throw error
  } finally {
    await replacement.release()
  }
}

interface BuiltStore {
  readonly lsn: number
  readonly timeMs: number
  readonly checkpoint: CheckpointInfo | undefined
}

/** Writes the store, manifest last, and proves it. */
async function build(
  platform: Platform,
  source: LogDirectory,
  sourceManifest: Manifest,
  moment: Moment,
  path: string,
  { onProgress, signal }: RestoreOptions,
): Promise<BuiltStore> {
  const { fileSystem, checksum, clock } = platform
  const place = await findPast(source, sourceManifest, moment)
  const { lsn } = place
  const { hashSecret } = sourceManifest
  const manifest: Manifest = { ...freshManifest(platform), hashSecret, firstLsn: lsn + 1 }
  const { storeId, checksumSeed } = manifest
  const target = { fileSystem, checksum, path, storeId, checksumSeed }
  const progress = (doneBytes: number, totalBytes: number): void => {
    signal?.throwIfAborted()
    onProgress?.({ doneBytes, totalBytes })
  }
  const sizeBytes = await sizeOf(source, place)
  let writtenBytes = 0
  const written =
    lsn === 0
      ? undefined
      : await writePast({
          source,
          place,
          target,
          number: 1,
          createdMs: clock.wallMs(),
          // Proving it takes about as long as writing it.
          pace: (doneBytes = 0) => {
            writtenBytes = Math.max(writtenBytes, doneBytes)
            progress(writtenBytes, 2 * Math.max(sizeBytes, writtenBytes))
          },
        })
  const { handle } = await new SegmentFiles(target).prepare(
    manifest.firstSegment,
    SEGMENT_HEADER_SIZE,
    SEGMENT_SIZE_DEFAULT,
    clock.wallMs(),
  )
  await handle.close()
  await replaceManifest(fileSystem, path, checksum, manifest)
  const { verdict, findings } = await verifyStore(platform, path, {
    onProgress: ({ doneBytes, totalBytes }) => progress(totalBytes + doneBytes, 2 * totalBytes),
  })
  if (verdict !== "good") {
    const [first] = findings
    throw new Corruption(first?.file ?? path, first?.offset ?? 0, 0, `the restored store reads back ${verdict}`)
  }
  return { lsn, timeMs: written?.timeMs ?? 0, checkpoint: written?.checkpoint }
}

/** Bytes of the checkpoint that it is read from and of the log, whichever is more: about what will be written. */
async function sizeOf(source: LogDirectory, { candidates, scan }: PastPlace): Promise<number> {
  const [number] = candidates
  const head = number === undefined ? undefined : await headOf(source, number)
  return Math.max(head?.sizeBytes ?? 0, scan.sizeBytes)
}

function checkOptions(options: RestoreOptions): { from: string; into: string; moment: Moment } {
  record("options", options, ["from", "into", "at", "force", "onProgress", "signal", "platform"])
  const { from, into, at, force = false } = options
  for (const [name, path] of Object.entries({ from, into })) {
    if (typeof path !== "string" || path === "") throw new TypeError(`${name} must be the path of a directory`)
  }
  if (typeof force !== "boolean") throw new TypeError(`force must be of type boolean, not ${String(force)}`)
  const moment = momentFrom(at === undefined ? { readOnly: true } : { readOnly: true, at })
  const place = withoutSlashes(into)
  if (isWorkOf(place, withoutSlashes(from))) {
    throw new CannotOpen(from, "it is where the new store is made", "Rename it, and restore from there")
  }
  return { from, into: place, moment }
}

/** Names beside it are made of the path. */
function withoutSlashes(path: string): string {
  return path.length > 1 && /[/\\]$/.test(path) ? withoutSlashes(path.slice(0, -1)) : path
}
