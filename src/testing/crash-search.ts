// Looks for a history and a crash that break the invariant, within a budget; then for the smallest ones that do. The order
// of all that is tried comes from the seed; only where the time is up depends on the machine.

import { nodeClock } from "../platform/node/node-clock.ts"
import type { CandidateKind } from "../simulation/crash-candidates.ts"
import type { CrashState } from "../simulation/crash-states.ts"
import type { Violation } from "./crash-check.ts"
import { CrashExploration, type ExplorationLimits } from "./crash-exploration.ts"
import { CrashTally, type CrashReport } from "./crash-report.ts"
import type { CrashSettings } from "./crash-settings.ts"
import { eachHistory } from "./history-source.ts"
import { runHistory, type HistoryRun } from "./history-run.ts"
import { runFingerprint } from "./run-fingerprint.ts"
import { seedFrom } from "./seed.ts"
import { smallerHistory } from "./smaller-history.ts"

/** The smallest failure that was found. */
export interface CrashFailure<Op, Result> {
  /** Of the search. */
  readonly seed: number
  /** Of this history's run: decides its schedule, its faults and its crash states. */
  readonly runSeed: number
  readonly ops: readonly Op[]
  /** Which history it was, from 0, and how many operations it had before it was made smaller. */
  readonly historyNumber: number
  readonly originalCount: number
  readonly shrinkRuns: number
  readonly violation: Violation<Op, Result>
  readonly run: HistoryRun<Op, Result>
  readonly fingerprint: string
}

export type CrashOutcome<Op, Result> =
  | { readonly kind: "passed"; readonly report: CrashReport }
  | { readonly kind: "failed"; readonly failure: CrashFailure<Op, Result> }

/** States of one history, at least and at most; its share of the budget lies between. */
const STATES_A_HISTORY_MIN = 50
const STATES_A_HISTORY_MAX = 1_000
const NESTED_EVERY = 16
const NESTED_STATES = 10
const GOES_ON_EVERY = 8
/** Opening an empty disk is the same for every history: after the first one a part of its states is looked at. */
const EARLY_ONE_IN = 8
/** Schedules that a smaller history is tried with: another one may be needed to fail again. */
const SCHEDULES_A_CANDIDATE = 3
/** Where operations have to be left for afterwards: few schedules of a short history leave any. */
const SCHEDULES_GOING_ON = 20
/** How closely a smaller history is searched: so many times the states that it took to find the failure, at least and at most. */
const SHRINK_FACTOR = 6
const SHRINK_STATES_MIN = 60
const SHRINK_STATES_MAX = 2_000
/** The choice of the simplest crash takes as long at most, even if the time to shrink is up. */
const SIMPLEST_MS = 300

/** Where a failure shows: there smaller histories are searched most. */
interface FailureKind {
  readonly isNested: boolean
  readonly goesOn: boolean
  /** Of the crash state; undefined for any. */
  readonly kind?: CandidateKind
  /** Whether it came before the first operation began: while the system was opened for the first time. */
  readonly isEarly?: boolean
}

const ANYWHERE: FailureKind = { isNested: false, goesOn: false }
/** Kinds of states that are tried whatever the failure's was: few, and the ones in which most failures show. */
const PLAIN_KINDS: ReadonlySet<CandidateKind> = new Set(["nothing", "everything", "prefix"])

interface Found<Op> {
  readonly ops: readonly Op[]
  readonly runSeed: number
}

export class CrashSearch<System, Op, Result, State> {
  // Constant after construction.
  readonly #settings: CrashSettings<System, Op, Result, State>
  readonly #startMs: number = nodeClock.monotonicMs()

  // Changed while it runs.
  readonly #tally = new CrashTally()
  #shrinkRuns = 0
  #shrinkDeadlineMs = Infinity
  #kind = ANYWHERE
  #shrinkStates = SHRINK_STATES_MAX

  constructor(settings: CrashSettings<System, Op, Result, State>) {
    this.#settings = settings
  }

