// Writes the objects that the language itself defines: Date, Map, Set, RegExp, Error, binary data, boxed primitives.
// Guarantees: what is read from an object comes through the intrinsic methods, so an object that only looks like one is
// refused; only the visible bytes of a view are kept. Errors keep what structuredClone keeps: type, message, stack, cause.

import { STEP_FIELD, STEP_MAP_KEY, STEP_MAP_VALUE, STEP_SET_ITEM, stepText } from "./value-path.ts"
import { writeBigint, writeCount, writeNumber } from "./value-number.ts"
import {
  BINARY_KINDS,
  ERROR_HAS_CAUSE,
  ERROR_HAS_MESSAGE,
  ERROR_HAS_STACK,
  ERROR_TYPES,
  TAG_BINARY,
  TAG_BOXED,
  TAG_DATE,
  TAG_ERROR,
  TAG_FALSE,
  TAG_MAP,
  TAG_REGEXP,
  TAG_SET,
  TAG_TRUE,
} from "./value-tags.ts"
import { writeText } from "./value-text.ts"

/** The part of a writer that is needed here. */
export interface NestedWriter {
  writeValue(target: Buffer, position: number, value: unknown, depth: number): number
  step(depth: number, kind: number, step: string | number): void
  enter(position: number, depth: number): void
  overflow(position: number): never
  refuse(depth: number, reason: string, remedy: string, inside?: string): never
  refuseSymbols(depth: number, object: object): void
}

type WriteBuiltin = (writer: NestedWriter, target: Buffer, position: number, object: object, depth: number) => number

/** A function of the language that looks inside an object, and throws TypeError if it is not of the right kind. */
type Intrinsic<Answer> = (this: object) => Answer

/** Methods and getters as they were when this file was loaded, taken from the prototype that has them. */
function methodOf<Answer>(prototype: object, name: string): Intrinsic<Answer> {
  return Reflect.get(prototype, name) as Intrinsic<Answer>
}
function getterOf<Answer>(prototype: object, name: string | symbol): Intrinsic<Answer> {
  return Reflect.get(Object.getOwnPropertyDescriptor(prototype, name) ?? {}, "get") as Intrinsic<Answer>
}

const timeOf = methodOf<number>(Date.prototype, "getTime")
const mapSizeOf = getterOf<number>(Map.prototype, "size")
const mapEntriesOf = methodOf<MapIterator<[unknown, unknown]>>(Map.prototype, "entries")
const setSizeOf = getterOf<number>(Set.prototype, "size")
const setItemsOf = methodOf<SetIterator<unknown>>(Set.prototype, "values")
const sourceOf = getterOf<string>(RegExp.prototype, "source")
const flagsOf = getterOf<string>(RegExp.prototype, "flags")
const bufferSizeOf = getterOf<number>(ArrayBuffer.prototype, "byteLength")
/** The name of a typed array's kind; undefined for everything else. */
const typedArrayNameOf = getterOf<string | undefined>(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)
const unboxers: readonly Intrinsic<number | string | boolean | bigint>[] = [
  methodOf(Number.prototype, "valueOf"),
  methodOf(String.prototype, "valueOf"),
  methodOf(Boolean.prototype, "valueOf"),
  methodOf(BigInt.prototype, "valueOf"),
]

const writers: ReadonlyMap<object, WriteBuiltin> = new Map<object, WriteBuiltin>([
  [Date.prototype, writeDate],
  [Map.prototype, writeMap],
  [Set.prototype, writeSet],
  [RegExp.prototype, writeRegExp],
  [Number.prototype, writeBoxed],
  [String.prototype, writeBoxed],
  [Boolean.prototype, writeBoxed],
  [BigInt.prototype, writeBoxed],
  [Buffer.prototype, writeBinary],
  ...BINARY_KINDS.flatMap((name): [object, WriteBuiltin][] => {
    const constructor: unknown = Reflect.get(globalThis, name)
    return typeof constructor === "function" ? [[constructor.prototype as object, writeBinary]] : []
  }),
])

/** Writes a built-in object and returns the position behind it, or -1 if the object is none. */
export function writeBuiltin(
  writer: NestedWriter,
  target: Buffer,
  position: number,
  object: object,
  prototype: unknown,
  depth: number,
): number {
  const write = writers.get(prototype as object)
  if (write !== undefined) return write(writer, target, position, object, depth)
  return isError(object) ? writeError(writer, target, position, object, depth) : -1
}

