// Fault classes in which the process or the power goes: what was acknowledged is kept, and what comes back is the state
// behind some prefix of the commits. The numbers are those of the table of fault classes.

import { describe, expect, test } from "vitest"
import { verifyCheckpoint } from "../../src/checkpoint/checkpoint-reader.ts"
import { meaningOf, segmentFile } from "../../src/format/file-names.ts"
import { decodeManifest } from "../../src/format/manifest.ts"
import { decodeSegmentHeader } from "../../src/format/segment-header.ts"
import { probes } from "../../src/model/invariant.ts"
import { crc32 } from "../../src/simulation/checksum.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import type { CrashState } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { SimulatedDiskOptions } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { contentOf, differences, modelAt, openStore, runHistory, untilSettled } from "../property/store-history.ts"
import type { Entry, HistoryCommit, Step } from "../property/store-history.ts"
import {
  contentAt,
  copyOfDisk,
  framesIn,
  makeStore,
  manifestIn,
  SEGMENT_SIZE,
  segmentsIn,
  withBytes,
} from "../recovery/reference-store.ts"
import type { PlacedFrame } from "../recovery/reference-store.ts"

const put = (key: string, size = 200): Step => ({ kind: "put", table: "t0", key, size, level: "synced" })

/** Commits in flight side by side, over several segments. */
const STEPS: readonly Step[] = Array.from({ length: 14 }, (_, n): Step[] => [
  { kind: "put", table: "t1", key: "w", size: 50, level: "written" },
  { kind: "turns", count: 25 },
  { kind: "put", table: "t1", key: "v", size: 90, level: "written" },
  { kind: "turns", count: 25 },
  put(`a${n % 3}`),
  put(`b${n % 4}`),
  { kind: "turns", count: 3 + (n % 5) },
  { kind: "batch", puts: [`t1/x${n}`, "t2/shared"], deletes: ["t0/b1"], level: "synced" },
  { kind: "turns", count: 25 },
  ...(n % 3 === 2 ? [{ kind: "settle" } as const] : []),
]).flat()

/** By the killed writer. */
const WRITE_COUNT = 30

interface Run {
  readonly disk: SimulatedDisk
  readonly commits: readonly HistoryCommit[]
}

async function runSteps(options: SimulatedDiskOptions = {}, seed = 7): Promise<Run> {
  const disk = new SimulatedDisk({ seed, ...options })
  const platform = simulatePlatform({ seed, disk })
  const { store, commits } = await runHistory(platform, STEPS, SEGMENT_SIZE)
  await untilSettled(platform, store.close())
  return { disk, commits }
}

function ackedBefore(commits: readonly HistoryCommit[], operationCount: number): number {
  return Math.max(0, ...commits.map(({ ackedAt, lsn }) => (ackedAt <= operationCount && lsn !== undefined ? lsn : 0)))
}

interface Checked {
  readonly stateCount: number
  /** States in which the crash lost something, or tore it; and those in which recovery had to cut a torn frame. */
  readonly lossyCount: number
  readonly cutCount: number
  readonly problems: readonly string[]
}

/** Recovers each state; gives back what is wrong, and how many states there were. */
async function check(run: Run, states: Iterable<CrashState>): Promise<Checked> {
  const problems: string[] = []
  let stateCount = 0
  let lossyCount = 0
  let cutCount = 0
  for (const state of states) {
    stateCount++
    if (state.lossCount > 0) lossyCount++
    try {
      const { content, report } = await recoverDisk(state.mount({ keepsTrace: false }), 1, true)
      if (report.cutBytes > 0) cutCount++
      const acknowledged = ackedBefore(run.commits, state.afterOperation)
      if (report.lastLsn < acknowledged) problems.push(`lost LSN ${acknowledged}: ${state.describe()}`)
      const wrong = differences(content, modelAt(run.commits, report.lastLsn))
      if (wrong.length > 0) problems.push(`${wrong.join("; ")}: ${state.describe()}`)
    } catch (error) {
      problems.push(`${String(error)}: ${state.describe()}`)
    }
  }
  return { stateCount, lossyCount, cutCount, problems }
}

