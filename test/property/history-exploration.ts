// One history and the crash states of it. Recovery is a function of the bytes on the disk: of states that hold the same,
// one is recovered, and what it came to counts for the others of its history. One in so many of those is recovered all the
// same, and must come to that again.
//
// Three kinds of states: those of crash-candidates.ts, at every moment; at moments that have several unsynced sectors of
// the log, states that give each of them a fate of its own (scattered-states.ts); and what crashes inside recoveries leave.
//
// Most are recovered the short way: on a disk that keeps no trace, where no state before agreed with it in all that
// recovery looks at, and folded into tables only where nothing before was recovered to the same bytes (state-recoveries.ts,
// scattered-recoveries.ts). Shares of them are recovered on the simulated disk as well, folded and with the next epoch
// begun, or opened as a whole store, and must come to the same.

import { shuffled } from "../../src/simulation/completion-order.ts"
import { crashPoints, crashStates } from "../../src/simulation/crash-states.ts"
import type { CrashPoint } from "../../src/simulation/crash-states.ts"
import type { DiskTrace } from "../../src/simulation/disk-trace.ts"
import type { DiskTree } from "../../src/simulation/disk-tree.ts"
import { mix } from "../../src/simulation/fingerprint.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { recoverDisk } from "./recovered-state.ts"
import { ScatteredRecoveries } from "./scattered-recoveries.ts"
import { backdropOf, ScatteredStates, tailOf } from "./scattered-states.ts"
import type { LogTail } from "./scattered-states.ts"
import { StateRecoveries } from "./state-recoveries.ts"
import type { Recovered } from "./state-recoveries.ts"
import { contentOf, differences, modelAt, openStore, runHistory, untilSettled } from "./store-history.ts"
import type { HistoryCommit, Model, Step } from "./store-history.ts"

/** Visits of one history's candidates: at most so many, spread evenly. */
const STATES_A_HISTORY = 300
/** The recovery of one distinct state in so many is crashed into, and about so many states of it are recovered. */
const NESTED_SHARE = 105
const NESTED_STATES = 240
/** Behind one of so many recoveries of such a state the next epoch is begun, too. */
const EPOCH_SHARE = 16
/** One in so many of the states that are known already is recovered again. */
const AGAIN_SHARE = 64
/** One judged state in so many is recovered the long way, too; and one in so many opened as a store. */
const LONG_SHARE = 100
const WHOLE_SHARE = 1_000
/** Scattered states of a moment: at most so many, before two backdrops together. */
const DRAWS_MAX = 500

export interface ExplorationCounts {
  /** States with different contents, those inside a recovery included. */
  distinct: number
  /** Of these, found first by a crash inside a recovery. */
  nested: number
  /** Of these, found first where each unsynced sector of the log has a fate of its own. */
  scattered: number
  /** States at a moment. */
  visited: number
  nestedVisited: number
  /** States that recovery scanned; of these, the ones that it brought up, and the ones whose log was folded. */
  scanned: number
  broughtUp: number
  folded: number
  /** Of the scanned ones, those inside a recovery. */
  nestedScanned: number
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
  /** Histories that brought more than a thousand distinct states, and ones that brought less than a hundred. */
  large: number
  small: number
}

export interface DrawnHistory {
  readonly steps: readonly Step[]
  readonly seed: number
  readonly segmentBytes: number
  /** Whether the operations of the disk overtake each other. */
  readonly isShuffled: boolean
}

interface Verdict {
  readonly recovered: Recovered
  /** Whether an epoch was begun after it, as an opening store does. */
  readonly beganEpoch: boolean
}

/** What all kinds of states have in common. */
interface Visit {
  readonly fingerprint: number
  readonly tree: () => DiskTree
  readonly describe: () => string
}

/** A recovery that is to be crashed into. */
interface CrashedRecovery {
  readonly disk: SimulatedDisk
  readonly lastLsn: number
  readonly description: string
}

/** Two recoveries of one state came to different ends. */
class Difference extends Error {}

