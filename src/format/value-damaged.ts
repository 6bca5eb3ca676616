// The error for bytes that are not an encoded value. It knows where in the buffer it stopped, not in which file: who knows
// turns it into Corruption. A reader of tables, which are memory, does not.

import { OrreryError } from "../model/errors.ts"

/** The bytes cannot be an encoded value. */
export class ValueDamaged extends OrreryError {
  override readonly _tag = "ValueDamaged"
  override readonly code = "ORRERY_VALUE_DAMAGED"
  override readonly name = "ValueDamaged"
  /** Position in the buffer that was read, in bytes. */
  readonly offset: number
  /** What was there instead. */
  readonly found: string
  constructor(offset: number, found: string) {
    super(
      `not an encoded value: ${found} at byte ${offset}`,
      "Close the store and look at it with orrery verify; if that finds nothing, suspect the machine's memory",
    )
    this.offset = offset
    this.found = found
  }
}

/** What a decoder has thrown, in words. Passes on what is no damage: a defect of the decoder. */
export function damageOf(error: unknown): string {
  if (error instanceof ValueDamaged) return error.summary
  throw error
}
