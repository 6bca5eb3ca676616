import { describe, expect, test } from "vitest"
import { ValueDamaged } from "../../src/format/value-damaged.ts"
import { decodeShapeFields, encodeShapeFields, ShapeRegistry } from "../../src/format/shape-registry.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { SHAPE_COUNT_MAX, SHAPE_FIELD_COUNT_MAX } from "../../src/model/limits.ts"
import { assertSame } from "./same-value.ts"
import { thrownBy, ValueScene } from "./value-scene.ts"

function objectOf(fieldCount: number, prefix = "field"): Record<string, number> {
  return Object.fromEntries(Array.from({ length: fieldCount }, (_, index) => [`${prefix}${index}`, index]))
}

describe("definitions", () => {
  test("a shape is there under its number, and defining it again changes nothing", () => {
    const shapes = new ShapeRegistry()
    shapes.define(7, ["a", "b"])
    shapes.define(7, ["a", "b"])
    expect(shapes.count).toBe(1)
    expect(shapes.fieldsOf(7)).toEqual(["a", "b"])
    expect(shapes.fieldsOf(6)).toBeUndefined()
    expect(shapes.fieldsOf(8)).toBeUndefined()
    expect(shapes.hasPending).toBe(false)
  })

  test.each([
    ["other fields under the same number", 7, ["b", "a"]],
    ["more fields under the same number", 7, ["a", "b", "c"]],
    ["a number over the limit", SHAPE_COUNT_MAX, ["a"]],
    ["a negative number", -1, ["a"]],
    ["half a number", 0.5, ["a"]],
    ["no fields", 8, []],
    ["the same field twice", 8, ["a", "a"]],
    ["too many fields", 8, Object.keys(objectOf(SHAPE_FIELD_COUNT_MAX + 1))],
  ])("%s is a broken invariant", (_name, id, fields) => {
    const shapes = new ShapeRegistry()
    shapes.define(7, ["a", "b"])
    expect(thrownBy(() => shapes.define(id, fields))).toBeInstanceOf(InvariantViolation)
    expect(shapes.count).toBe(1)
  })

  test("two numbers with the same fields are both read, and the first is written", () => {
    const scene = new ValueScene()
    scene.shapes.define(3, ["a"])
    scene.shapes.define(9, ["a"])
    expect(scene.encode({ a: 1 })).toEqual(Buffer.from([0xd0, 3, 1]))
    expect(scene.decode(Buffer.from([0xd0, 9, 1]))).toEqual({ a: 1 })
  })

  test("clear forgets everything, also what encoders and decoders remember", () => {
    const scene = new ValueScene()
    scene.teach({ a: 1, b: 2 })
    const bytes = scene.encode({ a: 1, b: 2 })
    scene.shapes.clear()
    expect(scene.shapes.count).toBe(0)
    expect(scene.shapes.hasPending).toBe(false)
    expect(thrownBy(() => scene.decode(bytes))).toBeInstanceOf(ValueDamaged)
    scene.shapes.define(0, ["b", "a"])
    expect(scene.decode(bytes)).toEqual({ b: 1, a: 2 })
    expect(scene.encode({ a: 1, b: 2 })[0]).toBe(0xf3)
  })
})

