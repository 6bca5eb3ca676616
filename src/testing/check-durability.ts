// Lost writes: what was acknowledged before a crash, or seen by one that was, must be in every list read after it.
// Only looked for where the history has crashes. Answers that promised nothing beyond a crash count as unknown already.

import { appendSentence, readSentence } from "./check-anomalies.ts"
import type { Anomalies } from "./check-anomalies.ts"
import { COMMITTED } from "./check-transactions.ts"
import type { Transactions } from "./check-transactions.ts"
import type { Versions } from "./check-versions.ts"

export function findLostWrites(transactions: Transactions, versions: Versions, anomalies: Anomalies): void {
  if (transactions.crashes.length === 0) return
  const { entries } = transactions.history
  const placeCount = versions.appendAt.length
  // By place: the first era at whose end it was surely durable, because one that was acknowledged had seen so much.
  const durableFrom = new Int32Array(placeCount).fill(0x7fff_ffff)
  const readsOfKey = new Map<number, number[]>()
  for (let read = 0; read < transactions.readCount; read++) {
    if (versions.isBeginning[read] === 0) continue
    const reader = transactions.readTransaction[read] as number
    const key = transactions.readKey[read] as number
    const reads = readsOfKey.get(key)
    if (reads === undefined) readsOfKey.set(key, [read])
    else reads.push(read)
    const completed = entries[reader]?.completed
    if (completed === undefined || transactions.outcome[reader] !== COMMITTED) continue
    const place = versions.placeOfRead(read)
    durableFrom[place] = Math.min(durableFrom[place] as number, transactions.eraOf(completed))
  }
  const eraOfRead = (read: number): number =>
    transactions.eraOf(entries[transactions.readTransaction[read] as number]?.invoked)
  const later = new Map<number, LaterReads>()
  for (const [key, reads] of readsOfKey) {
    const eras = reads.map((read) => ({ read, era: eraOfRead(read) })).toSorted((a, b) => b.era - a.era)
    later.set(key, shortestReads(transactions, eras))
    for (
      let place = (versions.firstPlace[key + 1] as number) - 2;
      place >= (versions.firstPlace[key] as number);
      place--
    ) {
      durableFrom[place] = Math.min(durableFrom[place] as number, durableFrom[place + 1] as number)
    }
  }
  for (let append = 0; append < transactions.appendCount; append++) {
    if (!versions.countsAppend(append)) continue
    const key = transactions.appendKey[append] as number
    const reads = later.get(key)
    if (reads === undefined) continue
    const owner = transactions.appendTransaction[append] as number
    const index = versions.indexOfAppend[append] as number
    const completed = entries[owner]?.completed
    const acknowledged =
      completed === undefined || transactions.outcome[owner] !== COMMITTED ? Infinity : transactions.eraOf(completed)
    // Seen by a read means: within what is before its place.
    const seen = index < 0 ? Infinity : (durableFrom[(versions.firstPlace[key] as number) + index + 1] as number)
    const read = shortestAfter(reads, Math.min(acknowledged, seen))
    if (read < 0) continue
    if (index >= 0 && index < (transactions.readLength[read] as number)) continue
    const because = acknowledged <= seen ? "was acknowledged" : "was seen by one that was acknowledged"
    anomalies.add("lost-write", () => ({
      explanation: `${appendSentence(transactions, append)} and ${because} before a crash, but after it ${readSentence(transactions, read)}`,
      transactions: [owner, transactions.readTransaction[read] as number],
      cycle: [],
    }))
  }
}

/** Reads of one key with falling eras, and for each the one that saw least among it and those of later eras. */
interface LaterReads {
  readonly eras: readonly number[]
  readonly shortest: readonly number[]
}

function shortestReads(transactions: Transactions, reads: readonly { read: number; era: number }[]): LaterReads {
  const eras: number[] = []
  const shortest: number[] = []
  for (const { read, era } of reads) {
    const before = shortest.at(-1)
    const isShorter =
      before === undefined || (transactions.readLength[read] as number) < (transactions.readLength[before] as number)
    eras.push(era)
    shortest.push(isShorter ? read : before)
  }
  return { eras, shortest }
}

/** The read that saw least of those behind the era's crash; -1 where there is none. */
function shortestAfter({ eras, shortest }: LaterReads, era: number): number {
  let low = 0
  let high = eras.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((eras[middle] as number) > era) low = middle + 1
    else high = middle
  }
  return low === 0 ? -1 : (shortest[low - 1] as number)
}
