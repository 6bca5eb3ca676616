// Wall-clock time that never goes back and does not believe every jump: what deadlines are judged by. A pure function of
// the two clocks.
//
// - It runs on the monotonic clock, so it goes on while the wall clock stands still or is set back.
// - It follows the wall clock forward: at once by a little, as clocks are adjusted all the time; by more only when the jump
//   has held for a while. A clock that is wrong for a moment makes nothing expire. One that stays ahead counts: a machine
//   that was asleep has a monotonic clock that slept as well.

/** A reading, and what the next one goes on from. */
export interface SteadyTime {
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** The monotonic clock at this reading. */
  readonly monotonicMs: number
  /** Since when, on the monotonic clock, the wall clock has been ahead by more than is believed at once. */
  readonly aheadSinceMs: number | undefined
}

/** By how much the wall clock may be ahead to be believed at once. */
export const LEAD_MS_BELIEVED = 60_000
/** How long it must be ahead by more. */
export const LEAD_MS_HELD = 10_000

export function beginSteadyTime(wallMs: number, monotonicMs: number): SteadyTime {
  return { nowMs: wallMs, monotonicMs, aheadSinceMs: undefined }
}

/** The next reading. Requires: the monotonic clock does not go back. */
export function readSteadyTime(last: SteadyTime, wallMs: number, monotonicMs: number): SteadyTime {
  const nowMs = last.nowMs + (monotonicMs - last.monotonicMs)
  const leadMs = wallMs - nowMs
  if (leadMs <= 0) return { nowMs, monotonicMs, aheadSinceMs: undefined }
  const aheadSinceMs = last.aheadSinceMs ?? monotonicMs
  const isBelieved = leadMs <= LEAD_MS_BELIEVED || monotonicMs - aheadSinceMs >= LEAD_MS_HELD
  return isBelieved ? { nowMs: wallMs, monotonicMs, aheadSinceMs: undefined } : { nowMs, monotonicMs, aheadSinceMs }
}
