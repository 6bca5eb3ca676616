// What a simulated disk has on its medium, and what is still on its way there: the durable tree, and the units that were
// written but not synced, in the order of their writing. A crash keeps any part of the latter. Driven by the events of a
// trace; `crash-candidates.ts` makes crash states of it.
//
// Persistence is that of POSIX: a sync makes durable what it names and nothing else.
// - `writeSynced`: its own bytes, and the file's size as far as they need it.
// - `dataSync`: all data and the size of the file, not its name.
// - `syncDirectory`: all names in the directory. A rename between two directories is one unit, and durable with either.
// What a newer durable unit covers is gone from the older pending ones: it cannot come back over it.

import {
  applyChange,
  fileOf,
  partOf,
  touchesDirectory,
  unitsOf,
  type Change,
  type DataChange,
  type PendingUnit,
} from "./disk-changes.ts"
import { DiskTree } from "./disk-tree.ts"
import type { SyncEffect, TraceEvent } from "./disk-trace.ts"

interface Range {
  readonly start: number
  readonly end: number
}

export class DurableState {
  readonly tree: DiskTree
  #pending: PendingUnit[]

  constructor(tree: DiskTree, pending: readonly PendingUnit[]) {
    this.tree = new DiskTree(tree)
    this.#pending = [...pending]
  }

  /** Oldest first. */
  get pending(): readonly PendingUnit[] {
    return this.#pending
  }

  /** Whether `apply` would change what a crash can leave behind. */
  isChangedBy(event: TraceEvent): boolean {
    switch (event.kind) {
      case "issue":
        return event.changes.length > 0
      case "rot":
        return true
      case "complete": {
        const { sync } = event
        return sync !== undefined && this.#pending.some((unit) => isSelected(unit, sync, event.operation))
      }
    }
  }

  apply(event: TraceEvent): void {
    switch (event.kind) {
      case "issue":
        for (const change of event.changes) {
          for (const unit of unitsOf(change)) {
            this.#pending.push({ operation: event.operation, change: unit, isForgotten: false })
          }
        }
        return
      case "rot": {
        const file = this.tree.file(event.file)
        if (file !== undefined && event.offset < file.size)
          this.tree.changeFile(event.file).flipBit(event.offset, event.bit)
        return
      }
      case "complete":
        if (event.sync !== undefined) this.#sync(event.sync, event.operation)
    }
  }

  /** Lets go of files that nothing leads to or will. */
  sweep(): void {
    const awaited = new Set<number>()
    for (const { change } of this.#pending) {
      if (change.kind === "create" || change.kind === "rename") awaited.add(change.node)
    }
    this.tree.sweep(awaited)
  }

  #sync(sync: SyncEffect, operation: number): void {
    const selected: PendingUnit[] = []
    const others: PendingUnit[] = []
    const limit = sync.isPartial ? this.#count(sync, operation) >>> 1 : Infinity
    for (const unit of this.#pending) {
      const isChosen = isSelected(unit, sync, operation) && selected.length < limit
      ;(isChosen ? selected : others).push(unit)
    }
    if (sync.kind === "forget") {
      const forgotten = new Set(selected)
      this.#pending = this.#pending.map((unit) => (forgotten.has(unit) ? { ...unit, isForgotten: true } : unit))
      return
    }
    // Alone there is nothing to overtake or to cover, and most syncs are alone.
    const chosen = others.length === 0 ? selected : this.#chosenWith(new Set(selected))
    this.#pending = others.length === 0 ? [] : remainsOf(this.#pending, new Set(chosen))
    for (const { change } of chosen) applyChange(this.tree, change)
    if (sync.kind !== "directory") this.#reach(sync.file, endOf(chosen))
  }

  /**
   * The selected units, oldest first, with those that they cannot be durable without: for a size the file's older sizes,
   * for bytes an older cut that would take them away, for a move between directories all older names.
   */
  #chosenWith(chosen: Set<PendingUnit>): readonly PendingUnit[] {
    const sizedFiles = new Set<number>()
    const dataEnds = new Map<number, number>()
    let takesNames = false
    for (const unit of this.#pending.toReversed()) {
      const { change } = unit
      const isName = fileOf(change) === undefined
      if (isName && takesNames) chosen.add(unit)
      if (change.kind === "size") {
        const takesBytes = change.cuts && change.size < (dataEnds.get(change.file) ?? 0)
        if (takesBytes || sizedFiles.has(change.file)) chosen.add(unit)
      }
      if (!chosen.has(unit)) continue
      if (change.kind === "size") sizedFiles.add(change.file)
      if (change.kind === "data") {
        const end = change.position + change.bytes.length
        dataEnds.set(change.file, Math.max(end, dataEnds.get(change.file) ?? 0))
      }
      if (change.kind === "rename" && change.source.directory !== change.target.directory) takesNames = true
    }
    return this.#pending.filter((unit) => chosen.has(unit))
  }

  /** Makes the file as long as the synced bytes need it. Pending growth to less than that has nothing to add any more. */
  #reach(file: number, end: number): void {
    if ((this.tree.file(file)?.size ?? 0) < end) this.tree.changeFile(file).resize(end)
    this.#pending = this.#pending.filter(
      ({ change }) => change.kind !== "size" || change.file !== file || change.cuts || change.size >= end,
    )
  }

  #count(sync: SyncEffect, operation: number): number {
    return this.#pending.filter((unit) => isSelected(unit, sync, operation)).length
  }
}