describe("learning", () => {
  test("a list of fields becomes a shape when it is seen for the second time", () => {
    const scene = new ValueScene()
    const inFull = scene.encode({ a: 1, b: 2 })
    expect(scene.shapes.count).toBe(0)
    expect(scene.shapes.hasPending).toBe(false)
    const shaped = scene.encode({ a: 1, b: 2 })
    expect(scene.shapes.count).toBe(1)
    expect(scene.shapes.hasPending).toBe(true)
    expect(shaped).toEqual(Buffer.from([0xd0, 0, 1, 2]))
    expect(scene.decode(inFull)).toEqual(scene.decode(shaped))
  })

  test("definitions are taken once, and given back when their write was abandoned", () => {
    const scene = new ValueScene()
    for (const object of [{ a: 1 }, { a: 1 }, { b: 1 }, { b: 1 }]) scene.encode(object)
    const taken = scene.shapes.takePending()
    expect(taken).toEqual([
      { id: 0, fields: ["a"] },
      { id: 1, fields: ["b"] },
    ])
    expect(scene.shapes.hasPending).toBe(false)
    expect(scene.shapes.takePending()).toEqual([])
    for (const object of [{ c: 1 }, { c: 1 }]) scene.encode(object)
    scene.shapes.restorePending(taken)
    expect(scene.shapes.hasPending).toBe(true)
    expect(scene.shapes.takePending().map(({ id }) => id)).toEqual([0, 1, 2])
  })

  test("taking nothing always gives the same empty list", () => {
    const shapes = new ShapeRegistry()
    expect(shapes.takePending()).toBe(shapes.takePending())
    shapes.restorePending([])
    expect(shapes.hasPending).toBe(false)
  })

  test("giving back what the registry does not know is a broken invariant", () => {
    expect(thrownBy(() => new ShapeRegistry().restorePending([{ id: 0, fields: ["a"] }]))).toBeInstanceOf(
      InvariantViolation,
    )
  })

  test("new shapes get numbers behind those that the log defined", () => {
    const scene = new ValueScene()
    scene.shapes.define(5, ["a"])
    scene.teach({ b: 1 })
    expect(scene.shapes.takePending()).toEqual([{ id: 6, fields: ["b"] }])
  })

  test("objects with as many fields as the limit are learnt, with more they are not", () => {
    const scene = new ValueScene()
    for (const fieldCount of [SHAPE_FIELD_COUNT_MAX, SHAPE_FIELD_COUNT_MAX + 1]) {
      const object = objectOf(fieldCount)
      for (let time = 0; time < 20; time++) assertSame(scene.roundTrip(object), object)
    }
    expect(scene.shapes.count).toBe(1)
  })

  test("shapes that begin alike are told apart, whatever came before", () => {
    const scene = new ValueScene()
    const objects = [1, 2, 16, 17, 18, 32, 33].map((fieldCount) => objectOf(fieldCount))
    objects.push({ field0: 1, other: 2 }, { other: 1, field0: 2 })
    for (let time = 0; time < 20; time++) {
      for (const object of [...objects, ...objects.toReversed()]) {
        assertSame(scene.roundTrip(object), object)
      }
    }
    expect(scene.shapes.count).toBe(objects.length)
  })

  test.each([
    ["no fields", {}],
    ["numbers as fields", { 17: 1, name: 2 }],
    ["a field that is not well-formed", { ["\ud800"]: 1 }],
    ["names of many thousand characters", { ["x".repeat(5000)]: 1 }],
  ])("an object with %s is never learnt, and kept all the same", (_name, object) => {
    const scene = new ValueScene()
    for (let time = 0; time < 20; time++) assertSame(scene.roundTrip(object), object)
    expect(scene.shapes.count).toBe(0)
  })

  test("when the registry is full, further shapes are written in full", () => {
    const scene = new ValueScene()
    for (let id = 0; id < SHAPE_COUNT_MAX - 1; id++) scene.shapes.define(id, [`field${id}`, "x"])
    scene.teach({ last: 1, one: 2 })
    expect(scene.shapes.takePending()).toEqual([{ id: SHAPE_COUNT_MAX - 1, fields: ["last", "one"] }])
    scene.teach({ too: 1, late: 2 })
    expect(scene.shapes.count).toBe(SHAPE_COUNT_MAX)
    expect(scene.shapes.hasPending).toBe(false)
    expect(scene.roundTrip({ too: 1, late: 2 })).toEqual({ too: 1, late: 2 })
    expect(scene.roundTrip({ last: 1, one: 2 })).toEqual({ last: 1, one: 2 })
    expect(scene.encode({ last: 1, one: 2 })).toEqual(Buffer.from([0xdf, 0xff, 1, 2]))
  })

  test("the fuller the registry, the more often a list must be seen", () => {
    const scene = new ValueScene()
    for (let id = 0; id < 512; id++) scene.shapes.define(id, [`field${id}`])
    const learntAfter = [1, 2, 3, 4, 5].find(() => (scene.encode({ late: 1 }), scene.shapes.hasPending))
    expect(learntAfter).toBe(4)
  })
})

