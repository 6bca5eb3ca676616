// What is wrong with a history, in words: each kind of anomaly, and a collector that counts all of them and keeps the
// first few of each kind.

import type { ListElement, Transactions } from "./check-transactions.ts"

/** The kinds of anomaly; docs/checking-histories.md explains each. */
export type AnomalyType =
  | "duplicate-elements"
  | "unwritten-read"
  | "incompatible-order"
  | "lost-write"
  | "G1a"
  | "G1b"
  | "internal"
  | "lost-update"
  | CycleType

export type CycleType = `${"G0" | "G1c" | "G-single" | "G-nonadjacent" | "G2-item"}${"" | "-process" | "-realtime"}`

/** Why one transaction must come before another. */
export type Relation = "ww" | "wr" | "rw" | "process" | "realtime"

/** One step of a cycle. Transactions are named by their index in the entries of the history. */
export interface CycleStep {
  readonly source: number
  readonly target: number
  readonly relation: Relation
  /** The reason, as a sentence. */
  readonly because: string
}

export interface Anomaly {
  readonly type: AnomalyType
  /** For people: what happened, naming transactions, keys and values. */
  readonly explanation: string
  /** The entries of the history that are part of it. */
  readonly transactions: readonly number[]
  /** The way around, for cycles; else empty. */
  readonly cycle: readonly CycleStep[]
}

export class Anomalies {
  readonly found: Anomaly[] = []
  readonly countOf: Partial<Record<AnomalyType, number>> = {}
  readonly #keptMax: number
  readonly #isForbidden: (type: AnomalyType) => boolean

  /** Keeps at most so many of each kind, and none that the model allows. */
  constructor(keptMax: number, isForbidden: (type: AnomalyType) => boolean) {
    this.#keptMax = keptMax
    this.#isForbidden = isForbidden
  }

  add(type: AnomalyType, tell: () => Omit<Anomaly, "type">): void {
    if (!this.#isForbidden(type)) return
    const count = (this.countOf[type] ?? 0) + 1
    this.countOf[type] = count
    if (count <= this.#keptMax) this.found.push({ type, ...tell() })
  }
}

/** The name of a transaction in sentences. */
export function nameOf(transaction: number): string {
  return `T${transaction}`
}

/** What a read has seen, as text; of a long list only its end. */
export function seenBy(transactions: Transactions, read: number): string {
  const values = transactions.readValues[read] ?? []
  const end = values.slice(-8).map((value) => JSON.stringify(value))
  return `${keyOfRead(transactions, read)} as [${values.length > end.length ? "…, " : ""}${end.join(", ")}]`
}

/** "T3 read "x" as [1, 2]". */
export function readSentence(transactions: Transactions, read: number): string {
  return `${nameOf(transactions.readTransaction[read] as number)} read ${seenBy(transactions, read)}`
}

export function keyOfRead(transactions: Transactions, read: number): string {
  return JSON.stringify(transactions.keys[transactions.readKey[read] as number])
}

/** The appended value, as text. */
export function valueOf(transactions: Transactions, append: number): string {
  return JSON.stringify(transactions.appendValue[append])
}

/** "T3 appended 2 to "x"". */
export function appendSentence(transactions: Transactions, append: number): string {
  const key = JSON.stringify(transactions.keys[transactions.appendKey[append] as number])
  const name = nameOf(transactions.appendTransaction[append] as number)
  return `${name} appended ${valueOf(transactions, append)} to ${key}`
}

export function textOf(value: ListElement): string {
  return JSON.stringify(value)
}
