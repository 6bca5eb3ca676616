// What Node says of its event loop, on the real one.

import { expect, test } from "vitest"
import { nodeEventLoopMeter } from "../../src/platform/node/node-event-loop-meter.ts"

function turns(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test("a thread that was held shows as delay, and the next stretch begins anew", async () => {
  const measurement = nodeEventLoopMeter.start()
  await turns(50)
  measurement.take()
  await turns(50)
  block(400)
  await turns(50)
  const held = measurement.take()
  expect(held.maxMs).toBeGreaterThan(300)
  expect(held.p99Ms).toBeGreaterThan(300)
  expect(held.p50Ms).toBeLessThan(held.maxMs)
  await turns(100)
  expect(measurement.take().maxMs).toBeLessThan(held.maxMs)
  measurement.stop()
  measurement.stop()
})

test("nothing measured is no delay", () => {
  const measurement = nodeEventLoopMeter.start()
  expect(measurement.take()).toEqual({ p50Ms: 0, p99Ms: 0, maxMs: 0 })
  measurement.stop()
})
