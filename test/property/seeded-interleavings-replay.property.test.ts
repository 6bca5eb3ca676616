// A seed decides an interleaving, wholly: run again, everything happens in the same order, down to each call of the disk.
// Most interleavings here are of group commit, whose writers, disk and clock take turns as the seed says, the disk failing
// in some; one in a hundred is of a whole store on a disk whose operations overtake each other. On the way each is held to
// what commits promise: an acknowledged synced write is durable at that moment, and positions are given out without a gap.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { Durability } from "../../src/model/durability.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { Lsn } from "../../src/model/lsn.ts"
import { shuffled } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { systemError } from "../../src/simulation/system-error.ts"
import { runFingerprint } from "../../src/testing/run-fingerprint.ts"
import { GroupCommit } from "../../src/wal/group-commit.ts"
import type { FrameDraft, Log } from "../../src/wal/log.ts"
import { measureFigures } from "../figures.ts"
import { historyArbitrary, runHistory, untilSettled } from "./store-history.ts"
import type { Step } from "./store-history.ts"

/** Interleavings in the default run; ORRERY_INTERLEAVINGS asks for more. */
const COUNT = Number(process.env["ORRERY_INTERLEAVINGS"] ?? 30_000)
const STORE_COUNT = Math.ceil(COUNT / 100)
const SEED = Number(process.env["ORRERY_SEED"] ?? 3_141)
const LIMIT_MS = 3_600_000

const STEP_COUNT = 16
/** One interleaving in so many has an append or a sync that fails. */
const FAILING_ONE_IN = 4
const LEVELS: readonly Durability[] = ["synced", "synced", "written", "memory"]

/** A log in memory that ends its operations some microtasks after they began, as chance says. */
class OvertakenLog implements Log {
  readonly epoch = 1
  endLsn: Lsn = lsnOf(0)
  durableLsn: Lsn = lsnOf(0)
  readonly oldestLsn: Lsn = lsnOf(1)
  readonly #random: SimulatedRandom
  /** Operations until one fails; infinite for none. */
  #untilFailure: number
  readonly told: string[]

  constructor(random: SimulatedRandom, told: string[]) {
    this.#random = random
    this.told = told
    this.#untilFailure = random.chance(FAILING_ONE_IN) ? 1 + random.below(4) : Infinity
  }

  async append({ commitCount, sync, start, end }: FrameDraft, expected: Lsn): Promise<void> {
    this.told.push(`append ${commitCount} at ${expected}, ${end - start} bytes${sync ? ", synced" : ""}`)
    check(expected === this.endLsn, `an append behind ${this.endLsn} expects ${expected}`)
    await this.#work()
    this.endLsn = lsnOf(this.endLsn + commitCount)
    if (sync) this.durableLsn = this.endLsn
    this.told.push(`appended to ${this.endLsn}`)
  }

  async sync(): Promise<void> {
    const end = this.endLsn
    this.told.push(`sync to ${end}`)
    await this.#work()
    this.durableLsn = end
    this.told.push("synced")
  }

  // Nobody reads.
  async *read(): AsyncGenerator<never> {}

  async truncate(): Promise<number> {
    return 0
  }

  async close(): Promise<void> {}

