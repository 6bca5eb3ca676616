// Plain data as text: a canonical form by which two values are compared, whatever the order of their keys, and a short one
// for people.

import { inspect } from "node:util"

const SHOWN_LENGTH_MAX = 2_000
const SHOWN_DEPTH_MAX = 8

/** Equal for values with equal content: own enumerable keys in any order, prototypes left aside. Requires: no cycles. */
export function canonicalText(value: unknown): string {
  if (value === null || typeof value !== "object") {
    if (typeof value === "string") return JSON.stringify(value)
    return Object.is(value, -0) ? "-0" : `${typeof value}:${String(value)}`
  }
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`
  if (value instanceof Date) return `Date(${value.getTime()})`
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => `${canonicalText(key)}=>${canonicalText(item)}`)
    return `Map{${entries.toSorted().join(",")}}`
  }
  if (value instanceof Set) return `Set{${[...value].map(canonicalText).toSorted().join(",")}}`
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    return `bytes(${Buffer.from(bytes).toString("hex")})`
  }
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`)
  return `{${entries.toSorted().join(",")}}`
}

/** Whether a copy of it is as good: no functions, no symbols, nothing of a class of somebody's own. */
export function isPlainData(value: unknown): boolean {
  if (value === null || typeof value !== "object") return typeof value !== "function" && typeof value !== "symbol"
  if (Array.isArray(value)) return value.every(isPlainData)
  if (value instanceof Date || ArrayBuffer.isView(value)) return true
  if (value instanceof Map) return [...value].every(isPlainData)
  if (value instanceof Set) return [...value].every(isPlainData)
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === null || prototype === Object.prototype) && Object.values(value).every(isPlainData)
}

/** For a report: on one line where it fits. */
export function shownText(value: unknown, lengthMax: number = SHOWN_LENGTH_MAX): string {
  const text = inspect(withPrototypes(value, SHOWN_DEPTH_MAX), {
    depth: SHOWN_DEPTH_MAX,
    breakLength: 100,
    sorted: false,
    maxArrayLength: 40,
    maxStringLength: 200,
  })
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)} … (${text.length} characters)`
}

/** Objects without a prototype, as generators make them, would be shown with a word about it each. */
function withPrototypes(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth === 0) return value
  if (Array.isArray(value)) return value.map((item) => withPrototypes(item, depth - 1))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withPrototypes(item, depth - 1)]))
}
