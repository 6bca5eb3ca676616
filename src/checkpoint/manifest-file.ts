// Reads and replaces the two copies of the manifest. At any instant, also inside a crash, one copy is whole and names
// files that are there: a new generation is written to both copies, one after the other, before the files that only the
// old one names may go.

import { MANIFEST_FILES, MANIFEST_NEW_FILE } from "../format/file-names.ts"
import { decodeManifest, encodeManifest, MANIFEST_SIZE } from "../format/manifest.ts"
import type { Manifest } from "../format/manifest.ts"
import type { Checksum } from "../model/checksum.ts"
import { probe } from "../model/invariant.ts"
import type { FileHandle, FileSystem } from "../platform/file-system.ts"
import { storageFailed, systemCodeOf } from "../platform/system-error.ts"
import { readFully, writeFully } from "../platform/transfer.ts"

/** More than any manifest holds: a longer file is read that far only. */
const READ_SIZE_MAX = 4096

export interface ManifestReading {
  /** The newest good copy. */
  readonly manifest: Manifest | undefined
  /** What is wrong with the other copies, one line each. */
  readonly problems: readonly string[]
  /** Whether both copies are good; without a manifest it is false. */
  readonly isWhole: boolean
}

/** The generation of the first copy that a store has. Alone, it says that the making of the store was cut off. */
const FIRST_GENERATION = 1

/** Fails with: StorageFailed, UnsupportedFormat. */
export async function readManifest(
  fileSystem: FileSystem,
  directory: string,
  checksum: Checksum,
): Promise<ManifestReading> {
  let newest: Manifest | undefined
  const problems: string[] = []
  const missing: string[] = []
  for (const file of MANIFEST_FILES) {
    const bytes = await readSmallFile(fileSystem, directory, file)
    if (bytes === undefined) {
      missing.push(file)
      continue
    }
    const read = decodeManifest(bytes, file, checksum)
    if (typeof read === "string") problems.push(`${file}: ${read}`)
    else if (newest === undefined || read.generation > newest.generation) newest = read
  }
  if (newest !== undefined && problems.length > 0) probe("one manifest copy is damaged")
  if (newest !== undefined && newest.generation > FIRST_GENERATION) {
    for (const file of missing) problems.push(`${file}: the copy is missing`)
  }
  return { manifest: newest, problems, isWhole: problems.length === 0 && missing.length === 0 }
}

/** Writes the manifest to both copies, as the two generations after the given one's. Fails with: StorageFailed. */
export async function replaceManifest(
  fileSystem: FileSystem,
  directory: string,
  checksum: Checksum,
  manifest: Manifest,
): Promise<Manifest> {
  let current = manifest
  for (let copy = 0; copy < MANIFEST_FILES.length; copy++) {
    current = { ...current, generation: current.generation + 1 }
    const file = current.generation % 2 === 0 ? MANIFEST_FILES[0] : MANIFEST_FILES[1]
    await replaceFile(fileSystem, directory, file, encodeManifest(current, checksum))
  }
  return current
}

/** Data, sync, rename, directory sync: the target holds the old bytes or the new ones, never a mixture. */
async function replaceFile(fileSystem: FileSystem, directory: string, file: string, bytes: Uint8Array): Promise<void> {
  const source = fileSystem.join(directory, MANIFEST_NEW_FILE)
  try {
    if ((await fileSystem.stat(source)) !== undefined) await fileSystem.unlink(source)
    const handle = await fileSystem.open(source, "create")
    try {
      await writeFully(handle, bytes, 0, false)
      await handle.dataSync()
    } finally {
      await handle.close()
    }
    await fileSystem.rename(source, fileSystem.join(directory, file))
    await fileSystem.syncDirectory(directory)
  } catch (error) {
    throw storageFailed("replace", file, error)
  }
}

async function readSmallFile(fileSystem: FileSystem, directory: string, file: string): Promise<Uint8Array | undefined> {
  const path = fileSystem.join(directory, file)
  try {
    const handle = await openIfThere(fileSystem, path)
    if (handle === undefined) return undefined
    try {
      const size = await handle.size()
      const bytes = Buffer.allocUnsafe(Math.min(Math.max(size, MANIFEST_SIZE), READ_SIZE_MAX))
      return bytes.subarray(0, await readFully(handle, bytes, 0))
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw storageFailed("read", file, error)
  }
}

async function openIfThere(fileSystem: FileSystem, path: string): Promise<FileHandle | undefined> {
  try {
    return await fileSystem.open(path, "read")
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined
    throw error
  }
}
