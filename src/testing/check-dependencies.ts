// The dependencies between transactions, as a graph (Adya 1999; Kingsbury and Alvaro, VLDB 2020):
//   ww  appended the next element behind the other's       wr  read what the other appended
//   rw  read a version that the other appended to          process, realtime  began after the other had ended
//
// Real time orders nearly every pair. Its graph is kept small by a chain of joints along the time line: whoever ends,
// leads into the joint of that moment, each joint into the next, and the last one before somebody begins leads to him.
//
//   T1 ends ──► ● ──► ● ◄── T2 ends          three edges a transaction, and a way from T1 to T3 exactly where
//               ▼     ▼                      T1 ended before T3 began
//          T3 begins  T4 begins

import { EdgeList, graphOf, PROCESS, REALTIME, RW, THEN, UPDATE, WR, WW } from "./check-graph.ts"
import type { Graph } from "./check-graph.ts"
import { COMMITTED } from "./check-transactions.ts"
import type { Transactions } from "./check-transactions.ts"
import type { Versions } from "./check-versions.ts"

export interface DependencyOptions {
  /** rw edges, which the weaker models have no use for. */
  readonly hasAntiDependencies: boolean
  readonly order: "none" | "process" | "realtime"
}

export function dependenciesOf(transactions: Transactions, versions: Versions, options: DependencyOptions): Graph {
  const edges = new EdgeList()
  const { hasAntiDependencies, order } = options
  addVersionEdges(edges, transactions, versions)
  addReadEdges(edges, transactions, versions, hasAntiDependencies)
  let nodeCount = addUnseenEdges(edges, transactions, versions, hasAntiDependencies, transactions.count)
  if (order === "process") addProcessEdges(edges, transactions)
  if (order === "realtime") nodeCount = addRealTimeEdges(edges, transactions, nodeCount)
  return graphOf(edges, nodeCount, transactions.count)
}

function addVersionEdges(edges: EdgeList, transactions: Transactions, versions: Versions): void {
  for (let append = 0; append < transactions.appendCount; append++) {
    const index = versions.indexOfAppend[append] as number
    if (index < 0 || !versions.countsAppend(append)) continue
    const place = (versions.firstPlace[transactions.appendKey[append] as number] as number) + index
    const before = versions.ownerBefore[place] as number
    if (before >= 0) edges.add(before, transactions.appendTransaction[append] as number, WW)
  }
}

function addReadEdges(edges: EdgeList, transactions: Transactions, versions: Versions, hasRw: boolean): void {
  for (let read = 0; read < transactions.readCount; read++) {
    if (versions.isBeginning[read] === 0) continue
    const place = versions.placeOfRead(read)
    const reader = transactions.readTransaction[read] as number
    const writer = versions.ownerBefore[place] as number
    if (writer >= 0) edges.add(writer, reader, WR)
    const next = versions.ownerFrom[place] as number
    if (hasRw && next >= 0) edges.add(reader, next, RW)
  }
}

/** Appends that nobody saw come behind everything that was seen, and after whoever saw all of it. */
function addUnseenEdges(
  edges: EdgeList,
  transactions: Transactions,
  versions: Versions,
  hasRw: boolean,
  nodeCount: number,
): number {
  const unseen = unseenWriters(transactions, versions)
  let nextNode = nodeCount
  /** A joint that leads to all who appended unseen to the key but one. */
  const jointTo = (key: number, except: number): number => {
    const joint = nextNode++
    // One who appended several times stands there in a row.
    let before = except
    for (let place = unseen.first[key] as number; place < (unseen.first[key + 1] as number); place++) {
      const writer = unseen.writers[place] as number
      if (writer !== except && writer !== before) edges.add(joint, writer, THEN)
      before = writer
    }
    return joint
  }
  const jointOf = new Int32Array(transactions.keys.length).fill(-1)
  const jointToAll = (key: number): number => {
    if ((jointOf[key] as number) < 0) jointOf[key] = jointTo(key, -1)
    return jointOf[key] as number
  }
  for (let key = 0; key < transactions.keys.length; key++) {
    if (unseen.first[key] === unseen.first[key + 1]) continue
    const last = versions.ownerBefore[(versions.firstPlace[key] as number) + versions.lengthOf(key)] as number
    if (last < 0) continue
    edges.add(last, unseen.isAmong(last, key) ? jointTo(key, last) : jointToAll(key), WW)
  }
  if (!hasRw) return nextNode
  // By key: the one who saw everything seen, and then appended unseen. He is the first of the unseen writers; a second
  // one like him is a lost update, which is reported as such.
  const firstOf = new Int32Array(transactions.keys.length).fill(-1)
  for (let read = 0; read < transactions.readCount; read++) {
    const key = transactions.readKey[read] as number
    if (versions.isBeginning[read] === 0 || unseen.first[key] === unseen.first[key + 1]) continue
    if ((versions.ownerFrom[versions.placeOfRead(read)] as number) >= 0) continue
    const reader = transactions.readTransaction[read] as number
    if (!unseen.isAmong(reader, key)) edges.add(reader, jointToAll(key), RW)
    else if ((firstOf[key] as number) < 0) {
      firstOf[key] = reader
      edges.add(reader, jointTo(key, reader), UPDATE)
    }
  }
  return nextNode
}

