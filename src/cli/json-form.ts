// The JSON form of values, shared by who writes it and who reads it: what JSON has a form for stays as it is; everything
// else is an object with one field whose name begins with "$". docs/operations.md lists the forms. Guarantees: what
// json-form-writer.ts makes of a value, put through JSON.stringify and JSON.parse, json-form-reader.ts makes into a value
// that cannot be told apart from the first, for every value that a store can hold, shared and circular parts included.

/** What JSON.parse gives. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** Whether an object with these fields would be taken for one of the forms. */
export function isForm(fields: object): boolean {
  const names = Object.keys(fields)
  return names.length === 1 && names[0]?.startsWith("$") === true
}

/** Also where the name is `__proto__`. */
export function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

export function isList(form: Json): form is readonly Json[] {
  return Array.isArray(form)
}
