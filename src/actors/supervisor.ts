// OTP's supervisor behaviour, as a life of its own: starts children in order, restarts them by strategy and restart
// type, stops them in reverse order, and fails with `Escalated` when the restart intensity is passed.
//
// Guarantees: one thing at a time, in the order in which children ended (an end that happens while another child is
// started or stopped waits its turn); a child is never started while its former life is there, unless that one was
// abandoned; when the supervisor's life has ended, for whatever reason, no child of it is left. Differences from OTP:
// an escalation is a crash of the supervisor and not a `shutdown` exit, so that a transient supervisor is restarted
// too; a start that fails in a restart counts towards the intensity at once, not when it is tried again; a restart may
// be delayed by a back-off. Must not keep messages or state of the children.

import * as Effect from "effect/Effect"
import { Escalated } from "../model/errors.ts"
import { ChildLife, type Ending } from "./child-life.ts"
import {
  intensityOf,
  periodMsOf,
  restartOf,
  shutdownOf,
  type Run,
  type SupervisorSpecification,
} from "./child-specification.ts"
import { RestartIntensity } from "./restart-intensity.ts"
import { Signal } from "./signal.ts"
import type { PendingRestart, SupervisedChild, SupervisionEnvironment } from "./supervised-child.ts"
import type { Unaddressed } from "./supervision-event.ts"

/** What a supervisor works through, one after the other. */
type Task =
  | { readonly kind: "ended"; readonly child: SupervisedChild; readonly life: ChildLife }
  /** Start the child, and its group as far as it does not run. Void once another restart took its place. */
  | { readonly kind: "start"; readonly child: SupervisedChild; readonly pending: PendingRestart }

type Failed = Extract<Ending, { readonly kind: "crash" }>

/** The life of a child: of a worker as specified, of a supervisor the supervision of its own children. */
export function runOf(child: SupervisedChild, environment: SupervisionEnvironment): Run {
  const { specification } = child
  if (specification.type !== "supervisor") return specification.run
  return (ready, outside) => {
    const supervisor = new Supervisor(child, specification, environment)
    outside.onAbandon(() => supervisor.drop())
    return supervisor.run(ready)
  }
}

class Supervisor {
  // Constant after construction.
  readonly #path: string
  readonly #specification: SupervisorSpecification
  readonly #children: readonly SupervisedChild[]
  readonly #environment: SupervisionEnvironment
  readonly #self: SupervisedChild
  // Changed only by the fiber that supervises, apart from #tasks and #changed, which lives and timers feed.
  readonly #intensity: RestartIntensity
  readonly #tasks: Task[] = []
  readonly #changed = new Signal()
  #isDropped = false

  constructor(self: SupervisedChild, specification: SupervisorSpecification, environment: SupervisionEnvironment) {
    this.#self = self
    this.#path = self.path
    this.#specification = specification
    this.#children = self.children
    this.#environment = environment
    this.#intensity = new RestartIntensity(intensityOf(specification), periodMsOf(specification))
  }

  run(ready: () => void): Effect.Effect<void, unknown> {
    return Effect.onExit(
      Effect.suspend(() => this.#supervise(ready)),
      () => this.#stopAll(),
    )
  }

  /** Drops every child at once, last one first. From then on this life has no say any more; a next one may have begun. */
  drop(): void {
    if (this.#isDropped) return
    this.#isDropped = true
    for (const child of this.#children.toReversed()) {
      const { life } = child
      child.clearPendingRestart()
      child.life = undefined
      child.status = "stopped"
      if (life === undefined) continue
      life.drop()
      this.#emit(child, life.isAbandoned ? { kind: "abandoned" } : { kind: "stopped", suppressed: [] })
    }
  }

  #supervise(ready: () => void): Effect.Effect<never, unknown> {
    return Effect.gen({ self: this }, function* () {
      for (const child of this.#children) {
        child.status = "waiting"
        child.consecutiveRestarts = 0
      }
      for (const child of this.#children) {
        const failed = yield* this.#start(child)
        if (failed === undefined) continue
        this.#emitCrash(child, failed, false)
        return yield* Effect.fail(failed.cause)
      }
      ready()
      for (;;) {
        const task = this.#tasks.shift()
        if (task === undefined) yield* this.#changed.wait
        else if (task.kind === "ended") yield* this.#afterEnd(task.child, task.life)
        else if (task.child.pendingRestart === task.pending) yield* this.#startGroup(task.child)
      }
    })
  }

  /** Begins a life and waits until it is ready. Returns how it failed if it ended before. */
  #start(child: SupervisedChild): Effect.Effect<Failed | undefined> {
    return Effect.gen({ self: this }, function* () {
      const life: ChildLife = new ChildLife(
        runOf(child, this.#environment),
        shutdownOf(child.specification),
        this.#environment.clock,
        () => this.#changed.raise(),
        () => {
          this.#tasks.push({ kind: "ended", child, life })
          this.#changed.raise()
        },
      )
      child.clearPendingRestart()
      child.life = life
      child.status = "starting"
      child.incarnation++
      this.#emit(child, { kind: "started" })
      life.begin()
      while (!life.isReady && life.ending === undefined) yield* this.#changed.wait
      if (!life.isReady && life.ending !== undefined && life.ending.kind !== "normal") {
        child.life = undefined // Its task is void: the end is dealt with here.
        if (life.isAbandoned) this.#emit(child, { kind: "abandoned" })
        return crashOf(life.ending, child)
      }
      child.status = "running"
      child.readyAtMs = this.#environment.clock.monotonicMs()
      if (life.isReady) {
        this.#emit(child, { kind: "ready" })
        if (child.incarnation > 1) this.#emit(child, { kind: "restarted" })
      }
      return undefined
    })
  }

  /** A child ended by itself, or was killed. */
  #afterEnd(child: SupervisedChild, life: ChildLife): Effect.Effect<void, Escalated> {
    return Effect.suspend(() => {
      const { ending } = life
      if (child.life !== life || ending === undefined) return Effect.void // Dealt with already, with its group.
      child.life = undefined
      if (life.isAbandoned) this.#emit(child, { kind: "abandoned" })
      if (child.wantsRestartAfter(ending)) return this.#restart(child, ending, true)
      child.status = "stopped"
      if (ending.kind === "crash") this.#emitCrash(child, ending, false)
      else this.#emit(child, { kind: "exited", willRestart: false })
      return Effect.void
    })
  }

