// From a value of a store to its JSON form: see json-form.ts. Objects that occur more than once are found first, because
// the place where one comes first must carry a number.

import { ERROR_TYPES } from "../format/value-tags.ts"
import { define, isForm, isList } from "./json-form.ts"
import type { Json } from "./json-form.ts"

/**
 * Names that JSON writes with a backslash. JSON.parse of V8 13.6 mistakes such a name for the single backslash, where an
 * object with that name in the same place was met before: so they stand where values stand, which it reads right.
 */
const NEEDS_ESCAPE = /["\\\p{Cc}]/u

/** The form of a value that came from a store. */
export function toJsonForm(value: unknown): Json {
  const shared = new Set<object>()
  findShared(value, new Set(), shared)
  return new FormWriter(shared).write(value)
}

/** Collects the objects that occur more than once. */
function findShared(value: unknown, met: Set<object>, shared: Set<object>): void {
  if (typeof value !== "object" || value === null) return
  if (met.has(value)) {
    shared.add(value)
    return
  }
  met.add(value)
  for (const part of partsOf(value)) findShared(part, met, shared)
}

function partsOf(object: object): Iterable<unknown> {
  if (object instanceof Map) return [...object].flat()
  if (object instanceof Set) return object
  if (object instanceof Error) return [object.cause]
  return isBuiltin(object) ? [] : Object.values(object)
}

function isBuiltin(object: object): boolean {
  return (
    object instanceof Date ||
    object instanceof RegExp ||
    object instanceof ArrayBuffer ||
    ArrayBuffer.isView(object) ||
    isBox(object)
  )
}

function isBox(object: object): boolean {
  return object instanceof Number || object instanceof String || object instanceof Boolean || object instanceof BigInt
}

class FormWriter {
  readonly #shared: ReadonlySet<object>
  readonly #numbers = new Map<object, number>()

  constructor(shared: ReadonlySet<object>) {
    this.#shared = shared
  }

  write(value: unknown): Json {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value
      case "number":
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : { $number: Object.is(value, -0) ? "-0" : String(value) }
      case "undefined":
        return { $undefined: true }
      case "bigint":
        return { $bigint: String(value) }
      case "object":
        return value === null ? null : this.#writeObject(value)
      case "function":
      case "symbol":
        throw new TypeError(`a store holds no ${typeof value}`)
    }
  }

  #writeObject(object: object): Json {
    if (!this.#shared.has(object)) return this.#writeParts(object)
    const known = this.#numbers.get(object)
    if (known !== undefined) return { $again: known }
    const number = this.#numbers.size
    this.#numbers.set(object, number)
    return { $same: [number, this.#writeParts(object)] }
  }

  #writeParts(object: object): Json {
    if (Array.isArray(object)) return this.#writeArray(object)
    if (object instanceof Map) {
      return { $map: Array.from(object, ([key, value]) => [this.write(key), this.write(value)]) }
    }
    if (object instanceof Set) return { $set: Array.from(object, (item) => this.write(item)) }
    if (object instanceof Date) return { $date: Number.isNaN(object.getTime()) ? null : object.toISOString() }
    if (object instanceof RegExp) return { $regexp: [object.source, object.flags] }
    if (object instanceof ArrayBuffer) return { $bytes: ["ArrayBuffer", Buffer.from(object).toString("base64")] }
    if (ArrayBuffer.isView(object)) {
      const { buffer, byteOffset, byteLength } = object
      const kind = Object.prototype.toString.call(object).slice("[object ".length, -1)
      return { $bytes: [kind, Buffer.from(buffer, byteOffset, byteLength).toString("base64")] }
    }
    if (object instanceof Error) return this.#writeError(object)
    if (isBox(object)) return { $boxed: this.write(object.valueOf()) }
    const fields = this.#writeFields(object)
    if (Object.getPrototypeOf(object) === null) return { $bare: fields }
    return isList(fields) || isForm(fields) ? { $object: fields } : fields
  }

  #writeArray(array: readonly unknown[]): Json {
    const names = Object.keys(array)
    if (names.length === array.length) return array.map((item) => this.write(item))
    return { $sparse: [array.length, names.map((name) => [Number(name), this.write(array[Number(name)])])] }
  }

  /** As an object, or as pairs where a name would be written with an escape: see `NEEDS_ESCAPE`. */
  #writeFields(object: object): readonly Json[] | { readonly [name: string]: Json } {
    const fields: { [name: string]: Json } = {}
    const pairs = Object.entries(object).map(([name, value]) => [name, this.write(value)] as const)
    if (pairs.some(([name]) => NEEDS_ESCAPE.test(name) || !name.isWellFormed())) return pairs
    for (const [name, form] of pairs) define(fields, name, form)
    return fields
  }

  #writeError(error: Error): Json {
    const { name, stack } = error
    const parts: { [name: string]: Json } = { type: ERROR_TYPES.includes(name) ? name : "Error" }
    if (Object.hasOwn(error, "message")) parts["message"] = error.message
    if (stack !== undefined) parts["stack"] = stack
    if (Object.hasOwn(error, "cause")) parts["cause"] = this.write(error.cause)
    return { $error: parts }
  }
}