/** Whether the crash lost a change of that kind; see `describeChange`. */
function hasLost(state: CrashState, change: "create" | "rename" | "unlink" | "bytes"): boolean {
  return state.describe().includes(`\nlost: ${change} `)
}

function* ofKinds(run: Run, kinds: readonly CrashState["kind"][], limit: number): Generator<CrashState> {
  for (const state of crashStates(run.disk.trace(), { seed: 3, limit })) if (kinds.includes(state.kind)) yield state
}

describe("a crash", () => {
  test("fault 1: the process is killed after any operation, and every acknowledged write is kept", async () => {
    const clean = await runSteps()
    const operationCount = clean.disk.operationCount
    expect(operationCount).toBeGreaterThan(100)
    let killCount = 0
    let acknowledgedCount = 0
    let partialCount = 0
    for (let operation = 40; operation < Math.min(operationCount, 130); operation += 2) {
      const disk = new SimulatedDisk({ seed: 7 })
      const platform = simulatePlatform({ seed: 7, disk })
      // From that operation on nothing works any more, as for a process that is dead.
      disk.faults.add({ operation, through: Infinity, error: "EIO" })
      const store = await openStore(platform, SEGMENT_SIZE).catch(() => undefined)
      if (store === undefined) continue
      killCount++
      const acknowledged: number[] = []
      const table = store.table<Entry>("t")
      // Three at a time: all at once would be one frame, and acknowledged whole or not at all.
      for (let n = 0; n < WRITE_COUNT; n += 3) {
        const writes = [n, n + 1, n + 2].map((m) =>
          table.put(`key ${m}`, { n: m, pad: "p".repeat(150) }).then(
            () => acknowledged.push(m),
            () => 0,
          ),
        )
        await untilSettled(platform, Promise.all(writes))
      }
      const { content } = await recoverDisk(disk.crash("kill"), 2, true)
      for (const n of acknowledged) expect(content.get(`t/key ${n}`), `operation ${operation}`).toBe(n)
      // They were made in this order, so what is there of them is the first so many.
      expect(content, `operation ${operation}`).toEqual(
        new Map(Array.from({ length: content.size }, (_, n) => [`t/key ${n}`, n])),
      )
      acknowledgedCount += acknowledged.length
      if (acknowledged.length > 0 && acknowledged.length < WRITE_COUNT) partialCount++
    }
    expect(killCount).toBeGreaterThan(30)
    expect(acknowledgedCount).toBeGreaterThan(killCount)
    expect(partialCount).toBeGreaterThan(2)
  })

  test("fault 2: a kill that tears a write in the middle costs at most what was not acknowledged", async () => {
    const { platform, commits } = await makeStore({ commitCount: 20, padSize: 600 })
    const files = platform.fileSystem.crash("kill").files()
    const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
    const last = framesIn(files, used.at(-1) as number).at(-1) as PlacedFrame
    for (let size = 0; size < last.end - last.offset; size += 64) {
      // The write of the last frame took so many bytes and no more.
      const torn = withBytes(
        files,
        segmentFile(last.segment),
        last.offset + size,
        new Uint8Array(last.end - last.offset - size),
      )
      const { content } = await recoverDisk(await copyOfDisk(torn), 1, true)
      expect(differences(content, contentAt(commits.slice(0, -1)))).toEqual([])
    }
  })

  test("fault 3: the power goes, and nothing that was not synced is kept", async () => {
    const run = await runSteps()
    const { stateCount, lossyCount, problems } = await check(run, ofKinds(run, ["nothing"], Infinity))
    expect(problems).toEqual([])
    expect(stateCount).toBeGreaterThan(50)
    expect(lossyCount).toBeGreaterThan(50)
  })

  test("fault 4: sectors are torn: half written, zeros or garbage", async () => {
    const run = await runSteps()
    const torn = ofKinds(run, ["torn-half", "torn-zeros", "torn-garbage"], 1_500)
    const { stateCount, cutCount, problems } = await check(run, torn)
    expect(problems).toEqual([])
    expect(stateCount).toBeGreaterThan(200)
    // Frames were among what was torn.
    expect(cutCount).toBeGreaterThan(20)
  })

  test("fault 5: writes between two syncs reach the disk in any order", async () => {
    const run = await runSteps()
    const cutBefore = probes().get("unsynced frames behind a hole are cut") ?? 0
    const { stateCount, lossyCount, problems } = await check(run, ofKinds(run, ["hole", "subset", "sample"], 1_500))
    expect(problems).toEqual([])
    expect(stateCount).toBeGreaterThan(200)
    expect(lossyCount).toBeGreaterThan(200)
    expect((probes().get("unsynced frames behind a hole are cut") ?? 0) - cutBefore).toBeGreaterThan(0)
  })

  test("fault 6: a file has grown and its data has not come: zeros are never a frame", async () => {
    const { platform, commits } = await makeStore({ commitCount: 20 })
    const files = platform.fileSystem.crash("kill").files()
    const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
    const name = segmentFile(used.at(-1) as number)
    const size = files.get(`/data/${name}`)?.length as number
    const { content, report } = await recoverDisk(
      await copyOfDisk(withBytes(files, name, size, new Uint8Array(100_000))),
      1,
      true,
    )
    expect(differences(content, contentAt(commits))).toEqual([])
    expect(report.cutBytes).toBe(0)

    // The same as the disk does it: the size of a write is kept, and its bytes are not.
    const run = await runSteps()
    const grown = [...crashStates(run.disk.trace(), { seed: 6, limit: 4_000 })].filter(
      (state) => state.describe().includes("\nkept: size ") && hasLost(state, "bytes"),
    )
    const { stateCount, problems } = await check(run, grown)
    expect(problems).toEqual([])
    expect(stateCount).toBeGreaterThan(20)
  })

  test("fault 7: garbage behind the last frame is cut", async () => {
    const { platform, commits } = await makeStore({ commitCount: 20 })
    const files = platform.fileSystem.crash("kill").files()
    const used = segmentsIn(files).filter((segment) => framesIn(files, segment).length > 0)
    const last = framesIn(files, used.at(-1) as number).at(-1) as PlacedFrame
    for (const size of [1, 8, 64, 512, 1_000]) {
      const garbage = withBytes(files, segmentFile(last.segment), last.end, new Uint8Array(size).fill(0xa5))
      const { content, report } = await recoverDisk(await copyOfDisk(garbage), 1, true)
      expect(differences(content, contentAt(commits))).toEqual([])
      expect(report.cutBytes).toBeGreaterThan(0)
    }
  })

  test("fault 8: a create, rename or unlink is lost: the old or the new is there, never neither", async () => {
    // With checkpoints, which let go of files.
    const disk = new SimulatedDisk({ seed: 7 })
    const platform = simulatePlatform({ seed: 7, disk })
    const steps = STEPS.flatMap((step, index): Step[] => (index % 40 === 39 ? [{ kind: "checkpoint" }, step] : [step]))
    const { store, commits } = await runHistory(platform, steps, SEGMENT_SIZE, undefined, { checkpoints: 1 })
    await untilSettled(platform, store.close())
    const run = { disk, commits }
    const changes = ["create", "rename", "unlink"] as const
    const states = [...crashStates(run.disk.trace(), { seed: 5, limit: 4_000 })].filter((state) =>
      changes.some((change) => hasLost(state, change)),
    )
    const { problems } = await check(run, states)
    expect(problems).toEqual([])
    for (const change of changes)
      expect(states.filter((state) => hasLost(state, change)).length, change).toBeGreaterThan(5)
  })

  test("fault 9: no name is kept whose data is lost: every segment, manifest and checkpoint that is there is whole", async () => {
    const disk = new SimulatedDisk({ seed: 7 })
    const platform = simulatePlatform({ seed: 7, disk })
    const steps = STEPS.flatMap((step, index): Step[] => (index % 40 === 39 ? [{ kind: "checkpoint" }, step] : [step]))
    const { store } = await runHistory(platform, steps, SEGMENT_SIZE, undefined, { checkpoints: 1 })
    await untilSettled(platform, store.close())
    const { storeId, checksumSeed } = manifestIn(disk.files())
    let stateCount = 0
    /** Each content once: most states have the same ones. */
    const checkpoints = new Set<string>()
    for (const state of crashStates(disk.trace(), { seed: 9, limit: 2_000 })) {
      stateCount++
      const fileSystem = state.mount({ keepsTrace: false })
      for (const [path, bytes] of fileSystem.files()) {
        const name = path.slice("/data/".length)
        const meaning = meaningOf(name)
        if (meaning?.kind === "manifest")
          expect(decodeManifest(bytes, name, crc32), state.describe()).toBeTypeOf("object")
        if (meaning?.kind === "checkpoint") {
          const content = `${name} ${bytes.length} ${crc32(bytes, 0)}`
          const directory = { fileSystem, checksum: crc32, path: "/data", storeId, checksumSeed }
          if (!checkpoints.has(content)) await verifyCheckpoint(directory, meaning.number)
          checkpoints.add(content)
        }
        if (meaning?.kind !== "segment") continue
        const expected = { file: name, storeId, segment: meaning.segment }
        expect(decodeSegmentHeader(bytes.slice(0, 64), expected, crc32), state.describe()).toBeTypeOf("object")
      }
    }
    expect(stateCount).toBeGreaterThan(500)
    expect(checkpoints.size).toBeGreaterThan(2)
  })

  test("fault 11: a disk that lies about syncs loses acknowledged writes, and this harness notices", async () => {
    const run = await runSteps({ faults: [{ operation: 1, through: Infinity, quirk: "lying-sync" }] })
    const { problems } = await check(run, ofKinds(run, ["nothing", "hole"], 300))
    expect(problems.length).toBeGreaterThan(10)
  })

  test("fault 21: crashes while a segment is rotated, prepared or retired, and while the store is opened and closed", async () => {
    const disk = new SimulatedDisk({ seed: 11 })
    const platform = simulatePlatform({ seed: 11, disk })
    const steps: Step[] = [
      ...STEPS.slice(0, 30),
      { kind: "reopen" },
      ...STEPS.slice(30, 60),
      { kind: "reopen" },
      put("last"),
    ]
    const { store, commits } = await runHistory(platform, steps, SEGMENT_SIZE)
    await untilSettled(platform, store.close())
    const run = { disk, commits }
    const { stateCount, problems } = await check(run, crashStates(disk.trace(), { seed: 13, limit: 1_500 }))
    expect(problems).toEqual([])
    expect(stateCount).toBeGreaterThan(400)
  })

  test("fault 22: the clock jumps back between and within owners, and order follows the log", async () => {
    const platform = simulatePlatform({ seed: 1 })
    let store = await openStore(platform, SEGMENT_SIZE)
    const lsns: number[] = []
    for (let n = 0; n < 30; n++) {
      platform.clock.jumpWall(n % 3 === 0 ? -3_600_000 : 1_000)
      lsns.push((await untilSettled(platform, store.table<Entry>("t").put("key", { n, pad: "" }))).lsn)
      if (n % 10 === 9) {
        await untilSettled(platform, store.close())
        platform.clock.jumpWall(-86_400_000)
        store = await openStore(platform, SEGMENT_SIZE)
        expect(contentOf(store).get("t/key")).toBe(n)
      }
    }
    expect(lsns).toEqual(lsns.toSorted((a, b) => a - b))
    await untilSettled(platform, store.close())
  })
})
