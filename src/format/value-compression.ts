// Compressed values: the layout that writer and reader share, and both of them. Normative text:
// docs/file-format-values.md, 'Compressed values'.
//
//   u8 fe │ u8 method │ u32 size of the value inside │ the compressed bytes, to the end of the value
//
// Guarantees: a value is compressed only where that saves an eighth of it or more; whatever the bytes are, reading them
// ends, takes memory in proportion to the size that they tell, which is no more than a value's, and gives the value's bytes
// or ValueDamaged.

import type { Compression } from "../model/compression.ts"
import { CompressionUnavailable } from "../model/compression-errors.ts"
import { VALUE_SIZE_MAX } from "../model/limits.ts"
import { readU32 } from "./integers.ts"
import { ValueDamaged } from "./value-damaged.ts"
import { TAG_COMPRESSED } from "./value-tags.ts"

/** In front of the compressed bytes. */
const HEAD_SIZE = 6
/** Zstandard. The only method there is. */
const METHOD_ZSTD = 1

/** A size that no value has, for tables whose values are kept as they are. */
export const COMPRESS_NEVER: number = VALUE_SIZE_MAX + 1

/** What was done since the store was opened, also for commits that were refused afterwards. */
export interface CompressionCounters {
  /** Values that are kept compressed. */
  compressed: number
  /** Values that were tried, and kept as they were: too little would have been saved. */
  incompressible: number
  /** Bytes of the compressed values before, and after. */
  bytesBefore: number
  bytesAfter: number
}

export class ValueCompressor {
  readonly counters: CompressionCounters = { compressed: 0, incompressible: 0, bytesBefore: 0, bytesAfter: 0 }
  readonly #compression: Compression

  constructor(compression: Compression) {
    this.#compression = compression
  }

  /** Compresses the encoded value from `start` to `end` in its place, if that is worth it. Returns where it ends now. */
  compress(target: Buffer, start: number, end: number): number {
    const size = end - start
    const { counters } = this
    const compressed = this.#compression.compress(target.subarray(start, end))
    const compressedSize = HEAD_SIZE + compressed.length
    if (compressedSize > size - (size >>> 3)) {
      counters.incompressible++
      return end
    }
    counters.compressed++
    counters.bytesBefore += size
    counters.bytesAfter += compressedSize
    target[start] = TAG_COMPRESSED
    target[start + 1] = METHOD_ZSTD
    target.writeUInt32LE(size, start + 2)
    target.set(compressed, start + HEAD_SIZE)
    return start + compressedSize
  }
}

/** The size of the value inside a compressed one; undefined for others. For whoever shows what there is. */
export function sizeInside(source: Buffer, start: number, end: number): number | undefined {
  return end - start >= HEAD_SIZE && source[start] === TAG_COMPRESSED ? readU32(source, start + 2) : undefined
}

/**
 * The encoded value inside the compressed one that takes exactly the bytes from `start` to `end`, in memory of its own.
 * Fails with: ValueDamaged, CompressionUnavailable.
 */
export function valueInside(compression: Compression | undefined, source: Buffer, start: number, end: number): Buffer {
  const size = sizeInside(source, start, end)
  if (size === undefined) throw new ValueDamaged(start, "the end inside the head of a compressed value")
  const method = source[start + 1] as number
  if (method !== METHOD_ZSTD) throw new ValueDamaged(start + 1, `the unknown compression ${method}`)
  if (size === 0 || size > VALUE_SIZE_MAX) throw new ValueDamaged(start + 2, `a compressed value of ${size} bytes`)
  if (compression === undefined) throw new CompressionUnavailable()
  const inside = compression.decompress(source.subarray(start + HEAD_SIZE, end), size)
  if (inside === undefined) throw new ValueDamaged(start, `compressed bytes that are not those of ${size} bytes`)
  if (inside[0] === TAG_COMPRESSED) throw new ValueDamaged(start, "a compressed value inside a compressed one")
  return Buffer.from(inside.buffer, inside.byteOffset, inside.length)
}
