// The two copies of the manifest: either one opens the store, none is refused, and a replacement that is cut off at any
// point leaves the old or the new one.

import { describe, expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { readManifest, replaceManifest } from "../../src/checkpoint/manifest-file.ts"
import { encodeManifest, MANIFEST_SIZE } from "../../src/format/manifest.ts"
import type { Manifest } from "../../src/format/manifest.ts"
import { writeU32 } from "../../src/format/integers.ts"
import { Corruption, StorageFailed, UnsupportedFormat } from "../../src/model/errors.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { systemError } from "../../src/simulation/system-error.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences, untilSettled } from "../property/store-history.ts"
import { contentAt, copyOfDisk, DIRECTORY, makeStore, manifestIn, withoutFile } from "./reference-store.ts"
import type { ReferenceCommit } from "./reference-store.ts"

type Files = Map<string, Uint8Array>

async function closedStore(): Promise<{ files: Files; commits: readonly ReferenceCommit[] }> {
  const { platform, store, commits } = await makeStore({ commitCount: 5 })
  await untilSettled(platform, store.close())
  return { files: platform.fileSystem.files(), commits }
}

/** What can be wrong with one copy. */
const damages: readonly (readonly [string, (files: Files, name: string) => Files])[] = [
  ["missing", (files, name) => withoutFile(files, name)],
  ["empty", (files, name) => new Map(files).set(`${DIRECTORY}/${name}`, new Uint8Array(0))],
  ["zeros", (files, name) => new Map(files).set(`${DIRECTORY}/${name}`, new Uint8Array(MANIFEST_SIZE))],
  ["cut short", (files, name) => new Map(files).set(`${DIRECTORY}/${name}`, bytesOf(files, name).slice(0, 50))],
  [
    "too long",
    (files, name) => new Map(files).set(`${DIRECTORY}/${name}`, Buffer.concat([bytesOf(files, name), Buffer.alloc(8)])),
  ],
  ["garbage", (files, name) => new Map(files).set(`${DIRECTORY}/${name}`, new Uint8Array(MANIFEST_SIZE).fill(0xa5))],
  ["huge", (files, name) => new Map(files).set(`${DIRECTORY}/${name}`, new Uint8Array(100_000).fill(0xa5))],
]

function bytesOf(files: Files, name: string): Uint8Array {
  return files.get(`${DIRECTORY}/${name}`) as Uint8Array
}

/** The other copy is the first that was written: as a first open leaves it that was cut off before this one. */
const isTold = (what: string, name: string): boolean => what !== "missing" || name !== "manifest-0"

