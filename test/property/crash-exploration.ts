// Runs histories on the simulated disk, with commits in flight side by side, and recovers every state that a power cut
// could have left at every moment of them; then crashes into some of those recoveries, and recovers again.
//
// Recovery is a function of the bytes on the disk: of states that hold the same, one is recovered, and what it came to
// counts for the others of its history. One in so many of those is recovered all the same, and must come to that again.
// Counted are visits, a state at a moment with its own bound of acknowledged writes, and distinct states, by their
// contents, over the whole run.
//
// Most are recovered the short way: on a disk that keeps no trace, where no state before agreed with it in all that
// recovery looks at, and folded into tables only where nothing before was recovered to the same bytes (recovered-state.ts).
// Shares of all distinct states are recovered on the simulated disk as well, folded and with the next epoch begun, or opened
// as a whole store, and must come to the same.

import fc from "fast-check"
import { crashStates } from "../../src/simulation/crash-states.ts"
import type { CrashState } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { recoverDisk } from "./recovered-state.ts"
import { StateRecoveries } from "./state-recoveries.ts"
import type { Recovered } from "./state-recoveries.ts"
import {
  contentOf,
  differences,
  historyArbitrary,
  modelAt,
  openStore,
  runHistory,
  untilSettled,
} from "./store-history.ts"
import type { HistoryCommit, Model, Step } from "./store-history.ts"

/** Visits of one history: at most so many, spread evenly. */
const STATES_A_HISTORY = 700
/** The recovery of one distinct state in so many is crashed into, and about so many states of it are recovered. */
const NESTED_SHARE = 24
const NESTED_STATES = 80
/** One in so many of the states that are known already is recovered again. */
const AGAIN_SHARE = 64
/** One distinct state in so many is recovered the long way, too; and one in so many opened as a store. */
const LONG_SHARE = 20
const WHOLE_SHARE = 160
/** Histories drawn at a time. */
const DRAWN_COUNT = 2_000

const SEGMENT_BYTES = 4096

export interface ExplorationCounts {
  /** States with different contents, those inside a recovery included. */
  distinct: number
  /** Of these, found first by a crash inside a recovery. */
  nested: number
  /** States at a moment. */
  visited: number
  nestedVisited: number
  /** States that recovery scanned; of these, the ones that it brought up, and the ones whose log was folded. */
  scanned: number
  broughtUp: number
  folded: number
  /** States that were known and recovered again. */
  again: number
  /** States that were recovered to be judged: the known ones that came again among them. */
  judged: number
  /** States that were recovered the long way, and that were opened as stores. */
  long: number
  whole: number
  histories: number
  /** Histories with two commits in flight at a time. */
  overlapping: number
}

interface Verdict extends Recovered {
  /** Whether an epoch was begun after it, as an opening store does. */
  readonly beganEpoch: boolean
}

/** Explores until so many distinct states were found. Throws, with all that is needed to see it again, at the first wrong one. */
export async function exploreCrashes(seed: number, distinctCount: number): Promise<ExplorationCounts> {
  const counts: ExplorationCounts = {
    distinct: 0,
    nested: 0,
    visited: 0,
    nestedVisited: 0,
    scanned: 0,
    broughtUp: 0,
    folded: 0,
    judged: 0,
    again: 0,
    long: 0,
    whole: 0,
    histories: 0,
    overlapping: 0,
  }
  const known = new Set<number>()
  for (const [steps, diskSeed] of drawHistories(seed)) {
    if (counts.distinct >= distinctCount) break
    const where = `history ${counts.histories} of ORRERY_SEED=${seed}`
    counts.histories++
    await new HistoryExploration(steps, diskSeed, counts, known, where).run()
  }
  return counts
}

function* drawHistories(seed: number): Generator<readonly [Step[], number]> {
  for (let drawn = 0; ; drawn += DRAWN_COUNT) {
    const parameters = { numRuns: DRAWN_COUNT, seed: seed + drawn }
    const seeds = fc.sample(fc.nat(), parameters)
    for (const [index, steps] of fc.sample(historyArbitrary(30, 3), parameters).entries()) {
      yield [steps, seeds[index] as number]
    }
  }
}

/** Two recoveries of one state came to different ends. */
class Difference extends Error {}

function expectSame(one: Recovered, other: Recovered, tell: () => string): void {
  if (one.lastLsn === other.lastLsn && differences(one.content, other.content).length === 0) return
  throw new Difference(`a state was recovered to LSN ${one.lastLsn}, and to ${other.lastLsn}: ${tell()}`)
}

class HistoryExploration {
  // Constant after construction.
  readonly #steps: readonly Step[]
  readonly #seed: number
  readonly #counts: ExplorationCounts
  /** Fingerprints of all histories. */
  readonly #known: Set<number>
  readonly #where: string
  /** By fingerprint. Only of this history: another one has other commits. */
  readonly #verdicts = new Map<number, Verdict>()
  readonly #models = new Map<number, Model>()
  readonly #recoveries = new StateRecoveries()

  // Set by run().
  #commits: readonly HistoryCommit[] = []

  constructor(steps: readonly Step[], seed: number, counts: ExplorationCounts, known: Set<number>, where: string) {
    this.#steps = steps
    this.#seed = seed
    this.#counts = counts
    this.#known = known
    this.#where = where
  }

