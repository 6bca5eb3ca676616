// The JSON form of values: everything that a store can hold goes out and comes back the same.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { fromJsonForm } from "../../src/cli/json-form-reader.ts"
import { toJsonForm } from "../../src/cli/json-form-writer.ts"
import type { Json } from "../../src/cli/json-form.ts"
import { assertSame } from "../format/same-value.ts"
import { viewConstructors } from "../property/any-value.ts"

function thereAndBack(value: unknown): unknown {
  return fromJsonForm(JSON.parse(JSON.stringify(toJsonForm(value))) as Json)
}

const name = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.constantFrom("$date", "$object", "$same", "$", "__proto__", "constructor", "7", "", "\ud800", "\\", "\n", "\\u"),
)

const primitive = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("\ud800", "$date", "NaN"),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.bigInt(),
  fc.constantFrom<unknown>(null, undefined, -0, NaN, Infinity, -Infinity),
)

const builtin = fc.oneof(
  fc.date({ noInvalidDate: false }),
  fc.constantFrom<unknown>(/a\/+/gu, new RegExp("")),
  fc.uint8Array({ maxLength: 9 }).map((bytes): unknown => bytes.slice().buffer),
  fc
    .tuple(fc.constantFrom(...viewConstructors), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .map(([View, bytes]): unknown => new View(bytes.slice().buffer)),
  fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.bigInt()).map((value): unknown => Object(value)),
)

/** Values, with the objects made so far standing again in other places, also inside themselves. */
const { value: plan } = fc.letrec<{ value: (met: object[]) => unknown }>((tie) => {
  const part = tie("value")
  const known = <T extends object>(met: object[], object: T): T => {
    met.push(object)
    return object
  }
  const define = (object: object, fields: readonly (readonly [string, unknown])[]): object => {
    for (const [field, value] of fields) {
      Object.defineProperty(object, field, { value, writable: true, enumerable: true, configurable: true })
    }
    return object
  }
  return {
    value: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      primitive.map((value) => () => value),
      builtin.map((value) => (met: object[]) => known(met, value as object)),
      fc.nat().map((choice) => (met: object[]) => (met.length === 0 ? choice : met[choice % met.length])),
      fc
        .tuple(fc.boolean(), fc.array(fc.tuple(name, part), { maxLength: 4 }))
        .map(([isBare, fields]) => (met: object[]) => {
          const object = known(met, isBare ? (Object.create(null) as object) : {})
          return define(
            object,
            fields.map(([field, make]) => [field, make(met)] as const),
          )
        }),
      fc
        .tuple(fc.array(fc.option(part, { freq: 6 }), { maxLength: 5 }), fc.constantFrom(0, 0, 3, 4_000_000_000))
        .map(([items, gap]) => (met: object[]) => {
          const array = known(met, new Array<unknown>())
          for (const [index, make] of items.entries()) if (make !== null) array[index] = make(met)
          array.length = items.length + gap
          return array
        }),
      fc.array(fc.tuple(part, part), { maxLength: 3 }).map((entries) => (met: object[]) => {
        const map = known(met, new Map<unknown, unknown>())
        for (const [key, value] of entries) map.set(key(met), value(met))
        return map
      }),
      fc.array(part, { maxLength: 3 }).map((items) => (met: object[]) => {
        const set = known(met, new Set<unknown>())
        for (const make of items) set.add(make(met))
        return set
      }),
      fc
        .tuple(fc.constantFrom(Error, RangeError, TypeError), fc.string(), fc.option(part))
        .map(([Kind, message, cause]) => (met: object[]) => {
          const error = known(met, new Kind(message))
          error.stack = "at the test"
          if (cause === null) return error
          return Object.defineProperty(error, "cause", { value: cause(met), writable: true, configurable: true })
        }),
    ),
  }
})

