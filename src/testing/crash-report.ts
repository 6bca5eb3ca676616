// What a crash test tells of itself, at the end and on the way.

/** Counts since the search began. */
export interface CrashProgress {
  readonly histories: number
  /** Crash states recovered and checked, nested ones included. */
  readonly states: number
  /** Those of them that are crashes inside a recovery. */
  readonly nested: number
  /** Calls of the file system that a fault has hit, while histories ran. */
  readonly faultsMet: number
  /** Real milliseconds. */
  readonly elapsedMs: number
}

export interface CrashReport extends CrashProgress {
  readonly seed: number
  readonly statesPerSecond: number
  /** Operations of all histories. */
  readonly operations: number
  /** Histories that had two operations or more in flight at some moment. */
  readonly overlapping: number
  /** Operations that never ended, although nothing was left to wait for. */
  readonly unsettled: number
  /** Recoveries that were refused where `mayRefuse` allows it. */
  readonly refusals: number
  /** States for which the model allows too many ways to list them: the invariant got no allowed states. */
  readonly unmodelled: number
  /** Which bound ended the search. */
  readonly endedBy: "histories" | "states" | "ms"
}

/** The counts while they change. */
export class CrashTally {
  histories = 0
  states = 0
  nested = 0
  faultsMet = 0
  operations = 0
  overlapping = 0
  unsettled = 0
  refusals = 0
  unmodelled = 0

  progress(elapsedMs: number): CrashProgress {
    const { histories, states, nested, faultsMet } = this
    return { histories, states, nested, faultsMet, elapsedMs }
  }

  report(seed: number, elapsedMs: number, endedBy: CrashReport["endedBy"]): CrashReport {
    const statesPerSecond = elapsedMs === 0 ? 0 : Math.round((this.states / elapsedMs) * 1000)
    const { operations, overlapping, unsettled, refusals, unmodelled } = this
    return {
      ...this.progress(elapsedMs),
      seed,
      statesPerSecond,
      operations,
      overlapping,
      unsettled,
      refusals,
      unmodelled,
      endedBy,
    }
  }
}
