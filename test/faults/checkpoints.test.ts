// Fault classes in and around checkpoints. The numbers are those of the table of fault classes.

import { describe, expect, test } from "vitest"
import { checkpointFile, segmentFile } from "../../src/format/file-names.ts"
import { SEGMENT_HEADER_SIZE } from "../../src/format/segment-header.ts"
import { Corruption, StorageFailed } from "../../src/model/errors.ts"
import { probes } from "../../src/model/invariant.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { checkpointsIn, CheckpointedStore, openOn } from "../checkpoint/store-with-checkpoints.ts"
import { contentOf, differences, untilSettled } from "../property/store-history.ts"
import type { Entry } from "../property/store-history.ts"
import { copyOfDisk, framesIn, manifestIn, segmentsIn, withBytes, withoutFile } from "../recovery/reference-store.ts"

const keep = (checkpoints: number): { keep: { checkpoints: number } } => ({ keep: { checkpoints } })

type Files = ReadonlyMap<string, Uint8Array>

function sizeOf(files: Files, number: number): number {
  return (files.get(`/data/${checkpointFile(number)}`) as Uint8Array).length
}

/** The files with a byte of each of these checkpoints changed. */
function damaged(files: Files, numbers: readonly number[], at = 70): Map<string, Uint8Array> {
  let changed = new Map(files)
  for (const number of numbers) {
    const old = (files.get(`/data/${checkpointFile(number)}`) as Uint8Array)[at] as number
    changed = withBytes(changed, checkpointFile(number), at, Uint8Array.of(old ^ 0x20))
  }
  return changed
}

