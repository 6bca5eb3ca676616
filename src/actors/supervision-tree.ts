// A running supervision tree: the door from plain promises to the lives below. Guarantees: `startTree` rejects with the
// very error that the first child failed with; `stop` stops all children in reverse order; `ended` always settles and
// never rejects; nothing here keeps the process alive. Must not restart the root: nobody is above it.

import { Escalated } from "../model/errors.ts"
import type { Clock } from "../platform/clock.ts"
import { ChildLife } from "./child-life.ts"
import { checkSpecification, shutdownOf, type SupervisorSpecification } from "./child-specification.ts"
import { SupervisedChild, type ChildStatus } from "./supervised-child.ts"
import type { SupervisionEvent, SupervisionListener, Unaddressed } from "./supervision-event.ts"
import { runOf } from "./supervisor.ts"

/** How a child stands. */
export interface ChildSnapshot {
  readonly path: string
  readonly type: "worker" | "supervisor"
  readonly status: ChildStatus
  /** How many lives have begun since the tree started. */
  readonly incarnation: number
  /** How many restarts it caused itself; lives that ended with a sibling's are not among them. */
  readonly restartCount: number
}

export interface SupervisionTree {
  /** All children, the root first, each supervisor before its children, in start order. */
  children(): readonly ChildSnapshot[]
  /**
   * Ends the child's present life as a crash with this reason; its supervisor answers as to any crash. False when it
   * has no life just now, or one that is ending. Fails with TypeError when there is no such path.
   */
  kill(path: string, reason: unknown): boolean
  /** Stops everything in reverse order and resolves when it has ended. Calling it again is allowed. */
  stop(): Promise<void>
  /** Resolves when the tree has ended: to undefined after `stop`, else to why the root gave up. Never rejects. */
  readonly ended: Promise<Escalated | undefined>
  /** What the listener threw, if it did; it was not called again. */
  readonly listenerFailure: unknown
}

/**
 * Starts the tree and resolves when every child is ready.
 *
 * Requires: a specification that `checkSpecification` accepts, else rejects with its TypeError.
 * Fails with: the error of the first child that does not start, unwrapped, after the children before it were stopped.
 */
export async function startTree(
  specification: SupervisorSpecification,
  clock: Clock,
  listener?: SupervisionListener,
): Promise<SupervisionTree> {
  checkSpecification(specification)
  const tree = new RunningTree(specification, clock, listener)
  await tree.start()
  return tree
}

class RunningTree implements SupervisionTree {
  // Constant after construction.
  readonly ended: Promise<Escalated | undefined>
  readonly #root: SupervisedChild
  readonly #byPath = new Map<string, SupervisedChild>()
  readonly #clock: Clock
  readonly #life: ChildLife
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #endedResolvers: PromiseWithResolvers<Escalated | undefined> = Promise.withResolvers()
  // Changed only by #emit.
  #listener: SupervisionListener | undefined
  #listenerFailure: unknown

  constructor(specification: SupervisorSpecification, clock: Clock, listener: SupervisionListener | undefined) {
    this.#clock = clock
    this.#listener = listener
    this.#root = new SupervisedChild(specification)
    this.#register(this.#root)
    this.ended = this.#endedResolvers.promise
    const run = runOf(this.#root, { clock, emit: (event) => this.#emit(event) })
    const onReady = (): void => this.#rootReady()
    this.#life = new ChildLife(run, shutdownOf(specification), clock, onReady, (life) => this.#rootEnded(life))
  }

  get listenerFailure(): unknown {
    return this.#listenerFailure
  }

  async start(): Promise<void> {
    this.#root.status = "starting"
    this.#root.incarnation = 1
    this.#root.life = this.#life
    this.#emitRoot({ kind: "started" })
    this.#life.begin()
    await this.#started.promise
  }

  children(): readonly ChildSnapshot[] {
    return Array.from(this.#byPath.values(), ({ path, specification, status, incarnation, restartCount }) => ({
      path,
      type: specification.type ?? "worker",
      status,
      incarnation,
      restartCount,
    }))
  }

  kill(path: string, reason: unknown): boolean {
    const child = this.#byPath.get(path)
    if (child === undefined) throw new TypeError(`there is no child "${path}" in the supervision tree`)
    return child.life?.kill(reason) ?? false
  }

  async stop(): Promise<void> {
    if (this.#life.ending === undefined) this.#root.status = "stopping"
    this.#life.stop()
    await this.ended
  }

  #register(child: SupervisedChild): void {
    this.#byPath.set(child.path, child)
    for (const below of child.children) this.#register(below)
  }

  #rootReady(): void {
    this.#root.status = "running"
    this.#emitRoot({ kind: "ready" })
    this.#started.resolve()
  }

  #rootEnded(life: ChildLife): void {
    const { path } = this.#root
    const { ending } = life
    this.#root.status = "stopped"
    this.#root.life = undefined
    if (life.isAbandoned) this.#emitRoot({ kind: "abandoned" })
    if (ending?.kind === "crash") {
      const { cause, suppressed } = ending
      this.#emitRoot({ kind: "crashed", cause, suppressed, willRestart: false })
      if (!life.isReady) this.#started.reject(cause)
      this.#endedResolvers.resolve(
        cause instanceof Escalated ? cause : new Escalated(path, path, "the root of the tree was ended", cause),
      )
      return
    }
    if (!life.isAbandoned) {
      this.#emitRoot({ kind: "stopped", suppressed: ending?.kind === "shutdown" ? ending.suppressed : [] })
    }
    this.#endedResolvers.resolve(undefined)
  }

  #emitRoot(event: Unaddressed): void {
    this.#emit({ path: this.#root.path, incarnation: 1, atMs: this.#clock.monotonicMs(), ...event })
  }

  #emit(event: SupervisionEvent): void {
    if (this.#listener === undefined) return
    try {
      this.#listener(event)
    } catch (failure) {
      this.#listener = undefined
      this.#listenerFailure = failure
    }
  }
}
