// The error for bytes that are not an encoded value. It knows where in the buffer it stopped, not in which file: the
// caller, who does, turns it into Corruption.

/** The bytes cannot be an encoded value. */
export class ValueDamaged extends Error {
  readonly _tag = "ValueDamaged"
  override readonly name = "ValueDamaged"
  /** Position in the buffer that was read, in bytes. */
  readonly offset: number
  /** What was there instead. */
  readonly found: string
  constructor(offset: number, found: string) {
    super(`not an encoded value: ${found} at byte ${offset}`)
    this.offset = offset
    this.found = found
  }
}

/** What a decoder has thrown, in words. Passes on what is no damage: a defect of the decoder. */
export function damageOf(error: unknown): string {
  if (error instanceof ValueDamaged) return error.message
  throw error
}
