// Wakes one waiting fiber. Guarantees: a raise is never lost (one that nobody waits for satisfies the next wait), raises
// before the wake-up count as one, and the fiber runs on a microtask of its own, never inside the stack of whoever
// raised. Must not be waited for by two fibers.

import * as Effect from "effect/Effect"

export class Signal {
  #isRaised = false
  #waiter: (() => void) | undefined

  /** Completes at the next raise, or at once if there was one since the last wait. */
  readonly wait: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#isRaised) {
      this.#isRaised = false
      resume(Effect.void)
      return
    }
    this.#waiter = () => resume(Effect.void)
    return Effect.sync(() => {
      this.#waiter = undefined
    })
  })

  raise(): void {
    if (this.#isRaised) return
    this.#isRaised = true
    if (this.#waiter !== undefined) queueMicrotask(() => this.#wake())
  }

  #wake(): void {
    const waiter = this.#waiter
    if (waiter === undefined || !this.#isRaised) return
    this.#isRaised = false
    this.#waiter = undefined
    waiter()
  }
}
