// Which crash states each persistence mode allows: by what is found on the disk after every crash of a small story.

import { describe, expect, test } from "vitest"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { narrowingOf } from "../../src/testing/persistence.ts"
import { crash } from "../../src/testing/crash.ts"
import { CrashFound } from "../../src/testing/crash-found.ts"
import { toyTest } from "./toy-test.ts"

const MODES = ["posix", "ext4", "xfs"] as const

/** What programs may find after a crash in the story, on a disk with "/a": each file's name and a word for its content. */
async function foundAfter(
  mode: (typeof MODES)[number],
  story: (disk: SimulatedDisk) => Promise<void>,
): Promise<ReadonlySet<string>> {
  const before = new SimulatedDisk()
  await write(before, "/a", 1, true)
  const disk = before.crash("everything")
  await story(disk)
  const narrow = narrowingOf(mode, disk.trace())
  const found = new Set<string>()
  for (const state of crashStates(disk.trace(), narrow === undefined ? {} : { narrow })) {
    const files = [...state.mount().files()].map(([path, bytes]) => `${path.slice(1)}=${wordOf(bytes)}`)
    found.add(files.join(" "))
  }
  return found
}

function wordOf(bytes: Uint8Array): string {
  const kinds = new Set(bytes)
  if (kinds.size === 0) return "empty"
  if (kinds.size > 1) return "mixed"
  return { 0: "zeros", 1: "old", 2: "new" }[bytes[0] ?? 0] ?? "garbage"
}

async function write(disk: SimulatedDisk, path: string, byte: number, isSynced: boolean): Promise<void> {
  const file = await disk.open(path, "create")
  await file.write(new Uint8Array(512).fill(byte), 0)
  if (isSynced) await file.dataSync()
  await file.close()
}

/** The way of many programs: a new file over the old one, without a sync. */
async function replace(disk: SimulatedDisk): Promise<void> {
  await write(disk, "/b", 2, false)
  await disk.rename("/b", "/a")
}

describe("a file replaced without a sync", () => {
  test("may be empty, zeros, garbage or torn under POSIX", async () => {
    const found = await foundAfter("posix", replace)
    for (const state of ["a=old", "a=new", "a=empty", "a=zeros", "a=old b=garbage", "a=old b=mixed"]) {
      expect(found).toContain(state)
    }
  })

  test("is the old or the new one on ext4, which writes a file's data before a name that replaces another", async () => {
    const found = await foundAfter("ext4", replace)
    expect([...found].filter((state) => /^a=(?!old|new$)/.test(state) && !state.includes("b="))).toEqual([])
    expect(found).toContain("a=old")
    expect(found).toContain("a=new")
  })

  test("may be empty on XFS, and never zeros", async () => {
    const found = await foundAfter("xfs", replace)
    expect(found).toContain("a=empty")
    expect([...found].join()).not.toMatch(/zeros|garbage|mixed/)
  })
})

describe("names", () => {
  const two = async (disk: SimulatedDisk): Promise<void> => {
    await write(disk, "/b", 1, true)
    await write(disk, "/c", 1, true)
  }
  test("come in any order under POSIX, and in their own on ext4 and XFS", async () => {
    expect(await foundAfter("posix", two)).toContain("a=old c=old")
    for (const mode of ["ext4", "xfs"] as const) {
      const found = await foundAfter(mode, two)
      expect(found).not.toContain("a=old c=old")
      expect(found).toContain("a=old")
      expect(found).toContain("a=old b=old")
      expect(found).toContain("a=old b=old c=old")
    }
  })
})

describe("growth", () => {
  const grow = async (disk: SimulatedDisk): Promise<void> => {
    await write(disk, "/a", 1, true)
    await disk.syncDirectory("/")
    const file = await disk.open("/a", "write")
    await file.write(new Uint8Array(512).fill(2), 512)
  }
  test("may come before its bytes on ext4, and does not on XFS", async () => {
    const sizes = async (mode: (typeof MODES)[number]): Promise<ReadonlySet<string>> => {
      const disk = new SimulatedDisk()
      await grow(disk)
      const narrow = narrowingOf(mode, disk.trace())
      const found = new Set<string>()
      for (const state of crashStates(disk.trace(), narrow === undefined ? {} : { narrow })) {
        const bytes = state.mount().files().get("/a")
        if (bytes !== undefined) found.add(`${bytes.length} ${bytes[512] ?? "none"}`)
      }
      return found
    }
    expect([...(await sizes("posix"))]).toEqual(expect.arrayContaining(["512 none", "1024 0", "1024 165", "1024 2"]))
    expect([...(await sizes("ext4"))]).toEqual(expect.arrayContaining(["512 none", "1024 0", "1024 2"]))
    expect(await sizes("ext4")).not.toContain("1024 165")
    expect(await sizes("xfs")).not.toContain("1024 0")
    expect(await sizes("xfs")).toContain("1024 2")
  })
})

test("a replacement that ext4 has made durable has taken its data with it; what is written later may be lost", async () => {
  const found = await foundAfter("ext4", async (disk) => {
    await replace(disk)
    await disk.syncDirectory("/")
    const file = await disk.open("/a", "write")
    await file.write(new Uint8Array(512).fill(1), 0)
    await disk.syncDirectory("/")
  })
  expect(found).toContain("a=new")
  expect(found).toContain("a=old")
  expect([...found].join(";")).not.toMatch(/a=(empty|zeros|mixed|garbage)/)
})

test("each mode allows a part of what POSIX allows", async () => {
  const posix = await foundAfter("posix", replace)
  for (const mode of ["ext4", "xfs"] as const) {
    const found = await foundAfter(mode, replace)
    expect(found.size).toBeLessThan(posix.size)
    expect(found.isSubsetOf(posix)).toBe(true)
  }
})

test("a rename before the sync is a mistake that ext4 forgives, and XFS does not", async () => {
  const options = { ...toyTest(5, "rename-before-sync"), budget: { ms: 20_000, histories: 30 } }
  await expect(crash.assert({ ...options, persistence: "ext4" })).resolves.toMatchObject({ endedBy: "histories" })
  await expect(crash.assert({ ...options, persistence: "xfs" })).rejects.toBeInstanceOf(CrashFound)
  await expect(crash.assert(options)).rejects.toBeInstanceOf(CrashFound)
})
