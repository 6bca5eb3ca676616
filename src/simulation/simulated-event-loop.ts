// An event loop that is as late as a test says.

import type { EventLoopDelay, EventLoopMeasurement, EventLoopMeter } from "../platform/event-loop-meter.ts"

const ON_TIME: EventLoopDelay = { p50Ms: 0, p99Ms: 0, maxMs: 0 }

export class SimulatedEventLoop implements EventLoopMeter {
  /** What every measurement finds until it is set anew. */
  delay: EventLoopDelay = ON_TIME
  /** Measurements that were started and not stopped. */
  measurementCount = 0

  start(): EventLoopMeasurement {
    let isRunning = true
    this.measurementCount++
    return {
      take: () => (isRunning ? this.delay : ON_TIME),
      stop: () => {
        if (isRunning) this.measurementCount--
        isRunning = false
      },
    }
  }
}
