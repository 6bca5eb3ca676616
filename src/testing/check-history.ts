// A recorded history: what clients asked of a database, what they were told, and in which order that happened. Both
// checkers read this form, the recorder writes it, and it is plain JSON. The checkers never change it.

/** Whether an operation took place: `unknown` may have, may yet, or never will. */
export type Outcome = "committed" | "aborted" | "unknown"

/** One operation, or one transaction, of one process. */
export interface RecordedEntry<Operation = unknown, Result = unknown> {
  /** Who did it: a client that does one thing after the other. */
  readonly process: number | string
  /** What was asked. */
  readonly operation: Operation
  /** What came back; only where something did. */
  readonly result?: Result
  readonly outcome: Outcome
  /** Where in the order of events it began and ended: any number that grows, equal for "cannot tell". */
  readonly invoked?: number
  readonly completed?: number
  /**
   * False where the answer promised nothing beyond the next crash: a write that was acknowledged early, or a read that
   * may have seen such a write. With a crash behind it, it counts as unknown. Default: true.
   */
  readonly durable?: boolean
  /** For people: why it was aborted, or is unknown. */
  readonly error?: string
}

export interface RecordedHistory<Operation = unknown, Result = unknown> {
  readonly entries: readonly RecordedEntry<Operation, Result>[]
  /** Where in the order of events the database, or a part of it, crashed and was started again; ascending. */
  readonly crashes?: readonly number[]
}

const OUTCOMES: readonly string[] = ["committed", "aborted", "unknown"]

/** Throws TypeError unless the value has the form of a history; what operations and results look like is not looked at. */
export function checkHistory(value: unknown): asserts value is RecordedHistory {
  if (!isRecord(value) || !Array.isArray(value["entries"])) {
    throw new TypeError("a history is an object with a list of entries")
  }
  const crashes = value["crashes"] ?? []
  if (!Array.isArray(crashes) || !crashes.every((crash) => Number.isFinite(crash))) {
    throw new TypeError("the crashes of a history are numbers: positions in the order of events")
  }
  for (let index = 1; index < crashes.length; index++) {
    if (Number(crashes[index]) < Number(crashes[index - 1])) {
      throw new TypeError("the crashes of a history are given in order")
    }
  }
  const entries: readonly unknown[] = value["entries"]
  for (let index = 0; index < entries.length; index++) checkEntry(entries[index], index)
}

/** A history from its JSON text. Throws TypeError, or SyntaxError where it is not JSON. */
export function parseHistory<Operation = unknown, Result = unknown>(text: string): RecordedHistory<Operation, Result> {
  const value: unknown = JSON.parse(text)
  checkHistory(value)
  // What operations look like is known to the caller, and checked by the checker that reads them.
  return value as RecordedHistory<Operation, Result>
}

/** The outcome that may be relied on: what a crash could undo, and one came, is unknown. */
export function reliableOutcome(entry: RecordedEntry, lastCrash: number): Outcome {
  if (entry.outcome !== "committed" || entry.durable !== false) return entry.outcome
  return (entry.completed ?? -Infinity) <= lastCrash ? "unknown" : "committed"
}

/** The position of the last crash; minus infinity where there was none. */
export function lastCrashOf(history: RecordedHistory): number {
  return history.crashes?.at(-1) ?? -Infinity
}

/** How many crashes lie before the position. */
export function crashesBefore(crashes: readonly number[], position: number): number {
  let low = 0
  let high = crashes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((crashes[middle] ?? Infinity) < position) low = middle + 1
    else high = middle
  }
  return low
}

function checkEntry(entry: unknown, index: number): void {
  if (!isRecord(entry)) throw new TypeError(`entry ${index} of the history is not an object`)
  const { process, outcome, invoked, completed, durable } = entry as Partial<RecordedEntry>
  if (typeof process !== "number" && typeof process !== "string") {
    throw new TypeError(`entry ${index} of the history names no process, by a number or a string`)
  }
  if (outcome === undefined || !OUTCOMES.includes(outcome)) {
    throw new TypeError(`entry ${index} of the history has no outcome: committed, aborted or unknown`)
  }
  if (invoked !== undefined && !Number.isFinite(invoked)) {
    throw new TypeError(`entry ${index} of the history: invoked must be a number`)
  }
  if (completed !== undefined && !Number.isFinite(completed)) {
    throw new TypeError(`entry ${index} of the history: completed must be a number`)
  }
  if (completed !== undefined && (invoked === undefined || invoked > completed)) {
    throw new TypeError(`entry ${index} of the history ends before it begins`)
  }
  if (durable !== undefined && typeof durable !== "boolean") {
    throw new TypeError(`entry ${index} of the history: durable must be true or false`)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
