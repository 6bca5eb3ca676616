// What a crash test is told: the system under test, its operations, what must hold, and how much to try. Types and
// defaults alone; `crash-settings.ts` checks what users give.

import type { SimulatedPlatform } from "../simulation/simulated-platform.ts"
import type { SimulatedRandom } from "../simulation/simulated-random.ts"
import type { CrashProgress } from "./crash-report.ts"
import type { CrashFault } from "./fault-choice.ts"

/** An arbitrary of fast-check, by its shape: this package does not need fast-check to be installed for anything else. */
export interface ArbitraryLike<Value> {
  generate(random: never, biasFactor: number | undefined): { readonly value: Value }
  shrink(value: never, context: unknown): unknown
}

/**
 * Where histories come from: an arbitrary of fast-check, one history for all runs (which then differ in the order in
 * which files answer), or a function that makes one from the chance it is given.
 */
export type HistorySource<Op> =
  | ArbitraryLike<readonly Op[]>
  | readonly Op[]
  | ((random: SimulatedRandom) => readonly Op[])

/**
 * What became of an operation, as a crash at one moment leaves it.
 * - "acknowledged": `run` had resolved before the crash.
 * - "rejected": `run` had failed with an error that says that nothing was done.
 * - "unknown": `run` had failed, and the operation may have happened or not.
 * - "in-flight": begun, and not ended. It may have happened or not.
 * - "not-started": it must have left no trace.
 */
export type OperationOutcome = "acknowledged" | "rejected" | "unknown" | "in-flight" | "not-started"

/** One operation of a history, as it stood at the crash. */
export interface HistoryEntry<Op, Result = unknown> {
  /** From 0, in the order of the history. */
  readonly index: number
  readonly op: Op
  readonly outcome: OperationOutcome
  /** What `run` returned; there when acknowledged. */
  readonly result?: Result
  /** What `run` failed with; there when rejected or unknown. */
  readonly error?: unknown
}

/** What an operation may know beside the system. */
export interface OperationContext<Op, Result = unknown> {
  /** From 0, in the order of the history. */
  readonly index: number
  /** Operations that are acknowledged by now. */
  acknowledged(): readonly HistoryEntry<Op, Result>[]
  readonly platform: SimulatedPlatform
  /** Aborted when the whole test is. */
  readonly signal: AbortSignal
}

/** What the operations do, in the plainest way that there is: state in, state out, nothing changed in place. */
export interface ReferenceModel<Op, Result, State> {
  readonly initial: State
  /** `result` is undefined for an operation that was not acknowledged. */
  readonly apply: (state: State, op: Op, result: Result | undefined) => State
}

/** What an invariant may compare with, when there is a model. */
export interface CrashContext<State> {
  /**
   * Every state that the model allows at this moment: each acknowledged operation applied, those in flight and of
   * unknown outcome applied or not, in every order that their times allow. Undefined without a model, or where there
   * are more than 20,000 ways.
   */
  readonly allowed: readonly State[] | undefined
  readonly platform: SimulatedPlatform
  /** 0: the crash hit the history. 1: the recovery from such a crash was hit as well. 2: that one's, too. */
  readonly depth: number
}

export interface CrashBudget {
  /** Histories to run. Default 100. */
  readonly histories?: number
  /** Crash states to look at, nested ones included. Default 20,000. */
  readonly states?: number
  /** Real milliseconds to search. Default 3,000: with the time to shrink it stays below the 5 s that most runners give. */
  readonly ms?: number
  /** Real milliseconds to make a failure small, after that. Default 1,500. */
  readonly shrinkMs?: number
  /** Crashes inside the recovery: 0 for none, 1 for one, 2 for one in the recovery from that. Default 1. */
  readonly nested?: 0 | 1 | 2
}

/**
 * Which states a crash may leave behind. Data of one sector (512 bytes), a file's size and a name are units; what was
 * synced is kept by all of them.
 * - "posix" (default): any part of the units that were not synced, in any order, a sector torn to zeros, garbage or half.
 * - "ext4": `data=ordered` with delayed allocation. Names and cuts of files are kept in their order, and a rename that
 *   replaces a file only together with the data written to it before. Sectors are whole. Data and growth are as in
 *   POSIX: a file may be longer than what reached it, with zeros.
 * - "xfs": names and cuts in their order; a file's growth only together with the bytes that made it grow. Sectors are
 *   whole. A rename may be kept whose file's data is lost: the file is empty then.
 */
export type PersistenceMode = "posix" | "ext4" | "xfs"

export interface CrashOptions<System, Op, Result = unknown, State = unknown> {
  /** Names the test in replay tokens. Needed when one file has several and one of them is replayed by environment. */
  readonly name?: string
  /** Opens the system on a fresh disk, and after a crash: then it is the recovery. May be asynchronous. */
  readonly open: (platform: SimulatedPlatform, path: string) => System | Promise<System>
  /** Default: the system's `close`, `[Symbol.asyncDispose]` or `[Symbol.dispose]`, where it has one. */
  readonly close?: (system: System) => unknown
  readonly ops: HistorySource<Op>
  /** One operation. When what it returns is there, the operation counts as acknowledged: it must survive. */
  readonly run: (system: System, op: Op, context: OperationContext<Op, Result>) => Result | Promise<Result>
  /** Throws where the recovered system is wrong. May be left out with `model` and `recoveredView`. */
  readonly invariant?: (
    recovered: System,
    history: readonly HistoryEntry<Op, Result>[],
    context: CrashContext<State>,
  ) => unknown
  readonly model?: ReferenceModel<Op, Result, State>
  /** What the system holds, as plain data: printed, and with a model compared to the states that it allows. */
  readonly recoveredView?: (system: System) => unknown
  /**
   * What the failure of an operation says. Default: of this package's errors all but `ORRERY_COMMIT_UNKNOWN` say
   * "rejected"; everything else is "unknown".
   */
  readonly outcomeOf?: (error: unknown) => "rejected" | "unknown"
  /** Whether opening may refuse a disk with this error, where faults make that right: after rot, for example. */
  readonly mayRefuse?: (error: unknown) => boolean
  /** Default: the disk works, and only the power fails. */
  readonly faults?: CrashFault | readonly CrashFault[]
  /** Default: "posix". */
  readonly persistence?: PersistenceMode
  /** Operations in flight at a time, from 1. Default 4: with one, holes cannot happen. */
  readonly concurrency?: number | "all-at-once"
  readonly budget?: CrashBudget
  /** A safe integer that decides everything that chance decides. Default: another one each time. */
  readonly seed?: number
  /** Told after every history. */
  readonly onProgress?: (progress: CrashProgress) => void
  readonly signal?: AbortSignal
  /** Where the disk image of a failure goes: into a folder `orrery-crash-<seed>` there. False: nowhere. Default: the system's temporary directory. */
  readonly artifacts?: string | false
  /** A test file to write that replays the failure. Also: the environment variable ORRERY_CRASH_REGRESSION. */
  readonly writeRegression?: string
  /** The test file that calls, as `import.meta.url`, for `writeRegression`. Default: found by the stack. */
  readonly testFile?: string
  /** Where the system lives on the simulated disk. Default: "/data". */
  readonly path?: string
}
