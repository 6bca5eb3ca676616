// A seed for a test that was given none: 31 bits, so that it is an integer everywhere.

import { nodePlatform } from "../platform/node/node-platform.ts"

export function freshSeed(): number {
  const bytes = new Uint8Array(4)
  nodePlatform.random.fill(bytes)
  return new DataView(bytes.buffer).getUint32(0) >>> 1
}
