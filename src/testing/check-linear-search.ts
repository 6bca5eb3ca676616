// The search behind `linearizable`, for the operations of one key. Begins and ends stand in a list in their order; to
// linearize an operation is to take both out. Candidates are the begins before the first end that is left. What was tried
// once (which operations are taken out, in which state) is not tried again, by exact comparison, not by a checksum.
//
// Three rules make it small, and none changes the verdict:
//   1. A known read that fits is taken at once: whatever could be done without it, can be done behind it.
//   2. An unknown operation that would change nothing is not taken: what follows does not need it.
//   3. Of unknown operations that ask for the same, only the one that began first is tried.

import { lastCrashOf, reliableOutcome } from "./check-history.ts"
import type { RecordedHistory } from "./check-history.ts"
import { nameOf } from "./check-models.ts"
import type { Call, SequentialModel } from "./check-models.ts"

/** An operation of the history with its place in time. */
export interface TimedCall<Operation, Result> extends Call<Operation, Result> {
  /** Its index in the history's entries. */
  readonly entry: number
  readonly invoked: number
  /** Infinite where the outcome is unknown. */
  readonly completed: number
}

/** How far a search came. Operations are named by their index in the entries of the history. */
export interface Stuck<State> {
  /** The key whose operations these are. */
  readonly key: number | string
  /** The operation whose end no order gets past; where the search was ended early, has got past yet. */
  readonly at: number
  /**
   * What had ended by then, that one included: the shortest prefix of the history that no order explains, where what was
   * pending gives no other answer than it did later.
   */
  readonly prefix: readonly number[]
  /** A best order: it explains everything of the prefix but `at`. */
  readonly order: readonly number[]
  /** The state behind that order. */
  readonly state: State
  /** What had begun by then, and is not in the order. */
  readonly pending: readonly number[]
}

/** By key, the calls that took place or may have. */
export function callsOf<State, Operation, Result>(
  history: RecordedHistory<Operation, Result>,
  model: SequentialModel<State, Operation, Result>,
): Map<number | string, TimedCall<Operation, Result>[]> {
  const calls = new Map<number | string, TimedCall<Operation, Result>[]>()
  const lastCrash = lastCrashOf(history)
  for (const [index, entry] of history.entries.entries()) {
    const outcome = reliableOutcome(entry, lastCrash)
    if (outcome === "aborted") continue
    const { operation, result, invoked, completed } = entry
    const isKnown = outcome === "committed"
    if (invoked === undefined || (isKnown && completed === undefined)) {
      throw new TypeError(`entry ${index} of the history says not when it was invoked and completed`)
    }
    const call: TimedCall<Operation, Result> = {
      entry: index,
      operation,
      result: isKnown ? result : undefined,
      isKnown,
      invoked,
      completed: isKnown && completed !== undefined ? completed : Infinity,
    }
    const key = model.partition?.(operation) ?? ""
    const others = calls.get(key)
    if (others === undefined) calls.set(key, [call])
    else others.push(call)
  }
  return calls
}

interface Successor {
  readonly call: number
  readonly state: number
  readonly isForced: boolean
}

/** A place in the search. Its parents tell the order in which operations were taken. */
interface Place {
  readonly parent: Place | undefined
  /** Taken to get here. */
  readonly call: number
  readonly state: number
  /** Taken, although their ends lie behind the first end that is left: their ranks, ascending. */
  readonly ahead: readonly number[]
  readonly successors: readonly Successor[]
  nextSuccessor: number
}

export class LinearSearch<State, Operation, Result> {
  /** Steps of the model that were tried. */
  steps = 0
  readonly #key: number | string
  readonly #model: SequentialModel<State, Operation, Result>
  /** By rank: in the order of their ends, the unknown ones last, in the order of their begins. */
  readonly #calls: readonly TimedCall<Operation, Result>[]
  /** Unknown calls with the same number ask for the same. */
  readonly #sameAs: readonly number[]
  /** By event: 2 * rank for a begin, 2 * rank + 1 for an end. The event behind the last one is the head of the ring. */
  readonly #events: readonly number[]
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #beginOf: Int32Array
  readonly #endOf: Int32Array
  readonly #states: State[] = []
  readonly #stateIds = new Map<string | number, number>()
  readonly #tried = new Set<string>()
  #best: Place | undefined
  #bestRank = -1

