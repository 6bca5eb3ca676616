// Reads a store's files for a work of some length while their owner may go on: what he changes meanwhile looks like damage
// when it is seen in part, so the work is done again from the beginning, a few times.

import { readManifest } from "../checkpoint/manifest-file.ts"
import type { Manifest } from "../format/manifest.ts"
import { CannotOpen, Corruption, StorageFailed } from "../model/errors.ts"
import type { Platform } from "../platform/platform.ts"
import { storageFailed } from "../platform/system-error.ts"
import { examine } from "../recovery/examine-directory.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { throwIfAborted } from "./option-checks.ts"

/** An owner that lets go of files while they are read is met by reading again, so often. */
const ATTEMPT_COUNT = 5

/**
 * Runs `work` on the files of the store. Fails with: CannotOpen, NotAStore, UnsupportedFormat, Corruption, StorageFailed,
 * the signal's reason, what `work` fails with.
 */
export async function readStoreFiles<Result>(
  platform: Platform,
  path: string,
  signal: AbortSignal | undefined,
  work: (directory: LogDirectory, manifest: Manifest) => Promise<Result>,
): Promise<Result> {
  if ((await examine(platform, path)) !== "store") throw new CannotOpen(path, "there is no store", "Check the path")
  const { fileSystem, checksum } = platform
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal)
    try {
      const { manifest } = await readManifest(fileSystem, path, checksum)
      if (manifest === undefined) throw new CannotOpen(path, "no copy of its manifest is good", "Restore a backup")
      const { storeId, checksumSeed } = manifest
      return await work({ fileSystem, checksum, path, storeId, checksumSeed }, manifest)
    } catch (error) {
      const isGone = error instanceof StorageFailed && error.systemCode === "ENOENT"
      const mayPass = isGone || error instanceof Corruption
      if (!mayPass || attempt === ATTEMPT_COUNT) throw storageFailed("read", path, error)
    }
  }
}
