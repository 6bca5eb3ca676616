// The door for reading values back. Guarantees: gives the value that was encoded, or throws ValueDamaged; whatever the
// bytes are, it ends, stays inside them, takes bounded memory and leaves every prototype alone.

import { type ShapeRegistry } from "./shape-registry.ts"
import { ValueCursor } from "./value-cursor.ts"
import { readValue } from "./value-reader.ts"
import { TAG_SHARED } from "./value-tags.ts"

export class ValueDecoder {
  readonly #cursor: ValueCursor

  constructor(shapes: ShapeRegistry) {
    this.#cursor = new ValueCursor(shapes)
  }

  /**
   * The value that is encoded in exactly the bytes from `start` to `end`.
   * Requires: the shapes that it uses are in the registry.
   * Fails with: ValueDamaged.
   */
  decode(source: Buffer, start: number, end: number): unknown {
    const cursor = this.#cursor
    cursor.begin(source, start, end)
    try {
      if (start < end && source[start] === TAG_SHARED) {
        cursor.position++
        cursor.objects = []
      }
      const value = readValue(cursor)
      if (cursor.position !== end) cursor.damaged("bytes behind the value")
      return value
    } finally {
      cursor.release()
    }
  }
}
