// Oracles for tiny histories: they try every order of the transactions, or of their begins and ends, and share nothing
// with the checkers but the form of the history.

import type { RecordedHistory } from "../../src/testing/check-history.ts"
import type { ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"
import type { SequentialModel } from "../../src/testing/check-models.ts"

export type OrderKept = "none" | "process" | "realtime"
type Lists = ReadonlyMap<number | string, readonly (number | string)[]>

/** Whether some order of the transactions, one after the other, gives every read its list. */
export function isSerializable(history: ListHistory, order: OrderKept): boolean {
  const { before, isOptional, count } = relationsOf(history, order)
  const search = (done: number, lists: Lists): boolean => {
    if (isComplete(done, isOptional)) return true
    for (let next = 0; next < count; next++) {
      if (isIn(done, next) || history.entries[next]?.outcome === "aborted") continue
      if (before[next]?.some((other) => !isIn(done, other)) === true) continue
      const after = run(operationsOf(history, next), lists)
      if (after !== undefined && search(done | (1 << next), after)) return true
    }
    return false
  }
  return search(abortedOf(history), new Map())
}

/** Whether some order of begins and ends does, where reads see what had ended at the begin, and writers do not overlap. */
export function isSnapshotIsolated(history: ListHistory, order: OrderKept): boolean {
  const { before, isOptional, count } = relationsOf(history, order)
  const search = (begun: number, ended: number, lists: Lists, snapshots: readonly (Lists | undefined)[]): boolean => {
    if (isComplete(ended, isOptional)) return true
    for (let next = 0; next < count; next++) {
      if (isIn(ended, next)) continue
      if (!isIn(begun, next)) {
        if (before[next]?.some((other) => !isIn(ended, other)) === true) continue
        if (run(operationsOf(history, next), lists) === undefined) continue
        const taken = snapshots.with(next, lists)
        if (search(begun | (1 << next), ended, lists, taken)) return true
        continue
      }
      const appends = operationsOf(history, next).filter((operation) => operation.kind === "append")
      if (appends.some(({ key }) => lists.get(key) !== snapshots[next]?.get(key))) continue
      const after = run(appends, lists)
      if (after !== undefined && search(begun, ended | (1 << next), after, snapshots)) return true
    }
    return false
  }
  const aborted = abortedOf(history)
  return search(aborted, aborted, new Map(), new Array(count).fill(undefined))
}

/** Whether some order of the operations explains every result. */
export function isLinearizable<State, Operation, Result>(
  history: RecordedHistory<Operation, Result>,
  model: SequentialModel<State, Operation, Result>,
): boolean {
  const { before, isOptional, count } = relationsOf(history, "realtime")
  const search = (done: number, state: State): boolean => {
    if (isComplete(done, isOptional)) return true
    for (let next = 0; next < count; next++) {
      const entry = history.entries[next]
      if (entry === undefined || isIn(done, next) || before[next]?.some((other) => !isIn(done, other)) === true)
        continue
      // An answer binds also where the operation need not take place.
      const isKnown = entry.outcome === "committed"
      const [isPossible, after] = model.step(state, { operation: entry.operation, result: entry.result, isKnown })
      if (isPossible && search(done | (1 << next), after)) return true
    }
    return false
  }
  return search(abortedOf(history), model.initial)
}

interface Relations {
  readonly count: number
  /** By transaction, those that must come before it; unknown ones never must. */
  readonly before: readonly (readonly number[])[]
  readonly isOptional: readonly boolean[]
}

function relationsOf(history: RecordedHistory, order: OrderKept): Relations {
  const { entries } = history
  const before = entries.map((entry, index) =>
    entries.flatMap((other, otherIndex) => {
      if (otherIndex === index || other.outcome !== "committed") return []
      const isEarlier = (other.completed ?? Infinity) < (entry.invoked ?? 0)
      const isBefore =
        order === "realtime" ? isEarlier : order === "process" && isEarlier && other.process === entry.process
      return isBefore ? [otherIndex] : []
    }),
  )
  return { count: entries.length, before, isOptional: entries.map(({ outcome }) => outcome === "unknown") }
}

function operationsOf(history: ListHistory, index: number): readonly ListOperation[] {
  return history.entries[index]?.result ?? history.entries[index]?.operation ?? []
}

/** The lists after the transaction; undefined where a read does not agree. */
function run(operations: readonly ListOperation[], lists: Lists): Lists | undefined {
  const after = new Map(lists)
  for (const operation of operations) {
    const list = after.get(operation.key) ?? []
    if (operation.kind === "append") after.set(operation.key, [...list, operation.value])
    else if (operation.values !== undefined && operation.values.join() !== list.join()) return undefined
  }
  return after
}

function abortedOf(history: RecordedHistory): number {
  return history.entries.reduce((set, { outcome }, index) => (outcome === "aborted" ? set | (1 << index) : set), 0)
}

function isIn(set: number, member: number): boolean {
  return (set & (1 << member)) !== 0
}

function isComplete(done: number, isOptional: readonly boolean[]): boolean {
  return isOptional.every((may, index) => may || isIn(done, index))
}
