// Time as a capability. Nothing above reads the time or sets a timer in any other way, so a simulated clock can drive it.

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since 1970, of the wall clock; may jump either way. */
  wallMs(): number
  /** Milliseconds since an arbitrary start; never goes back; sub-millisecond. */
  monotonicMs(): number
  /**
   * Calls back once, not earlier than `delayMs` from now. Keeps the process alive until then only if `holds` says so:
   * where somebody waits for what the callback does.
   */
  after(delayMs: number, callback: () => void, holds?: boolean): Timer
}
