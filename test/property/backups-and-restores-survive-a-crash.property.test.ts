// A crash at any step of a backup, of a restore into nothing or in the place of a store, and of what follows the crash:
// another attempt, or the next open. What opens afterwards is the old whole thing or the new whole thing, and the second
// attempt ends as the first would have.

import fc from "fast-check"
import { expect, test } from "vitest"
import { backupStore, Corruption, open, restoreStore } from "../../src/index.ts"
import { probes } from "../../src/model/invariant.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "./recovered-state.ts"
import { contentOf, historyArbitrary, openStore, runHistory, untilSettled } from "./store-history.ts"
import type { Model } from "./store-history.ts"

/** States in the default run of each test; ORRERY_CRASH_STATES asks for more. */
const STATE_COUNT = Number(process.env["ORRERY_CRASH_STATES"] ?? 350)
const STATES_A_HISTORY = 60
/** One state in so many has the next attempt crashed into. */
const NESTED_SHARE = 6
const NESTED_STATES = 10
const SEGMENT_BYTES = 4096
const SEED = Number(process.env["ORRERY_SEED"] ?? 77_001)

interface Attempt {
  /** Does what is crashed into, on a machine with this disk. */
  readonly run: (platform: SimulatedPlatform) => Promise<unknown>
  /** What may be there afterwards, and where; the last is what a whole attempt leaves. Undefined: nothing is there yet. */
  readonly path: string
  readonly allowed: readonly (Model | undefined)[]
  /** Whether the next owner may be refused: nothing was there before, and what there is has no manifest. */
  readonly mayBeRefused?: boolean
  /** An earlier state that must be there to be read, whatever happens. */
  readonly kept?: { readonly lsn: number; readonly content: Model }
}

function text(model: Model | undefined): string {
  return model === undefined ? "nothing" : JSON.stringify([...model].sort(([left], [right]) => (left < right ? -1 : 1)))
}

/** What the next owner finds. Nothing: an empty store is made. */
async function found(disk: SimulatedDisk, path: string): Promise<string> {
  try {
    const { content, report } = await recoverDisk(disk, 3, true, path)
    return report.foundStore ? text(content) : "nothing"
  } catch (error) {
    const isUnfinished =
      error instanceof Corruption && error.found.startsWith("the manifest is missing, but checkpoint")
    return isUnfinished ? "unfinished" : `it does not open: ${String(error)}`
  }
}

/** What was there behind a commit. */
async function contentAt(disk: SimulatedDisk, path: string, lsn: number): Promise<string> {
  const machine = simulatePlatform({ seed: 4, disk })
  const past = await untilSettled(machine, open(path, { readOnly: true, at: lsn, platform: machine }))
  return text(contentOf(past))
}

/** Every crash state of an attempt on this disk, and of the attempt after the crash. Returns how many there were. */
async function crashInto(base: SimulatedDisk, attempt: Attempt, seed: number, where: string): Promise<number> {
  const { path, run } = attempt
  const whole = text(attempt.allowed.at(-1))
  const allowed = [...attempt.allowed.map(text), ...(attempt.mayBeRefused === true ? ["unfinished"] : [])]
  const platform = simulatePlatform({ seed, disk: base })
  await untilSettled(platform, run(platform))
  expect(await found(base.snapshot({ keepsTrace: false }), path), where).toBe(whole)
  let count = 0
  const check = async (disk: SimulatedDisk, tell: () => string): Promise<void> => {
    count++
    const state = await found(disk.snapshot({ keepsTrace: false }), path)
    if (!allowed.includes(state)) throw new Error(`found ${state}\nallowed ${allowed.join("\nor ")}\n${tell()}`)
    if (attempt.kept !== undefined) {
      const kept = await contentAt(disk, path, attempt.kept.lsn)
      if (kept !== text(attempt.kept.content)) throw new Error(`at ${attempt.kept.lsn} is ${kept}\n${tell()}`)
    }
  }
  for (const state of crashStates(base.trace(), { seed, limit: STATES_A_HISTORY })) {
    const tell = (): string => `${where}\n${state.describe()}`
    await check(state.mount({ keepsTrace: false }), tell)
    if (count % NESTED_SHARE !== 0) continue
    const disk = state.mount()
    const machine = simulatePlatform({ seed: seed + 1, disk })
    await untilSettled(machine, run(machine)).catch((error: unknown) =>
      Promise.reject(new Error(`the next attempt fails: ${String(error)}\n${tell()}`)),
    )
    expect(await found(disk.snapshot({ keepsTrace: false }), path), tell()).toBe(whole)
    const report = await untilSettled(machine, verifyStore(machine, path))
    expect(report.verdict, tell()).toBe("good")
    for (const inner of crashStates(disk.trace(), { seed, limit: NESTED_STATES })) {
      await check(inner.mount({ keepsTrace: false }), () => `${tell()}\nthen in the next attempt: ${inner.describe()}`)
    }
  }
  return count
}

