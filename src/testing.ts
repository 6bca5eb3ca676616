// The public door for tests: the simulated disk and clock under the store, crash states, and the way to kill an actor.

export { crashState, crashStates } from "./simulation/crash-states.ts"
export type { CrashState, CrashStatesOptions } from "./simulation/crash-states.ts"
export { SimulatedClock } from "./simulation/simulated-clock.ts"
export { SimulatedEventLoop } from "./simulation/simulated-event-loop.ts"
export { SimulatedDisk } from "./simulation/simulated-disk.ts"
export type { CrashKind, SimulatedDiskOptions } from "./simulation/simulated-disk.ts"
export { simulatePlatform } from "./simulation/simulated-platform.ts"
export type { SimulatedPlatform, SimulatedPlatformOptions } from "./simulation/simulated-platform.ts"
export { SimulatedRandom } from "./simulation/simulated-random.ts"
export { probes } from "./model/invariant.ts"
export type { Platform } from "./platform/platform.ts"
