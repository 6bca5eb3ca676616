// The platform's clock as Effect's clock, for what Effect runs in the background: its pauses keep no process alive, which
// those of Effect's own clock do.

import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Clock as PlatformClock } from "../platform/clock.ts"

const NANOS_A_MS = 1_000_000

export function effectClock(clock: PlatformClock): Clock.Clock {
  const wallNanos = (): bigint => BigInt(Math.round(clock.wallMs())) * BigInt(NANOS_A_MS)
  const monotonicNanos = (): bigint => BigInt(Math.round(clock.monotonicMs() * NANOS_A_MS))
  return {
    currentTimeMillisUnsafe: () => clock.wallMs(),
    currentTimeMillis: Effect.sync(() => clock.wallMs()),
    currentTimeNanosUnsafe: wallNanos,
    currentTimeNanos: Effect.sync(wallNanos),
    monotonicTimeNanosUnsafe: monotonicNanos,
    monotonicTimeNanos: Effect.sync(monotonicNanos),
    sleep: (duration) => sleep(clock, Duration.toMillis(duration)),
  }
}

function sleep(clock: PlatformClock, delayMs: number): Effect.Effect<void> {
  if (delayMs <= 0) return Effect.yieldNow
  if (!Number.isFinite(delayMs)) return Effect.never
  return Effect.callback((resume) => {
    const timer = clock.after(delayMs, () => resume(Effect.void))
    return Effect.sync(() => timer.cancel())
  })
}
