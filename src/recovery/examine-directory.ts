// Finds out what a directory is, without changing anything in it, not even its lock: a store, nothing yet, or somebody
// else's. What the operating system refuses is told as CannotOpen, with what to do about it.

import { readManifest } from "../checkpoint/manifest-file.ts"
import type { ManifestReading } from "../checkpoint/manifest-file.ts"
import { meaningOf } from "../format/file-names.ts"
import { CannotOpen, NotAStore } from "../model/errors.ts"
import type { Platform } from "../platform/platform.ts"
import { isSystemError, systemCodeOf } from "../platform/system-error.ts"

export interface Examined {
  readonly found: "absent" | "empty" | "store"
  /** What its manifest says; of a store only. */
  readonly reading: ManifestReading | undefined
}

/** What is there, without touching it. Fails with: CannotOpen, NotAStore, StorageFailed, UnsupportedFormat. */
export async function examine(platform: Platform, path: string): Promise<Examined["found"]> {
  return (await examineManifest(platform, path)).found
}

/** As `examine`, with what was read on the way. Fails with: CannotOpen, NotAStore, StorageFailed, UnsupportedFormat. */
export async function examineManifest(platform: Platform, path: string): Promise<Examined> {
  const { fileSystem } = platform
  return attempt(path, "read", async () => {
    const stat = await fileSystem.stat(path)
    if (stat === undefined) return { found: "absent", reading: undefined }
    if (stat.kind !== "directory") {
      throw new CannotOpen(path, "it is not a directory", "Give the path of a directory")
    }
    const names = await fileSystem.list(path)
    const isStore = names.some((name) => meaningOf(name)?.kind === "manifest")
    // Other programs' files beside a store are none of our business; a directory of theirs is not for us to use.
    const foreign = isStore ? undefined : names.find((name) => meaningOf(name) === undefined)
    if (foreign !== undefined) throw new NotAStore(path, foreign)
    // A newer version's store is not touched, not even by a lock.
    if (isStore) return { found: "store", reading: await readManifest(fileSystem, path, platform.checksum) }
    return { found: "empty", reading: undefined }
  })
}

/** Runs a step of opening. Fails with: CannotOpen where the operating system fails it. */
export async function attempt<T>(path: string, what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw cannotOpen(path, what, error)
  }
}

/** What the operating system failed with, as users meet it; everything else passes unchanged. */
export function cannotOpen(path: string, what: string, error: unknown): unknown {
  if (!isSystemError(error)) return error
  const code = systemCodeOf(error)
  return new CannotOpen(path, `could not ${what} it (${code})`, remedyOf(code), error)
}

function remedyOf(code: string): string {
  switch (code) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "Give the process the right to write there, or choose another directory"
    case "ENOTDIR":
    case "EEXIST":
      return "A part of the path is a file: choose another path"
    case "ENOSPC":
      return "Make room on the disk, then open it again"
    case "EMFILE":
    case "ENFILE":
      return "Raise the limit of open files (ulimit -n), then open it again"
    case "ENOSYS":
      return "Run it with Node 22.18 or newer"
    default:
      return "Check the path and the disk, then open it again"
  }
}
