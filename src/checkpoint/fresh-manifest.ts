// The manifest of a store that is being made: its own id and its own secrets.

import type { Manifest } from "../format/manifest.ts"
import type { Platform } from "../platform/platform.ts"

/** Generation 0: it is written as the generations after it. */
export function freshManifest(platform: Platform): Manifest {
  const storeId = new Uint8Array(16)
  platform.random.fill(storeId)
  const secrets = new Uint32Array(3)
  platform.random.fill(new Uint8Array(secrets.buffer))
  const [checksumSeed, low, high] = secrets
  return {
    generation: 0,
    storeId,
    checksumSeed: checksumSeed ?? 0,
    hashSecret: { low: low ?? 0, high: high ?? 0 },
    firstSegment: 1,
    firstLsn: 1,
    createdMs: platform.clock.wallMs(),
  }
}
