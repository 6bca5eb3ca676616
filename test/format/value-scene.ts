// What the tests of the value codec share: a registry with both directions, and a buffer with sentinels around it.

import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { ValueDecoder } from "../../src/format/value-decoder.ts"
import { ValueEncoder } from "../../src/format/value-encoder.ts"

const START = 5

export class ValueScene {
  readonly shapes: ShapeRegistry = new ShapeRegistry()
  readonly encoder: ValueEncoder = new ValueEncoder(this.shapes)
  readonly decoder: ValueDecoder = new ValueDecoder(this.shapes)
  #target: Buffer = Buffer.alloc(1 << 16)

  /** The bytes of the value, in memory of their own. */
  encode(value: unknown): Buffer {
    for (;;) {
      const end = this.encoder.encode(value, this.#target, START)
      if (end >= 0) return Buffer.from(this.#target.subarray(START, end))
      this.#target = Buffer.alloc(2 * this.#target.length)
    }
  }

  /** The value of bytes that stand between others. */
  decode(bytes: Uint8Array): unknown {
    const source = Buffer.concat([Buffer.alloc(3, 0xfd), bytes, Buffer.alloc(7, 0x01)])
    return this.decoder.decode(source, 3, 3 + bytes.length)
  }

  roundTrip(value: unknown): unknown {
    return this.decode(this.encode(value))
  }

  /** Makes the fields of the object a shape, and its functions generated ones. */
  teach(object: object): void {
    for (let time = 0; time < 20; time++) this.roundTrip(object)
  }
}

/** An array of that length with those elements, and holes in all other places. */
export function holey(length: number, elements: Readonly<Record<number, unknown>>): unknown[] {
  const array: unknown[] = []
  Object.assign(array, elements)
  array.length = length
  return array
}

/** The error with a short stack: the one that a test runner leaves has thousands of characters. */
export function terse<Kind extends Error>(error: Kind): Kind {
  error.stack = "at rest"
  return error
}

/** What the call throws. Fails if it throws nothing. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}
