// Makes the objects that the language itself defines from their parts in the bytes. Guarantees: parts of the wrong type
// are damage, never coerced; no code of the user runs, and none from the bytes (a regular expression is made, not run).

import { type ValueCursor } from "./value-cursor.ts"
import { readCount } from "./value-number.ts"
import { BINARY_KINDS, ERROR_TYPE_MASK, ERROR_TYPES } from "./value-tags.ts"

type BinaryConstructor = new (memory: ArrayBuffer) => ArrayBufferView
type ErrorConstructor = new (message?: string) => Error

const binaryConstructors: readonly unknown[] = BINARY_KINDS.map((name) => Reflect.get(globalThis, name))
const errorConstructors: readonly unknown[] = ERROR_TYPES.map((name) => Reflect.get(globalThis, name))

/** The date of a number of milliseconds. */
export function dateOf(cursor: ValueCursor, time: unknown): Date {
  return typeof time === "number" ? new Date(time) : cursor.damaged("a date that is not a number")
}

export function regExpOf(cursor: ValueCursor, source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags)
  } catch {
    // Whatever the parser of the runtime says, there is no such regular expression here.
    return cursor.damaged("a regular expression that cannot be made")
  }
}

/** The object that wraps a primitive value. */
export function boxOf(cursor: ValueCursor, value: unknown): object {
  if (value === undefined || value === null) return cursor.damaged("a box around nothing")
  return Object(value) as object
}

/** Reads what follows TAG_BINARY, into memory of its own. */
export function readBinary(cursor: ValueCursor): object {
  const kind = cursor.byte()
  const constructor = binaryConstructors[kind] as BinaryConstructor | undefined
  if (constructor === undefined) return cursor.damaged(`the kind ${kind} of binary data, which is not known here`)
  const size = readCount(cursor)
  const start = cursor.take(size)
  const { BYTES_PER_ELEMENT: elementSize = 1 } = constructor as { BYTES_PER_ELEMENT?: number }
  if (size % elementSize !== 0) return cursor.damaged("an array that ends inside an element")
  const memory = new ArrayBuffer(size)
  new Uint8Array(memory).set(cursor.source.subarray(start, start + size))
  return kind === 0 ? memory : new constructor(memory)
}

/** The error of a type byte, with its message if it has one, and the stack of where it was made, or none. */
export function errorOf(
  cursor: ValueCursor,
  type: number,
  message: string | undefined,
  stack: string | undefined,
): Error {
  const constructor = errorConstructors[type & ERROR_TYPE_MASK] as ErrorConstructor | undefined
  if (constructor === undefined) return cursor.damaged(`the type ${type} of error`)
  const error = message === undefined ? new constructor() : new constructor(message)
  // The runtime's own accessor takes it; the one made here would tell of the decoder.
  return Object.assign(error, { stack })
}
