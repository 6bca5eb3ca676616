// Goes through the crash states of one run of a history, and through those of some of the recoveries from them, until one
// is found that is not allowed or a bound is reached.

import { crashStates, findCrashState, type CrashState, type Narrowing } from "../simulation/crash-states.ts"
import type { DiskTrace } from "../simulation/disk-trace.ts"
import { CrashChecker, type Violation } from "./crash-check.ts"
import type { CrashTally } from "./crash-report.ts"
import type { CrashSettings } from "./crash-settings.ts"
import type { HistoryRun } from "./history-run.ts"
import { narrowingOf } from "./persistence.ts"
import { seedFrom } from "./seed.ts"

export interface ExplorationLimits {
  /** About how many states of the history's own trace, spread evenly. */
  readonly states: number
  /** The recovery of one state in so many is crashed into. */
  readonly nestedEvery: number
  /** About how many states of each such recovery. */
  readonly nestedStates: number
  /** After one state in so many life goes on, and the power fails again. */
  readonly goesOnEvery: number
  /** Crashes inside recoveries: 0, 1 or 2. */
  readonly depth: number
  /** Which states of the history's own trace are worth a look. Default: all. */
  readonly isWorthwhile?: (state: CrashState) => boolean
  /** Whether to stop here. */
  readonly isSpent: () => boolean
}

export class CrashExploration<System, Op, Result, State> {
  readonly #settings: CrashSettings<System, Op, Result, State>
  readonly #run: HistoryRun<Op, Result>
  readonly #seed: number
  readonly #checker: CrashChecker<System, Op, Result, State>
  readonly #tally: CrashTally

  constructor(
    settings: CrashSettings<System, Op, Result, State>,
    run: HistoryRun<Op, Result>,
    seed: number,
    tally: CrashTally,
  ) {
    this.#settings = settings
    this.#run = run
    this.#seed = seed
    this.#checker = new CrashChecker(settings, run, seed)
    this.#tally = tally
  }

  /** The first state that is not allowed. */
  async firstViolation(limits: ExplorationLimits): Promise<Violation<Op, Result> | undefined> {
    let first: Violation<Op, Result> | undefined
    await this.#explore(this.#run.trace, [], limits, (violation) => {
      first = violation
      return true
    })
    return first
  }

  /** The one with the fewest crashes, then the least lost, then the earliest. */
  async simplestViolation(limits: ExplorationLimits): Promise<Violation<Op, Result> | undefined> {
    let simplest: Violation<Op, Result> | undefined
    await this.#explore(this.#run.trace, [], limits, (violation) => {
      if (simplest === undefined || weightOf(violation) < weightOf(simplest)) simplest = violation
      return false
    })
    return simplest
  }

  /**
   * The violation in the state that the ids lead to, or after life went on from there; undefined if it is allowed. "gone"
   * where there is no such state any more.
   */
  async violationAt(ids: readonly string[], goesOn: boolean): Promise<Violation<Op, Result> | "gone" | undefined> {
    const crashes: CrashState[] = []
    let trace = this.#run.trace
    for (const [depth, id] of ids.entries()) {
      const state = findCrashState(trace, id, this.#stateSeed(crashes), this.#narrowing(trace))
      if (state === undefined) return "gone"
      crashes.push(state)
      const isLast = depth === ids.length - 1
      const { violation, trace: inner } = await this.#checker.check(crashes, {
        keepsTrace: !isLast,
        goesOn: goesOn && isLast,
      })
      if (violation !== undefined || inner === undefined) return violation
      trace = inner
    }
    return undefined
  }

  /** True when `onViolation` asked to stop, or a bound was reached. */
  async #explore(
    trace: DiskTrace,
    parents: readonly CrashState[],
    limits: ExplorationLimits,
    onViolation: (violation: Violation<Op, Result>) => boolean,
  ): Promise<boolean> {
    const tally = this.#tally
    const depth = parents.length
    const limit = depth === 0 ? limits.states : limits.nestedStates
    const every = depth === 0 ? limits.nestedEvery : Math.ceil(limits.nestedStates / 2)
    const narrow = this.#narrowing(trace)
    let count = 0
    const options = narrow === undefined ? { limit } : { limit, narrow }
    for (const state of crashStates(trace, { seed: this.#stateSeed(parents), ...options })) {
      if (limits.isSpent()) return true
      this.#settings.signal.throwIfAborted()
      if (depth === 0 && limits.isWorthwhile?.(state) === false) continue
      const crashes = [...parents, state]
      const isEntered = depth < limits.depth && count % every === 0
      // Not the same ones that are crashed into.
      const goesOn = (count + 1) % limits.goesOnEvery === 0
      count++
      tally.states++
      if (depth > 0) tally.nested++
      const checked = await this.#checker.check(crashes, { keepsTrace: isEntered, goesOn })
      if (checked.isRefused) tally.refusals++
      if (!checked.isModelled) tally.unmodelled++
      if (checked.violation !== undefined && onViolation(checked.violation)) return true
      if (checked.trace !== undefined && (await this.#explore(checked.trace, crashes, limits, onViolation))) return true
    }
    return false
  }

  #narrowing(trace: DiskTrace): Narrowing | undefined {
    return narrowingOf(this.#settings.persistence, trace)
  }

  #stateSeed(parents: readonly CrashState[]): number {
    return seedFrom(this.#seed, `states ${parents.map(({ id }) => id).join("/")}`)
  }
}

function weightOf({ crashes, afterwards }: Violation<unknown, unknown>): number {
  const lives = crashes.length * 2 + (afterwards === undefined ? 0 : 1)
  return lives * 1_000_000 + crashes.reduce((count, { lossCount }) => count + lossCount, 0)
}