describe("one copy", () => {
  test.each(damages)("that is %s does not keep the store from opening", async (what, damage) => {
    const { files, commits } = await closedStore()
    for (const name of ["manifest-0", "manifest-1"]) {
      const { content, report } = await recoverDisk(await copyOfDisk(damage(files, name)), 1, true)
      expect(differences(content, contentAt(commits))).toEqual([])
      expect(report.foundStore).toBe(true)
      expect(report.warnings).toEqual(isTold(what, name) ? [expect.stringContaining(`${name}: `)] : [])
    }
  })

  test.each(damages)("that is %s is written anew by an open that goes well", async (what, damage) => {
    const { files, commits } = await closedStore()
    for (const name of ["manifest-0", "manifest-1"]) {
      const disk = await copyOfDisk(damage(files, name))
      const platform = simulatePlatform({ seed: 1, disk })
      const store = await untilSettled(platform, open(DIRECTORY, { platform }))
      expect(store.recovery.warnings).toHaveLength(isTold(what, name) ? 1 : 0)
      // Already then, and not only when it is closed.
      const after = disk.snapshot().crash("nothing")
      expect(await readManifest(after, DIRECTORY, crc32)).toMatchObject({ problems: [], isWhole: true })
      await untilSettled(platform, store.close())
      const { content, report } = await recoverDisk(after, 1, true)
      expect(differences(content, contentAt(commits))).toEqual([])
      expect(report.warnings).toEqual([])
    }
  })

  test("that is damaged stays so where the log is refused, and where the disk does not take another", async () => {
    const { files } = await closedStore()
    const damaged = new Map(files).set(`${DIRECTORY}/manifest-0`, new Uint8Array(0))
    const refused = await copyOfDisk(withoutFile(damaged, "wal-0000000001"))
    const before = refused.files()
    const first = simulatePlatform({ seed: 1, disk: refused })
    await expect(untilSettled(first, open(DIRECTORY, { platform: first }))).rejects.toThrow(Corruption)
    expect(bytesOf(refused.files(), "manifest-0")).toEqual(bytesOf(before, "manifest-0"))
    expect(refused.files().has(`${DIRECTORY}/manifest.new`)).toBe(false)

    const disk = await copyOfDisk(damaged)
    disk.rename = (source, target) =>
      target.includes("manifest")
        ? Promise.reject(systemError("EIO", "rename", source))
        : SimulatedDisk.prototype.rename.call(disk, source, target)
    const second = simulatePlatform({ seed: 1, disk })
    const store = await untilSettled(second, open(DIRECTORY, { platform: second }))
    expect(store.status.state).toBe("open")
    await untilSettled(second, store.close())
    expect(bytesOf(disk.files(), "manifest-0")).toHaveLength(0)
  })

  test("alone, of the first generation, is what a first open that was cut off has left, and no damage", async () => {
    const { files, commits } = await closedStore()
    const only = new Map(withoutFile(files, "manifest-0"))
    only.set(`${DIRECTORY}/manifest-1`, encodeManifest({ ...manifestIn(files), generation: 1 }, crc32))
    const disk = await copyOfDisk(only)
    const platform = simulatePlatform({ seed: 1, disk })
    const { findings, verdict } = await untilSettled(platform, verifyStore(platform, DIRECTORY))
    expect(verdict).toBe("good")
    expect(findings).toEqual([expect.objectContaining({ file: "manifest-0", isDamage: false })])
    const store = await untilSettled(platform, open(DIRECTORY, { platform }))
    expect(store.recovery.warnings).toEqual([])
    await untilSettled(platform, store.close())
    expect(await readManifest(disk, DIRECTORY, crc32)).toMatchObject({ problems: [], isWhole: true })
    const { content } = await recoverDisk(disk, 1, true)
    expect(differences(content, contentAt(commits))).toEqual([])
  })

  test("that is missing later is damage to verify", async () => {
    const { files } = await closedStore()
    const platform = simulatePlatform({ seed: 1, disk: await copyOfDisk(withoutFile(files, "manifest-1")) })
    const { findings, verdict } = await untilSettled(platform, verifyStore(platform, DIRECTORY))
    expect(verdict).toBe("damaged")
    expect(findings.map(({ file, what }) => `${file}: ${what}`)).toEqual(["manifest-1: the copy is missing"])
  })
})

describe("both copies", () => {
  test.each(damages)("that are %s are refused, and nothing is started afresh", async (_, damage) => {
    const { files } = await closedStore()
    const disk = await copyOfDisk(damage(damage(files, "manifest-0"), "manifest-1"))
    const before = disk.files()
    await expect(recoverDisk(disk, 1, true)).rejects.toThrow(Corruption)
    expect(disk.files()).toEqual(before)
  })
})

describe("a newer version", () => {
  test.each([
    ["format version 2", 8, 2],
    ["unknown flags 0x2", 12, 2],
    ["unknown flags 0x80000000", 12, 0x8000_0000],
  ])(
    "that wrote %s into either copy is refused before anything is touched, the lock included",
    async (found, at, value) => {
      const { files } = await closedStore()
      for (const name of ["manifest-0", "manifest-1"]) {
        const bytes = bytesOf(files, name).slice()
        writeU32(bytes, at, value)
        writeU32(bytes, 4, crc32(bytes.subarray(8), 0))
        const disk = await copyOfDisk(withoutFile(new Map(files).set(`${DIRECTORY}/${name}`, bytes), "LOCK"))
        const before = disk.files()
        const refused = recoverDisk(disk, 1, true)
        await expect(refused).rejects.toThrow(UnsupportedFormat)
        await expect(refused).rejects.toMatchObject({ file: name, message: expect.stringContaining(found) })
        expect(disk.files()).toEqual(before)
        expect(
          disk.operations.every((operation) =>
            ["stat", "list", "open", "read", "size", "close"].includes(operation.name),
          ),
        ).toBe(true)
      }
    },
  )
})

