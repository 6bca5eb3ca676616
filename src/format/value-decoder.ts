// The door for reading values back. Guarantees: gives the value that was encoded, or throws ValueDamaged; whatever the
// bytes are, it ends, stays inside them, takes bounded memory and leaves every prototype alone.

import { type ShapeRegistry } from "./shape-registry.ts"
import { valueInside } from "./value-compression.ts"
import { ValueCursor } from "./value-cursor.ts"
import { ValueDamaged } from "./value-damaged.ts"
import { readValue } from "./value-reader.ts"
import { TAG_COMPRESSED, TAG_SHARED } from "./value-tags.ts"

export class ValueDecoder {
  readonly #cursor: ValueCursor

  constructor(shapes: ShapeRegistry) {
    this.#cursor = new ValueCursor(shapes)
  }

  /**
   * The value that is encoded in exactly the bytes from `start` to `end`.
   * Requires: the shapes that it uses are in the registry.
   * Fails with: ValueDamaged; CompressionUnavailable where the registry knows no compression and the value needs it.
   */
  decode(source: Buffer, start: number, end: number): unknown {
    const cursor = this.#cursor
    cursor.begin(source, start, end)
    try {
      // Both marks in one comparison, which is all that an ordinary value pays.
      if ((source[start] as number) >= TAG_SHARED && start < end) {
        if (source[start] === TAG_COMPRESSED) return this.#decodeCompressed(source, start, end)
        if (source[start] !== TAG_SHARED) cursor.damaged(`the unknown tag ${source[start]}`)
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

  #decodeCompressed(source: Buffer, start: number, end: number): unknown {
    const inside = valueInside(this.#cursor.shapes.compression, source, start, end)
    try {
      return this.decode(inside, 0, inside.length)
    } catch (error) {
      if (!(error instanceof ValueDamaged)) throw error
      // A position inside is in no file.
      throw new ValueDamaged(start, `${error.found} at byte ${error.offset} inside the compressed value`)
    }
  }
}