  async run(): Promise<void> {
    const disk = new SimulatedDisk({ seed: this.#seed, keepsTrace: true })
    const platform = simulatePlatform({ seed: this.#seed, disk })
    let inFlightMax = 0
    const { store, commits } = await runHistory(platform, this.#steps, SEGMENT_BYTES, (running) => {
      inFlightMax = Math.max(inFlightMax, running.commits.filter(({ outcome }) => outcome === "pending").length)
    })
    await untilSettled(platform, store.close())
    this.#commits = commits
    if (inFlightMax >= 2) this.#counts.overlapping++

    const recoveries: { readonly disk: SimulatedDisk; readonly state: CrashState; readonly lastLsn: number }[] = []
    for (const state of crashStates(disk.trace(), { seed: this.#seed, limit: STATES_A_HISTORY })) {
      this.#counts.visited++
      const isChosen = this.#count(state) && this.#counts.distinct % NESTED_SHARE === 0
      const mounted = isChosen ? state.mount({ keepsTrace: true }) : undefined
      const tell = (): string => this.#tell(state)
      const verdict = await this.#verdictOf(state, isChosen, mounted, tell)
      this.#check(verdict, Infinity, tell)
      const acknowledged = this.#acknowledgedBefore(state.afterOperation)
      if (verdict.lastLsn < acknowledged) {
        throw new Error(`LSN ${acknowledged} was acknowledged, recovered to ${verdict.lastLsn}: ${tell()}`)
      }
      if (mounted !== undefined) recoveries.push({ disk: mounted, state, lastLsn: verdict.lastLsn })
    }
    // After all others, so that a state is called nested only where nothing but a crash in a recovery leads to it.
    for (const recovery of recoveries) await this.#crashInto(recovery.disk, recovery.state, recovery.lastLsn)
    this.#counts.scanned += this.#recoveries.scanCount
    this.#counts.broughtUp += this.#recoveries.endCount
    this.#counts.folded += this.#recoveries.foldCount
  }

  async #crashInto(disk: SimulatedDisk, outer: CrashState, lastLsn: number): Promise<void> {
    for (const state of crashStates(disk.trace(), { seed: this.#seed, limit: NESTED_STATES })) {
      this.#counts.visited++
      this.#counts.nestedVisited++
      if (this.#count(state)) this.#counts.nested++
      const tell = (): string => `${this.#tell(outer)}\nthen in recovery: ${state.describe()}`
      const verdict = await this.#verdictOf(state, true, undefined, tell)
      // What one recovery has taken as recovered, a second one keeps; LSNs behind it belong to the new epoch.
      this.#check(verdict, lastLsn, tell)
      if (verdict.lastLsn < lastLsn) throw new Error(`LSN ${lastLsn} was recovered before: ${tell()}`)
    }
  }

  /** Whether the state is one that no history has had. */
  #count({ fingerprint }: CrashState): boolean {
    if (this.#known.has(fingerprint)) return false
    this.#known.add(fingerprint)
    this.#counts.distinct++
    return true
  }

  async #verdictOf(
    state: CrashState,
    beginsEpoch: boolean,
    mounted: SimulatedDisk | undefined,
    tell: () => string,
  ): Promise<Verdict> {
    const earlier = this.#verdicts.get(state.fingerprint)
    if (earlier !== undefined && (earlier.beganEpoch || !beginsEpoch) && mounted === undefined) {
      if (this.#counts.visited % AGAIN_SHARE !== 0) return earlier
      this.#counts.again++
    }
    const verdict = await this.#recover(state, beginsEpoch, mounted, tell)
    if (earlier !== undefined) expectSame(verdict, earlier, tell)
    if (earlier === undefined || beginsEpoch) this.#verdicts.set(state.fingerprint, verdict)
    return verdict
  }

  async #recover(
    state: CrashState,
    beginsEpoch: boolean,
    mounted: SimulatedDisk | undefined,
    tell: () => string,
  ): Promise<Verdict> {
    this.#counts.judged++
    try {
      const { lastLsn, content } = await this.#recoveries.recover(state.tree, beginsEpoch)
      const verdict = { lastLsn, content, beganEpoch: beginsEpoch }
      if (mounted !== undefined || this.#counts.judged >= this.#counts.long * LONG_SHARE) {
        this.#counts.long++
        const long = await recoverDisk(mounted ?? state.mount({ keepsTrace: false }), 1, true)
        expectSame({ lastLsn: long.report.lastLsn, content: long.content }, verdict, tell)
      }
      if (this.#counts.judged % WHOLE_SHARE === 0) {
        this.#counts.whole++
        const platform = simulatePlatform({ seed: 1, disk: state.mount({ keepsTrace: false }) })
        const store = await untilSettled(platform, openStore(platform, SEGMENT_BYTES))
        expectSame({ lastLsn: store.recovery.lastLsn, content: contentOf(store) }, verdict, tell)
      }
      return verdict
    } catch (error) {
      if (error instanceof Difference) throw error
      throw new Error(`recovery refused a disk that only crashed: ${tell()}`, { cause: error })
    }
  }

  #check({ lastLsn, content }: Verdict, oldEpochEnd: number, tell: () => string): void {
    const lsn = Math.min(lastLsn, oldEpochEnd)
    let model = this.#models.get(lsn)
    if (model === undefined) this.#models.set(lsn, (model = modelAt(this.#commits, lsn)))
    const wrong = differences(content, model)
    if (wrong.length > 0) throw new Error(`recovered to LSN ${lastLsn}, but ${wrong.join("; ")}: ${tell()}`)
  }

  /** The highest LSN that was acknowledged as synced when so many operations had ended. */
  #acknowledgedBefore(operationCount: number): number {
    let highest = 0
    for (const { ackedAt, lsn } of this.#commits) {
      if (ackedAt <= operationCount && lsn !== undefined && lsn > highest) highest = lsn
    }
    return highest
  }

  #tell(state: CrashState): string {
    return `${this.#where}, ${state.describe()}\n${JSON.stringify(this.#steps)}`
  }
}
