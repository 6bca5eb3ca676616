// Puts a step of a cycle into words: what one transaction did that lets it come only before the other.

import { appendSentence, nameOf, readSentence, valueOf } from "./check-anomalies.ts"
import type { CycleStep, Relation } from "./check-anomalies.ts"
import { PROCESS, REALTIME, RW, UPDATE, WR, WW } from "./check-graph.ts"
import type { Step } from "./check-graph.ts"
import type { Transactions } from "./check-transactions.ts"
import type { Versions } from "./check-versions.ts"

const RELATIONS: Readonly<Record<number, Relation>> = {
  [WW]: "ww",
  [WR]: "wr",
  [RW]: "rw",
  [UPDATE]: "ww",
  [PROCESS]: "process",
  [REALTIME]: "realtime",
}

export function explainedStep(transactions: Transactions, versions: Versions, step: Step): CycleStep {
  const relation = RELATIONS[step.kind] ?? "ww"
  const because = reasonOf(transactions, versions, relation, step) ?? `${nameOf(step.source)} came first`
  return { source: step.source, target: step.target, relation, because }
}

/** The steps of a cycle as one sentence. */
export function cycleSentence(steps: readonly CycleStep[]): string {
  const way = steps.map(({ target, relation }) => `${relation}→ ${nameOf(target)}`).join(" ")
  const reasons = steps.map(({ because }) => because).join("; ")
  return `${nameOf(steps[0]?.source ?? 0)} ${way} cannot be put in an order: ${reasons}`
}

function reasonOf(
  transactions: Transactions,
  versions: Versions,
  relation: Relation,
  { source, target }: Step,
): string | undefined {
  switch (relation) {
    case "ww":
      return appendsInOrder(transactions, versions, source, target)
    case "wr":
      return readOfAppend(transactions, versions, source, target)
    case "rw":
      return readBeforeAppend(transactions, versions, source, target)
    case "process": {
      const process = JSON.stringify(transactions.history.entries[source]?.process)
      return `process ${process} did ${nameOf(source)} before ${nameOf(target)}`
    }
    case "realtime": {
      const ended = transactions.history.entries[source]?.completed
      const began = transactions.history.entries[target]?.invoked
      return `${nameOf(source)} had ended, at ${ended}, when ${nameOf(target)} began, at ${began}`
    }
  }
}

function appendsInOrder(
  transactions: Transactions,
  versions: Versions,
  source: number,
  target: number,
): string | undefined {
  const { firstAppend, appendKey } = transactions
  for (let append = firstAppend[target] as number; append < (firstAppend[target + 1] as number); append++) {
    const key = appendKey[append] as number
    const index = versions.indexOfAppend[append] as number
    const end = (versions.firstPlace[key] as number) + (index < 0 ? versions.lengthOf(key) : index)
    if (versions.ownerBefore[end] === source) {
      const before = lastAppendBefore(transactions, versions, source, key, end)
      if (before >= 0) return `${appendSentence(transactions, before)} before ${told(transactions, append, index)}`
    }
    if (index >= 0) continue
    for (
      let read = transactions.firstRead[source] as number;
      read < (transactions.firstRead[source + 1] as number);
      read++
    ) {
      if (transactions.readKey[read] !== key || versions.isBeginning[read] === 0) continue
      const seen = readSentence(transactions, read)
      return `${seen} and appended to that, before ${told(transactions, append, index)}`
    }
  }
  return undefined
}

function told(transactions: Transactions, append: number, index: number): string {
  return `${appendSentence(transactions, append)}${index < 0 ? ", which nobody saw" : ""}`
}

function readOfAppend(
  transactions: Transactions,
  versions: Versions,
  source: number,
  target: number,
): string | undefined {
  const { firstRead, readKey } = transactions
  for (let read = firstRead[target] as number; read < (firstRead[target + 1] as number); read++) {
    if (versions.isBeginning[read] === 0) continue
    const end = versions.placeOfRead(read)
    if (versions.ownerBefore[end] !== source) continue
    const append = lastAppendBefore(transactions, versions, source, readKey[read] as number, end)
    if (append >= 0) {
      return `${readSentence(transactions, read)}, where ${nameOf(source)} had appended ${valueOf(transactions, append)}`
    }
  }
  return undefined
}

function readBeforeAppend(
  transactions: Transactions,
  versions: Versions,
  source: number,
  target: number,
): string | undefined {
  const { firstRead, firstAppend, readKey, appendKey } = transactions
  for (let read = firstRead[source] as number; read < (firstRead[source + 1] as number); read++) {
    if (versions.isBeginning[read] === 0) continue
    const next = versions.ownerFrom[versions.placeOfRead(read)] as number
    if (next >= 0 && next !== target) continue
    for (let append = firstAppend[target] as number; append < (firstAppend[target + 1] as number); append++) {
      if (appendKey[append] !== readKey[read]) continue
      const index = versions.indexOfAppend[append] as number
      if (index >= 0 && index < (transactions.readLength[read] as number)) continue
      return `${readSentence(transactions, read)}, without ${valueOf(transactions, append)}, which ${nameOf(target)} appended`
    }
  }
  return undefined
}

/** The last append of the transaction that stands before the place; -1 where there is none. */
function lastAppendBefore(
  transactions: Transactions,
  versions: Versions,
  transaction: number,
  key: number,
  end: number,
): number {
  for (let place = end - 1; place >= (versions.firstPlace[key] as number); place--) {
    const append = versions.appendAt[place] as number
    if (append >= 0 && transactions.appendTransaction[append] === transaction) return append
  }
  return -1
}
