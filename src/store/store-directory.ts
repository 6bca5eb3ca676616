// Takes possession of a directory: finds out what it is without changing anything, locks it, and makes a store in it
// where there is none. A crash at any step leaves a directory that opens again.
//
// Order of the first open: directory, lock, first segment (an empty one, synced), then the manifest. So a manifest says
// that the first segment was there, and a store whose segments are gone is refused instead of started afresh.

import { freshManifest } from "../checkpoint/fresh-manifest.ts"
import { replaceManifest } from "../checkpoint/manifest-file.ts"
import type { ManifestReading } from "../checkpoint/manifest-file.ts"
import { LOCK_FILE, meaningOf, segmentFile } from "../format/file-names.ts"
import type { Manifest } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { CannotOpen, Corruption, StoreLocked, UnsupportedFileSystem } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { DirectoryLock } from "../platform/file-system.ts"
import type { Platform } from "../platform/platform.ts"
import { storageFailed, systemCodeOf } from "../platform/system-error.ts"
import { attempt, cannotOpen, examine, examineManifest } from "../recovery/examine-directory.ts"
import { mendReplacement } from "../recovery/replace-directory.ts"
import { SegmentFiles } from "../wal/segment-files.ts"
import type { LogDirectory } from "../wal/log-directory.ts"

export interface OwnedDirectory {
  readonly lock: DirectoryLock
  readonly log: LogDirectory
  readonly manifest: Manifest
  /** False for a directory that was made into a store just now. */
  readonly foundStore: boolean
  readonly warnings: readonly string[]
  /** Whether a copy of the manifest is missing or damaged, and is to be written anew once the log is found good. */
  readonly mendsManifest: boolean
}

/** Fails with: CannotOpen, NotAStore, StoreLocked, UnsupportedFileSystem, UnsupportedFormat, Corruption. */
export async function takeDirectory(
  platform: Platform,
  path: string,
  create: boolean,
  segmentBytes: number,
): Promise<OwnedDirectory> {
  let found = await examine(platform, path)
  // A restore that was cut off in the moment between the old store and the new one.
  if (found === "absent" && (await mendReplacement(platform, path.replace(/[/\\]+$/, "")))) {
    found = await examine(platform, path)
  }
  if (found === "absent" || found === "empty") {
    if (!create) throw new CannotOpen(path, "there is no store", "Check the path, or open it with create: true")
  }
  // Also where it is there: whoever made it may not have made its name durable.
  if (found !== "store") await attempt(path, "make", () => platform.fileSystem.makeDirectory(path))
  const lock = await takeLock(platform, path)
  try {
    // What was seen before the lock may have changed.
    const { reading } = await examineManifest(platform, path)
    return { lock, ...(await loadOrMake(platform, path, reading, create, segmentBytes)) }
  } catch (error) {
    await lock.release().catch(() => undefined)
    throw storageFailed("open", path, error)
  }
}

async function takeLock(platform: Platform, path: string): Promise<DirectoryLock> {
  try {
    const lock = await platform.fileSystem.lock(path, LOCK_FILE)
    if ("heldBy" in lock) throw new StoreLocked(path, lock.heldBy)
    return lock
  } catch (error) {
    if (systemCodeOf(error) !== "EOPNOTSUPP") throw cannotOpen(path, "lock", error)
    throw new UnsupportedFileSystem(path, error instanceof Error ? error.message : "a network file system", error)
  }
}

async function loadOrMake(
  platform: Platform,
  path: string,
  reading: ManifestReading | undefined,
  create: boolean,
  segmentBytes: number,
): Promise<Omit<OwnedDirectory, "lock">> {
  const { fileSystem, checksum } = platform
  const { manifest, problems } = reading ?? { manifest: undefined, problems: [] }
  if (manifest !== undefined) {
    const mendsManifest = reading?.isWhole === false
    return {
      log: logDirectory(platform, path, manifest),
      manifest,
      foundStore: true,
      warnings: problems,
      mendsManifest,
    }
  }
  await refuseLostManifest(platform, path, problems)
  if (!create) throw new CannotOpen(path, "there is no store", "Check the path, or open it with create: true")
  const fresh = freshManifest(platform)
  const log = logDirectory(platform, path, fresh)
  const first = await new SegmentFiles(log).prepare(1, SEGMENT_HEADER_SIZE, segmentBytes, fresh.createdMs)
  await first.handle.close()
  return {
    log,
    manifest: await replaceManifest(fileSystem, path, checksum, fresh),
    foundStore: false,
    warnings: [],
    mendsManifest: false,
  }
}

/** Without a manifest the directory must hold no more than an interrupted first open leaves. */
async function refuseLostManifest(platform: Platform, path: string, problems: readonly string[]): Promise<void> {
  const { fileSystem } = platform
  if (problems.length > 0)
    throw new Corruption("manifest-0", 0, 0, `no copy of the manifest is good (${problems.join("; ")})`)
  const names = await attempt(path, "read", () => fileSystem.list(path))
  for (const name of names) {
    const meaning = meaningOf(name)
    if (meaning?.kind === "checkpoint")
      throw new Corruption("manifest-0", 0, 0, `the manifest is missing, but ${name} is there`)
    if (meaning?.kind !== "segment") continue
    const size = (await fileSystem.stat(fileSystem.join(path, name)))?.size ?? 0
    if (meaning.segment !== 1 || size > SEGMENT_HEADER_SIZE) {
      throw new Corruption("manifest-0", 0, 0, `the manifest is missing, but ${segmentFile(meaning.segment)} is there`)
    }
    probe("an interrupted first open is done again")
  }
  for (const name of names) {
    if (meaningOf(name)?.kind === "spare")
      await attempt(path, "clean", () => fileSystem.unlink(fileSystem.join(path, name)))
  }
}

function logDirectory(platform: Platform, path: string, manifest: Manifest): LogDirectory {
  return {
    fileSystem: platform.fileSystem,
    checksum: platform.checksum,
    path,
    storeId: manifest.storeId,
    checksumSeed: manifest.checksumSeed,
  }
}
