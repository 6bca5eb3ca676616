// Makes the objects of one learnt shape from the values that follow in the bytes. A generated object literal takes a
// third of the time of a loop of assignments; where the runtime forbids generated code the loop does the same.

import { compile } from "./value-compile.ts"

/** Makes one object by reading its field values in order from whatever `Source` is. */
export type Construct<Source> = (source: Source) => object

/** Sets an own property whatever the prototype has under that name: a setter such as `__proto__` is never called. */
export function setField(object: Record<string, unknown>, field: string, value: unknown): void {
  if (field in object)
    Object.defineProperty(object, field, { value, writable: true, enumerable: true, configurable: true })
  else object[field] = value
}

/** A function that makes the objects of a shape; generated where the runtime allows it. */
export function constructorFor<Source>(
  fields: readonly string[],
  read: (source: Source) => unknown,
): Construct<Source> {
  const properties = fields.map((field) => `${propertyName(field)}: read(source)`)
  const generated = compile({ read }, `return function construct(source) { return { ${properties.join(", ")} } }`)
  return (generated as Construct<Source> | undefined) ?? loopFor(fields, read)
}

/** The name as it stands in an object literal. Without brackets this one name would set the prototype. */
function propertyName(field: string): string {
  return field === "__proto__" ? '["__proto__"]' : JSON.stringify(field)
}

/** The same without generated code. */
export function loopFor<Source>(fields: readonly string[], read: (source: Source) => unknown): Construct<Source> {
  return function construct(source: Source): object {
    const object: Record<string, unknown> = {}
    for (const field of fields) setField(object, field, read(source))
    return object
  }
}
