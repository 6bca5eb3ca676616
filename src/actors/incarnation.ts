// One life of an actor, from `start` to the end of `stop`. Guarantees: `start` and `stop` are awaited; whatever is in
// flight has settled before `stop`; the end is announced once; after `abandon` nothing that this life still does is
// heard. Plain promises, a handful a life. Must not know messages or supervisors.
//
//   starting ──> running ──> ending ──> over
//      └─ start failed, or abandoned ────^

/** Why a life ends. */
export type Order =
  | { readonly kind: "crash"; readonly cause: unknown }
  /** Its supervisor stops it. */
  | { readonly kind: "stop" }
  /** It has done its work. */
  | { readonly kind: "finish" }

/** What the actor does in the course of a life. */
export interface Course {
  start(): void | Promise<void>
  /** It has started; not called if its end was ordered meanwhile. */
  running(): void
  /** Its end was ordered: take no more messages. */
  ending(): void
  /** It started, and nothing is in flight any more: release. */
  stop(crash: { readonly cause: unknown } | undefined): Promise<void>
  /** It is over, in this way or by abandonment. Called once, before the listener of `onOver`. */
  over(crash: { readonly cause: unknown } | undefined): void
}

export class Incarnation {
  // Constant after construction.
  readonly #course: Course
  readonly #ordered: PromiseWithResolvers<Order> = Promise.withResolvers()
  // Changed by the life.
  #phase: "starting" | "running" | "ending" | "over" = "starting"
  #order: Order | undefined
  /** What failed: the crash first, then what failed in the course of ending. */
  readonly #failures: unknown[] = []
  #overListener: ((failures: readonly unknown[]) => void) | undefined
  /** The batch that is worked through asynchronously; never rejects. */
  inFlight: Promise<void> | undefined

  constructor(course: Course) {
    this.#course = course
  }

  get phase(): "starting" | "running" | "ending" | "over" {
    return this.#phase
  }

  /** Requires: not begun. */
  begin(): void {
    void this.#live() // Catches what its steps throw; all ways out of it lead to #over.
  }

  /** Calls back at the end, at once if it is over, with what failed: nothing after a normal end. */
  onOver(listener: (failures: readonly unknown[]) => void): void {
    if (this.#phase === "over") listener(this.#failures)
    else this.#overListener = listener
  }

  /** Orders the end. False when it was ordered already; a crash is then one more failure. */
  end(order: Order): boolean {
    if (this.#phase === "over") return false
    if (order.kind === "crash") this.#failures.push(order.cause)
    if (this.#order !== undefined) return false
    this.#order = order
    this.#phase = "ending"
    this.#course.ending()
    this.#ordered.resolve(order)
    return true
  }

  /** Ends it here and now, without `stop`. */
  abandon(cause: unknown): void {
    if (this.#phase === "over") return
    if (this.#failures.length === 0 && cause !== undefined) this.#failures.push(cause)
    this.#over()
  }

  async #live(): Promise<void> {
    if (!(await this.#attempt(() => this.#course.start()))) {
      this.#over()
      return
    }
    if (this.#phase === "starting") {
      this.#phase = "running"
      try {
        this.#course.running()
      } catch (cause) {
        this.end({ kind: "crash", cause })
      }
    }
    await this.#ordered.promise
    await this.inFlight
    if (this.#isOver()) return
    await this.#attempt(() => this.#course.stop(this.#crash()))
    this.#over()
  }

  /** Runs a step; what it throws becomes a failure of this life. */
  async #attempt(step: () => void | Promise<void>): Promise<boolean> {
    try {
      await step()
      return true
    } catch (failure) {
      if (!this.#isOver()) this.#failures.push(failure)
      return false
    }
  }

  #isOver(): boolean {
    return this.#phase === "over"
  }

  /** The first failure; not those of an orderly stop itself. */
  #crash(): { readonly cause: unknown } | undefined {
    return this.#failures.length === 0 ? undefined : { cause: this.#failures[0] }
  }

  #over(): void {
    if (this.#phase === "over") return
    this.#phase = "over"
    try {
      this.#course.over(this.#crash())
    } catch (failure) {
      this.#failures.push(failure)
    }
    this.#overListener?.(this.#failures)
  }
}
