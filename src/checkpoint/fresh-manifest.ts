// The manifest of a store that is being made: its own id and its own secrets.

import type { Manifest } from "../format/manifest.ts"
import type { Platform } from "../platform/platform.ts"

/** Generation 0: it is written as the generations after it. */
export function freshManifest(platform: Platform): Manifest {
  const storeId = new Uint8Array(16)
  platform.random.fill(storeId)
  const secrets = new DataView(new ArrayBuffer(12))
  platform.random.fill(new Uint8Array(secrets.buffer))
  return {
    generation: 0,
    storeId,
    checksumSeed: secrets.getUint32(0, true),
    hashSecret: { low: secrets.getUint32(4, true), high: secrets.getUint32(8, true) },
    firstSegment: 1,
    firstLsn: 1,
    createdMs: platform.clock.wallMs(),
  }
}
