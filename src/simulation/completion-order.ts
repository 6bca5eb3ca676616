// When the operations of a simulated disk end. All orders are deterministic; none lets an operation end inside the call
// that began it, because no real disk does.

import type { Clock } from "../platform/clock.ts"
import type { SimulatedRandom } from "./simulated-random.ts"

/** Calls back later, in an order of its own. */
export type CompletionOrder = (complete: () => void) => void

/** Microtasks that a shuffled operation may take. Enough for another file to finish several meanwhile. */
const SHUFFLE_STEPS_MAX = 12

const settled = Promise.resolve()

/** In the next microtask: operations end in the order in which they began. A promise is lighter than queueMicrotask. */
export const inOrder: CompletionOrder = (complete) => void settled.then(complete)

/** After a random number of microtasks: operations on different files overtake each other. */
export function shuffled(random: SimulatedRandom): CompletionOrder {
  return (complete) => waitSteps(1 + random.below(SHUFFLE_STEPS_MAX), complete)
}

/** After a random time of up to `delayMsMax`. Nothing ends unless the clock is moved on. */
export function delayed(clock: Clock, random: SimulatedRandom, delayMsMax: number): CompletionOrder {
  return (complete) => {
    clock.after((random.below(1000) / 1000) * delayMsMax, complete)
  }
}

function waitSteps(count: number, complete: () => void): void {
  queueMicrotask(() => {
    if (count > 1) waitSteps(count - 1, complete)
    else complete()
  })
}
