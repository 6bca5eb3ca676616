// Which values of a table are compressed: what users say, checked.

import { COMPRESS_NEVER } from "../format/value-compression.ts"
import { VALUE_SIZE_MAX } from "../model/limits.ts"
import { integer, record, show } from "./option-checks.ts"

/** `true`: those that are worth it; an object: from which size on. */
export type CompressOption = boolean | CompressionOptions

export interface CompressionOptions {
  /**
   * Bytes that a value must have, encoded, to be compressed. Default 1,024: below, the call costs more than the bytes that
   * it saves are worth (docs/decisions/0026).
   */
  readonly from?: number
}

export const COMPRESS_FROM_DEFAULT = 1_024

/** The size from which on values are compressed; undefined where nothing is said. Throws a TypeError. */
export function compressFrom(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (value === false) return COMPRESS_NEVER
  if (value === true) return COMPRESS_FROM_DEFAULT
  if (typeof value !== "object") throw new TypeError(`compress must be a boolean or an object, not ${show(value)}`)
  const { from } = record("compress", value, ["from"])
  return integer("compress.from", from, COMPRESS_FROM_DEFAULT, 1, VALUE_SIZE_MAX, "bytes")
}