interface UnseenWriters {
  /** The writers of key k are those from first[k] to first[k + 1] - 1, each as often as it appended. */
  readonly first: Int32Array
  readonly writers: Int32Array
  isAmong(transaction: number, key: number): boolean
}

function unseenWriters(transactions: Transactions, versions: Versions): UnseenWriters {
  const isUnseen = (append: number): boolean =>
    (versions.indexOfAppend[append] as number) < 0 && versions.countsAppend(append)
  const first = new Int32Array(transactions.keys.length + 2)
  let count = 0
  for (let append = 0; append < transactions.appendCount; append++) {
    if (!isUnseen(append)) continue
    const place = (transactions.appendKey[append] as number) + 2
    first[place] = (first[place] as number) + 1
    count++
  }
  for (let key = 1; key < first.length; key++) first[key] = (first[key] as number) + (first[key - 1] as number)
  const writers = new Int32Array(count)
  for (let append = 0; append < transactions.appendCount; append++) {
    if (!isUnseen(append)) continue
    const next = (transactions.appendKey[append] as number) + 1
    const place = first[next] as number
    first[next] = place + 1
    writers[place] = transactions.appendTransaction[append] as number
  }
  const isAmong = (transaction: number, key: number): boolean => {
    const { firstAppend, appendKey } = transactions
    for (let append = firstAppend[transaction] as number; append < (firstAppend[transaction + 1] as number); append++) {
      if (appendKey[append] === key && isUnseen(append)) return true
    }
    return false
  }
  return { first, writers, isAmong }
}

/** Each process does one thing after the other. What is unknown may take effect later than what came after it. */
function addProcessEdges(edges: EdgeList, transactions: Transactions): void {
  const { entries } = transactions.history
  const lastOf = new Map<number | string, number>()
  for (const transaction of inOrderOfBegin(transactions)) {
    if (transactions.counts[transaction] === 0) continue
    const { process } = entries[transaction] as (typeof entries)[number]
    const last = lastOf.get(process)
    if (last !== undefined) edges.add(last, transaction, PROCESS)
    if (transactions.outcome[transaction] === COMMITTED) lastOf.set(process, transaction)
  }
}

function inOrderOfBegin(transactions: Transactions): readonly number[] {
  const { entries } = transactions.history
  const order = Array.from(entries, (_, index) => index)
  const isOrdered = entries.every((entry, index) => (entry.invoked ?? 0) >= (entries[index - 1]?.invoked ?? -Infinity))
  // The sort is stable: entries without a position stay in the order in which they are given.
  return isOrdered ? order : order.sort((a, b) => (entries[a]?.invoked ?? 0) - (entries[b]?.invoked ?? 0))
}

function addRealTimeEdges(edges: EdgeList, transactions: Transactions, nodeCount: number): number {
  const events = eventsInOrder(transactions)
  let nextNode = nodeCount
  /** The joint of the ends since somebody began last, and the one before it. */
  let joint = -1
  let closed = -1
  for (const event of events) {
    const transaction = event >> 1
    if ((event & 1) === 1) {
      if (joint < 0) {
        joint = nextNode++
        if (closed >= 0) edges.add(closed, joint, THEN)
      }
      edges.add(transaction, joint, REALTIME)
    } else {
      if (joint >= 0) {
        closed = joint
        joint = -1
      }
      if (closed >= 0) edges.add(closed, transaction, THEN)
    }
  }
  return nextNode
}

/**
 * The begins (2t) and ends (2t + 1) of transactions that count, in order; at the same position begins come first, as
 * nobody can tell that one ended before the other began. What is unknown never ends.
 */
function eventsInOrder(transactions: Transactions): Int32Array {
  const { entries } = transactions.history
  const positions = new Float64Array(transactions.count * 2)
  const events = new Int32Array(transactions.count * 2)
  let eventCount = 0
  for (let transaction = 0; transaction < transactions.count; transaction++) {
    if (transactions.counts[transaction] === 0) continue
    const { invoked, completed } = entries[transaction] as (typeof entries)[number]
    positions[eventCount] = invoked ?? 0
    events[eventCount++] = transaction * 2
    if (transactions.outcome[transaction] !== COMMITTED || completed === undefined) continue
    positions[eventCount] = completed
    events[eventCount++] = transaction * 2 + 1
  }
  // By rank among the sorted positions, then counted into place: begins of a rank before its ends.
  const sorted = positions.slice(0, eventCount).sort()
  const starts = new Int32Array(sorted.length * 2 + 1)
  const bucketOf = new Int32Array(eventCount)
  for (let index = 0; index < eventCount; index++) {
    const bucket = rankOf(sorted, positions[index] as number) * 2 + ((events[index] as number) & 1)
    bucketOf[index] = bucket
    starts[bucket + 1] = (starts[bucket + 1] as number) + 1
  }
  for (let bucket = 1; bucket < starts.length; bucket++) {
    starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number)
  }
  const ordered = new Int32Array(eventCount)
  for (let index = 0; index < eventCount; index++) {
    const bucket = bucketOf[index] as number
    const place = starts[bucket] as number
    starts[bucket] = place + 1
    ordered[place] = events[index] as number
  }
  return ordered
}

/** How many are smaller. */
function rankOf(sorted: Float64Array, position: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < position) low = middle + 1
    else high = middle
  }
  return low
}
