// From the JSON form to the value: see json-form.ts. The text comes from outside: what is no such form is refused, never
// guessed, and nesting has an end.

import { BINARY_KINDS, ERROR_TYPES } from "../format/value-tags.ts"
import { VALUE_DEPTH_MAX } from "../model/limits.ts"
import { CommandFailure } from "./failure.ts"
import { define, isForm, isList } from "./json-form.ts"
import type { Json } from "./json-form.ts"

/** A form nests its value a few levels deeper than the value itself is. */
const FORM_DEPTH_MAX = VALUE_DEPTH_MAX * 5

/** The value of a form. Fails with: CommandFailure. */
export function fromJsonForm(form: Json): unknown {
  return new FormReader().read(form, undefined, 0)
}

class FormReader {
  readonly #objects = new Map<number, object>()

  /** `number`: under which the object is known from the moment it exists, so that parts may refer to it. */
  read(form: Json, number: number | undefined, depth: number): unknown {
    if (depth > FORM_DEPTH_MAX) refuse("is nested too deeply")
    if (typeof form !== "object" || form === null) return form
    if (isList(form)) {
      const array = this.#know(number, new Array<unknown>())
      for (const item of form) array.push(this.read(item, undefined, depth + 1))
      return array
    }
    if (!isForm(form)) return this.#readFields(form, this.#know(number, {}), depth)
    const [name, content] = Object.entries(form)[0] as [string, Json]
    return this.#readForm(name, content, number, depth + 1)
  }

  #readForm(name: string, content: Json, number: number | undefined, depth: number): unknown {
    switch (name) {
      case "$undefined":
        return undefined
      case "$number":
        return numberOf(content)
      case "$bigint":
        return bigintOf(content)
      case "$date":
        return this.#know(number, dateOf(content))
      case "$regexp":
        return this.#know(number, regExpOf(content))
      case "$bytes":
        return this.#know(number, bytesOf(content))
      case "$boxed":
        return this.#know(number, boxOf(this.read(content, undefined, depth)))
      case "$object":
        return this.#readFields(content, this.#know(number, {}), depth)
      case "$bare":
        return this.#readFields(content, this.#know(number, Object.create(null) as object), depth)
      case "$map":
        return this.#readMap(content, this.#know(number, new Map<unknown, unknown>()), depth)
      case "$set": {
        const set = this.#know(number, new Set<unknown>())
        for (const item of listOf(name, content)) set.add(this.read(item, undefined, depth))
        return set
      }
      case "$sparse":
        return this.#readSparse(content, this.#know(number, new Array<unknown>()), depth)
      case "$error":
        return this.#readError(content, number, depth)
      case "$same":
        return this.#readSame(content, depth)
      case "$again": {
        const known = typeof content === "number" ? this.#objects.get(content) : undefined
        return known ?? refuse("has an $again whose object did not come before")
      }
      default:
        return refuse(`has the form ${name}, which is not known; an object of that field is {"$object":{…}}`)
    }
  }

  #know<Known extends object>(number: number | undefined, object: Known): Known {
    if (number !== undefined) this.#objects.set(number, object)
    return object
  }

  #readFields(content: Json, object: object, depth: number): object {
    const pairs = isList(content) ? content.map((pair) => pairOf("$object", pair)) : Object.entries(fieldsOf(content))
    for (const [name, part] of pairs) {
      define(object, textOf("$object", name), this.read(part, undefined, depth + 1))
    }
    return object
  }

  #readMap(content: Json, map: Map<unknown, unknown>, depth: number): Map<unknown, unknown> {
    for (const entry of listOf("$map", content)) {
      const [key, value] = pairOf("$map", entry)
      map.set(this.read(key, undefined, depth + 1), this.read(value, undefined, depth + 1))
    }
    return map
  }

  #readSparse(content: Json, array: unknown[], depth: number): unknown[] {
    const [length, items] = pairOf("$sparse", content)
    if (typeof length !== "number" || length >>> 0 !== length) return refuse("has a $sparse whose length is none")
    array.length = length
    for (const item of listOf("$sparse", items)) {
      const [index, part] = pairOf("$sparse", item)
      if (typeof index !== "number" || index >>> 0 !== index || index >= length)
        return refuse("has a $sparse with a wrong index")
      array[index] = this.read(part, undefined, depth + 1)
    }
    return array
  }

  #readError(content: Json, number: number | undefined, depth: number): Error {
    const { type, message, stack, cause, ...rest } = fieldsOf(content)
    const isKnown = typeof type === "string" && ERROR_TYPES.includes(type) && Object.keys(rest).length === 0
    if (!isKnown) return refuse("has an $error that is not of type, message, stack and cause")
    const constructor = Reflect.get(globalThis, type) as new (message?: string) => Error
    const text = message === undefined ? undefined : textOf("$error", message)
    const error = this.#know(number, text === undefined ? new constructor() : new constructor(text))
    Object.assign(error, { stack: stack === undefined ? undefined : textOf("$error", stack) })
    if (cause !== undefined) {
      const value = this.read(cause, undefined, depth + 1)
      Object.defineProperty(error, "cause", { value, writable: true, enumerable: false, configurable: true })
    }
    return error
  }

  #readSame(content: Json, depth: number): unknown {
    const [number, part] = pairOf("$same", content)
    if (typeof number !== "number" || this.#objects.has(number))
      return refuse("has a $same whose number is none, or taken")
    const value = this.read(part, number, depth)
    return typeof value === "object" && value !== null
      ? value
      : refuse("has a $same around something that is no object")
  }
}