describe("objects that serve as dictionaries", () => {
  let next = 0
  const dictionary = (): Record<string, number> =>
    Object.fromEntries(Array.from({ length: 8 }, () => [`key${next++}`, next]))

  test("twenty thousand of them teach nothing", () => {
    const scene = new ValueScene()
    for (let index = 0; index < 20_000; index++) scene.encode(dictionary())
    expect(scene.shapes.count).toBe(0)
  })

  test.each([700, 2000])("%i that are all stored again and again teach nothing", (count) => {
    const scene = new ValueScene()
    const dictionaries = Array.from({ length: count }, dictionary)
    for (let time = 0; time < 40; time++) for (const object of dictionaries) scene.encode(object)
    expect(scene.shapes.count).toBe(0)
  })

  test("a shape among them is learnt all the same", () => {
    const scene = new ValueScene()
    for (let index = 0; index < 5000; index++) scene.encode(dictionary())
    for (let index = 0; index < 5000; index++) {
      scene.encode(dictionary())
      scene.encode({ id: index, name: "x" })
    }
    expect(scene.shapes.count).toBe(1)
    expect(scene.shapes.fieldsOf(0)).toEqual(["id", "name"])
  })

  test("known shapes stay in use while learning pauses", () => {
    const scene = new ValueScene()
    scene.teach({ id: 1, name: "x" })
    for (let index = 0; index < 5000; index++) scene.encode(dictionary())
    expect(scene.encode({ id: 1, name: "x" })).toEqual(Buffer.from([0xd0, 0, 1, 0x81, 0x78]))
  })
})

describe("the fields of a shape as bytes", () => {
  const lists = [
    ["a"],
    ["first name", "größe", "__proto__", "", "東京"],
    Object.keys(objectOf(128)),
    ["x".repeat(65_535)],
  ]

  test("come back as they were, from between other bytes", () => {
    for (const fields of lists) {
      const target = Buffer.alloc(70_000, 0xee)
      const end = encodeShapeFields(fields, target, 3)
      expect(decodeShapeFields(target, 3, end)).toEqual(fields)
      expect(target.subarray(0, 3)).toEqual(Buffer.alloc(3, 0xee))
      expect(target[end]).toBe(0xee)
    }
  })

  test("are a count and the names with their sizes", () => {
    const target = Buffer.alloc(20)
    const end = encodeShapeFields(["ab", "ö"], target, 0)
    expect(target.subarray(0, end).toString("hex")).toBe("0200" + "02006162" + "0200c3b6")
  })

  test("that do not fit give an end behind the target", () => {
    expect(encodeShapeFields(["abc"], Buffer.alloc(6), 0)).toBe(7)
    expect(encodeShapeFields(["abc"], Buffer.alloc(1), 0)).toBe(7)
  })

  test("cut short anywhere, or with bytes behind them, are damaged", () => {
    const target = Buffer.alloc(100)
    const end = encodeShapeFields(["first", "second"], target, 0)
    for (let cut = 0; cut <= 20; cut++) {
      if (cut === end) continue
      expect(thrownBy(() => decodeShapeFields(target, 0, cut))).toBeInstanceOf(ValueDamaged)
    }
  })

  test.each([
    ["no fields", "0000"],
    ["too many fields", "8100" + "0000".repeat(129)],
    ["the same field twice", "0200" + "010061" + "010061"],
  ])("%s are damage", (_name, hex) => {
    const bytes = Buffer.from(hex, "hex")
    expect(thrownBy(() => decodeShapeFields(bytes, 0, bytes.length))).toBeInstanceOf(ValueDamaged)
  })

  test("outside the buffer are damaged", () => {
    const bytes = Buffer.from("0100010061", "hex")
    expect(thrownBy(() => decodeShapeFields(bytes, -1, 5))).toBeInstanceOf(ValueDamaged)
    expect(thrownBy(() => decodeShapeFields(bytes, 0, 6))).toBeInstanceOf(ValueDamaged)
  })
})