  constructor(
    key: number | string,
    calls: readonly TimedCall<Operation, Result>[],
    model: SequentialModel<State, Operation, Result>,
  ) {
    this.#key = key
    this.#model = model
    this.#calls = [...calls].sort((a, b) =>
      a.completed === b.completed ? a.invoked - b.invoked : a.completed - b.completed,
    )
    const classes = new Map<string, number>()
    this.#sameAs = this.#calls.map(({ isKnown, operation }, rank) => {
      if (isKnown) return -1
      const name = nameOfOperation(operation) ?? `unlike others ${rank}`
      const known = classes.get(name) ?? classes.size
      classes.set(name, known)
      return known
    })
    this.#events = eventsOf(this.#calls)
    const count = this.#events.length
    this.#next = Int32Array.from({ length: count + 1 }, (_, event) => (event === count ? 0 : event + 1))
    this.#previous = Int32Array.from({ length: count + 1 }, (_, event) => (event === 0 ? count : event - 1))
    this.#beginOf = new Int32Array(this.#calls.length)
    this.#endOf = new Int32Array(this.#calls.length).fill(-1)
    for (const [event, what] of this.#events.entries()) {
      const places = (what & 1) === 0 ? this.#beginOf : this.#endOf
      places[what >> 1] = event
    }
  }

  run(stepsMax: number, stop: () => boolean): "valid" | "invalid" | "unknown" {
    let place = this.#arrive(undefined, -1, this.#stateId(this.#model.initial), [])
    let nextLook = 1024
    for (;;) {
      if (this.#firstEnd() < 0) return "valid"
      if (this.steps >= stepsMax) return "unknown"
      if (this.steps >= nextLook) {
        nextLook = this.steps + 1024
        if (stop()) return "unknown"
      }
      const successor = place.successors[place.nextSuccessor++]
      if (successor !== undefined) {
        place = this.#advance(place, successor) ?? place
      } else if (place.parent === undefined) {
        return "invalid"
      } else {
        this.#putBack(place.call)
        place = place.parent
      }
    }
  }

  /** Where the search came furthest. */
  stuck(): Stuck<State> {
    const order: number[] = []
    const taken = new Set<number>()
    for (let place = this.#best; place !== undefined && place.call >= 0; place = place.parent) {
      order.push(this.#entry(place.call))
      taken.add(place.call)
    }
    const rank = Math.max(0, this.#bestRank)
    const end = this.#calls[rank]?.completed ?? Infinity
    const ranks = this.#calls.map((_, index) => index)
    return {
      key: this.#key,
      at: this.#entry(rank),
      prefix: ranks.slice(0, rank + 1).map((index) => this.#entry(index)),
      order: order.reverse(),
      state: this.#states[this.#best?.state ?? 0] ?? this.#model.initial,
      pending: ranks
        .filter((index) => !taken.has(index) && (this.#calls[index]?.invoked ?? Infinity) <= end)
        .map((index) => this.#entry(index)),
    }
  }

  /** Takes the call out and goes there, unless that was tried before. */
  #advance(from: Place, { call, state, isForced }: Successor): Place | undefined {
    this.#takeOut(call)
    const firstEnd = this.#firstEnd()
    const ahead = withRank(from.ahead, call, firstEnd < 0 ? this.#calls.length : firstEnd)
    if (!isForced) {
      const name = `${state} ${firstEnd} ${ahead.join(" ")}`
      if (this.#tried.has(name)) {
        this.#putBack(call)
        return undefined
      }
      this.#tried.add(name)
    }
    return this.#arrive(from, call, state, ahead)
  }

  #arrive(parent: Place | undefined, call: number, state: number, ahead: readonly number[]): Place {
    const successors = this.#successors(state)
    const place: Place = { parent, call, state, ahead, successors, nextSuccessor: 0 }
    const rank = this.#firstEnd()
    if (rank > this.#bestRank) {
      this.#best = place
      this.#bestRank = rank
    }
    return place
  }

  #successors(state: number): Successor[] {
    const successors: Successor[] = []
    const classes = new Set<number>()
    const head = this.#events.length
    for (let event = this.#next[head] as number; event !== head; event = this.#next[event] as number) {
      const what = this.#events[event] as number
      if ((what & 1) === 1) break
      const call = what >> 1
      const timed = this.#calls[call] as TimedCall<Operation, Result>
      const sameAs = this.#sameAs[call] as number
      if (!timed.isKnown) {
        if (classes.has(sameAs)) continue
        classes.add(sameAs)
      }
      this.steps++
      const [isPossible, after] = this.#model.step(this.#states[state] as State, timed)
      if (!isPossible) continue
      const afterId = this.#stateId(after)
      const isSame = afterId === state
      if (isSame && timed.isKnown && this.#model.isRead?.(timed) === true) return [{ call, state, isForced: true }]
      if (!isSame || timed.isKnown) successors.push({ call, state: afterId, isForced: false })
    }
    // What must take place soonest, first: most histories are explained without a step back.
    return successors.sort((a, b) => a.call - b.call)
  }

  /** The rank of the first end that is left; -1 where there is none. */
  #firstEnd(): number {
    const head = this.#events.length
    for (let event = this.#next[head] as number; event !== head; event = this.#next[event] as number) {
      const what = this.#events[event] as number
      if ((what & 1) === 1) return what >> 1
    }
    return -1
  }

  #takeOut(call: number): void {
    this.#unlink(this.#beginOf[call] as number)
    const end = this.#endOf[call] as number
    if (end >= 0) this.#unlink(end)
  }

  #putBack(call: number): void {
    const end = this.#endOf[call] as number
    if (end >= 0) this.#relink(end)
    this.#relink(this.#beginOf[call] as number)
  }

  #unlink(event: number): void {
    const before = this.#previous[event] as number
    const after = this.#next[event] as number
    this.#next[before] = after
    this.#previous[after] = before
  }

  #relink(event: number): void {
    this.#next[this.#previous[event] as number] = event
    this.#previous[this.#next[event] as number] = event
  }

  #stateId(state: State): number {
    const name = this.#model.hash?.(state) ?? nameOf(state)
    const known = this.#stateIds.get(name)
    if (known !== undefined) return known
    const id = this.#states.length
    this.#stateIds.set(name, id)
    this.#states.push(state)
    return id
  }

  #entry(rank: number): number {
    return this.#calls[rank]?.entry ?? -1
  }
}

/** Begins and ends in order; at the same position begins come first, as nobody can tell. */
function eventsOf(calls: readonly { readonly invoked: number; readonly completed: number }[]): number[] {
  const positionOf = (event: number): number => {
    const call = calls[event >> 1]
    return ((event & 1) === 0 ? call?.invoked : call?.completed) ?? Infinity
  }
  return calls
    .flatMap(({ completed }, rank) => (completed === Infinity ? [rank * 2] : [rank * 2, rank * 2 + 1]))
    .sort((a, b) => positionOf(a) - positionOf(b) || (a & 1) - (b & 1) || a - b)
}

/** The ranks ahead with one more, without those that are not ahead any longer. */
function withRank(ahead: readonly number[], rank: number, firstEnd: number): readonly number[] {
  const ranks = ahead.filter((other) => other > firstEnd)
  if (rank <= firstEnd) return ranks
  const place = ranks.findIndex((other) => other > rank)
  return place < 0 ? [...ranks, rank] : ranks.toSpliced(place, 0, rank)
}

function nameOfOperation(operation: unknown): string | undefined {
  try {
    return nameOf(operation)
  } catch {
    // Not JSON: then nobody can tell whether it asks for the same as another.
    return undefined
  }
}
