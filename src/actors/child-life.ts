// One incarnation of a child: an Effect fiber in a scope of its own, from its first step to its end, and the ways to end
// it from outside. Guarantees: `onEnd` is called exactly once; a life that was told to stop or killed ends, or is
// abandoned, within its shutdown time; an interrupted life releases its scope; nobody's failure becomes an unhandled
// rejection. Must not restart anything: it does not know what the end means.
//
//   begin ──> (ready) ──> end of its own        normal | crash | shutdown (it interrupted itself)
//        stop()  ──> interrupted ──> ended      shutdown
//        kill()  ──> killed ──> ended           crash, with the reason given
//                        └── shutdown time over: abandoned; a late end is ignored

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Clock, Timer } from "../platform/clock.ts"
import type { Outside, Run, Shutdown } from "./child-specification.ts"

/** How a life ended. `suppressed` holds what failed besides, such as finalizers. */
export type Ending =
  | { readonly kind: "normal" }
  | { readonly kind: "shutdown"; readonly suppressed: readonly unknown[] }
  | { readonly kind: "crash"; readonly cause: unknown; readonly suppressed: readonly unknown[] }

export class ChildLife {
  // Constant after construction.
  readonly #run: Run
  readonly #clock: Clock
  readonly #shutdown: Shutdown
  readonly #onReady: () => void
  readonly #onEnd: (life: ChildLife) => void
  // Changed by the life itself.
  #fiber: Fiber.Fiber<void, unknown> | undefined
  #isReady = false
  #ending: Ending | undefined
  #killHandler: ((reason: unknown) => void) | undefined
  #abandonHandler: ((cause: unknown) => void) | undefined
  // Changed by stop() and kill(); the first of them decides.
  #order: { readonly kind: "stop" } | { readonly kind: "kill"; readonly reason: unknown } | undefined
  #isOverdue = false
  #timer: Timer | undefined

  constructor(run: Run, shutdown: Shutdown, clock: Clock, onReady: () => void, onEnd: (life: ChildLife) => void) {
    this.#run = run
    this.#shutdown = shutdown
    this.#clock = clock
    this.#onReady = onReady
    this.#onEnd = onEnd
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Undefined while it lives. */
  get ending(): Ending | undefined {
    return this.#ending
  }

  /** It did not end in time and was left behind. */
  get isAbandoned(): boolean {
    return this.#isOverdue
  }

  /** Starts the fiber, on the caller's turn. Requires: not begun yet. */
  begin(): void {
    const outside: Outside = {
      onKill: (handler) => {
        this.#killHandler = handler
      },
      onAbandon: (handler) => {
        this.#abandonHandler = handler
      },
    }
    const ready = (): void => {
      if (this.#isReady || this.#ending !== undefined) return
      this.#isReady = true
      this.#onReady()
    }
    const fiber = Effect.runFork(Effect.scoped(Effect.suspend(() => this.#run(ready, outside))))
    this.#fiber = fiber
    fiber.addObserver((exit) => this.#end(this.#endingOf(exit)))
    // The first steps of the life may have had it stopped or killed, before there was a fiber to do it to.
    if (this.#order !== undefined) this.#obey(this.#order)
  }

  /** Orders an orderly end: an interruption. Does nothing when it is ending already. */
  stop(): void {
    if (this.#ending !== undefined || this.#order !== undefined) return
    this.#order = { kind: "stop" }
    if (this.#fiber !== undefined) this.#obey(this.#order)
  }

  /** Ends the life as a crash with this reason. False when it has ended or is ending already. */
  kill(reason: unknown): boolean {
    if (this.#ending !== undefined || this.#order !== undefined) return false
    this.#order = { kind: "kill", reason }
    if (this.#fiber !== undefined) this.#obey(this.#order)
    return true
  }

  /** Drops the life at once, without asking it to stop. */
  drop(): void {
    this.#order ??= { kind: "stop" }
    this.#abandon()
  }

  #obey(order: { readonly kind: "stop" } | { readonly kind: "kill"; readonly reason: unknown }): void {
    if (this.#ending !== undefined) return
    if (this.#shutdown === "brutal") {
      this.#abandon()
      return
    }
    if (order.kind === "kill" && this.#killHandler !== undefined) this.#killHandler(order.reason)
    else this.#fiber?.interruptUnsafe()
    if (this.#ending === undefined && this.#shutdown !== "infinity") {
      this.#timer = this.#clock.after(this.#shutdown, () => {
        this.#isOverdue = true
        this.#abandon()
      })
    }
  }

  /** Drops the life; whatever still runs in it has no say any more. */
  #abandon(): void {
    if (this.#ending !== undefined) return
    const order = this.#order
    this.#abandonHandler?.(order?.kind === "kill" ? order.reason : undefined)
    this.#fiber?.interruptUnsafe()
    if (this.#fiber?.pollUnsafe() !== undefined) return // It has ended, and its observer has said so.
    this.#isOverdue = true
    this.#end(
      order?.kind === "kill"
        ? { kind: "crash", cause: order.reason, suppressed: [] }
        : { kind: "shutdown", suppressed: [] },
    )
  }

  #endingOf(exit: Exit.Exit<void, unknown>): Ending {
    if (this.#order?.kind === "kill") {
      const { reason } = this.#order
      return { kind: "crash", cause: reason, suppressed: failuresOf(exit).filter((failure) => failure !== reason) }
    }
    if (this.#order?.kind === "stop") return { kind: "shutdown", suppressed: failuresOf(exit) }
    if (Exit.isSuccess(exit)) return { kind: "normal" }
    if (Cause.hasInterruptsOnly(exit.cause)) return { kind: "shutdown", suppressed: [] }
    const cause = Cause.squash(exit.cause)
    return { kind: "crash", cause, suppressed: failuresOf(exit).filter((failure) => failure !== cause) }
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return
    this.#timer?.cancel()
    this.#ending = ending
    this.#onEnd(this)
  }
}

/** The failures and defects of an exit, as they were thrown. */
function failuresOf(exit: Exit.Exit<void, unknown>): readonly unknown[] {
  if (Exit.isSuccess(exit)) return []
  return exit.cause.reasons.flatMap((reason) =>
    reason._tag === "Fail" ? [reason.error] : reason._tag === "Die" ? [reason.defect] : [],
  )
}
