// Every state that a crash may have left on a disk, at every moment of its trace: the candidates of each moment
// (crash-candidates.ts), without those that equal an earlier one of the same moment. Lazy, and incremental from moment to
// moment, so that hundreds of thousands can be looked at.
//
// A state's id and the seed rebuild it alone, from the same trace. Crashes in a recovery are states of the trace that the
// mounted disk keeps meanwhile.

import { invariant } from "../model/invariant.ts"
import { CandidateKeys } from "./candidate-keys.ts"
import { candidateCount, candidateOf, StateBuilder, type Candidate, type CandidateKind } from "./crash-candidates.ts"
import { describeChange, type PendingUnit } from "./disk-changes.ts"
import type { DiskTrace, Operation } from "./disk-trace.ts"
import type { DiskTree } from "./disk-tree.ts"
import { DurableState } from "./durable-state.ts"
import { mix } from "./fingerprint.ts"
import { SimulatedDisk, type SimulatedDiskOptions } from "./simulated-disk.ts"
import { SimulatedRandom } from "./simulated-random.ts"

export interface CrashStatesOptions {
  /** Decides samples, and which states are left out under a limit. Default 0. */
  readonly seed?: number
  /** About how many states to give, spread evenly over all candidates. Default: all. */
  readonly limit?: number
  /** Samples for each moment with more pending units than all subsets are tried of. Default 32. */
  readonly sampleCount?: number
  /** What the file system never leaves behind is taken out of every state. Default: nothing is. */
  readonly narrow?: Narrowing
}

/**
 * What a kinder file system than that of POSIX would have made of a candidate: less of it kept, or, undefined, nothing
 * that could be. `pending` has the units, oldest first; `eventCount` events of the trace come before the crash.
 */
export type Narrowing = (
  candidate: Candidate,
  pending: readonly PendingUnit[],
  eventCount: number,
) => Candidate | undefined

const SAMPLE_COUNT_DEFAULT = 32
/** Ended operations between two searches for files that nothing leads to any more. */
const SWEEP_INTERVAL = 64

/** A moment at which what a crash may leave behind is about to change. */
export interface CrashPoint {
  /** Index of the event that comes next. */
  readonly next: number
  readonly completedCount: number
  /** Serial number of the operation that ended last; 0 before the first. */
  readonly lastCompleted: number
  readonly inFlight: readonly number[]
  /** Valid until the next moment is asked for. */
  readonly medium: DiskTree
  readonly pending: readonly PendingUnit[]
}

/** One state that a crash may have left. */
export class CrashState {
  readonly kind: CandidateKind
  /** Equal for states that hold the same, at whatever moment; for different ones as good as never. */
  readonly fingerprint: number
  /** Operations that had ended before the crash: what was acknowledged with at most so many ended must be there. */
  readonly afterOperation: number
  /** Events of the trace before the crash, as `SimulatedDisk.eventCount` counts them. */
  readonly eventCount: number

  readonly #number: number
  readonly #inFlight: readonly number[]
  readonly #trace: DiskTrace
  readonly #candidate: Candidate
  readonly #pending: readonly PendingUnit[]
  readonly #lastCompleted: number
  readonly #tree: DiskTree

  constructor(
    trace: DiskTrace,
    point: CrashPoint,
    number: number,
    candidate: Candidate,
    tree: DiskTree,
    fingerprint: number,
  ) {
    this.kind = candidate.kind
    this.fingerprint = fingerprint
    this.afterOperation = point.completedCount
    this.eventCount = point.next
    this.#number = number
    this.#inFlight = point.inFlight
    this.#trace = trace
    this.#candidate = candidate
    this.#pending = point.pending
    this.#lastCompleted = point.lastCompleted
    this.#tree = tree
  }

  /** Rebuilds this state with the same trace and seed. */
  get id(): string {
    return `${this.eventCount}.${this.#number}`
  }

  /** Operations that had begun and not ended. */
  get inFlight(): readonly Operation[] {
    return this.#inFlight.map((serial) => this.#trace.operations[serial - 1] as Operation)
  }

  /** Units of what was pending that the crash lost or tore. */
  get lossCount(): number {
    return this.#candidate.kept.reduce((count, kept) => count + 1 - kept, this.#candidate.torn === undefined ? 0 : 1)
  }

  /** What the crash left. Not to be changed: other states share parts of it. */
  get tree(): DiskTree {
    return this.#tree
  }

  /** A disk that holds this state and nothing pending, unlocked. Each call gives another one. */
  mount(options: SimulatedDiskOptions = {}): SimulatedDisk {
    return SimulatedDisk.holding(this.#tree, options)
  }

  /** What was being done, what is kept and what is lost, one line each. */
  describe(): string {
    const nameOf = namesOf(this.#trace)
    const lines = [`state ${this.id} (${this.kind}), after ${this.afterOperation} operations`]
    const last = this.#trace.operations[this.#lastCompleted - 1]
    if (last !== undefined) lines.push(`last ended: ${describeOperation(last)}`)
    for (const operation of this.inFlight) lines.push(`in flight: ${describeOperation(operation)}`)
    this.#pending.forEach((unit, index) => {
      const isTorn = index === this.#candidate.torn
      const fate = isTorn ? `torn (${this.#candidate.tear})` : this.#candidate.kept[index] === 1 ? "kept" : "lost"
      lines.push(`${fate}: ${describeChange(unit.change, nameOf)}, of operation ${unit.operation}`)
    })
    return lines.join("\n")
  }
}

