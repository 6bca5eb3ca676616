// Equality as strict as a program can tell: kinds, prototypes, order of properties and entries, holes, -0 and NaN, and
// which objects are one object. Says where two values differ, so that a failed property test explains itself.

/** The path of the first difference, with what differs, or undefined where the values cannot be told apart. */
export function differenceOf(actual: unknown, expected: unknown): string | undefined {
  return compare(actual, expected, "$", { actual: new Map(), expected: new Map() })
}

/** Throws unless the values cannot be told apart. For loops: `expect` takes longer than the codec. */
export function assertSame(actual: unknown, expected: unknown): void {
  const difference = differenceOf(actual, expected)
  if (difference !== undefined) throw new Error(`the values differ at ${difference}`)
}

/** The objects met on each side, with the number of their first meeting. */
interface Met {
  readonly actual: Map<object, number>
  readonly expected: Map<object, number>
}

function compare(actual: unknown, expected: unknown, path: string, met: Met): string | undefined {
  if (!isObject(actual) || !isObject(expected)) {
    return Object.is(actual, expected) ? undefined : `${path}: ${show(actual)} is not ${show(expected)}`
  }
  const actualNumber = met.actual.get(actual)
  const expectedNumber = met.expected.get(expected)
  if (actualNumber !== expectedNumber) return `${path}: object ${actualNumber} is not object ${expectedNumber}`
  if (actualNumber !== undefined) return undefined
  met.actual.set(actual, met.actual.size)
  met.expected.set(expected, met.expected.size)
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return `${path}: the prototypes differ`
  const parts = partsOf(expected)
  const actualParts = partsOf(actual)
  if (actualParts.length !== parts.length) {
    return `${path}: ${actualParts.length} parts are not ${parts.length}: ${names(actualParts)} / ${names(parts)}`
  }
  for (const [index, [name, value]] of parts.entries()) {
    const [actualName, actualValue] = actualParts[index] as Part
    if (actualName !== name) return `${path}: ${actualName} stands where ${name} should`
    const difference = compare(actualValue, value, `${path}${name}`, met)
    if (difference !== undefined) return difference
  }
  return undefined
}

type Part = readonly [name: string, value: unknown]

/** Everything that can be seen of an object, in order. */
function partsOf(object: object): readonly Part[] {
  const parts: Part[] = [[" kind", Object.prototype.toString.call(object)]]
  if (object instanceof Date) parts.push([" time", object.getTime()])
  else if (object instanceof RegExp) parts.push([" source", object.source], [" flags", object.flags])
  else if (object instanceof Map) {
    for (const [index, [key, value]] of [...object].entries()) parts.push([`<${index}`, key], [`>${index}`, value])
  } else if (object instanceof Set) {
    for (const [index, item] of [...object].entries()) parts.push([`<${index}>`, item])
  } else if (object instanceof ArrayBuffer) parts.push([" bytes", Buffer.from(object).toString("hex")])
  else if (ArrayBuffer.isView(object)) {
    const { buffer, byteOffset, byteLength } = object
    parts.push([" bytes", Buffer.from(buffer, byteOffset, byteLength).toString("hex")])
    return parts
  } else if (isBox(object)) parts.push([" value", object.valueOf()])
  else if (object instanceof Error) parts.push([" stack", object.stack])
  for (const name of Reflect.ownKeys(object)) {
    if (object instanceof Error && name === "stack") continue
    const property = Object.getOwnPropertyDescriptor(object, name) as PropertyDescriptor
    const { enumerable, writable, configurable } = property
    parts.push([`.${String(name)} (${enumerable}, ${writable}, ${configurable})`, property.value])
  }
  return parts
}

function isBox(object: object): boolean {
  return [Number, String, Boolean, BigInt].some((constructor) => object instanceof constructor)
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null
}

function names(parts: readonly Part[]): string {
  return parts
    .map(([name]) => name)
    .join(" ")
    .slice(0, 200)
}

function show(value: unknown): string {
  if (Object.is(value, -0)) return "-0"
  return typeof value === "string" ? JSON.stringify(value).slice(0, 80) : String(value).slice(0, 80)
}
