// Everything that the engine takes from outside, in one value. Replaced as a whole by the simulation.

import type { Checksum } from "../model/checksum.ts"
import type { Compression } from "../model/compression.ts"
import type { Sha256 } from "../model/digest.ts"
import type { Clock } from "./clock.ts"
import type { Diagnostics } from "./diagnostics.ts"
import type { EventLoopMeter } from "./event-loop-meter.ts"
import type { FileSystem } from "./file-system.ts"
import type { Random } from "./random.ts"

export interface Platform {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly random: Random
  readonly checksum: Checksum
  readonly sha256: Sha256
  readonly compression: Compression
  readonly diagnostics: Diagnostics
  readonly eventLoop: EventLoopMeter
  /** Who opens the store, for people: "pid 4711 on host a". */
  readonly identity: string
  /** Bytes of memory that the process holds, for metrics. */
  residentBytes(): number
}