function expectSame(one: Recovered, other: Recovered, tell: () => string): void {
  if (one.lastLsn === other.lastLsn && differences(one.content, other.content).length === 0) return
  throw new Difference(`a state was recovered to LSN ${one.lastLsn}, and to ${other.lastLsn}: ${tell()}`)
}

export class HistoryExploration {
  // Constant after construction.
  readonly #history: DrawnHistory
  readonly #counts: ExplorationCounts
  /** Fingerprints of all histories. */
  readonly #known: Set<number>
  readonly #where: string
  /** By fingerprint. Only of this history: another one has other commits. */
  readonly #verdicts = new Map<number, Verdict>()
  readonly #models = new Map<number, Model>()
  readonly #recoveries = new StateRecoveries()
  /** Held against the model before. */
  readonly #checked = new Set<Recovered>()
  readonly #crashed: CrashedRecovery[] = []

  // Set by run().
  #commits: readonly HistoryCommit[] = []

  constructor(history: DrawnHistory, counts: ExplorationCounts, known: Set<number>, where: string) {
    this.#history = history
    this.#counts = counts
    this.#known = known
    this.#where = where
  }

  async run(): Promise<void> {
    const trace = await this.#runHistory()
    await this.#visitCandidates(trace)
    await this.#visitScattered(trace)
    // After all others, so that a state is called nested only where nothing but a crash in a recovery leads to it.
    const scanCount = this.#recoveries.scanCount
    for (const recovery of this.#crashed) await this.#crashInto(recovery)
    this.#counts.nestedScanned += this.#recoveries.scanCount - scanCount
    this.#counts.scanned += this.#recoveries.scanCount
    this.#counts.broughtUp += this.#recoveries.endCount
    this.#counts.folded += this.#recoveries.foldCount
  }

  async #runHistory(): Promise<DiskTrace> {
    const { steps, seed, segmentBytes, isShuffled } = this.#history
    const completion = isShuffled ? { completion: shuffled(new SimulatedRandom(seed)) } : {}
    const disk = new SimulatedDisk({ seed, keepsTrace: true, ...completion })
    const platform = simulatePlatform({ seed, disk })
    let inFlightMax = 0
    const { store, commits } = await runHistory(platform, steps, segmentBytes, (running) => {
      inFlightMax = Math.max(inFlightMax, running.commits.filter(({ outcome }) => outcome === "pending").length)
    })
    await untilSettled(platform, store.close())
    this.#commits = commits
    if (inFlightMax >= 2) this.#counts.overlapping++
    return disk.trace()
  }

  async #visitCandidates(trace: DiskTrace): Promise<void> {
    for (const state of crashStates(trace, { seed: this.#history.seed, limit: STATES_A_HISTORY })) {
      const visit = { fingerprint: state.fingerprint, tree: () => state.tree, describe: () => state.describe() }
      const tell = (): string => this.#tell(visit)
      const mounted = this.#count(visit.fingerprint) ? this.#mountedToCrash(state.tree) : undefined
      const { recovered } = await this.#verdictOf(visit, mounted !== undefined, mounted, tell)
      this.#judge(recovered, this.#acknowledgedBefore(state.afterOperation), tell)
      this.#keepToCrash(mounted, recovered, visit)
    }
  }

  async #visitScattered(trace: DiskTrace): Promise<void> {
    let before: LogTail | undefined
    for (const point of crashPoints(trace)) {
      const tail = tailOf(point.medium, point.pending)
      // Where other files alone have changed, the tails would be the same.
      if (tail === undefined || tail.units.length < 2 || isSameTail(tail, before)) continue
      before = tail
      const { seed } = this.#history
      const random = new SimulatedRandom(mix(seed, point.next))
      const drawCount = Math.min(DRAWS_MAX, 4 * 3 ** tail.units.length)
      const everything = backdropOf(point.medium, tail.others, () => true)
      if (tail.others.length === 0) {
        await this.#scatter(point, tail, everything, random, drawCount)
        continue
      }
      await this.#scatter(point, tail, everything, random, drawCount >>> 1)
      const some = backdropOf(point.medium, tail.others, () => random.chance(2))
      await this.#scatter(point, tail, some, random, drawCount >>> 1)
    }
  }

