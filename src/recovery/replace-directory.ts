// Puts a new store in the place of what a directory holds: built beside it, whole and durable, then swapped by two renames.
//
//   <path>.restoring   the new store, until it takes its place
//   <path>.replaced    the old one, from the first rename until its files are removed
//
// Between the renames there is nothing at the path. A crash there leaves both stores whole, and the next owner's `open`,
// or the next attempt, does the second rename: so whoever opens the path finds the old store or the new one. What is no
// store is never replaced, nor a store beside whose files lie others.

import { readManifest } from "../checkpoint/manifest-file.ts"
import { LOCK_FILE, meaningOf } from "../format/file-names.ts"
import { CannotOpen, StoreLocked } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import type { DirectoryLock } from "../platform/file-system.ts"
import type { Platform } from "../platform/platform.ts"
import { attempt, examine } from "./examine-directory.ts"

const BUILDING_SUFFIX = ".restoring"
const REPLACED_SUFFIX = ".replaced"

export class DirectoryReplacement {
  /** Where the new store is built. Empty but for the lock. */
  readonly building: string
  readonly #platform: Platform
  readonly #path: string
  readonly #locks: readonly DirectoryLock[]
  readonly #isThere: boolean
  #isSwapping = false

  private constructor(platform: Platform, path: string, locks: readonly DirectoryLock[], isThere: boolean) {
    this.building = path + BUILDING_SUFFIX
    this.#platform = platform
    this.#path = path
    this.#locks = locks
    this.#isThere = isThere
  }

  /**
   * Takes the path, and what it holds if anything. `mayReplace`: also a store.
   * Fails with: CannotOpen, NotAStore, StoreLocked, StorageFailed.
   */
  static async begin(platform: Platform, path: string, mayReplace: boolean): Promise<DirectoryReplacement> {
    await refuseStore(platform, path, mayReplace)
    const { fileSystem } = platform
    const building = path + BUILDING_SUFFIX
    await refuseForeign(platform, building)
    await refuseForeign(platform, path + REPLACED_SUFFIX)
    // With a lock of its own, which goes along with the directory that it is in.
    await mendReplacement(platform, path)
    await attempt(building, "make", () => fileSystem.makeDirectory(building))
    const locks = [await lock(platform, building, path)]
    try {
      await mend(platform, path)
      // What was seen before the lock may have changed, or was just mended.
      await refuseStore(platform, path, mayReplace)
      const isThere = (await examine(platform, path)) !== "absent"
      if (isThere) {
        await refuseForeign(platform, path)
        locks.push(await lock(platform, path, path))
        await removeDirectory(platform, path + REPLACED_SUFFIX)
      }
      // The mended one took the directory along.
      await attempt(building, "make", () => fileSystem.makeDirectory(building))
      const replacement = new DirectoryReplacement(platform, path, locks, isThere)
      await replacement.clear()
      return replacement
    } catch (error) {
      if (!(await isCutOff(platform, path).catch(() => true))) {
        await removeDirectory(platform, building).catch(() => undefined)
      }
      for (const held of locks.toReversed()) await held.release()
      throw error
    }
  }

