// Short forms for histories made by hand.

import type { RecordedEntry } from "../../src/testing/check-history.ts"
import type { ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"

export type ListEntry = RecordedEntry<readonly ListOperation[], readonly ListOperation[]>

export function append(key: number | string, value: number | string): ListOperation {
  return { kind: "append", key, value }
}

export function read(key: number | string, values: readonly (number | string)[]): ListOperation {
  return { kind: "read", key, values }
}

/** A committed transaction of a process of its own that overlaps with every other one. */
export function committed(...operations: ListOperation[]): ListEntry {
  return { process: "", operation: operations, result: operations, outcome: "committed", invoked: 0, completed: 1000 }
}

export function aborted(...operations: ListOperation[]): ListEntry {
  return { ...committed(...operations), outcome: "aborted" }
}

export function unknown(...operations: ListOperation[]): ListEntry {
  return { process: "", operation: operations, outcome: "unknown", invoked: 0 }
}

/** The entries get processes of their own where they have none. */
export function historyOf(entries: readonly ListEntry[], crashes: readonly number[] = []): ListHistory {
  return {
    entries: entries.map((entry, index) => (entry.process === "" ? { ...entry, process: `p${index}` } : entry)),
    crashes,
  }
}
