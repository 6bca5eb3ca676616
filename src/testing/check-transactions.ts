// The transactions of a list history in flat arrays: who appended what, who read how much, and which transactions count
// as committed. Lists themselves stay where they are, in the history. A pass over it, with no judgement but one: whether
// each transaction is at one with itself.

import { crashesBefore, lastCrashOf, reliableOutcome } from "./check-history.ts"
import type { RecordedHistory } from "./check-history.ts"

/** A key, or an element of a list. 1 and "1" are two. */
export type ListElement = number | string

/** One step of a transaction; a read that was not answered has no values. */
export type ListOperation =
  | { readonly kind: "append"; readonly key: ListElement; readonly value: ListElement }
  | { readonly kind: "read"; readonly key: ListElement; readonly values?: readonly ListElement[] }

/** What is known of a transaction is its result; its operation where none came. */
export type ListHistory = RecordedHistory<readonly ListOperation[], readonly ListOperation[]>

export const COMMITTED = 0
export const ABORTED = 1
export const UNKNOWN = 2

/** A read that its own transaction contradicts. `own`: it lacks the transaction's own appends. Else it is not repeatable. */
export interface SelfContradiction {
  readonly read: number
  readonly isOwn: boolean
}

export class Transactions {
  readonly history: ListHistory
  readonly count: number
  readonly outcome: Uint8Array
  /** 1 where it surely took place; an unknown transaction gets it when its appends are seen. */
  readonly counts: Uint8Array
  /** Appends of transaction t: from firstAppend[t] to firstAppend[t + 1] - 1; its reads in the same way. */
  readonly firstAppend: Int32Array
  readonly firstRead: Int32Array
  readonly appendCount: number
  readonly readCount: number
  readonly appendTransaction: Int32Array
  readonly appendKey: Int32Array
  readonly appendValue: ListElement[] = []
  /** 1 for the last append of its transaction to its key. */
  readonly appendIsFinal: Uint8Array
  /** The append of the same transaction to the same key before it; -1 for the first. */
  readonly previousOwn: Int32Array
  readonly readTransaction: Int32Array
  readonly readKey: Int32Array
  /** How much of the list others have made: all but the reader's own appends at its end. */
  readonly readLength: Int32Array
  readonly readValues: (readonly ListElement[])[] = []
  readonly keys: ListElement[] = []
  readonly contradictions: SelfContradiction[] = []
  readonly crashes: readonly number[]
  readonly #keyIds = new Map<ListElement, number>()
  readonly #valueIds = new Map<ListElement, number>()
  readonly #codes: Float64Array
  readonly #slots: Int32Array
  // For the transaction that is being read, by key: changed only by #add.
  #ownIn: number[] = []
  #ownLast: number[] = []
  #ownCount: number[] = []
  #readLast: number[] = []
  #ownAtRead: number[] = []

  constructor(history: ListHistory) {
    this.history = history
    this.crashes = history.crashes ?? []
    const { entries } = history
    this.count = entries.length
    let appendCount = 0
    let readCount = 0
    for (let index = 0; index < entries.length; index++) {
      for (const operation of operationsOf(history, index)) {
        checkOperation(operation, index)
        if (operation.kind === "append") appendCount++
        else if (operation.values !== undefined) readCount++
      }
    }
    this.appendCount = appendCount
    this.readCount = readCount
    this.outcome = new Uint8Array(this.count)
    this.counts = new Uint8Array(this.count)
    this.firstAppend = new Int32Array(this.count + 1)
    this.firstRead = new Int32Array(this.count + 1)
    this.appendTransaction = new Int32Array(appendCount)
    this.appendKey = new Int32Array(appendCount)
    this.appendIsFinal = new Uint8Array(appendCount).fill(1)
    this.readTransaction = new Int32Array(readCount)
    this.readKey = new Int32Array(readCount)
    this.readLength = new Int32Array(readCount)
    this.#codes = new Float64Array(appendCount)
    this.previousOwn = new Int32Array(appendCount)
    this.#slots = new Int32Array(2 ** Math.max(4, Math.ceil(Math.log2(appendCount * 2 + 1)))).fill(-1)
    const lastCrash = lastCrashOf(history)
    let appends = 0
    let reads = 0
    for (let index = 0; index < entries.length; index++) {
      this.firstAppend[index] = appends
      this.firstRead[index] = reads
      const entry = entries[index] as (typeof entries)[number]
      const outcome = reliableOutcome(entry, lastCrash)
      this.outcome[index] = outcome === "committed" ? COMMITTED : outcome === "aborted" ? ABORTED : UNKNOWN
      this.counts[index] = outcome === "committed" ? 1 : 0
      for (const operation of operationsOf(history, index)) {
        const key = this.#keyId(operation.key)
        if (operation.kind === "append") this.#append(appends++, index, key, operation.value)
        else if (operation.values !== undefined) this.#read(reads++, index, key, operation.values)
      }
    }
    this.firstAppend[this.count] = appends
    this.firstRead[this.count] = reads
  }

