// How many of the records of a frame or a block hold compressed values, and what that saves: for `orrery inspect`.

import type { RecordBuffer } from "../format/record.ts"
import { RECORD_HEADER_SIZE, recordSizeWithin } from "../format/record.ts"
import { sizeInside } from "../format/value-compression.ts"
import { countOf } from "./progress.ts"

export interface CompressedValues {
  readonly values: number
  /** Bytes of the values inside, and of what is kept for them. */
  readonly bytesBefore: number
  readonly bytesAfter: number
}

/**
 * Undefined where there are none. Requires: the bytes are records, of the log or as tables keep them, both of which have
 * their sizes in the same places. No definition passes for one: a shape never has as many fields as the mark would say.
 */
export function compressedIn(buffer: RecordBuffer, start: number, end: number): CompressedValues | undefined {
  const found = { values: 0, bytesBefore: 0, bytesAfter: 0 }
  let size: number | undefined
  for (let at = start; (size = recordSizeWithin(buffer, at, end)) !== undefined; at += size) {
    const valueStart = at + RECORD_HEADER_SIZE + ((buffer.words[(at >>> 2) + 2] as number) & 0xffff)
    const valueSize = buffer.words[(at >>> 2) + 1] as number
    const bytesBefore = sizeInside(buffer.bytes, valueStart, valueStart + valueSize)
    if (bytesBefore === undefined) continue
    found.values++
    found.bytesBefore += bytesBefore
    found.bytesAfter += valueSize
  }
  return found.values === 0 ? undefined : found
}

/** To be put behind other words; nothing where there are none. */
export function compressedText(found: CompressedValues | undefined): string {
  if (found === undefined) return ""
  return `; ${countOf(found.values, "compressed value")}, ${found.bytesBefore} bytes in ${found.bytesAfter}`
}
