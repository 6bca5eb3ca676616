// Heat: how much something was used lately. A count that halves with every half-life that passes, so that it forgets, at the
// same pace whenever it is looked at. Pure functions; time is an argument. (Exponentially decayed counts: Cormode et al.
// 2009, forward decay.)

/** A decayed count, as it was at a moment. */
export interface Heat {
  readonly value: number
  readonly atMs: number
}

/** What is left of a heat at a later moment; an earlier one counts as the same. */
export function heatAt({ value, atMs }: Heat, nowMs: number, halfLifeMs: number): number {
  return value * decayOver(nowMs - atMs, halfLifeMs)
}

/** A heat with `amount` more, which happened at `nowMs`. */
export function warmed(heat: Heat | undefined, amount: number, nowMs: number, halfLifeMs: number): Heat {
  if (heat === undefined) return { value: amount, atMs: nowMs }
  return { value: heatAt(heat, nowMs, halfLifeMs) + amount, atMs: Math.max(nowMs, heat.atMs) }
}

/** The part that is left after a while, from 0 to 1. */
export function decayOver(elapsedMs: number, halfLifeMs: number): number {
  return elapsedMs <= 0 ? 1 : 2 ** (-elapsedMs / halfLifeMs)
}

/** Uses a second that keep up a heat, if they go on evenly. */
export function rateOf(heat: number, halfLifeMs: number): number {
  return (heat * Math.LN2 * 1000) / halfLifeMs
}
