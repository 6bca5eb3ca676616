// Records what clients do to a database, as a history that the checkers take. Wrap every call: `begin` before it, then
// exactly one of `complete`, `fail` and `unknown`. The order of these calls is the order of events, so call them on the
// turn on which the client asks and learns. Whatever was never ended is unknown.

import type { RecordedHistory, RecordedEntry, Outcome } from "./check-history.ts"

/** How a recorded operation ends; only the first call counts, a second one throws TypeError. */
export interface Recording<Operation, Result> {
  /** It took place. `durable: false` where the next crash may undo it, or what it read. */
  complete(result?: Result, options?: { readonly durable?: boolean }): void
  /** It surely did not take place. `operation`: what it turned out to be, where that was not known before. */
  fail(error?: unknown, operation?: Operation): void
  /** It may have taken place, or may yet. */
  unknown(error?: unknown, operation?: Operation): void
}

interface OpenEntry<Operation, Result> {
  process: number | string
  operation: Operation
  result?: Result
  outcome: Outcome
  invoked: number
  completed?: number
  durable?: boolean
  error?: string
}

export class Recorder<Operation = unknown, Result = unknown> {
  readonly #entries: OpenEntry<Operation, Result>[] = []
  readonly #crashes: number[] = []
  readonly #open = new Map<number | string, OpenEntry<Operation, Result>>()
  #position = 0

  /** Requires: the process has ended what it began before. */
  begin(process: number | string, operation: Operation): Recording<Operation, Result> {
    if (this.#open.has(process)) {
      throw new TypeError(`process ${process} begins an operation before it ended the last one: use another process`)
    }
    const entry: OpenEntry<Operation, Result> = { process, operation, outcome: "unknown", invoked: this.#position++ }
    this.#entries.push(entry)
    this.#open.set(process, entry)
    return {
      complete: (result, options = {}) => {
        this.#end(entry, "committed")
        if (result !== undefined) entry.result = result
        if (options.durable !== undefined) entry.durable = options.durable
      },
      fail: (error, asked) => this.#endWithout(entry, "aborted", error, asked),
      unknown: (error, asked) => this.#endWithout(entry, "unknown", error, asked),
    }
  }

  /** The database crashed, or a part of it did. Operations that are open stay open: end them as they turn out. */
  crash(): void {
    this.#crashes.push(this.#position++)
  }

  /** What was recorded up to now. */
  history(): RecordedHistory<Operation, Result> {
    const entries: readonly RecordedEntry<Operation, Result>[] = this.#entries.map((entry) => ({ ...entry }))
    return { entries, crashes: [...this.#crashes] }
  }

  /** For JSON.stringify; `check.parseHistory` reads it. */
  toJSON(): RecordedHistory<Operation, Result> {
    return this.history()
  }

  #end(entry: OpenEntry<Operation, Result>, outcome: Outcome): void {
    if (this.#open.get(entry.process) !== entry) throw new TypeError("this operation was ended already")
    this.#open.delete(entry.process)
    entry.outcome = outcome
    entry.completed = this.#position++
  }

  #endWithout(
    entry: OpenEntry<Operation, Result>,
    outcome: Outcome,
    error: unknown,
    asked: Operation | undefined,
  ): void {
    this.#end(entry, outcome)
    if (asked !== undefined) entry.operation = asked
    if (error !== undefined) entry.error = textOf(error)
  }
}

function textOf(error: unknown): string {
  if (error instanceof Error) return error.message
  return typeof error === "string" ? error : (JSON.stringify(error) ?? typeof error)
}