function isSelected(unit: PendingUnit, sync: SyncEffect, operation: number): boolean {
  switch (sync.kind) {
    case "operation":
      return unit.operation === operation && !unit.isForgotten
    case "file":
      return fileOf(unit.change) === sync.file && unit.operation < operation && !unit.isForgotten
    case "forget":
      return fileOf(unit.change) === sync.file && unit.operation <= operation && !unit.isForgotten
    case "directory":
      return touchesDirectory(unit.change, sync.directory) && unit.operation < operation
  }
}

function cover(covered: Map<number, Range[]>, change: Change): void {
  const range =
    change.kind === "data"
      ? { start: change.position, end: change.position + change.bytes.length }
      : change.kind === "size" && change.cuts
        ? { start: change.size, end: Infinity }
        : undefined
  const file = fileOf(change)
  if (range === undefined || file === undefined) return
  const ranges = covered.get(file)
  const last = ranges?.at(-1)
  // Sectors of one write come one after the other, the last first.
  if (last !== undefined && last.start === range.end) ranges?.splice(-1, 1, { start: range.start, end: last.end })
  else if (ranges !== undefined) ranges.push(range)
  else covered.set(file, [range])
}

/** What stays pending beside the chosen units: the others, without what newer chosen ones cover. */
function remainsOf(pending: readonly PendingUnit[], chosen: ReadonlySet<PendingUnit>): PendingUnit[] {
  const rest: PendingUnit[] = []
  const covered = new Map<number, Range[]>()
  // From the newest to the oldest: what is covered is known before what it covers.
  for (const unit of pending.toReversed()) {
    if (chosen.has(unit)) cover(covered, unit.change)
    else rest.push(...partsOutside(unit, covered).reverse())
  }
  return rest.reverse()
}

/** How long a file must be to hold the bytes of these units of it. */
function endOf(units: readonly PendingUnit[]): number {
  let end = 0
  for (const { change } of units) {
    if (change.kind === "data") end = Math.max(end, change.position + change.bytes.length)
    else if (change.kind === "size" && change.cuts) end = Math.min(end, change.size)
  }
  return end
}

/** What is left of the unit outside of the covered ranges, in order. */
function partsOutside(unit: PendingUnit, covered: ReadonlyMap<number, readonly Range[]>): PendingUnit[] {
  if (unit.change.kind !== "data") return [unit]
  let parts: DataChange[] = [unit.change]
  for (const range of covered.get(unit.change.file) ?? []) {
    parts = parts.flatMap((part) => {
      const end = part.position + part.bytes.length
      if (range.end <= part.position || range.start >= end) return [part]
      const left = range.start > part.position ? [partOf(part, part.position, range.start)] : []
      const right = range.end < end ? [partOf(part, range.end, end)] : []
      return [...left, ...right]
    })
  }
  return parts.map((change) => (change === unit.change ? unit : { ...unit, change }))
}
