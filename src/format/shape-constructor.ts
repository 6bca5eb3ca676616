// Makes the objects of one learnt shape from the values that follow in the bytes. A generated function reads the commonest
// values itself, each field the kind of value that it had when the function was made, and leaves every other to the
// general reader; its object literal takes a third of the time of a loop of assignments. Where the runtime forbids
// generated code a loop does the same.

import { compile } from "./value-compile.ts"
import type { Construct, ValueCursor } from "./value-cursor.ts"
import { readFloat32, readFloat64, readInteger48 } from "./value-number.ts"
import {
  TAG_FALSE,
  TAG_FLOAT_32,
  TAG_FLOAT_64,
  TAG_INTEGER_32,
  TAG_INTEGER_48,
  TAG_INTEGER_END,
  TAG_TEXT_SHORT,
  TAG_TEXT_SHORT_END,
  TAG_TRUE,
  TAG_UNSIGNED_16,
  TEXT_SHORT_SIZE_MAX,
} from "./value-tags.ts"
import { readLatin1 } from "./value-text.ts"

/** Fields of a shape that are read by code of their own; the ones behind, of very wide objects, go the general way. */
const INLINE_FIELD_COUNT_MAX = 64

/** Reads the value that the cursor stands before, whatever it is. */
type Read = (cursor: ValueCursor) => unknown

/** Sets an own property whatever the prototype has under that name: a setter such as `__proto__` is never called. */
export function setField(object: Record<string, unknown>, field: string, value: unknown): void {
  if (field in object)
    Object.defineProperty(object, field, { value, writable: true, enumerable: true, configurable: true })
  else object[field] = value
}

/**
 * A function that makes the objects of a shape; generated where the runtime allows it. `tags` are those that the field
 * values of one such object had: the function is fastest for objects like it, and right for all.
 */
export function constructorFor(fields: readonly string[], tags: readonly number[], read: Read): Construct {
  const statements = fields.map((_, index) =>
    readStatement(index, index < INLINE_FIELD_COUNT_MAX ? tags[index] : undefined),
  )
  const properties = fields.map((field, index) => `${propertyName(field)}: v${index}`)
  const generated = compile(
    { read, readLatin1, readInteger48, readFloat32, readFloat64 },
    `return function construct(cursor) {
      const source = cursor.source
      const end = cursor.end
      let position = cursor.position
      let tag = 0
      ${statements.join("\n")}
      cursor.position = position
      return { ${properties.join(", ")} }
    }`,
  )
  return (generated as Construct | undefined) ?? loopFor(fields, read)
}

/** Reads the field with that number into a variable. Nothing from `end` on is looked at. */
function readStatement(index: number, observed: number | undefined): string {
  const value = `v${index}`
  const fallback = `{ cursor.position = position; ${value} = read(cursor); position = cursor.position }`
  const ways = waysFor(observed).map(
    ({ test, size, expression }) =>
      `if (${test} && position + ${size} <= end) { ${value} = ${expression}; position += ${size} }`,
  )
  const first = `let ${value}; tag = position < end ? source[position] : -1`
  return `${first}\n${[...ways, fallback].join(" else ")}`
}

interface Way {
  /** Whether a tag is of this kind. */
  readonly test: string
  /** Bytes of the value with its tag. */
  readonly size: string
  readonly expression: string
}

const byte = (at: number): string => `source[position + ${at}]`

const integers: readonly Way[] = [
  { test: `tag >= 0 && tag < ${TAG_INTEGER_END}`, size: "1", expression: "tag" },
  { test: `tag === ${TAG_UNSIGNED_16}`, size: "3", expression: `${byte(1)} | (${byte(2)} << 8)` },
  {
    test: `tag === ${TAG_INTEGER_32}`,
    size: "5",
    expression: `${byte(1)} | (${byte(2)} << 8) | (${byte(3)} << 16) | (${byte(4)} << 24)`,
  },
]

const texts: readonly Way[] = [
  {
    test: `tag >= ${TAG_TEXT_SHORT} && tag < ${TAG_TEXT_SHORT_END}`,
    size: `1 + (tag & ${TEXT_SHORT_SIZE_MAX})`,
    expression: `readLatin1(source, position + 1, tag & ${TEXT_SHORT_SIZE_MAX})`,
  },
]

const booleans: readonly Way[] = [
  { test: `(tag === ${TAG_TRUE} || tag === ${TAG_FALSE})`, size: "1", expression: `tag === ${TAG_TRUE}` },
]

/** By tag, the numbers that a field either has often or never. */
const wideNumbers: ReadonlyMap<number, Way> = new Map(
  [
    { tag: TAG_INTEGER_48, size: 7, name: "readInteger48" },
    { tag: TAG_FLOAT_32, size: 5, name: "readFloat32" },
    { tag: TAG_FLOAT_64, size: 9, name: "readFloat64" },
  ].map(({ tag, size, name }) => [
    tag,
    { test: `tag === ${tag}`, size: String(size), expression: `${name}(source, position + 1)` },
  ]),
)

/** The kinds of value that a field is tried for, one of which had that tag. */
function waysFor(tag: number | undefined): readonly Way[] {
  if (tag === undefined) return []
  if (tag < TAG_INTEGER_END || tag === TAG_UNSIGNED_16 || tag === TAG_INTEGER_32) return integers
  if (tag < TAG_TEXT_SHORT_END) return texts
  if (tag === TAG_TRUE || tag === TAG_FALSE) return booleans
  const wide = wideNumbers.get(tag)
  return wide === undefined ? [] : [wide]
}

/** The name as it stands in an object literal. Without brackets this one name would set the prototype. */
function propertyName(field: string): string {
  return field === "__proto__" ? '["__proto__"]' : JSON.stringify(field)
}

/** The same without generated code. */
export function loopFor(fields: readonly string[], read: Read): Construct {
  return function construct(cursor: ValueCursor): object {
    const object: Record<string, unknown> = {}
    for (const field of fields) setField(object, field, read(cursor))
    return object
  }
}