describe("reading and replacing", () => {
  const manifest: Manifest = {
    generation: 4,
    storeId: Uint8Array.from({ length: 16 }, (_, at) => at),
    checksumSeed: 7,
    hashSecret: { low: 1, high: 2 },
    firstSegment: 1,
    firstLsn: 1,
    createdMs: 1_767_225_600_000,
  }

  test("the copy with the higher generation counts", async () => {
    for (const [first, second, winner] of [
      [4, 5, 5],
      [6, 5, 6],
    ]) {
      const disk = await copyOfDisk(
        new Map([
          [`${DIRECTORY}/manifest-0`, encodeManifest({ ...manifest, generation: first as number }, crc32)],
          [`${DIRECTORY}/manifest-1`, encodeManifest({ ...manifest, generation: second as number }, crc32)],
        ]),
      )
      expect((await readManifest(disk, DIRECTORY, crc32)).manifest?.generation).toBe(winner)
    }
  })

  test("a replacement writes both copies, each as a generation of its own", async () => {
    const disk = await copyOfDisk(new Map())
    const written = await replaceManifest(disk, DIRECTORY, crc32, manifest)
    expect(written).toEqual({ ...manifest, generation: 6 })
    const files = disk.crash("nothing").files()
    expect(bytesOf(files, "manifest-0")).toEqual(encodeManifest({ ...manifest, generation: 6 }, crc32))
    expect(bytesOf(files, "manifest-1")).toEqual(encodeManifest({ ...manifest, generation: 5 }, crc32))
    expect([...files.keys()]).toHaveLength(2)
  })

  test("every crash in a replacement leaves the old manifest or the new one", async () => {
    const disk = await copyOfDisk(new Map())
    const old = await replaceManifest(disk, DIRECTORY, crc32, manifest)
    const start = disk.crash("everything")
    await replaceManifest(start, DIRECTORY, crc32, { ...old, firstSegment: 9, firstLsn: 100 })
    const seen = new Set<number>()
    let stateCount = 0
    for (const state of crashStates(start.trace())) {
      stateCount++
      const mounted = state.mount()
      const { manifest: read, problems } = await readManifest(mounted, DIRECTORY, crc32)
      expect(problems, state.describe()).toEqual([])
      seen.add(read?.firstSegment ?? 0)
      // A new replacement works over whatever was left.
      await replaceManifest(mounted, DIRECTORY, crc32, { ...(read as Manifest), firstSegment: 50 })
      expect(manifestIn(mounted.crash("nothing").files()).firstSegment).toBe(50)
    }
    expect(stateCount).toBeGreaterThan(20)
    expect(seen).toEqual(new Set([1, 9]))
  })

  test("an error of the disk at any operation is StorageFailed, and leaves no file open", async () => {
    const clean = await copyOfDisk(new Map())
    await replaceManifest(clean, DIRECTORY, crc32, manifest)
    const count = clean.operationCount
    for (let operation = 1; operation <= count; operation++) {
      const disk = await copyOfDisk(new Map())
      disk.failAt(operation, "EIO")
      await expect(replaceManifest(disk, DIRECTORY, crc32, manifest), `operation ${operation}`).rejects.toThrow(
        StorageFailed,
      )
      expect(disk.openFileCount).toBe(0)
    }
    const reading = await copyOfDisk(clean.files())
    await readManifest(reading, DIRECTORY, crc32)
    for (let operation = 1; operation <= reading.operationCount; operation++) {
      const disk = await copyOfDisk(clean.files())
      disk.failAt(operation, "EIO")
      await expect(readManifest(disk, DIRECTORY, crc32), `operation ${operation}`).rejects.toThrow(StorageFailed)
      expect(disk.openFileCount).toBe(0)
    }
  })
})