test("every value comes back the same through its text", () => {
  let longest = 0
  fc.assert(
    fc.property(plan, (make) => {
      const value = make([])
      longest = Math.max(longest, JSON.stringify(toJsonForm(value)).length)
      assertSame(thereAndBack(value), value)
    }),
    { numRuns: 3_000 },
  )
  expect(longest).toBeGreaterThan(300)
})

test("what JSON has a form for stays as it is", () => {
  const value = { text: "ä", list: [1, -2.5, true, null, { $a: 1, b: 2 }], empty: {}, none: [] }
  expect(toJsonForm(value)).toEqual(value)
  expect(fromJsonForm(value)).toEqual(value)
})

test.each<[what: string, value: unknown, form: Json]>([
  ["undefined", undefined, { $undefined: true }],
  ["NaN", NaN, { $number: "NaN" }],
  ["minus zero", -0, { $number: "-0" }],
  ["a bigint", 2n ** 64n, { $bigint: "18446744073709551616" }],
  ["a date", new Date(0), { $date: "1970-01-01T00:00:00.000Z" }],
  ["an invalid date", new Date(NaN), { $date: null }],
  ["a map", new Map([["a", 1]]), { $map: [["a", 1]] }],
  ["a set", new Set([1]), { $set: [1] }],
  ["bytes", new Uint8Array([1, 2, 3]), { $bytes: ["Uint8Array", "AQID"] }],
  ["a regular expression", /a/g, { $regexp: ["a", "g"] }],
  ["a boxed string", Object("a"), { $boxed: "a" }],
  ["an array with a hole", Object.assign(new Array(2), [1], { length: 2 }), { $sparse: [2, [[0, 1]]] }],
  [
    "an object with a name that JSON escapes",
    { "\n": 1, a: 2 },
    {
      $object: [
        ["\n", 1],
        ["a", 2],
      ],
    },
  ],
  ["an object that looks like a form", { $date: 1 }, { $object: { $date: 1 } }],
])("the form of %s is as documented", (_what, value, form) => {
  expect(toJsonForm(value)).toEqual(form)
  assertSame(fromJsonForm(form), value)
})

test("an object in two places, and inside itself, stays one object", () => {
  const shared = { n: 1 }
  const value: Record<string, unknown> = { left: shared, right: shared }
  value["self"] = value
  expect(toJsonForm(value)).toEqual({
    $same: [0, { left: { $same: [1, { n: 1 }] }, right: { $again: 1 }, self: { $again: 0 } }],
  })
  assertSame(thereAndBack(value), value)
})

describe("text from outside is refused when it has", () => {
  test.each<[what: string, form: Json]>([
    ["an unknown form", { $dote: 1 }],
    ["a number that JSON has", { $number: "1" }],
    ["a bigint without digits", { $bigint: "12x" }],
    ["a date that is none", { $date: "yesterday" }],
    ["Base64 that is none", { $bytes: ["Uint8Array", "A*"] }],
    ["an array that ends inside an element", { $bytes: ["Float64Array", "AQID"] }],
    ["a kind of bytes that does not exist", { $bytes: ["Object", ""] }],
    ["a reference to what was not there", [{ $again: 0 }]],
    ["a number that is given twice", [{ $same: [0, {}] }, { $same: [0, {}] }]],
    ["an error of no type", { $error: { type: "Function" } }],
    ["a sparse array with an index outside of it", { $sparse: [1, [[1, "a"]]] }],
    ["a regular expression that cannot be made", { $regexp: ["(", ""] }],
    ["a map of no pairs", { $map: [1] }],
  ])("%s", (_what, form) => {
    expect(() => fromJsonForm(form)).toThrow(expect.objectContaining({ code: "VALUE_FORM" }))
  })

  test("no end of nesting", () => {
    const text = `${"[".repeat(5_000)}${"]".repeat(5_000)}`
    expect(() => fromJsonForm(JSON.parse(text) as Json)).toThrow("nested too deeply")
  })
})
