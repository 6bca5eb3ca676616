// The order in which values came into each list, read off the longest list that a committed transaction has seen: every
// other read must be the beginning of it. Also finds out which unknown transactions took place, because somebody saw them.
// Appends that nobody saw come behind all that was seen, in no known order.

import { UNKNOWN } from "./check-transactions.ts"
import type { ListElement, Transactions } from "./check-transactions.ts"

export class Versions {
  readonly #transactions: Transactions
  /** By key: the read with the longest list, -1 where there is none. */
  readonly longestRead: Int32Array
  /** Key k has its places from firstPlace[k] on, one for each element of the longest list and one for its end. */
  readonly firstPlace: Int32Array
  /** By place: the append whose element stands there; -1 where nobody appended it, or it stood before already. */
  readonly appendAt: Int32Array
  /** By place: the transaction that counts and appended the nearest element before it, or from it on; -1 for none. */
  readonly ownerBefore: Int32Array
  readonly ownerFrom: Int32Array
  /** By append: its index in the list, -1 where nobody saw it. */
  readonly indexOfAppend: Int32Array
  /** By read: 1 where its list is the beginning of the longest. Only of transactions that count. */
  readonly isBeginning: Uint8Array

  constructor(transactions: Transactions) {
    this.#transactions = transactions
    const keyCount = transactions.keys.length
    this.longestRead = new Int32Array(keyCount).fill(-1)
    this.#findLongest()
    this.firstPlace = new Int32Array(keyCount + 1)
    for (let key = 0; key < keyCount; key++) {
      this.firstPlace[key + 1] = (this.firstPlace[key] as number) + this.lengthOf(key) + 1
    }
    const placeCount = this.firstPlace[keyCount] as number
    this.appendAt = new Int32Array(placeCount).fill(-1)
    this.ownerBefore = new Int32Array(placeCount).fill(-1)
    this.ownerFrom = new Int32Array(placeCount).fill(-1)
    this.indexOfAppend = new Int32Array(transactions.appendCount).fill(-1)
    for (let key = 0; key < keyCount; key++) this.#place(key)
    this.isBeginning = new Uint8Array(transactions.readCount)
    for (let read = 0; read < transactions.readCount; read++) {
      if (this.countsRead(read) && this.#isBeginningOfLongest(read)) this.isBeginning[read] = 1
    }
  }

  countsRead(read: number): boolean {
    return this.#transactions.counts[this.#transactions.readTransaction[read] as number] === 1
  }

  countsAppend(append: number): boolean {
    return this.#transactions.counts[this.#transactions.appendTransaction[append] as number] === 1
  }

  /** The length of the longest list that was seen. */
  lengthOf(key: number): number {
    const read = this.longestRead[key] as number
    return read < 0 ? 0 : (this.#transactions.readLength[read] as number)
  }

  /** The place that stands for what a read saw: behind its last element. Requires: it is the beginning of the longest. */
  placeOfRead(read: number): number {
    const transactions = this.#transactions
    const key = transactions.readKey[read] as number
    return (this.firstPlace[key] as number) + (transactions.readLength[read] as number)
  }

  #findLongest(): void {
    const { count, counts, keys } = this.#transactions
    for (let transaction = 0; transaction < count; transaction++) {
      if (counts[transaction] === 1) this.#consider(transaction, undefined)
    }
    // How much of each longest list was looked through for unknown transactions.
    const looked = new Int32Array(keys.length)
    const waiting = Array.from(keys, (_, key) => key)
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      const read = this.longestRead[key] as number
      if (read < 0) continue
      const values = this.#transactions.readValues[read] as readonly ListElement[]
      for (let index = looked[key] as number; index < this.lengthOf(key); index++) {
        const append = this.#transactions.appendOf(key, values[index] as ListElement)
        if (append < 0) continue
        const owner = this.#transactions.appendTransaction[append] as number
        if (this.#transactions.outcome[owner] !== UNKNOWN || counts[owner] === 1) continue
        counts[owner] = 1
        this.#consider(owner, waiting)
      }
      // Where the longest has changed meanwhile, the key waits again; where the new one is no continuation of this, its
      // first elements are not looked at, and the two reads are reported as incompatible.
      looked[key] = Math.max(looked[key] as number, this.#transactions.readLength[read] as number)
    }
  }

  #consider(transaction: number, changed: number[] | undefined): void {
    const { firstRead, readKey, readLength } = this.#transactions
    for (let read = firstRead[transaction] as number; read < (firstRead[transaction + 1] as number); read++) {
      const key = readKey[read] as number
      const longest = this.longestRead[key] as number
      if (longest >= 0 && (readLength[longest] as number) >= (readLength[read] as number)) continue
      this.longestRead[key] = read
      changed?.push(key)
    }
  }

  #place(key: number): void {
    const read = this.longestRead[key] as number
    const first = this.firstPlace[key] as number
    const length = this.lengthOf(key)
    const owner = (place: number): number => {
      const append = this.appendAt[place] as number
      return append >= 0 && this.countsAppend(append) ? (this.#transactions.appendTransaction[append] as number) : -1
    }
    for (let index = 0; index < length; index++) {
      const values = this.#transactions.readValues[read] as readonly ListElement[]
      const append = this.#transactions.appendOf(key, values[index] as ListElement)
      const isFirst = append >= 0 && (this.indexOfAppend[append] as number) < 0
      if (isFirst) {
        this.appendAt[first + index] = append
        this.indexOfAppend[append] = index
      }
      const here = owner(first + index)
      this.ownerBefore[first + index + 1] = here >= 0 ? here : (this.ownerBefore[first + index] as number)
    }
    for (let index = length - 1; index >= 0; index--) {
      const here = owner(first + index)
      this.ownerFrom[first + index] = here >= 0 ? here : (this.ownerFrom[first + index + 1] as number)
    }
  }

  #isBeginningOfLongest(read: number): boolean {
    const { readKey, readLength, readValues } = this.#transactions
    const longest = this.longestRead[readKey[read] as number] as number
    if (longest === read) return true
    const values = readValues[read] as readonly ListElement[]
    const all = readValues[longest] as readonly ListElement[]
    if (values === all) return true
    for (let index = (readLength[read] as number) - 1; index >= 0; index--) {
      if (values[index] !== all[index]) return false
    }
    return true
  }
}