describe("fault 19: rot in a checkpoint", () => {
  test("the newest is damaged anywhere: the store opens from the one before and its log, and says so", async () => {
    const made = await CheckpointedStore.make(3, keep(3))
    const files = await made.close()
    const numbers = checkpointsIn(files)
    const newest = numbers.at(-1) as number
    expect(numbers).toHaveLength(3)
    expect(manifestIn(files).firstLsn).toBeGreaterThan(1)
    const size = sizeOf(files, newest)
    const places = [0, 5, 17, 64, 90, 130, Math.floor(size / 2), size - 72, size - 1]
    for (const at of places) {
      const disk = await copyOfDisk(damaged(files, [newest], at))
      const store = await openOn(disk)
      expect(made.problems(store), `byte ${at}`).toEqual([])
      expect(store.recovery.checkpoint).toBe(numbers.at(-2))
      expect(store.recovery.warnings).toHaveLength(1)
      expect(store.recovery.warnings[0]).toContain(checkpointFile(newest))
      await untilSettled(simulatePlatform({ seed: 1, disk }), store.close())
    }
  })

  test("the newest is cut, empty, of another store, or gone: the one before and its log say the same", async () => {
    const made = await CheckpointedStore.make(3, keep(2))
    const files = await made.close()
    const newest = checkpointsIn(files).at(-1) as number
    const path = `/data/${checkpointFile(newest)}`
    const bytes = files.get(path) as Uint8Array
    const stranger = await CheckpointedStore.open({}, new SimulatedDisk(), 77)
    for (let round = 0; round < newest; round++) {
      await stranger.write(3)
      await stranger.settled(stranger.store.checkpoint())
    }
    const states: Files[] = [
      new Map(files).set(path, bytes.slice(0, bytes.length - 1)),
      new Map(files).set(path, new Uint8Array(0)),
      new Map(files).set(path, new Uint8Array(bytes.length)),
      new Map(files).set(path, files.get(`/data/${checkpointFile(newest - 1)}`) as Uint8Array),
      new Map(files).set(path, stranger.disk.files().get(path) as Uint8Array),
      withoutFile(files, checkpointFile(newest)),
    ]
    for (const state of states) {
      const platform = simulatePlatform({ seed: 1, disk: await copyOfDisk(state) })
      const store = await openOn(platform.fileSystem, {}, platform)
      expect(made.problems(store)).toEqual([])
      expect(store.recovery.checkpoint).toBe(newest - 1)
      expect(store.recovery.warnings).toHaveLength(state.has(path) ? 1 : 0)
      await untilSettled(platform, store.close())
    }
  })

  test("all are damaged and the log was shortened: refused as damage, and no byte changes", async () => {
    for (const count of [1, 2, 3]) {
      const made = await CheckpointedStore.make(count + 2, keep(count))
      const files = withoutFile(await made.close(), "LOCK")
      expect(manifestIn(files).firstLsn).toBeGreaterThan(1)
      expect(checkpointsIn(files)).toHaveLength(count)
      const changed = damaged(files, checkpointsIn(files))
      const disk = await copyOfDisk(changed)
      const failure = await openOn(disk).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(Corruption)
      for (const number of checkpointsIn(files)) expect(String(failure)).toContain(checkpointFile(number))
      expect(withoutFile(disk.files(), "LOCK")).toEqual(changed)
      expect(disk.openFileCount).toBe(0)
      // And is refused again, until a good one is put back.
      await expect(openOn(disk)).rejects.toThrow(Corruption)
      const newest = checkpointsIn(files).at(-1) as number
      const mended = new Map(changed)
      mended.set(`/data/${checkpointFile(newest)}`, files.get(`/data/${checkpointFile(newest)}`) as Uint8Array)
      const platform = simulatePlatform({ seed: 1, disk: await copyOfDisk(mended) })
      const store = await openOn(platform.fileSystem, {}, platform)
      expect(made.problems(store)).toEqual([])
      await untilSettled(platform, store.close())
    }
  })

  test("all that the log goes on from are damaged: an older one, which it does not, is no help", async () => {
    const made = await CheckpointedStore.make(2, keep(2))
    const oldest = made.disk.files().get(`/data/${checkpointFile(1)}`) as Uint8Array
    await made.settled(made.store.close())
    const store = await openOn(made.disk, keep(1), made.platform)
    await made.settled(store.checkpoint())
    await made.settled(store.close())
    const files = made.disk.files()
    const numbers = checkpointsIn(files)
    expect(numbers).toEqual([3])
    // A crash came before its removal.
    const changed = damaged(files, numbers)
    changed.set(`/data/${checkpointFile(1)}`, oldest)
    const failure = await openOn(await copyOfDisk(changed)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Corruption)
    expect(String(failure)).toContain("no good checkpoint reaches so far")
  })

  test("it is whole, and the end of the log that it was made of is gone: refused as damage", async () => {
    const made = await CheckpointedStore.make(2, keep(2))
    await made.write(20)
    await made.settled(made.store.checkpoint())
    const files = withoutFile(await made.close(), "LOCK")
    const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
    expect(used.length).toBeGreaterThan(1)
    let changed = new Map(files)
    for (const segment of segmentsIn(files)) {
      if (segment >= (used.at(-1) as number)) changed = withoutFile(changed, segmentFile(segment))
    }
    const disk = await copyOfDisk(changed)
    await expect(openOn(disk)).rejects.toThrow("but the checkpoint says that it was durable through")
    expect(withoutFile(disk.files(), "LOCK")).toEqual(changed)
  })

  test("it is whole, and nothing good stands behind the segments that it knows: the log goes on from where they end", async () => {
    const made = await CheckpointedStore.open(keep(3))
    await made.write(30)
    await made.close()
    const second = await openOn(made.disk, keep(3), made.platform)
    await made.settled(second.checkpoint())
    // Killed with its epoch alone in the last segment, which rots: that looks like a crash.
    const files = made.disk.crash("kill").files()
    const last = segmentsIn(files).findLast((segment) => framesIn(files, segment).length > 0) as number
    expect(framesIn(files, last)).toHaveLength(1)
    const disk = await copyOfDisk(withBytes(files, segmentFile(last), SEGMENT_HEADER_SIZE + 70, Uint8Array.of(0xa5)))
    const third = await CheckpointedStore.open(keep(3), disk)
    expect(third.store.recovery.segments).toBe(last)
    expect(third.store.metrics().log.epoch).toBe(2)
    for (const [place, n] of made.model) third.model.set(place, n)
    await third.write(3)
    const after = await third.close()
    // The log alone says the same: it is one chain.
    const again = await openOn(await copyOfDisk(withoutFile(after, checkpointFile(1))))
    expect(third.problems(again)).toEqual([])
    await again.close()
  })

  test("all are gone and the log was shortened: refused as damage", async () => {
    const made = await CheckpointedStore.make(3, keep(1))
    let files: Files = await made.close()
    for (const number of checkpointsIn(files)) files = withoutFile(files, checkpointFile(number))
    await expect(openOn(await copyOfDisk(files))).rejects.toThrow("no good checkpoint")
  })

  test("all are damaged and the log is complete: the store opens from the log, and says so", async () => {
    const made = await CheckpointedStore.make(2, keep(3))
    const files = await made.close()
    expect(manifestIn(files).firstLsn).toBe(1)
    const platform = simulatePlatform({ seed: 1, disk: await copyOfDisk(damaged(files, checkpointsIn(files))) })
    const store = await openOn(platform.fileSystem, {}, platform)
    expect(made.problems(store)).toEqual([])
    expect(store.recovery).toMatchObject({ checkpoint: undefined, checkpointLsn: 0, checkpointRecords: 0 })
    expect(store.recovery.warnings).toHaveLength(2)
    // The next checkpoint takes a number of its own, and is good.
    const report = await untilSettled(platform, store.checkpoint())
    expect(report?.number).toBe(3)
    await untilSettled(platform, store.close())
    const again = await openOn(platform.fileSystem, {}, platform)
    expect(made.problems(again)).toEqual([])
    expect(again.recovery).toMatchObject({ checkpoint: 3, warnings: [] })
    await untilSettled(platform, again.close())
  })

  test("a store that was opened past a damaged one makes new ones, and in time removes it", async () => {
    const made = await CheckpointedStore.make(3, keep(2))
    const files = await made.close()
    const newest = checkpointsIn(files).at(-1) as number
    const disk = await copyOfDisk(damaged(files, [newest]))
    const again = await CheckpointedStore.open(keep(2), disk)
    for (const [place, n] of made.model) again.model.set(place, n)
    for (let round = 0; round < 3; round++) {
      await again.write(12)
      await again.settled(again.store.checkpoint())
    }
    expect(checkpointsIn(disk.files())).toEqual([newest + 2, newest + 3])
    expect(again.problems()).toEqual([])
    await again.close()
    const last = await openOn(disk)
    expect(last.recovery.warnings).toEqual([])
    expect(again.problems(last)).toEqual([])
  })

  test("the newest rots in its last block while the store is open: nothing of its others stays in a shard built anew", async () => {
    const made = await CheckpointedStore.open(keep(2))
    for (let round = 0; round < 2; round++) {
      await made.write(40, 40_000)
      await made.settled(made.store.checkpoint())
    }
    const files = made.disk.files()
    const newest = checkpointsIn(files).at(-1) as number
    made.disk.flipBit(`/data/${checkpointFile(newest)}`, sizeOf(files, newest) - 500, 3)
    for (const shard of [0, 1, 2]) {
      await made.settled(made.store.killActor(`store/shards/shard-${shard}`, new Error("killed by the test")))
      await made.settled(made.store.ready())
    }
    expect(made.problems()).toEqual([])
    expect(["t0", "t1"].map((name) => made.store.table(name).size).reduce((sum, size) => sum + size)).toBe(
      made.model.size,
    )
    await made.write(40, 100)
    expect(made.problems()).toEqual([])
    await made.close()
  })

  test("the newest rots while the store is open: shards and checkpoints are made from the one before", async () => {
    const made = await CheckpointedStore.make(3, keep(2))
    const newest = checkpointsIn(made.disk.files()).at(-1) as number
    made.disk.flipBit(`/data/${checkpointFile(newest)}`, 100, 1)
    await made.settled(made.store.killActor("store/shards/shard-0", new Error("killed by the test")))
    await made.settled(made.store.ready())
    expect(made.problems()).toEqual([])
    await made.write(5)
    const report = await made.settled(made.store.checkpoint())
    expect(report?.number).toBeGreaterThan(newest)
    expect(made.store.metrics().checkpoint.failures).toBe(0)
    await made.close()
    const store = await openOn(made.disk)
    expect(made.problems(store)).toEqual([])
    expect(store.recovery.checkpoint).toBe(report?.number)
  })

  test("the only one rots while the store is open: the next is made from the running tables, while writes go on", async () => {
    const made = await CheckpointedStore.make(2, keep(1))
    const [only] = checkpointsIn(made.disk.files())
    made.disk.flipBit(`/data/${checkpointFile(only as number)}`, 100, 1)
    const writing = made.write(30)
    const report = await made.settled(made.store.checkpoint())
    await made.settled(writing)
    expect(report?.number).toBeGreaterThan(only as number)
    expect(made.store.metrics().checkpoint).toMatchObject({ failures: 0, kept: 1 })
    expect(probes().get("a checkpoint is made from the running tables") ?? 0).toBeGreaterThan(0)
    // A shard comes up from it, the next one is made from it, and so does a store that finds it after a power cut.
    await made.settled(made.store.killActor("store/shards/shard-0", new Error("killed by the test")))
    await made.settled(made.store.ready())
    expect(made.problems()).toEqual([])
    const cut = made.disk.snapshot().crash("nothing")
    expect(checkpointsIn(cut.files())).toEqual([report?.number])
    const again = await openOn(cut)
    expect(made.problems(again)).toEqual([])
    expect(again.recovery).toMatchObject({ checkpoint: report?.number, warnings: [] })
    await made.write(3)
    expect((await made.settled(made.store.checkpoint()))?.number).toBe((report?.number ?? 0) + 1)
    await made.close()
    const { findings, verdict } = await verifyStore(made.platform, "/data")
    expect(findings.filter(({ isDamage }) => isDamage)).toEqual([])
    expect(verdict).toBe("good")
  })

  test("the only one rots, and a crash comes at any moment of the next: it opens with everything, or is refused", async () => {
    const made = await CheckpointedStore.make(2, keep(1))
    const [only] = checkpointsIn(made.disk.files())
    made.disk.flipBit(`/data/${checkpointFile(only as number)}`, 100, 1)
    const before = made.disk.eventCount
    const report = await made.settled(made.store.checkpoint())
    let refused = 0
    let opened = 0
    for (const state of crashStates(made.disk.trace(), { seed: 5, limit: 4_000 })) {
      if (state.eventCount < before) continue
      try {
        const store = await openOn(state.mount({ keepsTrace: false }))
        expect(made.problems(store), state.describe()).toEqual([])
        expect(store.recovery.checkpoint).toBe(report?.number)
        opened++
      } catch (error) {
        // As long as the new one has no name there is nothing but the damaged one.
        expect(error, state.describe()).toBeInstanceOf(Corruption)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(0)
    expect(opened).toBeGreaterThan(0)
  })

  test("the only one rots, and what is in memory is not synced yet: the next waits until it is", async () => {
    const made = await CheckpointedStore.make(2, { ...keep(1), flush: { syncDelayMs: 60_000 } })
    const [only] = checkpointsIn(made.disk.files())
    made.disk.flipBit(`/data/${checkpointFile(only as number)}`, 100, 1)
    const table = made.store.table<Entry>("t")
    const written: Promise<unknown>[] = []
    // They come when it has begun, behind the flush that it begins with.
    made.disk.open = (path, mode) => {
      for (let n = written.length; n < 5 && path.includes("checkpoint"); n++)
        written.push(table.put(`unsynced ${n}`, { n, pad: "" }, { durability: "written" }))
      return SimulatedDisk.prototype.open.call(made.disk, path, mode)
    }
    const report = await made.settled(made.store.checkpoint())
    const { lastLsn } = made.store.metrics().log
    expect(report).toMatchObject({ lsn: lastLsn })
    const again = await openOn(made.disk.snapshot().crash("nothing"))
    expect(again.recovery).toMatchObject({ lastLsn, checkpointLsn: lastLsn })
    expect(again.table<Entry>("t").get("unsynced 4")?.n).toBe(4)
    expect(written).toHaveLength(5)
    await made.close()
  })

  test("the only one rots, and the disk fails while the next is made: it fails, the store goes on, and tries again", async () => {
    const made = await CheckpointedStore.make(2, keep(1))
    const [only] = checkpointsIn(made.disk.files())
    made.disk.flipBit(`/data/${checkpointFile(only as number)}`, 100, 1)
    made.disk.faults.add({ operation: 1, through: Infinity, only: ["rename"], error: "EIO" })
    await expect(made.settled(made.store.checkpoint())).rejects.toThrow(StorageFailed)
    made.disk.faults.clear()
    expect(made.store.metrics().checkpoint.failures).toBe(1)
    await made.write(10)
    expect(made.problems()).toEqual([])
    expect(await made.settled(made.store.checkpoint())).toBeDefined()
    expect(made.problems()).toEqual([])
    await made.close()
  })
})

describe("fault 21: a crash in a checkpoint", () => {
  test("that was due by itself, of commits that are not synced yet: it holds what was durable, and no more", async () => {
    const made = await CheckpointedStore.open({ checkpoint: { commits: 5 }, flush: { syncDelayMs: 60_000 } })
    const { disk, platform, store } = made
    await made.write(4)
    const table = store.table<Entry>("t")
    // No sync is asked for until the last one, whose frame makes the ones before it durable.
    for (let n = 0; n < 3; n++) await table.put("written", { n, pad: "" }, { durability: "written" })
    await table.put("synced", { n: 3, pad: "" })
    for (let n = 4; n < 7; n++) await table.put("written", { n, pad: "" }, { durability: "written" })
    const { durableLsn, lastLsn } = store.metrics().log
    expect(lastLsn).toBe(durableLsn + 3)
    for (let turn = 0; store.metrics().checkpoint.made === 0 && turn < 2_000; turn++) {
      platform.clock.advance(1)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    expect(store.metrics().checkpoint).toMatchObject({ made: 1, lastLsn: durableLsn })
    const again = await openOn(disk.crash("nothing"))
    expect(again.recovery).toMatchObject({ lastLsn: durableLsn, checkpointLsn: durableLsn })
    expect(again.table<Entry>("t").get("written")?.n).toBe(2)
  })

  test("after any operation of it: the store opens with everything, leaves nothing behind, and makes one again", async () => {
    const clean = await CheckpointedStore.make(2, keep(1))
    const first = clean.disk.operations.length + 1
    await clean.settled(clean.store.checkpoint())
    const last = clean.disk.operations.length
    expect(last - first).toBeGreaterThan(20)
    const names = new Set(clean.disk.operations.slice(first - 1).map(({ name }) => name))
    for (const name of ["rename", "unlink", "dataSync", "syncDirectory"]) expect(names).toContain(name)
    for (let operation = first; operation <= last; operation++) {
      for (const kind of ["kill", "nothing", "everything", "sample"] as const) {
        const made = await CheckpointedStore.make(2, keep(1))
        made.disk.faults.add({ operation, through: Infinity, error: "EIO" })
        await made.settled(made.store.checkpoint()).catch(() => undefined)
        const tell = `operation ${operation} of ${first} to ${last}, ${kind}`
        const platform = simulatePlatform({ seed: 1, disk: made.disk.crash(kind) })
        const store = await openOn(platform.fileSystem, keep(1), platform)
        expect(made.problems(store), tell).toEqual([])
        expect(store.recovery.warnings, tell).toEqual([])
        expect([...platform.fileSystem.files().keys()], tell).not.toContain("/data/checkpoint.new")
        if (kind !== "kill") continue
        await untilSettled(platform, store.table("t0").put("again", { n: 9999, pad: "" }))
        expect(await untilSettled(platform, store.checkpoint()), tell).toBeDefined()
        expect(checkpointsIn(platform.fileSystem.files()), tell).toHaveLength(1)
      }
    }
  })
})

describe("a disk that refuses while a checkpoint is made", () => {
  test("fault 12: the disk is full: it fails, reads and writes go on, nothing is left of it, and the next one succeeds", async () => {
    // All in one segment, so that the log itself needs no room.
    const made = await CheckpointedStore.open({ segmentBytes: 256 * 1024 })
    for (let n = 0; n < 80; n++) {
      const value = { n: 10_000 + n, pad: "p".repeat(300) }
      await made.settled(made.store.table("large").put(`key ${n}`, value))
      made.model.set(`large/key ${n}`, value.n)
    }
    const used = [...made.disk.files().values()].reduce((sum, { length }) => sum + Math.ceil(length / 4096) * 4096, 0)
    // Room for a part of it.
    made.disk.capacityBytes = used + 8192
    await expect(made.settled(made.store.checkpoint())).rejects.toMatchObject({
      code: "ORRERY_STORAGE_FAILED",
      systemCode: "ENOSPC",
    })
    expect(made.store.metrics().checkpoint.failures).toBe(1)
    expect([...made.disk.files().keys()]).not.toContain("/data/checkpoint.new")
    expect(made.store.status.state).toBe("open")
    await made.write(5)
    expect(made.problems()).toEqual([])
    made.disk.capacityBytes = undefined
    expect(await made.settled(made.store.checkpoint())).toMatchObject({ records: made.model.size })
    await made.close()
    expect(made.problems(await openOn(made.disk))).toEqual([])
  })

  test.each(["EIO", "ENOSPC", "EMFILE"])(
    "fault 14: one operation of it fails with %s, whichever: it fails or not, the store serves on, and the next one succeeds",
    async (error) => {
      const clean = await CheckpointedStore.make(2, keep(1))
      const first = clean.disk.operations.length + 1
      await clean.settled(clean.store.checkpoint())
      const last = clean.disk.operations.length
      let failures = 0
      for (let operation = first; operation <= last; operation++) {
        const made = await CheckpointedStore.make(2, keep(1))
        made.disk.faults.add({ operation, error, when: operation % 2 === 0 ? "before" : "after-part" })
        const outcome = await made.settled(made.store.checkpoint()).catch((reason: unknown) => reason)
        expect(made.disk.faults.hitCount).toBe(1)
        const tell = `operation ${operation} of ${first} to ${last}: ${String(outcome)}`
        expect(made.store.metrics().checkpoint.failures, tell).toBe(outcome instanceof Error ? 1 : 0)
        if (outcome instanceof Error) {
          failures++
          expect(outcome, tell).toBeInstanceOf(StorageFailed)
        }
        await made.settled(made.store.ready())
        await made.write(3)
        expect(made.problems(), tell).toEqual([])
        expect(await made.settled(made.store.checkpoint()), tell).toBeDefined()
        expect(checkpointsIn(made.disk.files()), tell).toHaveLength(1)
        await made.close()
        expect(made.disk.openFileCount, tell).toBe(0)
        const store = await openOn(made.disk)
        expect(made.problems(store), tell).toEqual([])
        expect(store.recovery.warnings, tell).toEqual([])
      }
      expect(failures).toBeGreaterThan((last - first) / 2)
    },
  )

  test("fault 14: checkpoints that are made by themselves are tried again, after a pause that grows, until they succeed", async () => {
    const made = await CheckpointedStore.open({ checkpoint: { commits: 5 } })
    const { disk, platform, store } = made
    disk.faults.add({ operation: 1, through: Infinity, only: ["rename"], error: "EIO" })
    const table = store.table("t0")
    // No rename is needed by these.
    for (let n = 0; n < 6; n++) {
      await made.settled(table.put(`key ${n}`, { n, pad: "" }))
      made.model.set(`t0/key ${n}`, n)
    }
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 50) {
        platform.clock.advance(50)
        for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      }
    }
    await pass(500)
    expect(store.metrics().checkpoint).toMatchObject({ made: 0, failures: 1 })
    await pass(20_000)
    const { failures } = store.metrics().checkpoint
    expect(failures).toBeGreaterThanOrEqual(4)
    expect(failures).toBeLessThanOrEqual(6)
    expect(store.status.state).toBe("open")
    disk.faults.clear()
    await pass(61_000)
    expect(store.metrics().checkpoint).toMatchObject({ made: 1, kept: 1 })
    await made.close()
    expect(differences(contentOf(await openOn(disk)), made.model)).toEqual([])
  })
})

describe("an actor that dies", () => {
  test("the checkpointer, after it made checkpoints: it knows them again, and shards are built anew from them", async () => {
    for (const count of [1, 2]) {
      const made = await CheckpointedStore.make(3, keep(count))
      await made.settled(made.store.killActor("store/checkpointer", new Error("killed by the test")))
      await made.settled(made.store.ready())
      expect(made.store.metrics().checkpoint.kept).toBe(count)
      await made.write(5)
      for (const shard of [0, 1, 2]) {
        await made.settled(made.store.killActor(`store/shards/shard-${shard}`, new Error("killed by the test")))
        await made.settled(made.store.ready())
      }
      expect(made.problems()).toEqual([])
      expect(await made.settled(made.store.checkpoint())).toBeDefined()
      expect(checkpointsIn(made.disk.files())).toHaveLength(count)
    }
  })
})
