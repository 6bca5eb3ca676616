// The making of a checkpoint as a job: the same bytes come of it on a worker thread as in slices on this one, and what a
// thread says is believed only where it is an outcome, and true.

import { copyFile, mkdir, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { headOf, verifyCheckpoint } from "../../src/checkpoint/checkpoint-reader.ts"
import { readManifest } from "../../src/checkpoint/manifest-file.ts"
import { checkpointFile } from "../../src/format/file-names.ts"
import { Corruption, StorageFailed } from "../../src/model/errors.ts"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"
import { startWorker } from "../../src/platform/node/node-worker.ts"
import { isFoldOutcome, isOutcomeTrue, resultOf, runFoldJob } from "../../src/recovery/fold-job.ts"
import type { FoldJob, FoldOutcome } from "../../src/recovery/fold-job.ts"
import { scanLog } from "../../src/recovery/scan-log.ts"
import { listStart } from "../../src/recovery/select-checkpoint.ts"
import type { LogDirectory } from "../../src/wal/log-directory.ts"
import { temporaryDirectory, temporaryStore } from "../store/temporary-store.ts"

const { fileSystem, checksum } = nodePlatform
const workerUrl = new URL("../../src/checkpoint-worker.ts", import.meta.url)

/** A closed store with a checkpoint and a log behind it: several tables, shapes, deletes, batches. */
async function closedStore(): Promise<string> {
  const store = await temporaryStore({ segmentBytes: 64 * 1024, checkpoint: false })
  for (let n = 0; n < 3000; n++) {
    const table = store.table(`t${n % 3}`)
    const key = `key ${(n * 7) % 900}`
    const value = n % 4 === 0 ? { n, pad: "p".repeat(n % 150) } : { name: `n${n}`, inner: { n, list: [n, null] } }
    void (n % 11 === 0 ? table.delete(key) : table.put(key, value))
    if (n % 200 !== 0) continue
    await store.batch((writes) => {
      for (let i = 0; i < 20; i++) writes.put(store.table(`t${i % 3}`), `batch ${n} ${i}`, { i })
    })
    if (n === 1600) await store.checkpoint()
  }
  await store.flush()
  await store.close()
  return store.path
}

async function jobFor(path: string): Promise<{ job: FoldJob; directory: LogDirectory }> {
  const { manifest } = await readManifest(fileSystem, path, checksum)
  if (manifest === undefined) throw new Error("no manifest")
  const { storeId, checksumSeed } = manifest
  const directory = { fileSystem, checksum, path, storeId, checksumSeed }
  const start = await listStart(directory, manifest)
  const { extents, lastLsn } = await scanLog(directory, start, [], undefined, () => undefined)
  const base = start.checkpoints[0]
  const number = (base ?? 0) + 1
  const job = { path, storeId, checksumSeed, extents, startLsn: start.firstLsn, throughLsn: lastLsn, number, base }
  return { job: { ...job, createdMs: 1_700_000_000_000 }, directory }
}

async function copyOf(path: string): Promise<string> {
  const copy = join(await temporaryDirectory(), "copy")
  await mkdir(copy)
  for (const name of await readdir(path)) await copyFile(join(path, name), join(copy, name))
  return copy
}

test("a worker thread makes the same bytes as this thread does, in one piece or in slices, and from nothing", async () => {
  const path = await closedStore()
  for (const isFromBase of [true, false]) {
    const made: Buffer[] = []
    for (const way of ["worker", "one piece", "slices"]) {
      const { job: full, directory } = await jobFor(await copyOf(path))
      const job = isFromBase ? full : { ...full, base: undefined }
      if (way === "worker") {
        const run = startWorker(workerUrl, job, isFoldOutcome)
        const outcome = await run.answer
        expect(await isOutcomeTrue(outcome, job, directory)).toBe(true)
        expect(resultOf(outcome)).toMatchObject({ number: job.number })
        await run.end()
      } else {
        let turns = 0
        const pace = (): Promise<void> | undefined => {
          turns++
          return way === "slices" ? new Promise((resolve) => setImmediate(resolve)) : undefined
        }
        await runFoldJob(job, fileSystem, checksum, pace)
        expect(turns).toBeGreaterThan(10)
      }
      expect(await verifyCheckpoint(directory, job.number)).toEqual({
        ...(await headOf(directory, job.number)),
        records: expect.any(Number) as number,
      })
      made.push(await readFile(join(directory.path, checkpointFile(job.number))))
      expect(await readdir(directory.path)).not.toContain("checkpoint.new")
    }
    const [first, ...others] = made
    expect(first?.length).toBeGreaterThan(50_000)
    for (const other of others) expect(Buffer.compare(first as Buffer, other)).toBe(0)
  }
})

test("a worker thread tells damage and the disk's errors as what they are", async () => {
  const path = await closedStore()
  const { job } = await jobFor(path)
  const outcomeOf = async (given: FoldJob): Promise<unknown> => {
    const run = startWorker(workerUrl, given, isFoldOutcome)
    try {
      return resultOf(await run.answer)
    } catch (error) {
      return error
    } finally {
      await run.end()
    }
  }
  expect(await outcomeOf({ ...job, checksumSeed: (job.checksumSeed ^ 1) >>> 0 })).toBeInstanceOf(Corruption)
  const absent = await outcomeOf({ ...job, path: join(path, "absent") })
  expect(absent).toBeInstanceOf(StorageFailed)
  expect(absent).toMatchObject({ systemCode: "ENOENT" })
})

describe("an outcome", () => {
  const info = { number: 3, throughLsn: 70, records: 5, sizeBytes: 400, createdMs: 1 }

  test.each<FoldOutcome>([
    { kind: "made", checkpoint: undefined },
    { kind: "made", checkpoint: info },
    { kind: "corruption", file: "f", offset: 0, lsn: 0, found: "x" },
    { kind: "storage", operation: "write", file: "f", systemCode: "EIO" },
  ])("is told by its form: %j", (outcome) => {
    expect(isFoldOutcome(outcome)).toBe(true)
  })

  const nonsense: readonly unknown[] = [
    undefined,
    null,
    "made",
    [],
    {},
    { kind: "done" },
    { kind: "made", checkpoint: null },
    { kind: "made", checkpoint: { ...info, throughLsn: "70" } },
    { kind: "made", checkpoint: { ...info, number: -1 } },
    { kind: "made", checkpoint: { ...info, sizeBytes: Number.NaN } },
    { kind: "corruption", file: "f", offset: 0, lsn: 0 },
    { kind: "corruption", file: "f", offset: "0", lsn: 0, found: "x" },
    { kind: "storage", operation: "write", file: "f" },
  ]
  test.each(nonsense.map((message) => ({ message })))("is not this: $message", ({ message }) => {
    expect(isFoldOutcome(message)).toBe(false)
  })

  test("is true only of the checkpoint that was asked for, as it is on the disk", async () => {
    const { job, directory } = await jobFor(await closedStore())
    const made = await runFoldJob(job, fileSystem, checksum, () => undefined)
    if (made === undefined) throw new Error("nothing was made")
    const isTrue = (checkpoint: typeof made, asked: FoldJob = job): Promise<boolean> =>
      isOutcomeTrue({ kind: "made", checkpoint }, asked, directory)
    expect(await isTrue(made)).toBe(true)
    expect(await isOutcomeTrue({ kind: "made", checkpoint: undefined }, job, directory)).toBe(true)
    // Another one that is there, too.
    expect(await isTrue({ ...made, number: job.base ?? 0 })).toBe(false)
    expect(await isTrue({ ...made, throughLsn: made.throughLsn - 1 })).toBe(false)
    expect(await isTrue({ ...made, sizeBytes: made.sizeBytes + 8 })).toBe(false)
    expect(await isTrue(made, { ...job, throughLsn: made.throughLsn - 1 })).toBe(false)
    // One that is not there.
    const number = job.number + 1
    expect(await isTrue({ ...made, number }, { ...job, number })).toBe(false)
  })
})