  async run(): Promise<CrashOutcome<Op, Result>> {
    const settings = this.#settings
    const { seed, budget, ops: source } = settings
    await this.#warmUp()
    let first: (Found<Op> & { readonly historyNumber: number }) | undefined
    let smallest: Found<Op> | undefined
    await eachHistory(
      source,
      seed,
      budget.histories,
      () => this.#isSpent(),
      async (ops, number, isShrunk) => {
        if (isShrunk) {
          const smaller = await this.#failing(ops, smallest?.runSeed ?? 0)
          smallest = smaller ?? smallest
          return smaller !== undefined
        }
        const runSeed = seedFrom(seed, `history ${number}`)
        if (!(await this.#isFailing(ops, runSeed, number))) return false
        first = { ops, runSeed, historyNumber: number }
        smallest = first
        this.#shrinkDeadlineMs = nodeClock.monotonicMs() + budget.shrinkMs
        return true
      },
    )
    if (first === undefined || smallest === undefined) {
      return { kind: "passed", report: this.#tally.report(seed, this.#elapsedMs(), this.#endedBy()) }
    }
    const reduced = await this.#reduced(smallest)
    const { historyNumber, ops } = first
    return { kind: "failed", failure: await this.#failure(reduced, historyNumber, ops.length) }
  }

  /** One history again, and the state that failed; if the run is not the same any more, all of its states. */
  async replay(
    ops: readonly Op[],
    runSeed: number,
    fingerprint: string,
    ids: readonly string[],
    goesOn: boolean,
  ): Promise<CrashOutcome<Op, Result>> {
    const { seed, budget } = this.#settings
    await this.#warmUp()
    this.#shrinkDeadlineMs = this.#startMs + budget.ms + budget.shrinkMs
    const run = await this.#runOf(ops, runSeed)
    const exploration = this.#explorationOf(run, runSeed)
    const isSame = runFingerprint(run.trace) === fingerprint
    const found = isSame ? await exploration.violationAt(ids, goesOn) : "gone"
    const kind = { isNested: ids.length > 1, goesOn }
    const violation =
      found === "gone"
        ? await exploration.firstViolation(this.#limits(SHRINK_STATES_MAX, kind, () => this.#isLate()))
        : found
    this.#tally.states = Math.max(1, this.#tally.states)
    if (violation === undefined) {
      return { kind: "passed", report: this.#tally.report(seed, this.#elapsedMs(), "histories") }
    }
    const failure = { seed, runSeed, ops, historyNumber: 0, originalCount: ops.length, shrinkRuns: 0, violation, run }
    return { kind: "failed", failure: { ...failure, fingerprint: runFingerprint(run.trace) } }
  }

  /** The report of a test that has looked at nothing. */
  passedUnseen(): CrashReport {
    return this.#tally.report(this.#settings.seed, 0, "histories")
  }

  /** Lets the system load what it loads the first time, while no history waits for it. */
  async #warmUp(): Promise<void> {
    this.#settings.signal.throwIfAborted()
    const { failure } = await runHistory({ ...this.#settings, faults: [] }, [], this.#settings.seed)
    if (failure !== undefined) throw failure.error
  }

  async #runOf(ops: readonly Op[], runSeed: number): Promise<HistoryRun<Op, Result>> {
    const run = await runHistory(this.#settings, ops, runSeed)
    // A fault may keep a system from opening or closing. Without one that is no matter of crashes.
    if (run.failure !== undefined && this.#settings.faults.length === 0) throw run.failure.error
    return run
  }

  #explorationOf(run: HistoryRun<Op, Result>, runSeed: number): CrashExploration<System, Op, Result, State> {
    return new CrashExploration(this.#settings, run, runSeed, this.#tally)
  }

  #limits(states: number, kind: FailureKind, isSpent: () => boolean): ExplorationLimits {
    const nestedEvery = kind.isNested ? 1 : NESTED_EVERY
    const goesOnEvery = kind.goesOn ? 1 : GOES_ON_EVERY
    return {
      states,
      nestedEvery,
      nestedStates: NESTED_STATES,
      goesOnEvery,
      depth: this.#settings.budget.nested,
      isSpent,
    }
  }

  /** A history of the search, counted. */
  async #isFailing(ops: readonly Op[], runSeed: number, historyNumber: number): Promise<boolean> {
    const { budget, onProgress } = this.#settings
    const tally = this.#tally
    const run = await this.#runOf(ops, runSeed)
    const share = Math.ceil((budget.states / budget.histories) * 2)
    const states = Math.min(STATES_A_HISTORY_MAX, Math.max(STATES_A_HISTORY_MIN, share))
    const exploration = this.#explorationOf(run, runSeed)
    const statesBefore = tally.states
    const isWorthwhile = (state: CrashState): boolean =>
      state.eventCount >= firstStartOf(run) || (state.eventCount + historyNumber) % EARLY_ONE_IN === 0
    const limits = this.#limits(states, ANYWHERE, () => this.#isSpent())
    const violation = await exploration.firstViolation(historyNumber === 0 ? limits : { ...limits, isWorthwhile })
    tally.histories++
    tally.operations += ops.length
    tally.faultsMet += run.faultsMet
    if (run.inFlightMax >= 2) tally.overlapping++
    tally.unsettled += run.records.filter(({ outcome }) => outcome === "in-flight").length
    onProgress(tally.progress(this.#elapsedMs()))
    if (violation === undefined) return false
    const needed = (tally.states - statesBefore) * SHRINK_FACTOR
    this.#shrinkStates = Math.min(SHRINK_STATES_MAX, Math.max(SHRINK_STATES_MIN, needed))
    this.#kind = kindOf(violation, run)
    return true
  }

  /** A smaller candidate: whether it fails under one of a few schedules, and under which. */
  async #failing(ops: readonly Op[], runSeed: number): Promise<Found<Op> | undefined> {
    const scheduleCount = this.#kind.goesOn ? SCHEDULES_GOING_ON : SCHEDULES_A_CANDIDATE
    for (let attempt = 0; attempt < scheduleCount && !this.#isLate(); attempt++) {
      const schedule = attempt === 0 ? runSeed : seedFrom(runSeed, `schedule ${attempt}`)
      this.#shrinkRuns++
      const run = await this.#runOf(ops, schedule)
      const isWorthwhile = (state: CrashState): boolean => isLike(state, this.#kind, run)
      const limits = { ...this.#limits(this.#shrinkStates, this.#kind, () => this.#isLate()), isWorthwhile }
      if ((await this.#explorationOf(run, schedule).firstViolation(limits)) !== undefined) {
        return { ops, runSeed: schedule }
      }
    }
    return undefined
  }

  async #reduced(found: Found<Op>): Promise<Found<Op>> {
    let smallest = found
    const isFailing = async (candidate: readonly Op[]): Promise<boolean> => {
      const smaller = await this.#failing(candidate, smallest.runSeed)
      smallest = smaller ?? smallest
      return smaller !== undefined
    }
    await smallerHistory(found.ops, isFailing, () => this.#isLate())
    return smallest
  }

  /** The simplest crash of the smallest history. */
  async #failure(found: Found<Op>, historyNumber: number, originalCount: number): Promise<CrashFailure<Op, Result>> {
    const { ops, runSeed } = found
    const run = await this.#runOf(ops, runSeed)
    const exploration = this.#explorationOf(run, runSeed)
    const deadlineMs = nodeClock.monotonicMs() + SIMPLEST_MS
    const isLate = (): boolean => nodeClock.monotonicMs() > deadlineMs
    // First without crashes in recovery: they are the less simple ones.
    const plain = { ...this.#limits(SHRINK_STATES_MAX, this.#kind, isLate), depth: 0 }
    const violation =
      (await exploration.simplestViolation(plain)) ??
      (await exploration.firstViolation(this.#limits(SHRINK_STATES_MAX, this.#kind, () => false))) ??
      (await exploration.firstViolation(this.#limits(STATES_A_HISTORY_MAX, ANYWHERE, () => false)))
    if (violation === undefined) {
      throw new Error("crash test: a failure did not come again with the same seed: something is not deterministic")
    }
    const fingerprint = runFingerprint(run.trace)
    const { seed } = this.#settings
    return {
      seed,
      runSeed,
      ops,
      historyNumber,
      originalCount,
      shrinkRuns: this.#shrinkRuns,
      violation,
      run,
      fingerprint,
    }
  }

  #elapsedMs(): number {
    return nodeClock.monotonicMs() - this.#startMs
  }

  #isSpent(): boolean {
    const { budget } = this.#settings
    return this.#tally.states >= budget.states || this.#elapsedMs() >= budget.ms
  }

  #isLate(): boolean {
    return nodeClock.monotonicMs() > this.#shrinkDeadlineMs
  }

  #endedBy(): CrashReport["endedBy"] {
    if (this.#tally.states >= this.#settings.budget.states) return "states"
    return this.#tally.histories < this.#settings.budget.histories ? "ms" : "histories"
  }
}

function kindOf<Op, Result>({ crashes, afterwards }: Violation<Op, Result>, run: HistoryRun<Op, Result>): FailureKind {
  const { kind, eventCount } = crashes[0] as CrashState
  const isEarly = eventCount < firstStartOf(run)
  return { isNested: crashes.length > 1, goesOn: afterwards !== undefined, kind, isEarly }
}

/** Whether a failure of that kind may show in the state. */
function isLike<Op, Result>(state: CrashState, failure: FailureKind, run: HistoryRun<Op, Result>): boolean {
  const { kind, isEarly, goesOn } = failure
  // What goes on may as well begin with an operation that no crash has kept from beginning.
  if (isEarly === false && !goesOn && state.eventCount < firstStartOf(run)) return false
  return kind === undefined || kind === state.kind || PLAIN_KINDS.has(state.kind)
}

function firstStartOf<Op, Result>({ records }: HistoryRun<Op, Result>): number {
  return records[0]?.startedAtEvent ?? 0
}
