// Everything that the engine takes from outside, simulated: disk, clock and chance, all of them driven by one seed.

import type { Checksum } from "../model/checksum.ts"
import { nodeCompression } from "../platform/node/node-compression.ts"
import { nodeSha256 } from "../platform/node/node-platform.ts"
import type { Platform } from "../platform/platform.ts"
import { crc32 } from "./checksum.ts"
import { SimulatedClock } from "./simulated-clock.ts"
import { SimulatedDisk } from "./simulated-disk.ts"
import { SimulatedEventLoop } from "./simulated-event-loop.ts"
import { SimulatedRandom } from "./simulated-random.ts"

export interface SimulatedPlatform extends Platform {
  readonly fileSystem: SimulatedDisk
  readonly clock: SimulatedClock
  readonly random: SimulatedRandom
  readonly checksum: Checksum
  readonly eventLoop: SimulatedEventLoop
}

export interface SimulatedPlatformOptions {
  /** Decides everything that chance decides. */
  readonly seed: number
  /** Default: an empty disk. */
  readonly disk?: SimulatedDisk
  /** Default: a clock that stands at the start of 2026. */
  readonly clock?: SimulatedClock
}

const RESIDENT_BYTES = 64 * 1024 * 1024

export function simulatePlatform(options: SimulatedPlatformOptions): SimulatedPlatform {
  const { seed } = options
  return {
    fileSystem: options.disk ?? new SimulatedDisk({ seed }),
    clock: options.clock ?? new SimulatedClock(),
    random: new SimulatedRandom(seed),
    checksum: crc32,
    sha256: nodeSha256,
    compression: nodeCompression,
    diagnostics: { publish: () => undefined },
    eventLoop: new SimulatedEventLoop(),
    identity: `simulation ${seed}`,
    residentBytes: () => RESIDENT_BYTES,
  }
}