function numberOf(content: Json): number {
  const found = [NaN, Infinity, -Infinity].find((number) => String(number) === content)
  return content === "-0" ? -0 : (found ?? refuse("has a $number other than NaN, Infinity, -Infinity and -0"))
}

function bigintOf(content: Json): bigint {
  return typeof content === "string" && /^-?\d+$/.test(content)
    ? BigInt(content)
    : refuse("has a $bigint without digits")
}

function dateOf(content: Json): Date {
  if (content === null) return new Date(NaN)
  const date = typeof content === "string" ? new Date(content) : undefined
  return date === undefined || Number.isNaN(date.getTime()) ? refuse("has a $date that is none") : date
}

function regExpOf(content: Json): RegExp {
  const [source, flags] = pairOf("$regexp", content).map((part) => textOf("$regexp", part))
  try {
    return new RegExp(source ?? "", flags)
  } catch {
    // What the parser says is of no use without the line it stands in.
    return refuse("has a $regexp that cannot be made")
  }
}

function bytesOf(content: Json): object {
  const [kind = "", text = ""] = pairOf("$bytes", content).map((part) => textOf("$bytes", part))
  const constructor: unknown = BINARY_KINDS.includes(kind) ? Reflect.get(globalThis, kind) : undefined
  if (typeof constructor !== "function") return refuse(`has $bytes of the kind ${kind}, which is not known here`)
  const bytes = Buffer.from(text, "base64")
  if (bytes.toString("base64") !== text) return refuse("has $bytes that are no Base64")
  const memory = new ArrayBuffer(bytes.length)
  new Uint8Array(memory).set(bytes)
  if (kind === "ArrayBuffer") return memory
  try {
    return Reflect.construct(constructor, [memory]) as object
  } catch {
    // A count of bytes that is no whole number of elements.
    return refuse(`has ${bytes.length} $bytes for a ${kind}`)
  }
}

function boxOf(value: unknown): object {
  return (typeof value === "object" && value !== null) || value === null || value === undefined
    ? refuse("has a $boxed around something that has no box")
    : (Object(value) as object)
}

function textOf(name: string, content: Json): string {
  return typeof content === "string" ? content : refuse(`has a ${name} without a text`)
}

function listOf(name: string, content: Json): readonly Json[] {
  return isList(content) ? content : refuse(`has a ${name} without a list`)
}

function pairOf(name: string, content: Json): readonly [Json, Json] {
  const list = listOf(name, content)
  return list.length === 2 ? (list as readonly [Json, Json]) : refuse(`has a ${name} that does not have two parts`)
}

function fieldsOf(content: Json): { readonly [name: string]: Json } {
  return typeof content === "object" && content !== null && !isList(content)
    ? content
    : refuse("has a form without fields where it needs them")
}

function refuse(reason: string): never {
  throw new CommandFailure("VALUE_FORM", `the value ${reason}`, "See the forms of values in docs/operations.md")
}
