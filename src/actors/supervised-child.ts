// The record that a supervision tree keeps of each child, over all its lives: what it is, how it stands, how often it
// was restarted, and its present life. Guarantees: one record a path for as long as the tree lives, so counts outlast
// the restart of a supervisor. Must not decide anything; the supervisor does.

import type { Clock, Timer } from "../platform/clock.ts"
import type { ChildLife, Ending } from "./child-life.ts"
import { restartOf, type ChildSpecification } from "./child-specification.ts"
import type { SupervisionEvent } from "./supervision-event.ts"

/**
 * - `waiting`: not started yet.
 * - `starting`: alive, not ready.
 * - `running`: ready.
 * - `restarting`: ended; will be started again.
 * - `stopping`: told to stop.
 * - `stopped`: ended; not started again by itself.
 */
export type ChildStatus = "waiting" | "starting" | "running" | "restarting" | "stopping" | "stopped"

/** What all supervisors of a tree share. */
export interface SupervisionEnvironment {
  readonly clock: Clock
  readonly emit: (event: SupervisionEvent) => void
}

/** A restart that is due later: when its timer fires, or when the supervisor comes to it. */
export interface PendingRestart {
  timer?: Timer
}

export class SupervisedChild {
  // Constant after construction.
  readonly path: string
  readonly specification: ChildSpecification
  /** The children of a supervisor, in start order; none of a worker. */
  readonly children: readonly SupervisedChild[]
  // Changed only by the supervisor above.
  status: ChildStatus = "waiting"
  /** How many lives have begun. */
  incarnation = 0
  /** How many restarts this child caused, by a crash or an exit of its own. */
  restartCount = 0
  /** The same, since it last ran for a whole period. */
  consecutiveRestarts = 0
  /** When the present life, or the last one, was ready. */
  readyAtMs = 0
  life: ChildLife | undefined = undefined
  /** The restart that it waits for, if any; another one replaces it. */
  pendingRestart: PendingRestart | undefined = undefined

  constructor(specification: ChildSpecification, parentPath?: string) {
    this.path = parentPath === undefined ? specification.id : `${parentPath}/${specification.id}`
    this.specification = specification
    this.children =
      specification.type === "supervisor"
        ? specification.children.map((child) => new SupervisedChild(child, this.path))
        : []
  }

  /** The restart that it waited for will not happen, or happens now. */
  clearPendingRestart(): void {
    this.pendingRestart?.timer?.cancel()
    this.pendingRestart = undefined
  }

  /** Whether the restart type asks for another life after one that ended so. */
  wantsRestartAfter(ending: Ending): boolean {
    const restart = restartOf(this.specification)
    return restart === "permanent" || (restart === "transient" && ending.kind === "crash")
  }
}