interface Told {
  /** The machine's disk, all of it durable, with a closed store in /data. */
  readonly disk: SimulatedDisk
  readonly content: Model
  /** The state in the middle of the history. */
  readonly middle: { readonly lsn: number; readonly content: Model }
  readonly seed: number
  readonly where: string
}

/** Histories with a backup of their middle in /backup, until there were enough states. */
async function overHistories(work: (told: Told) => Promise<number>): Promise<void> {
  const histories = fc.sample(fc.tuple(historyArbitrary(24, 4), historyArbitrary(24, 4), fc.nat(1e6)), {
    numRuns: 400,
    seed: SEED,
  })
  let states = 0
  for (const [index, [first, second, seed]] of histories.entries()) {
    if (states >= STATE_COUNT) break
    const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed }) })
    const before = await runHistory(platform, first, SEGMENT_BYTES)
    await untilSettled(platform, before.store.flush())
    const { lsn } = await untilSettled(platform, before.store.backup("/backup"))
    const middle = { lsn, content: contentOf(before.store) }
    await untilSettled(platform, before.store.close())
    const after = await runHistory(platform, second, SEGMENT_BYTES, undefined, { checkpoints: 50 })
    await untilSettled(platform, after.store.flush())
    const content = contentOf(after.store)
    await untilSettled(platform, after.store.close())
    const disk = platform.fileSystem.crash("everything")
    const where = `history ${index} of ORRERY_SEED=${SEED}`
    states += await work({ disk, content, middle, seed, where })
  }
  console.log(`${states} states, ORRERY_SEED=${SEED}`)
  expect(states).toBeGreaterThanOrEqual(STATE_COUNT)
}

test.each([
  { link: true, keepDays: 0 },
  { link: false, keepDays: 5 },
])("a backup that is cut off leaves the one before or the new one: %o", async (options) => {
  await overHistories(({ disk, content, middle, seed, where }) =>
    crashInto(
      disk,
      {
        path: "/backup",
        allowed: [middle.content, content],
        ...(options.keepDays > 0 ? { kept: middle } : {}),
        run: (platform) => backupStore({ from: "/data", into: "/backup", platform, ...options }),
      },
      seed,
      where,
    ),
  )
})

test.each([true, false])(
  "a first backup of a store that is open, cut off, leaves no store or the backup: link %s",
  async (link) => {
    await overHistories(({ disk, content, seed, where }) =>
      crashInto(
        disk,
        {
          path: "/new",
          allowed: [undefined, content],
          mayBeRefused: true,
          run: async (platform) => {
            // Not traced twice: it is only opened.
            const store = await openStore(platform, SEGMENT_BYTES)
            await store.backup("/new", { link })
            await store.close()
          },
        },
        seed,
        where,
      ),
    )
  },
)