  async #work(): Promise<void> {
    for (let step = this.#random.below(12); step >= 0; step--) await Promise.resolve()
    if (--this.#untilFailure === 0) throw systemError("EIO", "write", "/log")
  }
}

/** Runs the interleaving of that seed; returns what happened, in order. */
async function interleaveCommits(seed: number): Promise<readonly string[]> {
  const random = new SimulatedRandom(seed)
  const told: string[] = []
  const log = new OvertakenLog(random, told)
  const clock = new SimulatedClock()
  const triggers = {
    records: random.pick([2, 5, 1_000]),
    bytes: 100_000,
    delayMs: random.pick([0, 0, 1]),
    syncDelayMs: 20,
  }
  const commit: GroupCommit = new GroupCommit(log, clock, triggers, 1_000_000, {
    beforeSwitch: () => told.push("switch"),
    onDurable: ({ firstLsn, lastLsn }) => told.push(`durable ${firstLsn} to ${lastLsn}`),
    onAdvance: (lsn) => told.push(`durable through ${lsn}`),
    onRoom: () => told.push("room"),
    onFailure: () => told.push("failure"),
  })
  const receipts: Promise<void>[] = []
  const write = (): void => {
    const level = random.pick(LEVELS)
    const expected = commit.nextLsn
    receipts.push(
      commit.commit(commit.batch.position + 64, 1, level).then(
        ({ lsn }) => {
          check(lsn === expected, `LSN ${lsn} was given out as ${expected}`)
          check(level !== "synced" || log.durableLsn >= lsn, `LSN ${lsn} is acknowledged and not durable`)
          check(level !== "written" || log.endLsn >= lsn, `LSN ${lsn} is acknowledged and not written`)
          told.push(`${level} ${lsn}`)
        },
        (error: { readonly code?: string }) => {
          // What was never handed to the log is rejected, what was is unknown.
          told.push(`${expected} failed with ${error.code}`)
          const isTyped = error.code === "ORRERY_COMMIT_UNKNOWN" || error.code === "ORRERY_WRITE_REJECTED"
          check(isTyped, `a write failed with ${error.code}`)
        },
      ),
    )
  }
  for (let step = 0; step < STEP_COUNT && !commit.hasFailed; step++) {
    const choice = random.below(8)
    if (choice < 4) write()
    else if (choice < 7) for (let turn = random.below(10); turn >= 0; turn--) await Promise.resolve()
    else clock.advance(random.pick([1, 20]))
  }
  // Every operation ends in a bounded number of turns, every delay in time.
  let isSettled = false
  const settled = Promise.all(receipts).then(() => {
    isSettled = true
  })
  for (let turn = 0; !isSettled && turn < 4_000; turn++) {
    await Promise.resolve()
    if (turn % 40 === 39) clock.advance(20)
  }
  if (!isSettled) throw new Error(`seed ${seed}: some writes are never told what became of them:\n${told.join("\n")}`)
  await settled
  return told
}

/** Millions of times, for which `expect` is too slow. */
function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

async function interleaveStore(steps: readonly Step[], seed: number): Promise<readonly string[]> {
  const completion = shuffled(new SimulatedRandom(seed))
  const platform = simulatePlatform({ seed, disk: new SimulatedDisk({ seed, completion, keepsTrace: true }) })
  const { store, commits } = await runHistory(platform, steps, 4096)
  await untilSettled(platform, store.close())
  expect(platform.fileSystem.violations).toEqual([])
  return [
    ...commits.map(({ n, lsn, ackedAt, outcome }) => `${n} ${lsn} ${ackedAt} ${outcome}`),
    runFingerprint(platform.fileSystem.trace()),
  ]
}

async function expectReplay(run: () => Promise<readonly string[]>, what: string): Promise<string> {
  const first = (await run()).join("\n")
  const second = (await run()).join("\n")
  if (first !== second) throw new Error(`${what} went another way the second time:\n${first}\n\n${second}`)
  return first
}

test(
  "every interleaving of commits replays from its seed, event by event",
  async () => {
    const tell = measureFigures("interleavings of commits", SEED)
    const different = new Set<string>()
    let failing = 0
    for (let index = STORE_COUNT; index < COUNT; index++) {
      const seed = SEED + index
      const told = await expectReplay(() => interleaveCommits(seed), `ORRERY_SEED=${SEED}, interleaving ${index}`)
      if (different.size < 20_000) different.add(told)
      if (told.includes("failure")) failing++
    }
    tell({ interleavings: COUNT - STORE_COUNT, failing })
    // They are different, and reach what they are about.
    expect(different.size).toBeGreaterThan(Math.min(COUNT, 20_000) * 0.9)
    expect(failing).toBeGreaterThan(COUNT / 20)
  },
  LIMIT_MS,
)

test(
  "every interleaving of a whole store replays from its seed, call by call",
  async () => {
    const tell = measureFigures("interleavings of stores", SEED)
    const histories = fc.sample(historyArbitrary(12, 8), { numRuns: Math.min(STORE_COUNT, 2_000), seed: SEED })
    const different = new Set<string>()
    for (let index = 0; index < STORE_COUNT; index++) {
      const steps = histories[index % histories.length] as Step[]
      const what = `ORRERY_SEED=${SEED}, interleaving ${index}: ${JSON.stringify(steps)}`
      different.add(await expectReplay(() => interleaveStore(steps, SEED + index), what))
    }
    tell({ interleavings: STORE_COUNT })
    expect(different.size).toBeGreaterThan(STORE_COUNT * 0.9)
  },
  LIMIT_MS,
)
