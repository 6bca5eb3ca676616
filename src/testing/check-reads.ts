// Anomalies that single reads show, without a look at cycles: what was read that cannot be there, and what is missing.

import { appendSentence, keyOfRead, nameOf, readSentence, seenBy, textOf, valueOf } from "./check-anomalies.ts"
import type { Anomalies, Anomaly } from "./check-anomalies.ts"
import { ABORTED } from "./check-transactions.ts"
import type { ListElement, Transactions } from "./check-transactions.ts"
import type { Versions } from "./check-versions.ts"

/** `isWeak`: the model lets a transaction read again, and see what others have committed meanwhile. */
export function findReadAnomalies(
  transactions: Transactions,
  versions: Versions,
  anomalies: Anomalies,
  isWeak: boolean,
): void {
  for (const { read, isOwn } of transactions.contradictions) {
    if (!versions.countsRead(read) || (isWeak && !isOwn)) continue
    anomalies.add("internal", () => contradiction(transactions, read, isOwn))
  }
  for (const read of versions.longestRead) if (read >= 0) checkElements(transactions, versions, anomalies, read)
  for (let read = 0; read < transactions.readCount; read++) {
    if (versions.isBeginning[read] === 1) checkLastElement(transactions, versions, anomalies, read)
    else if (versions.countsRead(read)) {
      const longest = versions.longestRead[transactions.readKey[read] as number] as number
      anomalies.add("incompatible-order", () => ({
        explanation:
          `${readSentence(transactions, read)}, but ${readSentence(transactions, longest)}: ` +
          "neither is the beginning of the other, so they tell of different orders",
        transactions: [transactions.readTransaction[read] as number, transactions.readTransaction[longest] as number],
        cycle: [],
      }))
      checkElements(transactions, versions, anomalies, read)
    }
  }
  checkOwnOrder(transactions, versions, anomalies)
  findLostUpdates(transactions, versions, anomalies)
}

/** Every element of a list must have been appended, once, by a transaction that was not aborted. */
function checkElements(transactions: Transactions, versions: Versions, anomalies: Anomalies, read: number): void {
  const key = transactions.readKey[read] as number
  const values = transactions.readValues[read] as readonly ListElement[]
  const length = transactions.readLength[read] as number
  const first = versions.firstPlace[key] as number
  const isLongest = versions.longestRead[key] === read
  const met = isLongest ? undefined : new Set<ListElement>()
  const reader = transactions.readTransaction[read] as number
  for (let index = 0; index < length; index++) {
    const value = values[index] as ListElement
    // Of the longest list, every element is known that is there for the first time.
    const known = isLongest ? (versions.appendAt[first + index] as number) : -1
    const append = known >= 0 ? known : transactions.appendOf(key, value)
    if (append < 0) {
      anomalies.add("unwritten-read", () => ({
        explanation: `${readSentence(transactions, read)}, but nobody appended ${textOf(value)} to it`,
        transactions: [reader],
        cycle: [],
      }))
      continue
    }
    const isRepeated = met === undefined ? known < 0 : met.has(value)
    met?.add(value)
    const owner = transactions.appendTransaction[append] as number
    if (isRepeated) {
      anomalies.add("duplicate-elements", () => ({
        explanation: `${readSentence(transactions, read)}, with ${textOf(value)} in it more than once, which ${nameOf(owner)} appended once`,
        transactions: [reader, owner],
        cycle: [],
      }))
    } else if (transactions.outcome[owner] === ABORTED) {
      anomalies.add("G1a", () => ({
        explanation: `${appendSentence(transactions, append)} and was aborted, but ${readSentence(transactions, read)}`,
        transactions: [owner, reader],
        cycle: [],
      }))
    }
  }
}

/** What a read ends with must be the last that its transaction appended, and not come from the reader's own future. */
function checkLastElement(transactions: Transactions, versions: Versions, anomalies: Anomalies, read: number): void {
  const place = versions.placeOfRead(read)
  const reader = transactions.readTransaction[read] as number
  if ((transactions.readLength[read] as number) === 0) return
  const append = versions.appendAt[place - 1] as number
  if (append < 0 || !versions.countsAppend(append)) return
  const owner = transactions.appendTransaction[append] as number
  if (owner === reader) {
    anomalies.add("internal", () => ({
      explanation: `${readSentence(transactions, read)}, with ${valueOf(transactions, append)} at another place than where it appended that itself`,
      transactions: [reader],
      cycle: [],
    }))
  } else if (transactions.appendIsFinal[append] === 0) {
    anomalies.add("G1b", () => ({
      explanation: `${readSentence(transactions, read)}, which ends in the middle of ${nameOf(owner)}: that went on to append more to ${keyOfRead(transactions, read)} after ${valueOf(transactions, append)}`,
      transactions: [owner, reader],
      cycle: [],
    }))
  }
}

/** What one transaction appended to a list must stand there in the order in which it did, without a gap at the front. */
function checkOwnOrder(transactions: Transactions, versions: Versions, anomalies: Anomalies): void {
  for (let append = 0; append < transactions.appendCount; append++) {
    const before = transactions.previousOwn[append] as number
    const index = versions.indexOfAppend[append] as number
    if (before < 0 || index < 0 || !versions.countsAppend(append)) continue
    const indexBefore = versions.indexOfAppend[before] as number
    if (indexBefore >= 0 && indexBefore < index) continue
    const owner = transactions.appendTransaction[append] as number
    const read = versions.longestRead[transactions.appendKey[append] as number] as number
    anomalies.add("incompatible-order", () => ({
      explanation: `${appendSentence(transactions, before)} and then ${valueOf(transactions, append)}, but ${readSentence(transactions, read)}`,
      transactions: [owner, transactions.readTransaction[read] as number],
      cycle: [],
    }))
  }
}

/** Two transactions that saw the same version of a list, and both appended to it. */
function findLostUpdates(transactions: Transactions, versions: Versions, anomalies: Anomalies): void {
  const updaterAt = new Int32Array(versions.appendAt.length).fill(-1)
  for (let read = 0; read < transactions.readCount; read++) {
    if (versions.isBeginning[read] === 0) continue
    const reader = transactions.readTransaction[read] as number
    const key = transactions.readKey[read] as number
    if (!appendsTo(transactions, reader, key)) continue
    const place = versions.placeOfRead(read)
    const other = updaterAt[place] as number
    if (other < 0) updaterAt[place] = reader
    else if (other !== reader) {
      anomalies.add("lost-update", () => ({
        explanation: `${nameOf(other)} and ${nameOf(reader)} both read ${seenBy(transactions, read)}, apart from what they appended themselves, and both appended to it`,
        transactions: [other, reader],
        cycle: [],
      }))
    }
  }
}

function appendsTo(transactions: Transactions, transaction: number, key: number): boolean {
  const { firstAppend, appendKey } = transactions
  for (let append = firstAppend[transaction] as number; append < (firstAppend[transaction + 1] as number); append++) {
    if (appendKey[append] === key) return true
  }
  return false
}

function contradiction(transactions: Transactions, read: number, isOwn: boolean): Omit<Anomaly, "type"> {
  const why = isOwn
    ? "but not what it had appended itself at the end of it"
    : "but something else before, and did not append the difference itself"
  return {
    explanation: `${readSentence(transactions, read)}, ${why}`,
    transactions: [transactions.readTransaction[read] as number],
    cycle: [],
  }
}
