// Exact copies of values, for writes that wait in line: through the codec, which is what will store them, with shapes of
// its own, because those of the store may be gone or mean something else when the write's turn has come.

import { ShapeRegistry } from "../format/shape-registry.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { ValueEncoder } from "../format/value-encoder.ts"

const SIZE_FIRST = 64 * 1024
/** What a large value has made necessary is not kept. */
const SIZE_KEPT_MAX = 1024 * 1024

export class ValueCopier {
  readonly #shapes = new ShapeRegistry()
  readonly #encoder = new ValueEncoder(this.#shapes)
  readonly #decoder = new ValueDecoder(this.#shapes)
  #scratch = Buffer.allocUnsafeSlow(SIZE_FIRST)

  /** Fails with: ValueRefused, LimitExceeded. */
  copy(value: unknown): unknown {
    let end = this.#encoder.encode(value, this.#scratch, 0)
    while (end < 0) {
      this.#scratch = Buffer.allocUnsafeSlow(this.#scratch.length * 4)
      end = this.#encoder.encode(value, this.#scratch, 0)
    }
    // Nobody logs them.
    if (this.#shapes.hasPending) this.#shapes.takePending()
    const copy = this.#decoder.decode(this.#scratch, 0, end)
    if (this.#scratch.length > SIZE_KEPT_MAX) this.#scratch = Buffer.allocUnsafeSlow(SIZE_FIRST)
    return copy
  }
}
