// A store in the place of another, where things go wrong on the way: what was there is there afterwards, whole, or the new
// one is; and the failure that is told is the first.

import { describe, expect, test } from "vitest"
import { freshManifest } from "../../src/checkpoint/fresh-manifest.ts"
import { replaceManifest } from "../../src/checkpoint/manifest-file.ts"
import type { DiskTrace } from "../../src/simulation/disk-trace.ts"
import { CannotOpen } from "../../src/model/errors.ts"
import { DirectoryReplacement, mendReplacement } from "../../src/recovery/replace-directory.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"

type OperationName = DiskTrace["operations"][number]["name"]

const PATH = "/stores/data"
const NEW = `${PATH}.restoring`
const OLD = `${PATH}.replaced`

async function writeFile({ fileSystem }: SimulatedPlatform, path: string): Promise<void> {
  const file = await fileSystem.open(path, "create")
  await file.close()
}

/** A platform with what makes a directory a store at these paths: a manifest. */
async function platformWith(...paths: readonly string[]): Promise<SimulatedPlatform> {
  const platform = simulatePlatform({ seed: 1 })
  await platform.fileSystem.makeDirectory("/stores")
  for (const path of paths) {
    await platform.fileSystem.makeDirectory(path)
    await replaceManifest(platform.fileSystem, path, platform.checksum, freshManifest(platform))
  }
  return platform
}

async function namesIn({ fileSystem }: SimulatedPlatform): Promise<readonly string[]> {
  return fileSystem.list("/stores")
}

/** From now on every one of these operations fails. */
function failing({ fileSystem }: SimulatedPlatform, only: readonly OperationName[], count = Infinity): void {
  const operation = fileSystem.operations.length + 1
  fileSystem.faults.add({ operation, through: operation + count, only, error: "EIO" })
}

async function isFree({ fileSystem }: SimulatedPlatform, path: string): Promise<boolean> {
  const taken = await fileSystem.lock(path, "LOCK")
  if ("heldBy" in taken) return false
  await taken.release()
  return true
}

describe("a replacement that a crash cut off", () => {
  test("before the new store was whole puts the old one back, where it is not to be replaced", async () => {
    const platform = await platformWith(OLD)
    const before = platform.fileSystem.files().get(`${OLD}/manifest-0`)
    await expect(DirectoryReplacement.begin(platform, PATH, false)).rejects.toThrow("it holds a store")
    expect(await namesIn(platform)).toEqual(["data"])
    expect(platform.fileSystem.files().get(`${PATH}/manifest-0`)).toEqual(before)
    expect(await isFree(platform, PATH)).toBe(true)
  })

  test("between its renames is ended by whoever opens the path, and where there is none nothing is done", async () => {
    const platform = await platformWith(OLD, NEW)
    const before = platform.fileSystem.files().get(`${NEW}/manifest-0`)
    expect(await mendReplacement(platform, PATH)).toBe(true)
    expect(await namesIn(platform)).toEqual(["data", "data.replaced"])
    expect(platform.fileSystem.files().get(`${PATH}/manifest-0`)).toEqual(before)
    expect(await mendReplacement(platform, PATH)).toBe(false)
    const unfinished = await platformWith(OLD)
    expect(await mendReplacement(unfinished, PATH)).toBe(false)
    expect(await namesIn(unfinished)).toEqual(["data.replaced"])
  })

  test("between its renames is ended by the next one, which then replaces what came of it", async () => {
    const platform = await platformWith(OLD, NEW)
    const manifest = platform.fileSystem.files().get(`${NEW}/manifest-0`)
    const replacement = await DirectoryReplacement.begin(platform, PATH, true)
    expect(await namesIn(platform)).toEqual(["data", "data.restoring"])
    expect(platform.fileSystem.files().get(`${PATH}/manifest-0`)).toEqual(manifest)
    for (const path of [PATH, NEW]) expect(await isFree(platform, path)).toBe(false)
    await replacement.release()
    for (const path of [PATH, NEW]) expect(await isFree(platform, path)).toBe(true)
  })

  test("is left to whoever has it under way", async () => {
    const platform = await platformWith(OLD, NEW)
    await platform.fileSystem.lock(NEW, "LOCK")
    await expect(mendReplacement(platform, PATH)).rejects.toMatchObject({ _tag: "StoreLocked", path: PATH })
    await expect(DirectoryReplacement.begin(platform, PATH, true)).rejects.toMatchObject({ _tag: "StoreLocked" })
    expect(await namesIn(platform)).toEqual(["data.replaced", "data.restoring"])
  })
})

