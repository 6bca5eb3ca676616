// Node's own measurement of the event loop: a timer of the loop itself that notes how far apart its turns were. What a
// timer on time notes is its own interval, which is therefore taken off. Loaded by the first store that is opened.
//
// What is taken begins anew with the turn after: a pause that begins within that one interval is not seen.

import type { EventLoopDelay, EventLoopMeasurement, EventLoopMeter } from "../event-loop-meter.ts"

/** Fifty turns a second: seen by nobody, and a pause of a tenth of a second is not missed. */
const RESOLUTION_MS = 20
const NS_TO_A_MS = 1e6

export const nodeEventLoopMeter: EventLoopMeter = {
  start(): EventLoopMeasurement {
    const { monitorEventLoopDelay } = process.getBuiltinModule("node:perf_hooks")
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    histogram.enable()
    return {
      take(): EventLoopDelay {
        const isEmpty = histogram.count === 0
        const late = (ns: number): number => (isEmpty ? 0 : Math.max(0, ns / NS_TO_A_MS - RESOLUTION_MS))
        const delay = {
          p50Ms: late(histogram.percentile(50)),
          p99Ms: late(histogram.percentile(99)),
          maxMs: late(histogram.max),
        }
        histogram.reset()
        return delay
      },
      stop(): void {
        histogram.disable()
      },
    }
  },
}
