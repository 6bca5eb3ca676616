// Which operations of a simulated disk fail, and how. A plan is plain data about serial numbers, so that one run without
// faults tells how many there are, and the run for each of them can be repeated.

import type { OperationName } from "./disk-trace.ts"

/** Which operations a fault hits. */
export interface FaultRange {
  /** Serial number of the operation. */
  readonly operation: number
  /** The last one that it hits; only the one if absent. `Infinity` until the plan is cleared. */
  readonly through?: number
  /** Hits operations of these names alone, and lets the others in its range pass. */
  readonly only?: readonly OperationName[]
}

/**
 * The operation fails with the code.
 * - "before": without any effect.
 * - "after-part": a write took half of its bytes, a sync made the older half durable, a name was changed already. Like
 *   "before" for operations without parts.
 * - "dropping-dirty-pages": a sync, or a synced write: what it should have written may be on the medium or not, and no
 *   later sync will write it, although it succeeds (fsyncgate). Like "before" for other operations.
 */
export interface Failure extends FaultRange {
  readonly error: string
  readonly when?: "before" | "after-part" | "dropping-dirty-pages"
}

/**
 * The operation succeeds, but
 * - "short": a read or write transfers only a part of the bytes;
 * - "lying-sync": a sync, or a synced write, makes nothing durable.
 */
export interface Quirk extends FaultRange {
  readonly quirk: "short" | "lying-sync"
}

export type Fault = Failure | Quirk

/** What a fault does to the operation's effect. */
export type Twist = "none" | "part" | "short" | "lie" | "forget"

export class FaultPlan {
  readonly #faults: Fault[]
  #hitCount = 0

  constructor(faults: readonly Fault[] = []) {
    this.#faults = [...faults]
  }

  /** Operations that a fault has hit. */
  get hitCount(): number {
    return this.#hitCount
  }

  add(fault: Fault): void {
    this.#faults.push(fault)
  }

  /** From now on nothing fails. */
  clear(): void {
    this.#faults.length = 0
  }

  /** The fault that hits the operation: of several the one that was added first. */
  hit(serial: number, name: OperationName): Fault | undefined {
    if (this.#faults.length === 0) return undefined
    const fault = this.#faults.find(
      ({ operation, through, only }) =>
        serial >= operation && serial <= (through ?? operation) && (only === undefined || only.includes(name)),
    )
    if (fault !== undefined) this.#hitCount++
    return fault
  }
}

const WITH_PARTS: ReadonlySet<OperationName> = new Set([
  "open",
  "read",
  "write",
  "writeSynced",
  "dataSync",
  "truncate",
  "rename",
  "link",
  "unlink",
  "makeDirectory",
  "removeDirectory",
  "syncDirectory",
])

/** How the fault twists the effect of the operation; undefined if it has none. */
export function twistOf(fault: Fault | undefined, name: OperationName): Twist | undefined {
  if (fault === undefined) return "none"
  if ("quirk" in fault) return fault.quirk === "short" ? "short" : "lie"
  switch (fault.when ?? "before") {
    case "before":
      return undefined
    case "after-part":
      return WITH_PARTS.has(name) ? "part" : undefined
    case "dropping-dirty-pages":
      return name === "dataSync" || name === "writeSynced" ? "forget" : undefined
  }
}
