// Writes the field values of the objects of one learnt shape. A generated function has its own property accesses, which
// the engine specialises on the objects of that shape alone: in a loop shared by all shapes each access costs as much as
// writing a number. Where the runtime forbids generated code the loop does the same.

import { type FieldWriter, type WriteFields } from "./shape-tree.ts"
import { compile } from "./value-compile.ts"
import { writeNumber } from "./value-number.ts"
import { TAG_FALSE, TAG_TRUE } from "./value-tags.ts"
import { writeText } from "./value-text.ts"

const { getPrototypeOf } = Object

/** A function that writes the field values of a shape; generated where the runtime allows it. */
export function fieldWriterFor(fields: readonly string[]): WriteFields {
  const statements = fields.map((field) => {
    const name = JSON.stringify(field)
    return `value = object[${name}]
      ${field === fields[0] ? plainCheck : ""}
      if (typeof value === "number") position = writeNumber(target, position, value)
      else if (typeof value === "string") position = writeText(target, position, value)
      else if (typeof value === "boolean") target[position++] = value ? TAG_TRUE : TAG_FALSE
      else position = writer.writeField(target, position, value, depth, ${name}, object)`
  })
  const generated = compile(
    { writeNumber, writeText, getPrototypeOf, plain: Object.prototype, TAG_TRUE, TAG_FALSE },
    `return function writeFields(target, position, object, depth, writer) {
      let value
      ${statements.join("\n")}
      return position
    }`,
  )
  return (generated as WriteFields | undefined) ?? writeFieldsOf(fields)
}

/** Behind the first access, which has made the engine look what kind of object it is, the question costs nothing. */
const plainCheck = "if (getPrototypeOf(object) !== plain) return -1"

/** The same without generated code. */
export function writeFieldsOf(fields: readonly string[]): WriteFields {
  return function writeFields(target, start, object, depth, writer: FieldWriter) {
    if (getPrototypeOf(object) !== Object.prototype) return -1
    let position = start
    for (const field of fields) position = writer.writeField(target, position, object[field], depth, field, object)
    return position
  }
}
