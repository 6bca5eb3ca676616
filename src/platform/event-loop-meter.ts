// How late the event loop runs what is due, as a capability: whoever holds the thread for long shows there first.

/** Milliseconds that callbacks were run later than they were due, over a stretch of time; 0 where nothing was measured. */
export interface EventLoopDelay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface EventLoopMeter {
  /** Begins to measure, at a cost that does not depend on what the process does. Does not keep the process alive. */
  start(): EventLoopMeasurement
}

export interface EventLoopMeasurement {
  /** The delay since the start, or since the last call. */
  take(): EventLoopDelay
  /** Ends it. Calling it twice is allowed. */
  stop(): void
}
