// The lines of the recovery report that tell of what is not simply there: each one is moved by what it counts.

import { expect, test } from "vitest"
import { checkpointFile, CHECKPOINT_NEW_FILE, segmentFile } from "../../src/format/file-names.ts"
import { CheckpointedStore, checkpointsIn, openOn } from "../checkpoint/store-with-checkpoints.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { untilSettled } from "../property/store-history.ts"
import { copyOfDisk, framesIn, makeStore, segmentsIn, withBytes } from "./reference-store.ts"

async function prepared(made: CheckpointedStore, id: string): Promise<void> {
  const { store } = made
  const work = store.transact((tx) => {
    tx.put(store.table("p"), id, id)
    tx.prepare(id)
  })
  await made.settled(work)
}

/** Three in doubt, two committed, one aborted. */
async function withTransactions(): Promise<CheckpointedStore> {
  const made = await CheckpointedStore.open()
  for (let n = 1; n <= 6; n++) await prepared(made, `T${n}`)
  await made.settled(made.store.commitPrepared("T1"))
  await made.settled(made.store.commitPrepared("T2"))
  await made.settled(made.store.abortPrepared("T3"))
  return made
}

const COUNTED = { transactionsInDoubt: 3, transactionsCommitted: 2, transactionsAborted: 1 }

test("it counts the transactions that are in doubt, and the decisions that are remembered, from the log", async () => {
  const made = await withTransactions()
  expect(made.store.recovery).toMatchObject({
    transactionsInDoubt: 0,
    transactionsCommitted: 0,
    transactionsAborted: 0,
  })
  const store = await openOn(made.disk.crash("kill"))
  expect(store.recovery).toMatchObject({ ...COUNTED, commits: 9 })
  expect(store.inDoubt().map(({ id }) => id)).toEqual(["T4", "T5", "T6"])
})

test("it counts the same from a checkpoint, and after the log has failed", async () => {
  const made = await withTransactions()
  await made.settled(made.store.checkpoint())
  await made.settled(made.store.killActor("store/log/wal-writer", new Error("killed by the test")))
  await made.settled(made.store.ready())
  expect(made.store.recovery).toMatchObject(COUNTED)
  const store = await openOn(made.disk.crash("kill"))
  expect(store.recovery).toMatchObject({ ...COUNTED, commits: 0 })
})

test("a partial write is a torn frame and a checksum failure; a clean end is neither", async () => {
  const { platform } = await makeStore({ commitCount: 5 })
  const files = platform.fileSystem.crash("kill").files()
  const none = { tornFrames: 0, rolledBackFrames: 0, checksumFailures: 0, removedFiles: 0, cutBytes: 0 }
  expect((await recoverDisk(await copyOfDisk(files), 1, false)).report).toMatchObject(none)
  const last = framesIn(files, 1).at(-1)
  const torn = withBytes(files, segmentFile(1), (last?.end ?? 0) - 1, Uint8Array.of(0xa5))
  const { report } = await recoverDisk(await copyOfDisk(torn), 1, false)
  expect(report).toMatchObject({ ...none, tornFrames: 1, checksumFailures: 1, cutBytes: expect.any(Number) })
  expect(report.cutBytes).toBeGreaterThan(0)
})

test("whole frames behind a hole that nobody was told were durable are counted as rolled back", async () => {
  const { platform } = await makeStore({ commitCount: 8, levelOf: (n) => (n > 5 ? "written" : "synced") })
  const files = platform.fileSystem.crash("kill").files()
  const hole = framesIn(files, 1).at(-3)
  const broken = withBytes(files, segmentFile(1), (hole?.end ?? 0) - 1, Uint8Array.of(0xa5))
  const { report } = await recoverDisk(await copyOfDisk(broken), 1, false)
  expect(report).toMatchObject({ tornFrames: 1, rolledBackFrames: 2, checksumFailures: 1 })
})

test("a checkpoint that is passed over is a checksum failure, and what an interrupted one left is removed", async () => {
  const made = await CheckpointedStore.make(2, { keep: { checkpoints: 2 } })
  const files = await made.close()
  const newest = checkpointsIn(files).at(-1) ?? 0
  const size = files.get(`/data/${checkpointFile(newest)}`)?.length ?? 0
  const rotten = withBytes(files, checkpointFile(newest), Math.floor(size / 2), Uint8Array.of(0x5a, 0xa5, 0x5a, 0xa5))
  const left = new Map(rotten).set(`/data/${CHECKPOINT_NEW_FILE}`, new Uint8Array(100))
  const { report } = await recoverDisk(await copyOfDisk(left), 1, false)
  expect(report).toMatchObject({ checksumFailures: 1, removedFiles: 1, checkpoint: newest - 1 })
  expect(report.warnings).toHaveLength(1)
  expect(segmentsIn(files).length).toBeGreaterThan(0)
})

test("the LSNs of transactions rise over restarts, decided or not", async () => {
  const made = await withTransactions()
  const lsns = made.store.inDoubt().map(({ lsn }) => lsn)
  const last = made.store.metrics().log.lastLsn
  const platform = made.platform
  await made.settled(made.store.close())
  const again = await untilSettled(platform, openOn(made.disk, {}, platform))
  expect(again.inDoubt().map(({ lsn }) => lsn)).toEqual(lsns)
  const { lsn } = await untilSettled(platform, again.commitPrepared("T4"))
  expect(lsn).toBeGreaterThan(last)
  await untilSettled(platform, again.close())
})