/** Calls an intrinsic that throws TypeError unless the object is of its kind; undefined then. */
function ask<Answer>(intrinsic: Intrinsic<Answer>, object: object): Answer | undefined {
  try {
    return intrinsic.call(object)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** Refuses properties that somebody put on a built-in object: they would be lost. */
function refuseOwn(writer: NestedWriter, object: object, depth: number, expectedCount = 0): void {
  const names = Object.keys(object)
  if (names.length > expectedCount) {
    const inside = stepText(STEP_FIELD, names[expectedCount] as string)
    writer.refuse(depth, "is a named property of a built-in object", "Store an object that holds both", inside)
  }
  writer.refuseSymbols(depth, object)
}

function writeDate(writer: NestedWriter, target: Buffer, position: number, object: object, depth: number): number {
  const time = ask(timeOf, object)
  if (time === undefined) return -1
  refuseOwn(writer, object, depth)
  target[position] = TAG_DATE
  return writeNumber(target, position + 1, time)
}

function writeMap(writer: NestedWriter, target: Buffer, start: number, object: object, depth: number): number {
  const count = ask(mapSizeOf, object)
  if (count === undefined) return -1
  writer.enter(start, depth)
  refuseOwn(writer, object, depth)
  target[start] = TAG_MAP
  let position = writeCount(target, start + 1, count)
  let index = 0
  for (const [key, value] of mapEntriesOf.call(object)) {
    if (index === count) break
    writer.step(depth, STEP_MAP_KEY, index)
    position = writer.writeValue(target, position, key, depth + 1)
    writer.step(depth, STEP_MAP_VALUE, index)
    position = writer.writeValue(target, position, value, depth + 1)
    index++
  }
  if (index !== count || mapSizeOf.call(object) !== count) refuseChanged(writer, depth)
  return position
}

function writeSet(writer: NestedWriter, target: Buffer, start: number, object: object, depth: number): number {
  const count = ask(setSizeOf, object)
  if (count === undefined) return -1
  writer.enter(start, depth)
  refuseOwn(writer, object, depth)
  target[start] = TAG_SET
  let position = writeCount(target, start + 1, count)
  let index = 0
  for (const item of setItemsOf.call(object)) {
    if (index === count) break
    writer.step(depth, STEP_SET_ITEM, index)
    position = writer.writeValue(target, position, item, depth + 1)
    index++
  }
  if (index !== count || setSizeOf.call(object) !== count) refuseChanged(writer, depth)
  return position
}

function refuseChanged(writer: NestedWriter, depth: number): never {
  return writer.refuse(depth, "was changed while it was read", "Store a copy of it")
}

function writeRegExp(writer: NestedWriter, target: Buffer, position: number, object: object, depth: number): number {
  const source = ask(sourceOf, object)
  if (source === undefined) return -1
  refuseOwn(writer, object, depth)
  target[position] = TAG_REGEXP
  return writeText(target, writeText(target, position + 1, source), flagsOf.call(object))
}

function writeBoxed(writer: NestedWriter, target: Buffer, position: number, object: object, depth: number): number {
  const value = unboxed(object)
  if (value === undefined) return -1
  // The characters of a boxed string are own properties too.
  refuseOwn(writer, object, depth, typeof value === "string" ? value.length : 0)
  target[position] = TAG_BOXED
  if (typeof value === "number") return writeNumber(target, position + 1, value)
  if (typeof value === "string") return writeText(target, position + 1, value)
  if (typeof value === "bigint") return writeBigint(target, position + 1, value)
  target[position + 1] = value ? TAG_TRUE : TAG_FALSE
  return position + 2
}

function unboxed(object: object): number | string | boolean | bigint | undefined {
  for (const unbox of unboxers) {
    const value = ask(unbox, object)
    if (value !== undefined) return value
  }
  return undefined
}

function writeBinary(writer: NestedWriter, target: Buffer, start: number, object: object, depth: number): number {
  const bytes = visibleBytes(writer, object, depth)
  if (bytes === undefined) return -1
  if (!ArrayBuffer.isView(object)) refuseOwn(writer, object, depth)
  else writer.refuseSymbols(depth, object)
  target[start] = TAG_BINARY
  target[start + 1] = kindOf(object)
  const position = writeCount(target, start + 2, bytes.length)
  const end = position + bytes.length
  if (end > target.length) writer.overflow(end)
  target.set(bytes, position)
  return end
}

function visibleBytes(writer: NestedWriter, object: object, depth: number): Uint8Array | undefined {
  if (!ArrayBuffer.isView(object)) {
    if (ask(bufferSizeOf, object) === undefined) return undefined
    if ((object as ArrayBuffer).detached) refuseDetached(writer, depth)
    return new Uint8Array(object as ArrayBuffer)
  }
  const { buffer } = object
  if (!(buffer instanceof ArrayBuffer)) {
    return writer.refuse(depth, "is a view of shared memory, which may change meanwhile", "Store a copy: slice()")
  }
  if (buffer.detached) refuseDetached(writer, depth)
  try {
    return new Uint8Array(buffer, object.byteOffset, object.byteLength)
  } catch (error) {
    // A DataView of a buffer that has shrunk since says so by throwing.
    if (!(error instanceof TypeError)) throw error
    return writer.refuse(depth, "is a view that reaches outside its buffer", "Store a view that fits")
  }
}

function refuseDetached(writer: NestedWriter, depth: number): never {
  return writer.refuse(depth, "is detached: its bytes were transferred away", "Store a copy made before the transfer")
}

function kindOf(object: object): number {
  if (!ArrayBuffer.isView(object)) return BINARY_KINDS.indexOf("ArrayBuffer")
  return BINARY_KINDS.indexOf(typedArrayNameOf.call(object) ?? "DataView")
}

/** Whether it is an error of the language or of a class derived from one, and not just an object that inherits from it. */
function isError(object: object): object is Error {
  return object instanceof Error && Object.prototype.toString.call(object) === "[object Error]"
}

function writeError(writer: NestedWriter, target: Buffer, start: number, error: Error, depth: number): number {
  writer.enter(start, depth)
  const { name, stack } = error
  const message = Object.getOwnPropertyDescriptor(error, "message")
  const cause = Object.getOwnPropertyDescriptor(error, "cause")
  const hasMessage = message !== undefined && "value" in message
  const hasCause = cause !== undefined && "value" in cause
  target[start] = TAG_ERROR
  target[start + 1] =
    Math.max(ERROR_TYPES.indexOf(String(name)), 0) |
    (hasMessage ? ERROR_HAS_MESSAGE : 0) |
    (typeof stack === "string" ? ERROR_HAS_STACK : 0) |
    (hasCause ? ERROR_HAS_CAUSE : 0)
  let position = start + 2
  if (hasMessage) position = writeText(target, position, String(message.value))
  if (typeof stack === "string") position = writeText(target, position, stack)
  if (!hasCause) return position
  writer.step(depth, STEP_FIELD, "cause")
  return writer.writeValue(target, position, cause.value, depth + 1)
}
