// Values of every kind that can be stored, nested, with objects in several places and inside themselves.

import fc from "fast-check"

const fieldName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("id", "name", "a", "b", "c", "tags") },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "toString", "0", "17", "", "\ud800", "größe") },
)

const text = fc.oneof(
  fc.string({ maxLength: 70 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: fc.constantFrom("ÿ", "é", "a", "\u0100"), maxLength: 300 }),
  fc.array(fc.integer({ min: 0xd700, max: 0xe100 }), { maxLength: 5 }).map((units) => String.fromCharCode(...units)),
)

const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.integer({ min: -300, max: 300 }),
  fc.maxSafeInteger(),
  fc.float(),
  fc
    .tuple(fc.constantFrom(7, 8, 15, 16, 24, 31, 32, 47, 48, 53), fc.integer({ min: -2, max: 2 }), fc.boolean())
    .map(([power, offset, isNegative]) => (2 ** power + offset) * (isNegative ? -1 : 1)),
)

const primitive = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, NaN),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
)

/** What binary data is looked at through. */
export const viewConstructors: readonly (new (memory: ArrayBuffer) => object)[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
]

const builtin = fc.oneof(
  fc.date({ noInvalidDate: false }),
  fc.constantFrom(/a+/g, /[^x]\/(?<x>.)/dsu, new RegExp("")),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => bytes.slice().buffer),
  fc
    .tuple(fc.constantFrom(...viewConstructors), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .map(([constructor, bytes]) => new constructor(bytes.slice().buffer)),
  fc.oneof(text, number, fc.boolean(), fc.bigInt()).map((value): unknown => Object(value)),
)

/** A value as a plan: leaves, containers of plans, and places where an object that came before stands again. */
export type Plan =
  | { readonly kind: "leaf"; readonly value: unknown }
  | { readonly kind: "again"; readonly choice: number }
  | { readonly kind: "object" | "bare"; readonly fields: readonly (readonly [string, Plan])[] }
  | { readonly kind: "array"; readonly items: readonly (Plan | undefined)[]; readonly gap: number }
  | { readonly kind: "map"; readonly entries: readonly (readonly [Plan, Plan])[] }
  | { readonly kind: "set"; readonly items: readonly Plan[] }
  | { readonly kind: "error"; readonly message: string; readonly cause: Plan | undefined }

export const anyPlan: fc.Arbitrary<Plan> = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 6, arbitrary: primitive.map((value): Plan => ({ kind: "leaf", value })) },
    { weight: 1, arbitrary: builtin.map((value): Plan => ({ kind: "leaf", value })) },
    { weight: 1, arbitrary: fc.nat(40).map((choice): Plan => ({ kind: "again", choice })) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom("object" as const, "object" as const, "bare" as const),
        fields: fc.array(fc.tuple(fieldName, tie("plan")), { maxLength: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("array" as const),
        items: fc.array(fc.option(tie("plan"), { nil: undefined, freq: 8 }), { maxLength: 18 }),
        gap: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(2 ** 32 - 20) }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("map" as const),
        entries: fc.array(fc.tuple(tie("plan"), tie("plan")), { maxLength: 4 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("set" as const), items: fc.array(tie("plan"), { maxLength: 4 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("error" as const),
        message: fc.string(),
        cause: fc.option(tie("plan"), { nil: undefined }),
      }),
    },
  ),
})).plan

/** Builds the value; objects are known from the moment they exist, so that parts may refer to what they are part of. */
export function build(plan: Plan, met: object[]): unknown {
  switch (plan.kind) {
    case "leaf":
      if (typeof plan.value === "object" && plan.value !== null) met.push(plan.value)
      return plan.value
    case "again":
      return met.length === 0 ? undefined : met[plan.choice % met.length]
    case "object":
    case "bare": {
      const object: Record<string, unknown> = plan.kind === "object" ? {} : (Object.create(null) as typeof object)
      met.push(object)
      for (const [name, part] of plan.fields) {
        const value = build(part, met)
        Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
      }
      return object
    }
    case "array": {
      const array: unknown[] = []
      met.push(array)
      for (const [index, item] of plan.items.entries()) if (item !== undefined) array[index] = build(item, met)
      array.length = plan.items.length
      if (plan.gap > 0) array[plan.gap + array.length] = "far"
      return array
    }
    case "map": {
      const map = new Map<unknown, unknown>()
      met.push(map)
      for (const [key, value] of plan.entries) map.set(build(key, met), build(value, met))
      return map
    }
    case "set": {
      const set = new Set<unknown>()
      met.push(set)
      for (const item of plan.items) set.add(build(item, met))
      return set
    }
    case "error": {
      const error = new RangeError(plan.message)
      error.stack = "at the property"
      met.push(error)
      if (plan.cause !== undefined) {
        Object.defineProperty(error, "cause", { value: build(plan.cause, met), writable: true, configurable: true })
      }
      return error
    }
  }
}
