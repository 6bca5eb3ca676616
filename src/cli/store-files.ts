// A store's directory for commands that only read its files: whose they are and how they are checked.

import type { Manifest } from "../format/manifest.ts"
import { Corruption } from "../model/errors.ts"
import type { Platform } from "../platform/platform.ts"
import { directoryOf, findStoreFiles } from "../recovery/store-files.ts"
import type { LogDirectory } from "../wal/log-directory.ts"

export interface ReadableStore {
  readonly directory: LogDirectory
  readonly manifest: Manifest
}

/** Fails with: CannotOpen and NotAStore where there is no store, Corruption where no copy of the manifest is good. */
export async function storeDirectory(platform: Platform, path: string): Promise<ReadableStore> {
  const { manifest, problems } = await findStoreFiles(platform, path)
  if (manifest !== undefined) return { directory: directoryOf(platform, path, manifest), manifest }
  throw new Corruption("manifest-0", 0, 0, ["no copy of the manifest is good", ...problems].join("; "))
}
