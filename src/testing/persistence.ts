// What file systems that are kinder than POSIX leave behind after a crash: each takes from a candidate what it would not
// have kept. A model of the file systems' documented order of writing, not of their code; what it allows is a part of what
// POSIX allows.

import type { Candidate } from "../simulation/crash-candidates.ts"
import type { Narrowing } from "../simulation/crash-states.ts"
import { fileOf, type PendingUnit } from "../simulation/disk-changes.ts"
import type { DiskTrace } from "../simulation/disk-trace.ts"
import type { PersistenceMode } from "./crash-options.ts"

/** For the states of this trace. Undefined where POSIX alone rules. */
export function narrowingOf(mode: PersistenceMode, trace: DiskTrace): Narrowing | undefined {
  switch (mode) {
    case "posix":
      return undefined
    case "ext4": {
      const replacements = replacementsIn(trace)
      return (candidate, pending, eventCount) =>
        narrowed(candidate, (kept) => {
          keepDataOfReplacements(kept, pending, replacements, eventCount)
          keepOrder(kept, pending, true)
        })
    }
    case "xfs":
      return (candidate, pending) =>
        narrowed(candidate, (kept) => {
          keepGrowthWithBytes(kept, pending)
          keepOrder(kept, pending, false)
        })
  }
}

/** Sectors are whole: a candidate whose only point is a torn one has nothing to show. */
function narrowed(candidate: Candidate, change: (kept: Uint8Array) => void): Candidate | undefined {
  if (candidate.torn !== undefined && candidate.kind !== "sample") return undefined
  const kept = new Uint8Array(candidate.kept)
  change(kept)
  return { kind: candidate.kind, kept }
}

interface Replacement {
  readonly operation: number
  /** Index of the event with which it begins. */
  readonly event: number
}

/** Of each file the last operation that gave it another file's name. */
function replacementsIn(trace: DiskTrace): ReadonlyMap<number, Replacement> {
  const found = new Map<number, Replacement>()
  for (const [index, event] of trace.events.entries()) {
    if (event.kind !== "issue") continue
    for (const change of event.changes) {
      if (change.kind === "rename" && change.replaces)
        found.set(change.node, { operation: event.operation, event: index })
    }
  }
  return found
}

/** A replacement that is on the medium has taken with it what was written to its file before. */
function keepDataOfReplacements(
  kept: Uint8Array,
  pending: readonly PendingUnit[],
  replacements: ReadonlyMap<number, Replacement>,
  eventCount: number,
): void {
  const pendingOperations = new Set(pending.map(({ operation }) => operation))
  pending.forEach(({ change, operation }, index) => {
    const replacement = replacements.get(fileOf(change) ?? 0)
    if (replacement === undefined || operation > replacement.operation) return
    if (replacement.event < eventCount && !pendingOperations.has(replacement.operation)) kept[index] = 1
  })
}

/**
 * Names and cuts come in their order: what comes after the first that is lost is lost. `withData`: a rename that replaces
 * a file is kept only if all that was written to the file before is.
 */
function keepOrder(kept: Uint8Array, pending: readonly PendingUnit[], withData: boolean): void {
  const incomplete = new Set<number>()
  let isOpen = true
  pending.forEach(({ change }, index) => {
    const file = fileOf(change)
    if (file === undefined || (change.kind === "size" && change.cuts)) {
      if (withData && change.kind === "rename" && change.replaces && incomplete.has(change.node)) isOpen = false
      isOpen &&= kept[index] === 1
      if (!isOpen) kept[index] = 0
    }
    if (file !== undefined && kept[index] === 0) incomplete.add(file)
  })
}

/** The growth of a file goes with the bytes of the same write. */
function keepGrowthWithBytes(kept: Uint8Array, pending: readonly PendingUnit[]): void {
  const lost = new Set<number>()
  pending.forEach(({ change, operation }, index) => {
    if (change.kind === "data" && kept[index] === 0) lost.add(operation)
  })
  pending.forEach(({ change, operation }, index) => {
    if (change.kind === "size" && !change.cuts && lost.has(operation)) kept[index] = 0
  })
}
