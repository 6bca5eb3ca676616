// What a supervisor is told about each child, in the words of Erlang/OTP: id, start (here: `run`), restart, shutdown,
// type, and for supervisors the strategy and the restart intensity. A whole supervision tree is one value of these
// types. Guarantees: `checkSpecification` refuses, with a TypeError that names the path, everything that the supervisor
// could not honour. Holds no state and starts nothing.

import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { RESTART_COUNT_MAX, RESTART_WINDOW_MS } from "../model/limits.ts"

/**
 * When a child is started again after it ended by itself.
 * - `permanent`: always.
 * - `transient`: after a crash, not after a normal exit.
 * - `temporary`: never; also not when a sibling's crash restarts its group.
 */
export type Restart = "permanent" | "transient" | "temporary"

/**
 * How a child is stopped.
 * - a number: it is interrupted, and abandoned if it has not ended after so many milliseconds.
 * - `infinity`: it is interrupted and waited for.
 * - `brutal`: it is dropped without being asked to stop (OTP's brutal_kill).
 */
export type Shutdown = number | "brutal" | "infinity"

/**
 * Who is restarted with a child.
 * - `one_for_one`: nobody else.
 * - `one_for_all`: all children of the supervisor.
 * - `rest_for_one`: the children that were started after it.
 */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one"

/** How a life lets itself be ended from outside by other means than an interruption. Both are optional. */
export interface Outside {
  /** Registers what ends the life as a crash with this reason. Without it the life is interrupted, and counts as crashed. */
  onKill(handler: (reason: unknown) => void): void
  /** Registers what drops the life at once: called when it did not end in time, and for `brutal`. */
  onAbandon(handler: (cause: unknown) => void): void
}

/**
 * One life of a child, in a scope of its own. It calls `ready` when it is initialised. Success is a normal exit,
 * failure or defect a crash, interruption the order to shut down.
 */
export type Run = (ready: () => void, outside: Outside) => Effect.Effect<void, unknown, Scope.Scope>

/** What workers and supervisors have in common. */
interface Supervisable {
  /** Unique among its siblings; not empty, no slash. A child's path is its supervisor's path, a slash and its id. */
  readonly id: string
  /** Default: permanent. */
  readonly restart?: Restart
  /** Default: 5,000 ms for a worker, infinity for a supervisor (whose children have bounds of their own). */
  readonly shutdown?: Shutdown
}

export interface WorkerSpecification extends Supervisable {
  readonly type?: "worker"
  readonly run: Run
}

export interface SupervisorSpecification extends Supervisable {
  readonly type: "supervisor"
  readonly strategy: Strategy
  /** Started in this order, each when the one before it is ready; stopped in reverse order. */
  readonly children: readonly ChildSpecification[]
  /** Restarts allowed within the period. 0: the first crash escalates. Default: 10. */
  readonly intensity?: number
  /** Default: 60,000 ms. */
  readonly periodMs?: number
  /**
   * Milliseconds to wait before a restart, by how often the child was restarted without having run for a whole
   * period in between, from 1. Default: 0. The others of its group stay stopped meanwhile.
   */
  readonly backoffMs?: (consecutiveRestarts: number) => number
}

export type ChildSpecification = WorkerSpecification | SupervisorSpecification

export const SHUTDOWN_MS_DEFAULT = 5_000

export function restartOf(specification: ChildSpecification): Restart {
  return specification.restart ?? "permanent"
}

export function shutdownOf(specification: ChildSpecification): Shutdown {
  return specification.shutdown ?? (specification.type === "supervisor" ? "infinity" : SHUTDOWN_MS_DEFAULT)
}

export function intensityOf(specification: SupervisorSpecification): number {
  return specification.intensity ?? RESTART_COUNT_MAX
}

export function periodMsOf(specification: SupervisorSpecification): number {
  return specification.periodMs ?? RESTART_WINDOW_MS
}

/** Throws a TypeError unless this specification, and every one below it, can be honoured. */
export function checkSpecification(specification: ChildSpecification, parentPath?: string): void {
  const { id } = specification
  const path = parentPath === undefined ? id : `${parentPath}/${id}`
  if (id === "" || id.includes("/")) throw new TypeError(`child id "${id}" at ${path} must be a name without a slash`)
  const shutdown = shutdownOf(specification)
  if (typeof shutdown === "number" && !(shutdown >= 0 && Number.isFinite(shutdown))) {
    throw new TypeError(`shutdown of ${path} must be milliseconds from 0, "infinity" or "brutal"`)
  }
  if (specification.type !== "supervisor") return
  const intensity = intensityOf(specification)
  if (!Number.isSafeInteger(intensity) || intensity < 0) {
    throw new TypeError(`intensity of ${path} must be a whole number from 0`)
  }
  if (!(periodMsOf(specification) > 0)) throw new TypeError(`periodMs of ${path} must be above 0`)
  const ids = new Set<string>()
  for (const child of specification.children) {
    if (ids.has(child.id)) throw new TypeError(`${path} has two children with the id "${child.id}"`)
    ids.add(child.id)
    checkSpecification(child, path)
  }
}