describe("what stands in the place where the new store is built", () => {
  test.each([
    [NEW, "it is not a directory"],
    [OLD, "it is not a directory"],
  ])("%s is not touched if it is a file", async (path, reason) => {
    const platform = await platformWith(PATH)
    await writeFile(platform, path)
    await expect(DirectoryReplacement.begin(platform, PATH, true)).rejects.toThrow(reason)
    expect(platform.fileSystem.files().has(path)).toBe(true)
    expect(await isFree(platform, PATH)).toBe(true)
  })

  test("nor is what a store has beside it: what was built goes, and where it cannot, the first failure is told", async () => {
    const platform = await platformWith(PATH)
    await writeFile(platform, `${PATH}/notes.txt`)
    await expect(DirectoryReplacement.begin(platform, PATH, true)).rejects.toThrow('it holds "notes.txt"')
    expect(await namesIn(platform)).toEqual(["data"])
    failing(platform, ["removeDirectory"])
    await expect(DirectoryReplacement.begin(platform, PATH, true)).rejects.toThrow('it holds "notes.txt"')
    expect(platform.fileSystem.faults.hitCount).toBe(1)
    expect(await namesIn(platform)).toEqual(["data", "data.restoring"])
    for (const path of [PATH, NEW]) expect(await isFree(platform, path)).toBe(true)
  })

  test("where it cannot be seen whether a swap was cut off, what was built stays", async () => {
    const platform = await platformWith(OLD)
    const clean = await platformWith(OLD)
    await DirectoryReplacement.begin(clean, PATH, true)
    const locking = clean.fileSystem.operations.find(({ name }) => name === "lock")?.serial as number
    const { fileSystem } = platform
    fileSystem.faults.add({ operation: locking + 1, through: Infinity, only: ["stat"], error: "EIO" })
    await expect(DirectoryReplacement.begin(platform, PATH, true)).rejects.toThrow(CannotOpen)
    fileSystem.faults.clear()
    expect(await namesIn(platform)).toEqual(["data.replaced", "data.restoring"])
    expect(await isFree(platform, NEW)).toBe(true)
  })
})

describe("a replacement", () => {
  async function built(): Promise<{
    platform: SimulatedPlatform
    replacement: DirectoryReplacement
    manifest: unknown
  }> {
    const platform = await platformWith(PATH)
    const { fileSystem, checksum } = platform
    const replacement = await DirectoryReplacement.begin(platform, PATH, true)
    await replaceManifest(fileSystem, replacement.building, checksum, freshManifest(platform))
    return { platform, replacement, manifest: fileSystem.files().get(`${NEW}/manifest-0`) }
  }

  test("that fails between its renames is not undone by giving it up: the next open ends it", async () => {
    const { platform, replacement, manifest } = await built()
    const clean = await built()
    await clean.replacement.swap()
    const renames = clean.platform.fileSystem.operations.filter(({ name, path }) => name === "rename" && path === NEW)
    platform.fileSystem.faults.add({ operation: renames[0]?.serial as number, error: "EIO" })
    await expect(replacement.swap()).rejects.toThrow(CannotOpen)
    await replacement.abandon()
    await replacement.release()
    expect(await namesIn(platform)).toEqual(["data.replaced", "data.restoring"])
    expect(await mendReplacement(platform, PATH)).toBe(true)
    expect(platform.fileSystem.files().get(`${PATH}/manifest-0`)).toEqual(manifest)
  })

  test("that is given up leaves the old store, also where what was built cannot be removed", async () => {
    for (const isFailing of [false, true]) {
      const { platform, replacement } = await built()
      if (isFailing) failing(platform, ["unlink"])
      await replacement.abandon()
      await replacement.release()
      expect(await namesIn(platform)).toEqual(isFailing ? ["data", "data.restoring"] : ["data"])
      platform.fileSystem.faults.clear()
      expect(await isFree(platform, PATH)).toBe(true)
    }
  })
})