test("fault 21: a restore that is cut off leaves what was there or the new store, in the place of a store too", async () => {
  const mended = probes().get("a replaced directory is mended") ?? 0
  await overHistories(async ({ disk, content, middle, seed, where }) => {
    const back = { from: "/data", into: "/data", at: middle.lsn, force: true }
    const twin = disk.crash("everything")
    const inPlace = await crashInto(
      twin.snapshot(),
      {
        path: "/data",
        allowed: [content, middle.content],
        // The state is not in the restored store's log any more, and by then it is there already.
        run: (platform) =>
          restoreStore({ ...back, platform }).catch(() => restoreStore({ ...back, from: "/backup", platform })),
      },
      seed,
      `${where}, in place`,
    )
    const beside = await crashInto(
      twin.snapshot(),
      {
        path: "/new",
        allowed: [undefined, content],
        run: (platform) => restoreStore({ from: "/data", into: "/new", force: true, platform }),
      },
      seed,
      `${where}, beside`,
    )
    return inPlace + beside
  })
  expect(probes().get("a replaced directory is mended") ?? 0).toBeGreaterThan(mended)
})

test("a checkpoint that is planned does what the plan says, on any history", async () => {
  await fc.assert(
    fc.asyncProperty(
      historyArbitrary(60, 4),
      fc.constantFrom(1, 2, 3),
      fc.nat(1e6),
      async (steps, checkpoints, seed) => {
        const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, keepsTrace: false }) })
        const keep = { checkpoints }
        const { store } = await runHistory(platform, steps, SEGMENT_BYTES, undefined, keep)
        const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
        for (let round = 0; round < 4; round++) {
          await done(store.flush())
          const before = dataIn(platform)
          const plan = await done(store.planCheckpoint())
          expect(dataIn(platform)).toEqual(before)
          const report = await done(store.checkpoint())
          if (plan === undefined || report === undefined) {
            expect([plan, report]).toEqual([undefined, undefined])
          } else {
            const { files, ...numbers } = plan
            const { durationMs: _, ...did } = report
            expect(numbers).toEqual(did)
            const after = dataIn(platform)
            const gone = [...before.keys()].filter((name) => /\/(wal|checkpoint)-/.test(name) && !after.has(name))
            expect(files.map((name) => `/data/${name}`).sort()).toEqual(gone.sort())
          }
          // Enough for more segments than are kept as spares.
          for (let n = 0; n < 9; n++) {
            await done(store.table("t0").put(`round ${round} ${n}`, { n: round, pad: String(n).padEnd(1500, "p") }))
          }
        }
        await done(store.close())
      },
    ),
    { numRuns: 30, seed: SEED },
  )
})

/** The files that hold data; whoever looks on may write of what it sees. */
function dataIn({ fileSystem }: SimulatedPlatform): ReadonlyMap<string, string> {
  const files = [...fileSystem.files()].filter(([name]) => /\/(wal|checkpoint|manifest|spare)[-.]/.test(name))
  return new Map(files.map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]))
}

test("what cannot be restored leaves no trace, whichever operation of the disk fails", async () => {
  await overHistories(async ({ disk, content, seed }) => {
    const twin = disk.crash("everything")
    const probe = simulatePlatform({ seed, disk: twin.snapshot() })
    await untilSettled(probe, restoreStore({ from: "/data", into: "/data", force: true, platform: probe }))
    const count = probe.fileSystem.operationCount
    for (let operation = 1; operation <= count; operation++) {
      const machine = simulatePlatform({ seed, disk: twin.snapshot({ keepsTrace: false }) })
      machine.fileSystem.failAt(operation, "EIO")
      const restored = restoreStore({ from: "/data", into: "/data", force: true, platform: machine })
      await untilSettled(machine, restored).catch(() => undefined)
      machine.fileSystem.faults.clear()
      expect(await found(machine.fileSystem.crash("everything"), "/data"), `operation ${operation}`).toBe(text(content))
    }
    return count
  })
})
