// Keeps the trace of a disk as it happens; or, asked not to, only the state that it ends in, for runs too long to be
// kept. Folding the trace is left until somebody asks: most disks are never crashed.

import type { Change, PendingUnit } from "./disk-changes.ts"
import type { DiskTrace, Operation, SyncEffect, TraceEvent } from "./disk-trace.ts"
import type { DiskTree } from "./disk-tree.ts"
import { DurableState } from "./durable-state.ts"

export class TraceRecorder {
  readonly #base: DiskTree
  readonly #basePending: readonly PendingUnit[]
  /** Undefined when no trace is kept. */
  readonly #events: TraceEvent[] | undefined
  readonly #operations: Operation[] = []
  /** The state at the end; undefined when it must be replayed. */
  readonly #end: DurableState | undefined

  constructor(base: DiskTree, basePending: readonly PendingUnit[], keepsTrace: boolean) {
    this.#base = base
    this.#basePending = basePending
    this.#events = keepsTrace ? [] : undefined
    this.#end = keepsTrace ? undefined : new DurableState(base, basePending)
  }

  get operations(): readonly Operation[] {
    return this.#operations
  }

  /** Events so far; 0 when no trace is kept. */
  get eventCount(): number {
    return this.#events?.length ?? 0
  }

  get keepsTrace(): boolean {
    return this.#events !== undefined
  }

  /** Requires: `keepsTrace`. */
  addOperation(operation: Operation): void {
    this.#operations.push(operation)
  }

  /** An operation has begun. Without a trace only what it changes is of interest. */
  issued(operation: number, changes: readonly Change[]): void {
    if (changes.length > 0 || this.#events !== undefined) this.addEvent({ kind: "issue", operation, changes })
  }

  /** It has ended. */
  completed(operation: number, sync: SyncEffect | undefined): void {
    if (sync !== undefined) this.addEvent({ kind: "complete", operation, sync })
    else this.#events?.push({ kind: "complete", operation })
  }

  addEvent(event: TraceEvent): void {
    this.#events?.push(event)
    this.#end?.apply(event)
  }

  /** Undefined when none is kept. */
  trace(): DiskTrace | undefined {
    if (this.#events === undefined) return undefined
    return {
      base: this.#base,
      basePending: this.#basePending,
      events: [...this.#events],
      operations: [...this.#operations],
    }
  }

  /** What is durable and pending now. A copy. */
  durableState(): DurableState {
    if (this.#end !== undefined) return new DurableState(this.#end.tree, this.#end.pending)
    const state = new DurableState(this.#base, this.#basePending)
    for (const event of this.#events ?? []) state.apply(event)
    return state
  }
}
