// Errors of compressed values.

import { OrreryError } from "./errors.ts"

/** A value is compressed, and the platform that reads it brings no compression. The value is not damaged. */
export class CompressionUnavailable extends OrreryError {
  override readonly _tag = "CompressionUnavailable"
  override readonly code = "ORRERY_COMPRESSION_UNAVAILABLE"
  override readonly name = "CompressionUnavailable"
  constructor() {
    super(
      "a value is compressed, and the platform that the store was opened with has no compression",
      "Open the store with a platform that has one, as the machine's own has",
    )
  }
}