/** The crash states of a trace, moment by moment. The same trace and options give the same states in the same order. */
export function* crashStates(trace: DiskTrace, options: CrashStatesOptions = {}): Generator<CrashState> {
  const { seed = 0, limit = Infinity, sampleCount = SAMPLE_COUNT_DEFAULT, narrow } = options
  const chosen = limit === Infinity ? 1 : limit / countCandidates(trace, sampleCount)
  for (const point of crashPoints(trace)) {
    const builder = new StateBuilder(point.medium, point.pending)
    const count = candidateCount(point.pending.length, sampleCount)
    const seen = new Set<number>()
    const built = new CandidateKeys(point.medium, point.pending)
    for (let number = 0; number < count; number++) {
      if (chosen < 1 && !isChosen(seed, point.next, number, chosen)) continue
      const state = stateOf(seed, point, number, builder, narrow, built)
      if (state === undefined) continue
      const key = state.tree.fingerprint()
      if (seen.has(key)) continue
      seen.add(key)
      yield new CrashState(trace, point, number, state.candidate, state.tree, key)
    }
  }
}

/** The one state of that id. Requires: an id that `crashStates` gave for this trace, seed and narrowing. */
export function crashState(trace: DiskTrace, id: string, seed = 0, narrow?: Narrowing): CrashState {
  const state = findCrashState(trace, id, seed, narrow)
  invariant(state !== undefined, `the trace has a crash state ${id}`)
  return state
}

/** The one state of that id; undefined where the trace has none. */
export function findCrashState(trace: DiskTrace, id: string, seed = 0, narrow?: Narrowing): CrashState | undefined {
  const [next, number] = id.split(".").map(Number)
  invariant(next !== undefined && number !== undefined, "a crash state's id is two numbers with a point between them")
  for (const point of crashPoints(trace)) {
    if (point.next !== next) continue
    if (number >= candidateCount(point.pending.length, Infinity)) return undefined
    const builder = new StateBuilder(point.medium, point.pending)
    const state = stateOf(seed, point, number, builder, narrow)
    return state && new CrashState(trace, point, number, state.candidate, state.tree, state.tree.fingerprint())
  }
  return undefined
}

/** How many candidates there are, equal ones included. */
export function countCandidates(trace: DiskTrace, sampleCount: number = SAMPLE_COUNT_DEFAULT): number {
  let count = 0
  for (const { pending } of crashPoints(trace)) count += candidateCount(pending.length, sampleCount)
  return count
}

function stateOf(
  seed: number,
  point: CrashPoint,
  number: number,
  builder: StateBuilder,
  narrow: Narrowing | undefined,
  built?: CandidateKeys,
): { readonly candidate: Candidate; readonly tree: DiskTree } | undefined {
  const random = (): SimulatedRandom => new SimulatedRandom(mix(mix(seed, point.next), number))
  const drawn = candidateOf(number, point.pending.length, random)
  const candidate = narrow === undefined ? drawn : narrow(drawn, point.pending, point.next)
  if (candidate === undefined || built?.add(candidate) === false) return undefined
  const tree = builder.build(candidate)
  return tree && { candidate, tree }
}

// A moment is taken just before something changes, when the most is acknowledged that this state must account for.
export function* crashPoints(trace: DiskTrace): Generator<CrashPoint> {
  const state = new DurableState(trace.base, trace.basePending)
  const inFlight = new Set<number>()
  let completedCount = 0
  let lastCompleted = 0
  const pointBefore = (next: number): CrashPoint => ({
    next,
    completedCount,
    lastCompleted,
    inFlight: [...inFlight],
    medium: state.tree,
    pending: [...state.pending],
  })
  for (const [next, event] of trace.events.entries()) {
    if (state.isChangedBy(event)) yield pointBefore(next)
    state.apply(event)
    if (event.kind === "issue") inFlight.add(event.operation)
    if (event.kind !== "complete") continue
    inFlight.delete(event.operation)
    lastCompleted = event.operation
    completedCount++
    if (completedCount % SWEEP_INTERVAL === 0) state.sweep()
  }
  yield pointBefore(trace.events.length)
}

/** One in so many, by chance that depends on the seed and the state alone. */
function isChosen(seed: number, next: number, number: number, share: number): boolean {
  return (mix(mix(next, seed), number) >>> 0) / 2 ** 32 < share
}

function describeOperation({ serial, name, path, detail, outcome }: Operation): string {
  return `${serial}. ${name} ${path}${detail === "" ? "" : ` (${detail})`}: ${outcome}`
}

/** Paths of the trace's files: the first that a file was given, for those without a name in the state as well. */
function namesOf(trace: DiskTrace): (node: number) => string {
  const names = new Map<number, string>()
  for (const [path, node] of trace.base.namedFiles()) names.set(node, path)
  for (const event of trace.events) {
    if (event.kind !== "issue") continue
    for (const change of event.changes) {
      if (change.kind === "create") names.set(change.node, trace.operations[event.operation - 1]?.path ?? "")
    }
  }
  return (node) => names.get(node) ?? `file ${node}`
}