  async #scatter(
    point: CrashPoint,
    tail: LogTail,
    backdrop: DiskTree,
    random: SimulatedRandom,
    drawCount: number,
  ): Promise<void> {
    if (backdrop.lookup(tail.path, "stat") !== tail.node) return
    const counts = this.#counts
    const states = new ScatteredStates(tail, backdrop)
    const recoveries = await ScatteredRecoveries.before(backdrop, states, this.#recoveries)
    if (recoveries === undefined) return
    const acknowledged = this.#acknowledgedBefore(point.completedCount)
    const seen = new Set<number>()
    let drawn = 0
    const visit = {
      fingerprint: 0,
      tree: () => states.tree(),
      describe: () => `scattered state ${point.next}.${drawn}\n${states.describe()}`,
    }
    const tell = (): string => this.#tell(visit)
    for (; drawn < drawCount; drawn++) {
      const fingerprint = states.draw(random)
      if (seen.has(fingerprint)) continue
      seen.add(fingerprint)
      visit.fingerprint = fingerprint
      const isNew = this.#count(fingerprint)
      const mounted = isNew ? this.#mountedToCrash(backdrop, states) : undefined
      if (isNew) counts.scattered++
      counts.scanned++
      counts.judged++
      const recovered = await this.#refusing(tell, () => recoveries.recover())
      if (mounted !== undefined || this.#isLong || this.#isWhole) await this.#compare(visit, recovered, mounted, tell)
      this.#judge(recovered, acknowledged, tell)
      this.#keepToCrash(mounted, recovered, visit)
    }
  }

  async #crashInto({ disk, lastLsn, description }: CrashedRecovery): Promise<void> {
    for (const state of crashStates(disk.trace(), { seed: this.#history.seed, limit: NESTED_STATES })) {
      this.#counts.nestedVisited++
      if (this.#count(state.fingerprint)) this.#counts.nested++
      const visit = {
        fingerprint: state.fingerprint,
        tree: () => state.tree,
        describe: () => `${description}\nthen in recovery: ${state.describe()}`,
      }
      const tell = (): string => this.#tell(visit)
      const beginsEpoch = this.#counts.nestedVisited % EPOCH_SHARE === 0
      const { recovered } = await this.#verdictOf(visit, beginsEpoch, undefined, tell)
      // What one recovery has taken as recovered, a second one keeps; LSNs behind it belong to the new epoch.
      this.#check(recovered, lastLsn, tell)
      if (recovered.lastLsn < lastLsn) throw new Error(`LSN ${lastLsn} was recovered before: ${tell()}`)
    }
  }

  /** Counts a visit. Returns whether no history has had the state. */
  #count(fingerprint: number): boolean {
    this.#counts.visited++
    if (this.#known.has(fingerprint)) return false
    this.#known.add(fingerprint)
    this.#counts.distinct++
    return true
  }

  /** The disk of the state counted last, where its recovery is to be crashed into. */
  #mountedToCrash(tree: DiskTree, states?: ScatteredStates): SimulatedDisk | undefined {
    if (this.#counts.distinct % NESTED_SHARE !== 0) return undefined
    return SimulatedDisk.holding(states?.tree() ?? tree, { keepsTrace: true })
  }

  #keepToCrash(disk: SimulatedDisk | undefined, { lastLsn }: Recovered, visit: Visit): void {
    if (disk !== undefined) this.#crashed.push({ disk, lastLsn, description: visit.describe() })
  }

  async #verdictOf(
    visit: Visit,
    beginsEpoch: boolean,
    mounted: SimulatedDisk | undefined,
    tell: () => string,
  ): Promise<Verdict> {
    const earlier = this.#verdicts.get(visit.fingerprint)
    if (earlier !== undefined && (earlier.beganEpoch || !beginsEpoch) && mounted === undefined) {
      if (this.#counts.visited % AGAIN_SHARE !== 0) return earlier
      this.#counts.again++
    }
    this.#counts.judged++
    const recovered = await this.#refusing(tell, () => this.#recoveries.recover(visit.tree(), beginsEpoch))
    const verdict = { recovered, beganEpoch: beginsEpoch }
    if (mounted !== undefined || this.#isLong || this.#isWhole) await this.#compare(visit, recovered, mounted, tell)
    if (earlier !== undefined) expectSame(recovered, earlier.recovered, tell)
    if (earlier === undefined || beginsEpoch) this.#verdicts.set(visit.fingerprint, verdict)
    return verdict
  }

  /** Whether the state is recovered the long way. */
  get #isLong(): boolean {
    return this.#counts.judged >= this.#counts.long * LONG_SHARE
  }

  /** Whether it is opened as a store. */
  get #isWhole(): boolean {
    return this.#counts.judged % WHOLE_SHARE === 0
  }

  /** Recovers shares of the states by ways that spare nothing. */
  async #compare(
    visit: Visit,
    recovered: Recovered,
    mounted: SimulatedDisk | undefined,
    tell: () => string,
  ): Promise<void> {
    const counts = this.#counts
    const tree = visit.tree()
    if (tree.fingerprint() !== visit.fingerprint) throw new Difference(`the fingerprint is not the tree's: ${tell()}`)
    if (mounted !== undefined || this.#isLong) {
      counts.long++
      const disk = mounted ?? SimulatedDisk.holding(tree, { keepsTrace: false })
      const long = await this.#refusing(tell, () => recoverDisk(disk, 1, true))
      expectSame({ lastLsn: long.report.lastLsn, content: long.content }, recovered, tell)
    }
    if (this.#isWhole) {
      counts.whole++
      const platform = simulatePlatform({ seed: 1, disk: SimulatedDisk.holding(tree, { keepsTrace: false }) })
      const opening = (): Promise<Awaited<ReturnType<typeof openStore>>> =>
        untilSettled(platform, openStore(platform, this.#history.segmentBytes))
      const store = await this.#refusing(tell, opening)
      expectSame({ lastLsn: store.recovery.lastLsn, content: contentOf(store) }, recovered, tell)
    }
  }

  async #refusing<Result>(tell: () => string, recover: () => Promise<Result>): Promise<Result> {
    try {
      return await recover()
    } catch (error) {
      throw new Error(`recovery refused a disk that only crashed: ${tell()}`, { cause: error })
    }
  }

  #judge(recovered: Recovered, acknowledged: number, tell: () => string): void {
    this.#check(recovered, Infinity, tell)
    if (recovered.lastLsn >= acknowledged) return
    throw new Error(`LSN ${acknowledged} was acknowledged, recovered to ${recovered.lastLsn}: ${tell()}`)
  }

  #check(recovered: Recovered, oldEpochEnd: number, tell: () => string): void {
    const { lastLsn, content } = recovered
    const isOld = lastLsn <= oldEpochEnd
    if (isOld && this.#checked.has(recovered)) return
    const lsn = Math.min(lastLsn, oldEpochEnd)
    let model = this.#models.get(lsn)
    if (model === undefined) this.#models.set(lsn, (model = modelAt(this.#commits, lsn)))
    const wrong = differences(content, model)
    if (wrong.length > 0) throw new Error(`recovered to LSN ${lastLsn}, but ${wrong.join("; ")}: ${tell()}`)
    if (isOld) this.#checked.add(recovered)
  }

  /** The highest LSN that was acknowledged as synced when so many operations had ended. */
  #acknowledgedBefore(operationCount: number): number {
    let highest = 0
    for (const { ackedAt, lsn } of this.#commits) {
      if (ackedAt <= operationCount && lsn !== undefined && lsn > highest) highest = lsn
    }
    return highest
  }

  #tell(visit: Visit): string {
    return `${this.#where}, ${visit.describe()}\n${JSON.stringify(this.#history)}`
  }
}

function isSameTail({ units }: LogTail, before: LogTail | undefined): boolean {
  return (
    before !== undefined &&
    units.length === before.units.length &&
    units.every((unit, index) => unit === before.units[index])
  )
}