  /** Removes what was built so far, and what an earlier attempt left. Fails with: CannotOpen. */
  async clear(): Promise<void> {
    await removeFiles(this.#platform, this.building, (name) => meaningOf(name)?.kind !== "lock")
  }

  /** Lets what was built, whole and durable, take the place. Fails with: CannotOpen. */
  async swap(): Promise<void> {
    const { fileSystem } = this.#platform
    const path = this.#path
    const above = fileSystem.join(path, "..")
    this.#isSwapping = true
    await attempt(path, "replace", async () => {
      if (this.#isThere) {
        await fileSystem.rename(path, path + REPLACED_SUFFIX)
        await fileSystem.syncDirectory(above)
      }
      await fileSystem.rename(this.building, path)
      await fileSystem.syncDirectory(above)
    })
    if (this.#isThere) await removeDirectory(this.#platform, path + REPLACED_SUFFIX)
  }

  /**
   * Gives it up: nothing is left of what was built. What cannot be removed now goes with the next attempt. A swap that
   * failed is not undone but ended by the next `open`: the new store may be the only one at the path.
   */
  async abandon(): Promise<void> {
    if (this.#isSwapping) return
    await removeDirectory(this.#platform, this.building).catch(() => undefined)
  }

  async release(): Promise<void> {
    // The last one first: it removes the owner's name from a directory that is the new store's by now.
    for (const held of this.#locks.toReversed()) await held.release()
  }
}

/** Whether `path` is one of the directories that a replacement of `place` makes and removes. */
export function isWorkOf(place: string, path: string): boolean {
  return path === place + BUILDING_SUFFIX || path === place + REPLACED_SUFFIX
}

/**
 * Ends a replacement that a crash cut off between its two renames, if there is one at the path, where nothing is.
 * Returns whether there was. Fails with: CannotOpen, StoreLocked where it is still under way.
 */
export async function mendReplacement(platform: Platform, path: string): Promise<boolean> {
  const building = path + BUILDING_SUFFIX
  const stat = await attempt(building, "read", () => platform.fileSystem.stat(path + REPLACED_SUFFIX))
  if (stat?.kind !== "directory" || !(await isWhole(platform, building))) return false
  const held = await lock(platform, building, path)
  try {
    return await mend(platform, path)
  } finally {
    await held.release()
  }
}

/** Requires the lock of the directory that is built. */
async function mend(platform: Platform, path: string): Promise<boolean> {
  const { fileSystem } = platform
  return attempt(path, "replace", async () => {
    if (!(await isCutOff(platform, path))) return false
    const building = path + BUILDING_SUFFIX
    const isNew = await isWhole(platform, building)
    probe(isNew ? "a replaced directory is mended" : "a replaced directory is put back")
    await fileSystem.rename(isNew ? building : path + REPLACED_SUFFIX, path)
    await fileSystem.syncDirectory(fileSystem.join(path, ".."))
    return true
  })
}

/** Whether a replacement stands between its two renames. */
async function isCutOff({ fileSystem }: Platform, path: string): Promise<boolean> {
  return (await fileSystem.stat(path)) === undefined && (await fileSystem.stat(path + REPLACED_SUFFIX)) !== undefined
}

async function isWhole({ fileSystem, checksum }: Platform, path: string): Promise<boolean> {
  const stat = await attempt(path, "read", () => fileSystem.stat(path))
  return stat?.kind === "directory" && (await readManifest(fileSystem, path, checksum)).manifest !== undefined
}

async function lock({ fileSystem }: Platform, directory: string, path: string): Promise<DirectoryLock> {
  const taken = await attempt(directory, "lock", () => fileSystem.lock(directory, LOCK_FILE))
  if ("heldBy" in taken) throw new StoreLocked(path, taken.heldBy)
  return taken
}

/** What is there may only be replaced if it is a store, and that is allowed, or nothing yet. */
async function refuseStore(platform: Platform, path: string, mayReplace: boolean): Promise<void> {
  if ((await examine(platform, path)) !== "store" || mayReplace) return
  throw new CannotOpen(
    path,
    "it holds a store",
    "Choose another directory, or use force, which replaces the store there",
  )
}

/** Files that are no store's would be lost with the directory. */
async function refuseForeign({ fileSystem }: Platform, path: string): Promise<void> {
  const stat = await attempt(path, "read", () => fileSystem.stat(path))
  if (stat === undefined) return
  const names = stat.kind === "directory" ? await attempt(path, "read", () => fileSystem.list(path)) : [""]
  const foreign = names.find((name) => meaningOf(name) === undefined)
  if (foreign === undefined) return
  const reason = foreign === "" ? "it is not a directory" : `it holds "${foreign}", which is no part of a store`
  throw new CannotOpen(path, reason, "Move that away, or choose another directory")
}

async function removeDirectory(platform: Platform, path: string): Promise<void> {
  const { fileSystem } = platform
  if ((await attempt(path, "read", () => fileSystem.stat(path))) === undefined) return
  // The manifest first: what is left after a crash in between is no store.
  await removeFiles(platform, path, (name) => meaningOf(name)?.kind === "manifest")
  await removeFiles(platform, path, () => true)
  await attempt(path, "remove", () => fileSystem.removeDirectory(path))
}

async function removeFiles({ fileSystem }: Platform, path: string, isChosen: (name: string) => boolean): Promise<void> {
  await attempt(path, "clear", async () => {
    for (const name of await fileSystem.list(path)) {
      if (meaningOf(name) !== undefined && isChosen(name)) await fileSystem.unlink(fileSystem.join(path, name))
    }
  })
}
