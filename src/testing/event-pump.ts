// Waits for work that runs on a simulated platform, and lets simulated time pass when nothing else is left to happen. The
// order of everything comes from the seed, as long as the work waits for nothing but its platform.
//
// Work that waits for the real world (a module that is loaded, a real timer) is waited for as well, for a bounded time.

import { nodeClock } from "../platform/node/node-clock.ts"
import type { SimulatedPlatform } from "../simulation/simulated-platform.ts"

/** The work will never end: nothing is in flight, no timer is due, and real time has brought nothing either. */
export class NeverSettles extends Error {
  override readonly name = "NeverSettles"
}

/** Turns of the event loop in which nothing happens before simulated time moves. Promises settle in fewer. */
const QUIET_TURNS = 4
/** Simulated timers run before the work counts as stuck: periodic ones come for ever. */
const TIMERS_MAX = 10_000
/** Turns without simulated timers before the process stops to spin, and waits in real time. */
const SPIN_TURNS_MAX = 200
const REAL_WAIT_MS_MAX = 2_000

/** The outcome of the work. Fails with: NeverSettles, the signal's reason, what the work fails with. */
export async function settle<Outcome>(
  platform: SimulatedPlatform,
  work: Outcome | Promise<Outcome>,
  signal?: AbortSignal,
): Promise<Outcome> {
  if (!(work instanceof Promise)) return work
  let isDone = false
  const watched = work.finally(() => {
    isDone = true
  })
  watched.catch(() => undefined)
  const { fileSystem, clock } = platform
  let timerCount = 0
  /** Turns since something happened on the disk, or a timer ran. */
  let quietTurns = 0
  let callCount = fileSystem.operationCount
  let waitedSinceMs: number | undefined
  while (!isDone) {
    await (quietTurns > SPIN_TURNS_MAX ? realMillisecond() : nextTurn())
    signal?.throwIfAborted()
    quietTurns = fileSystem.operationCount === callCount ? quietTurns + 1 : 0
    callCount = fileSystem.operationCount
    if (isDone || quietTurns < QUIET_TURNS || fileSystem.inFlightCount > 0) continue
    if (timerCount < TIMERS_MAX && clock.advanceToNext()) {
      timerCount++
      quietTurns = 0
      continue
    }
    const nowMs = nodeClock.monotonicMs()
    waitedSinceMs ??= nowMs
    if (nowMs - waitedSinceMs > REAL_WAIT_MS_MAX) throw new NeverSettles("it waits for something that never comes")
  }
  return watched
}

/** Lets every promise that can settle do so, without letting time pass. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function realMillisecond(): Promise<void> {
  return new Promise((resolve) => {
    nodeClock.after(1, resolve, true)
  })
}