  /** The append of that value to that key; -1 where nobody made it. */
  appendOf(key: number, value: ListElement): number {
    const code = this.#knownCode(value)
    if (code === undefined) return -1
    const mask = this.#slots.length - 1
    for (let slot = slotOf(key, code) & mask; ; slot = (slot + 1) & mask) {
      const append = this.#slots[slot] as number
      if (append < 0) return -1
      if (this.#codes[append] === code && this.appendKey[append] === key) return append
    }
  }

  /** The place of a moment among the crashes: 0 before the first one. */
  eraOf(position: number | undefined): number {
    return position === undefined ? 0 : crashesBefore(this.crashes, position)
  }

  #append(append: number, transaction: number, key: number, value: ListElement): void {
    this.appendTransaction[append] = transaction
    this.appendKey[append] = key
    this.appendValue.push(value)
    this.#enter(append, key, value)
    this.#begin(transaction, key)
    const previous = this.#ownLast[key] as number
    if (previous >= 0) this.appendIsFinal[previous] = 0
    this.previousOwn[append] = previous
    this.#ownLast[key] = append
    this.#ownCount[key] = (this.#ownCount[key] as number) + 1
  }

  #read(read: number, transaction: number, key: number, values: readonly ListElement[]): void {
    this.readTransaction[read] = transaction
    this.readKey[read] = key
    this.readValues.push(values)
    this.#begin(transaction, key)
    const own = this.#ownCount[key] as number
    const hasOwn = this.#endsWithOwn(key, values)
    this.readLength[read] = hasOwn ? values.length - own : values.length
    if (!hasOwn) this.contradictions.push({ read, isOwn: true })
    else if (!this.#repeats(key, values, own)) this.contradictions.push({ read, isOwn: false })
    this.#readLast[key] = read
    this.#ownAtRead[key] = own
  }

  /** Whether what the transaction has appended up to now stands at the end of the list. */
  #endsWithOwn(key: number, values: readonly ListElement[]): boolean {
    let place = values.length
    for (let append = this.#ownLast[key] as number; append >= 0; append = this.previousOwn[append] as number) {
      if (values[--place] !== this.appendValue[append]) return false
    }
    return true
  }

  /** Whether the list is that of the transaction's earlier read, apart from its own appends. */
  #repeats(key: number, values: readonly ListElement[], own: number): boolean {
    const earlier = this.#readLast[key] as number
    if (earlier < 0) return true
    const before = this.readValues[earlier] as readonly ListElement[]
    if (values.length !== before.length + own - (this.#ownAtRead[key] as number)) return false
    for (let place = 0; place < before.length; place++) if (values[place] !== before[place]) return false
    return true
  }

  #begin(transaction: number, key: number): void {
    if (this.#ownIn[key] === transaction) return
    this.#ownIn[key] = transaction
    this.#ownLast[key] = -1
    this.#ownCount[key] = 0
    this.#readLast[key] = -1
  }

  #enter(append: number, key: number, value: ListElement): void {
    const code = this.#codeOf(value)
    this.#codes[append] = code
    const mask = this.#slots.length - 1
    let slot = slotOf(key, code) & mask
    for (; (this.#slots[slot] as number) >= 0; slot = (slot + 1) & mask) {
      const other = this.#slots[slot] as number
      if (this.#codes[other] === code && this.appendKey[other] === key) {
        const first = this.appendTransaction[other] as number
        const second = this.appendTransaction[append] as number
        throw new TypeError(
          `entries ${first} and ${second} both append ${JSON.stringify(value)} to ${JSON.stringify(this.keys[key])}: ` +
            "the values appended to a key must differ, or nobody can tell whose is seen",
        )
      }
    }
    this.#slots[slot] = append
  }

  #keyId(key: ListElement): number {
    const known = this.#keyIds.get(key)
    if (known !== undefined) return known
    const id = this.keys.length
    this.#keyIds.set(key, id)
    this.keys.push(key)
    this.#ownIn.push(-1)
    this.#ownLast.push(-1)
    this.#ownCount.push(0)
    this.#readLast.push(-1)
    this.#ownAtRead.push(0)
    return id
  }

  /** A number for each value: whole ones stand for themselves, others are numbered, with a half. */
  #codeOf(value: ListElement): number {
    const known = this.#knownCode(value)
    if (known !== undefined) return known
    const code = this.#valueIds.size + 0.5
    this.#valueIds.set(value, code)
    return code
  }

  #knownCode(value: ListElement): number | undefined {
    return Number.isSafeInteger(value) ? Number(value) : this.#valueIds.get(value)
  }
}

/** What is known of a transaction. */
export function operationsOf(history: ListHistory, index: number): readonly ListOperation[] {
  const entry = history.entries[index]
  const operations = entry?.result ?? entry?.operation
  if (!Array.isArray(operations)) throw new TypeError(`entry ${index} of the history is no list of appends and reads`)
  return operations
}

function checkOperation(operation: ListOperation, index: number): void {
  const { kind, key } = operation
  if (!isElement(key)) throw new TypeError(`entry ${index} of the history: a key must be a number or a string`)
  if (kind === "append") {
    if (!isElement(operation.value))
      throw new TypeError(`entry ${index}: an appended value must be a number or a string`)
  } else if (kind !== "read") {
    throw new TypeError(`entry ${index} of the history: an operation of a transaction is an "append" or a "read"`)
  } else if (operation.values !== undefined && !Array.isArray(operation.values)) {
    throw new TypeError(`entry ${index} of the history: the values of a read must be a list`)
  }
}

function isElement(value: unknown): value is ListElement {
  return typeof value === "string" || (typeof value === "number" && !Number.isNaN(value))
}

function slotOf(key: number, code: number): number {
  const mixed = Math.imul(key, 0x9e3779b1) ^ Math.imul((code * 2) | 0, 0x85ebca6b)
  return (mixed ^ (mixed >>> 15)) >>> 0
}
