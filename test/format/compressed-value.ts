// Compressed values made by hand: what a writer makes, and what only somebody who means harm would.

import { ValueCompressor } from "../../src/format/value-compression.ts"
import { nodeCompression } from "../../src/platform/node/node-compression.ts"

/** The bytes of a value, compressed as a writer does it. Fails where that is not worth it. */
export function compressed(value: Buffer): Buffer {
  const bytes = Buffer.from(value)
  const compressor = new ValueCompressor(nodeCompression)
  const end = compressor.compress(bytes, 0, bytes.length)
  if (compressor.counters.compressed !== 1) throw new Error("the value is not worth compressing")
  return bytes.subarray(0, end)
}

/** Any frame under any head. */
export function framed(frame: Uint8Array, size: number, method = 1): Buffer {
  const head = Buffer.from([0xfe, method, 0, 0, 0, 0])
  head.writeUInt32LE(size, 2)
  return Buffer.concat([head, frame])
}
