// OTP's restart intensity: at most so many restarts within a period, else the supervisor gives up. A sliding window over
// the times of past restarts; time is an argument. Guarantees: a restart exactly one period ago still counts, as in OTP,
// and no more times are kept than the intensity allows. Must not read a clock.

export class RestartIntensity {
  // Constant after construction.
  readonly #intensity: number
  readonly #periodMs: number
  // Changed only by allows(): the times of the restarts within the period, oldest first.
  #restartsMs: number[] = []

  constructor(intensity: number, periodMs: number) {
    this.#intensity = intensity
    this.#periodMs = periodMs
  }

  /** Counts a restart at `nowMs`. False when it is one more than the intensity allows. */
  allows(nowMs: number): boolean {
    const recent = this.#restartsMs.filter((thenMs) => nowMs <= thenMs + this.#periodMs)
    const isAllowed = recent.length < this.#intensity
    if (isAllowed) recent.push(nowMs)
    this.#restartsMs = recent
    return isAllowed
  }
}
