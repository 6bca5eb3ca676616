// Prepared transactions through what is kept and let go: checkpoints, the cut of the log, backups and restores, reads of
// the past, and what is left of them when they are decided.

import { expect, test } from "vitest"
import { KeyInDoubt, open, restoreStore } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { CheckpointedStore, checkpointsIn, openOn } from "../checkpoint/store-with-checkpoints.ts"
import { untilSettled } from "../property/store-history.ts"

async function prepare(made: CheckpointedStore, id: string, value: unknown = id): Promise<void> {
  const { store } = made
  const work = store.transact((tx) => {
    tx.put(store.table("p"), `key of ${id}`, value)
    tx.prepare(id, { of: id })
  })
  await made.settled(work)
}

/** Writes and makes checkpoints until the log of the beginning is gone. */
async function untilLogIsCut(made: CheckpointedStore): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await made.write(20)
    await made.settled(made.store.checkpoint())
  }
  expect([...made.disk.files().keys()]).not.toContain("/data/wal-0000000001")
}

async function expectInDoubt(store: Store, ids: readonly string[]): Promise<void> {
  expect(store.inDoubt().map(({ id, data }) => [id, data])).toEqual(ids.map((id) => [id, { of: id }]))
  for (const id of ids) await expect(store.table("p").put(`key of ${id}`, 0)).rejects.toThrow(KeyInDoubt)
}

test("what is in doubt outlives the log that it was written in, and is decided from a checkpoint", async () => {
  const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
  await prepare(made, "T1")
  await prepare(made, "T2")
  await untilLogIsCut(made)
  const disk = made.disk.crash("nothing")
  const platform = simulatePlatform({ seed: 3, disk })
  const store = await openOn(disk, {}, platform)
  expect(store.recovery.checkpoint).toBeGreaterThan(0)
  await expectInDoubt(store, ["T1", "T2"])
  await untilSettled(platform, store.commitPrepared("T1"))
  await untilSettled(platform, store.abortPrepared("T2"))
  expect([...store.table("p").entries()]).toEqual([["key of T1", "T1"]])
  await untilSettled(platform, store.close())
  expect((await verifyStore(platform, "/data")).verdict).toBe("good")
})

test("an aborted prepare leaves nothing of its content in the files once the log of it is gone", async () => {
  const made = await CheckpointedStore.open({ keep: { checkpoints: 1 } })
  const marks = Array.from({ length: 40 }, (_, n) => `SECRET-${n}-`.repeat(20))
  for (const [n, mark] of marks.entries()) {
    await prepare(made, `T${n}`, mark)
    await made.settled(made.store.abortPrepared(`T${n}`, "not wanted"))
  }
  const bytesIn = (): string => Buffer.concat([...made.disk.files().values()]).toString("latin1")
  expect(bytesIn()).toContain("SECRET-")
  await untilLogIsCut(made)
  // Old segments wait as spares with what they held; they are no part of the store.
  const kept = [...made.disk.files()].filter(([name]) => /\/(wal|checkpoint)-/.test(name))
  const newest = checkpointsIn(made.disk.files()).at(-1)
  const text = Buffer.concat(kept.filter(([name]) => name.includes("checkpoint")).map(([, bytes]) => bytes)).toString(
    "latin1",
  )
  expect(newest).toBeGreaterThan(0)
  expect(text).not.toContain("SECRET-")
  expect(text).toContain("not wanted")
  expect(made.store.inDoubt()).toEqual([])
})

test("thousands that were committed over the same keys shrink to those keys and the decisions to remember", async () => {
  const made = await CheckpointedStore.open({ keep: { checkpoints: 1 }, prepared: { decisions: 10 } })
  const { store } = made
  for (let n = 0; n < 1_500; n++) {
    const work = store.transact((tx) => {
      tx.put(store.table("p"), `key ${n % 5}`, { n, pad: "p".repeat(100) })
      tx.prepare(`T${n}`)
    })
    await made.settled(work)
    await made.settled(store.commitPrepared(`T${n}`))
  }
  const report = await made.settled(store.checkpoint())
  expect(report?.records).toBe(5 + 2 * 10 + 1)
  expect(report?.sizeBytes).toBeLessThan(8_192)
})

test("a backup holds what is in doubt, and so does what is restored from it, also as of a commit in between", async () => {
  const made = await CheckpointedStore.open()
  await prepare(made, "T1")
  await prepare(made, "T2")
  const { lsn } = await made.settled(made.store.commitPrepared("T1"))
  await made.settled(made.store.backup("/backup"))
  const { platform } = made
  const restored = async (to: number): Promise<Store> => {
    await made.settled(
      restoreStore({ from: to === lsn ? "/backup" : "/data", at: to, into: `/restored-${to}`, platform }),
    )
    return made.settled(open(`/restored-${to}`, { platform, shards: 3, segmentBytes: 4096 }))
  }
  const after = await restored(lsn)
  await expectInDoubt(after, ["T2"])
  expect(after.outcome("T1")).toMatchObject({ outcome: "committed" })
  await made.settled(after.close())
  await made.settled(made.store.flush())
  const before = await restored(lsn - 1)
  await expectInDoubt(before, ["T1", "T2"])
  await made.settled(before.commitPrepared("T2"))
  expect([...before.table("p").keys()]).toEqual(["key of T2"])
  await made.settled(before.close())
})

test("reads of the past and snapshots see what was committed, and nothing of what was only prepared", async () => {
  const made = await CheckpointedStore.open({}, new SimulatedDisk())
  await prepare(made, "T1")
  using before = made.store.snapshot()
  const { lsn } = await made.settled(made.store.commitPrepared("T1"))
  expect(before.table("p").has("key of T1")).toBe(false)
  const { platform } = made
  for (const [at, keys] of [
    [lsn - 1, []],
    [lsn, ["key of T1"]],
  ] as const) {
    const past = await made.settled(open("/data", { readOnly: true, at, platform }))
    expect([...past.table("p").keys()]).toEqual(keys)
    expect(past.tables().filter((name) => name.startsWith("orrery:"))).toEqual([])
  }
})