  /** Counts the restart, stops the child's group, and starts it: now, or when its turn comes. */
  #restart(child: SupervisedChild, ending: Ending, isFirstTry: boolean): Effect.Effect<void, Escalated> {
    return Effect.gen({ self: this }, function* () {
      const nowMs = this.#environment.clock.monotonicMs()
      const isAllowed = this.#intensity.allows(nowMs)
      if (ending.kind === "crash") this.#emitCrash(child, ending, isAllowed)
      else this.#emit(child, { kind: "exited", willRestart: isAllowed })
      if (!isAllowed) return yield* Effect.fail(this.#escalate(child, ending))

      const hasRunForPeriod = isFirstTry && nowMs - child.readyAtMs >= periodMsOf(this.#specification)
      child.consecutiveRestarts = hasRunForPeriod ? 1 : child.consecutiveRestarts + 1
      child.restartCount++
      for (const member of this.#groupOf(child).toReversed()) {
        member.clearPendingRestart()
        yield* this.#stop(member, restartOf(member.specification) !== "temporary")
        member.status = restartOf(member.specification) === "temporary" ? "stopped" : "restarting"
      }
      const delayMs = this.#specification.backoffMs?.(child.consecutiveRestarts) ?? 0
      if (delayMs > 0 || !isFirstTry) this.#postpone(child, delayMs)
      else yield* this.#startGroup(child)
    })
  }

  /** Has the child's group started after the delay, and after what ended meanwhile was dealt with. */
  #postpone(child: SupervisedChild, delayMs: number): void {
    const pending: PendingRestart = {}
    child.pendingRestart = pending
    const due = (): void => {
      this.#tasks.push({ kind: "start", child, pending })
      this.#changed.raise()
    }
    if (delayMs > 0) pending.timer = this.#environment.clock.after(delayMs, due)
    else due()
  }

  /** Starts what the child's strategy restarts with it, in order, as far as it does not run. */
  #startGroup(child: SupervisedChild): Effect.Effect<void, Escalated> {
    return Effect.gen({ self: this }, function* () {
      for (const member of this.#groupOf(child)) {
        if (member.status !== "restarting") continue
        const failed = yield* this.#start(member)
        if (failed !== undefined) return yield* this.#restart(member, failed, false)
      }
    })
  }

  /** In start order. */
  #groupOf(child: SupervisedChild): readonly SupervisedChild[] {
    switch (this.#specification.strategy) {
      case "one_for_one":
        return [child]
      case "one_for_all":
        return this.#children
      case "rest_for_one":
        return this.#children.slice(this.#children.indexOf(child))
    }
  }

  /** Stops the child's life, if it has one, and waits until it has ended or was abandoned. */
  #stop(child: SupervisedChild, willRestart: boolean): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { life } = child
      if (life === undefined) return
      const hadEnded = life.ending !== undefined
      if (!hadEnded) child.status = "stopping"
      life.stop()
      while (life.ending === undefined) yield* this.#changed.wait
      if (this.#isDropped) return
      child.life = undefined
      if (life.isAbandoned) this.#emit(child, { kind: "abandoned" })
      const { ending } = life
      if (ending.kind === "crash") this.#emitCrash(child, ending, willRestart)
      else if (hadEnded) this.#emit(child, { kind: "exited", willRestart })
      else if (!life.isAbandoned) this.#emit(child, { kind: "stopped", suppressed: suppressedOf(ending) })
    })
  }

  #stopAll(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (const child of this.#children.toReversed()) {
        if (this.#isDropped) return // The children may have lives of the next supervisor by now.
        child.clearPendingRestart()
        yield* this.#stop(child, false)
        if (!this.#isDropped) child.status = "stopped"
      }
    })
  }

  #escalate(child: SupervisedChild, ending: Ending): Escalated {
    const cause = ending.kind === "crash" ? ending.cause : undefined
    this.#emit(this.#self, { kind: "escalated", child: child.specification.id, cause })
    const periodMs = periodMsOf(this.#specification)
    const reason = `it would take more than ${intensityOf(this.#specification)} restarts within ${periodMs} ms`
    return new Escalated(this.#path, child.specification.id, reason, cause)
  }

  #emitCrash(child: SupervisedChild, ending: Failed, willRestart: boolean): void {
    this.#emit(child, { kind: "crashed", cause: ending.cause, suppressed: ending.suppressed, willRestart })
  }

  #emit(child: SupervisedChild, event: Unaddressed): void {
    const { path, incarnation } = child
    this.#environment.emit({ path, incarnation, atMs: this.#environment.clock.monotonicMs(), ...event })
  }
}

/** A life that ended before it was ready has failed to start, also when it interrupted itself. */
function crashOf(ending: Exclude<Ending, { readonly kind: "normal" }>, child: SupervisedChild): Failed {
  if (ending.kind === "crash") return ending
  const cause = new Error(`${child.path} was interrupted before it was ready`)
  return { kind: "crash", cause, suppressed: ending.suppressed }
}

function suppressedOf(ending: Ending): readonly unknown[] {
  return ending.kind === "normal" ? [] : ending.suppressed
}
