// The door for writing values: the JavaScript values that structuredClone takes, as far as a store can give them back
// exactly. Guarantees: the bytes decode to an equal value, in another process too, or the value is refused with the path
// of the part that cannot be kept; a refusal or a lack of room leaves nothing behind but scribbled bytes after `start`,
// and shapes that were learnt.

import { VALUE_SIZE_MAX } from "../model/limits.ts"
import { type ShapeRegistry } from "./shape-registry.ts"
import { TAG_SHARED } from "./value-tags.ts"
import { NO_ROOM, ValueWriter } from "./value-writer.ts"

export class ValueEncoder {
  readonly shapes: ShapeRegistry
  readonly #writer: ValueWriter
  #isBusy = false

  constructor(shapes: ShapeRegistry) {
    this.shapes = shapes
    this.#writer = new ValueWriter(shapes)
  }

  /**
   * Writes the value from `start` on and returns where it ends, or -1 if the target is too small. Bytes behind the end
   * may be overwritten. Uses and learns shapes: those that are pending afterwards must be in the log before the value.
   * Requires: no getter or proxy in the value calls this encoder.
   * Fails with: ValueRefused, LimitExceeded; whatever a getter of the value throws.
   */
  encode(value: unknown, target: Buffer, start: number): number {
    if (this.#isBusy) throw new TypeError("a getter or proxy inside a value must not store a value while it is read")
    const writer = this.#writer
    this.#isBusy = true
    let end: number
    try {
      writer.begin(target, start)
      end =
        typeof value === "object" && value !== null
          ? writer.writeRoot(target, start, value)
          : writer.writeValue(target, start, value, 0)
      if (writer.hasReferences) {
        // Rare, so it moves the value by one byte instead of costing every value a byte.
        target.copyWithin(start + 1, start, end)
        target[start] = TAG_SHARED
        end++
      }
    } catch (error) {
      if (error === NO_ROOM) return -1
      throw error
    } finally {
      writer.release()
      this.#isBusy = false
    }
    if (end - start > VALUE_SIZE_MAX) writer.overflow(end)
    return end <= target.length ? end : -1
  }
}
