import { describe, expect, test } from "vitest"
import { LimitExceeded } from "../../src/model/errors.ts"
import { VALUE_DEPTH_MAX, VALUE_SIZE_MAX } from "../../src/model/limits.ts"
import { assertSame } from "./same-value.ts"
import { holey, terse, thrownBy, ValueScene } from "./value-scene.ts"

const record = {
  id: 4711,
  name: "user-4711",
  email: "u4711@example.io",
  age: 41,
  score: 1177.875,
  active: true,
  ts: 1760000032977,
}

const numbers: readonly number[] = [
  // Each side of each border between encodings.
  0,
  -0,
  1,
  127,
  128,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 47 - 1,
  2 ** 47,
  2 ** 53,
  -1,
  -256,
  -257,
  -(2 ** 31),
  -(2 ** 31) - 1,
  -(2 ** 47),
  -(2 ** 47) - 1,
  0.5,
  0.1,
  16_777_217,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  Infinity,
  -Infinity,
  NaN,
]
const powers = [0n, 1n, 2n ** 63n, 2n ** 64n, 2n ** 1000n, 10n ** 3000n]
const bigints = powers.flatMap((power) => [power - 1n, power, power + 1n, -power, -power - 1n])
const texts = ["a", "ÿ", "é", "東"].flatMap((letter) =>
  [0, 1, 22, 23, 63, 64, 85, 86, 255, 256].map((size) => letter.repeat(size)),
)
texts.push("Zoë", "東京", "🪐 orrery", "\u0000", "\ud800", "a\udc00b", `${"y".repeat(300)}\udfff`, "é".repeat(40_000))
const primitives: readonly unknown[] = [undefined, null, true, false, ...numbers, ...bigints, ...texts]

describe("round trips", () => {
  test("every primitive value comes back as it was", () => {
    const scene = new ValueScene()
    for (const value of primitives) assertSame(scene.roundTrip(value), value)
  })

  test("every primitive value comes back from inside arrays, objects, Maps and Sets", () => {
    const scene = new ValueScene()
    const fields = Object.fromEntries(primitives.map((value, index) => [`field${index}`, value]))
    for (const value of [primitives, fields, new Map(Object.entries(fields)), new Set(primitives)]) {
      for (let time = 0; time < 20; time++) assertSame(scene.roundTrip(value), value)
    }
  })

  test("the order of fields survives, also where another order is a learnt shape", () => {
    const scene = new ValueScene()
    scene.teach({ a: 1, b: 2 })
    expect(Object.keys(scene.roundTrip({ b: 1, a: 2 }) as object)).toEqual(["b", "a"])
    expect(Object.keys(scene.roundTrip({ 7: 1, 3: 2, x: 3 }) as object)).toEqual(["3", "7", "x"])
  })

  test("an undefined field is not a missing one", () => {
    const scene = new ValueScene()
    for (const value of [{ a: undefined }, {}, { a: undefined, b: null }]) {
      for (let time = 0; time < 20; time++) assertSame(scene.roundTrip(value), value)
    }
  })

  test("an object without a prototype comes back without one", () => {
    const scene = new ValueScene()
    scene.teach({ a: 1 })
    const bare = Object.assign(Object.create(null) as object, { a: 1 })
    assertSame(scene.roundTrip(bare), bare)
  })

  test("holes of arrays stay holes, few or four thousand million", () => {
    const scene = new ValueScene()
    const arrays = [
      holey(3, { 0: 1, 2: 3 }),
      holey(3, { 0: undefined, 2: undefined }),
      holey(1, {}),
      holey(15, {}),
      holey(16, {}),
      holey(1000, {}),
      holey(100_000, { 70_000: "far" }),
      holey(4_294_967_295, { 70: "early", 4_294_967_294: "last" }),
      holey(4_294_967_295, { 0: 1 }),
    ]
    for (const array of arrays) assertSame(scene.roundTrip(array), array)
  })

  test("one object in two places comes back as one object", () => {
    const scene = new ValueScene()
    const shared = { x: 1 }
    const date = new Date(7)
    const value = { list: [shared, shared], map: new Map<unknown, unknown>([[shared, date]]), date }
    for (let time = 0; time < 20; time++) assertSame(scene.roundTrip(value), value)
  })

  test("cycles close again through every kind of container", () => {
    const scene = new ValueScene()
    const object: Record<string, unknown> = { before: 1 }
    const error = new Error("in a circle", { cause: object })
    Object.assign(object, {
      self: object,
      array: [object],
      map: new Map([[object, object]]),
      set: new Set([object]),
      error,
    })
    for (let time = 0; time < 20; time++) assertSame(scene.roundTrip(object), object)
  })

  test("a thousand objects that all occur twice stay a thousand", () => {
    const scene = new ValueScene()
    const once = Array.from({ length: 1000 }, (_, index) => ({ index }))
    const value = [...once, ...once.toReversed()]
    assertSame(scene.roundTrip(value), value)
  })

  test("equal objects that are not the same stay apart", () => {
    const scene = new ValueScene()
    const [left, right] = scene.roundTrip([{ x: 1 }, { x: 1 }]) as [object, object]
    expect(left).not.toBe(right)
  })

  test("getters are read, and what they give is stored", () => {
    const scene = new ValueScene()
    const value = {
      get a(): number {
        return 5
      },
    }
    expect(scene.roundTrip(value)).toEqual({ a: 5 })
    expect(scene.roundTrip([value, value])).toEqual([{ a: 5 }, { a: 5 }])
  })

  test("a proxy of a plain object or an array is stored as what it shows", () => {
    const scene = new ValueScene()
    expect(scene.roundTrip(new Proxy({ a: 1 }, {}))).toEqual({ a: 1 })
    expect(scene.roundTrip(new Proxy([1, 2], {}))).toEqual([1, 2])
  })

  test("enumerable properties that somebody put on Object.prototype are not stored", () => {
    const scene = new ValueScene()
    scene.teach({ a: 1, inherited: 2 })
    scene.teach({ a: 1 })
    Object.defineProperty(Object.prototype, "inherited", { value: 2, enumerable: true, configurable: true })
    try {
      const bytes = scene.encode({ a: 1 })
      Reflect.deleteProperty(Object.prototype, "inherited")
      expect(scene.decode(bytes)).toEqual({ a: 1 })
    } finally {
      Reflect.deleteProperty(Object.prototype, "inherited")
    }
  })
})

describe("bytes", () => {
  test("a record of a learnt shape takes 46 bytes, where JSON takes 116", () => {
    const scene = new ValueScene()
    scene.teach(record)
    expect(scene.encode(record).length).toBe(46)
    expect(JSON.stringify(record).length).toBe(116)
  })

  test("the bytes depend on the value and the registry, not on what was encoded in between", () => {
    const scene = new ValueScene()
    const value = { record, list: [record, { other: 1 }] }
    scene.teach(value)
    const before = scene.encode(value)
    for (let index = 0; index < 300; index++) scene.encode({ [`key${index}`]: index, list: [index] })
    expect(scene.encode(value)).toEqual(before)
  })

  test("another registry that was given the same shapes makes and reads the same bytes", () => {
    const scene = new ValueScene()
    scene.teach(record)
    const other = new ValueScene()
    for (const { id, fields } of scene.shapes.takePending()) other.shapes.define(id, fields)
    expect(other.encode(record)).toEqual(scene.encode(record))
    expect(other.decode(scene.encode(record))).toEqual(record)
  })

  test("only a value that holds an object twice has the mark of references, whatever came before", () => {
    const scene = new ValueScene()
    const shared = {}
    expect(scene.encode([shared, shared])[0]).toBe(0xfd)
    expect(scene.encode([shared, 1])).toEqual(Buffer.from([0xc2, 0xf3, 0, 1]))
    expect(scene.encode(1)).toEqual(Buffer.from([1]))
  })

  test("every NaN makes the same bytes", () => {
    const scene = new ValueScene()
    const odd = new Float64Array(new BigUint64Array([0xfff8_0000_dead_beefn]).buffer)[0]
    expect(scene.encode(odd)).toEqual(scene.encode(NaN))
  })
})

describe("room", () => {
  const values: readonly unknown[] = [
    ...primitives.filter((value) => typeof value !== "string" || value.length < 1000),
    record,
    [record, record],
    { a: { b: [1, "two", { c: new Map([[1, new Set(["x".repeat(70)])]]) }] } },
    new Uint8Array(300),
    holey(3, { 0: 1, 2: 3 }),
    [new Date(5), /re/g, terse(new Error("no")), Object("box"), 2n ** 80n],
  ]

  test("too little room gives -1, whatever is missing, and nothing before the start is touched", () => {
    const scene = new ValueScene()
    for (const value of values) {
      scene.teach([value])
      const bytes = scene.encode(value)
      const target = Buffer.alloc(8 + bytes.length, 0xaa)
      const failed = Array.from({ length: bytes.length }, (_, room) => room).filter(
        (room) => scene.encoder.encode(value, target.subarray(0, 8 + room), 8) !== -1,
      )
      expect(failed).toEqual([])
      expect(target.subarray(0, 8)).toEqual(Buffer.alloc(8, 0xaa))
    }
  })

  test("a value that just fits is written", () => {
    const scene = new ValueScene()
    for (const value of values) {
      scene.teach([value])
      const bytes = scene.encode(value)
      const target = Buffer.alloc(8 + bytes.length, 0xaa)
      expect(scene.encoder.encode(value, target, 8)).toBe(target.length)
      expect(target.subarray(8)).toEqual(bytes)
    }
  })

  test("what lies behind the place where room ended is not read", () => {
    const scene = new ValueScene()
    let readCount = 0
    const last = {
      get seen(): number {
        return readCount++
      },
    }
    const long = "x".repeat(100)
    for (const value of [[long, 1, last], { long, free: 1, last }, [new Set([long, 1, last])]]) {
      expect(scene.encoder.encode(value, Buffer.alloc(50), 0)).toBe(-1)
    }
    expect(readCount).toBe(0)
  })

  test("a value that met no room is encoded anew as if nothing had been", () => {
    const scene = new ValueScene()
    const shared = { a: 1 }
    const value = { shared, again: [shared] }
    expect(scene.encoder.encode(value, Buffer.alloc(6), 0)).toBe(-1)
    assertSame(scene.roundTrip(value), value)
    assertSame(scene.roundTrip([shared]), [shared])
  })
})

describe("limits", () => {
  function nested(depth: number): unknown {
    let value: unknown = 1
    for (let index = 0; index < depth; index++) value = index % 2 === 0 ? [value] : { value }
    return value
  }

  test("fault 31: a value may be as deep as the limit, and no deeper", () => {
    const scene = new ValueScene()
    const deepest = nested(VALUE_DEPTH_MAX)
    assertSame(scene.roundTrip(deepest), deepest)
    const error = thrownBy(() => scene.encode(nested(VALUE_DEPTH_MAX + 1)))
    expect(error).toBeInstanceOf(LimitExceeded)
    expect(error).toMatchObject({ limit: VALUE_DEPTH_MAX, actual: VALUE_DEPTH_MAX + 1 })
  })

  test("causes of errors count as depth", () => {
    const scene = new ValueScene()
    let error = new Error("first")
    for (let index = 0; index < VALUE_DEPTH_MAX; index++) error = new Error("next", { cause: error })
    expect(thrownBy(() => scene.encode(error))).toBeInstanceOf(LimitExceeded)
  })

  test("a value over the size limit is refused, however much room there is", () => {
    const scene = new ValueScene()
    const target = Buffer.alloc(VALUE_SIZE_MAX + 1000)
    const bytes = new Uint8Array(VALUE_SIZE_MAX)
    for (const value of ["x".repeat(VALUE_SIZE_MAX), bytes, [bytes], 1n << BigInt(8 * VALUE_SIZE_MAX)]) {
      const error = thrownBy(() => scene.encoder.encode(value, target, 10))
      expect(error).toBeInstanceOf(LimitExceeded)
      expect(error).toMatchObject({ limit: VALUE_SIZE_MAX })
    }
  })

  test("a value of exactly the size limit is kept", () => {
    const scene = new ValueScene()
    const target = Buffer.alloc(VALUE_SIZE_MAX)
    const text = "x".repeat(VALUE_SIZE_MAX - 5)
    expect(scene.encoder.encode(text, target, 0)).toBe(VALUE_SIZE_MAX)
    expect(scene.decoder.decode(target, 0, VALUE_SIZE_MAX)).toBe(text)
  })

  test("an array of millions of numbers stops at the limit", () => {
    const scene = new ValueScene()
    const target = Buffer.alloc(VALUE_SIZE_MAX + 1000)
    expect(thrownBy(() => scene.encoder.encode(new Array(2_000_000).fill(0.1), target, 0))).toBeInstanceOf(
      LimitExceeded,
    )
  })
})

describe("the user's code inside a value", () => {
  test("a getter that encodes is told so, and the encoder goes on", () => {
    const scene = new ValueScene()
    const value = {
      get inner(): unknown {
        return scene.encode({ other: 1 })
      },
    }
    expect(thrownBy(() => scene.encode(value))).toBeInstanceOf(TypeError)
    expect(scene.roundTrip({ fine: true })).toEqual({ fine: true })
  })

  test("what a getter throws comes out as it is, and leaves no trace", () => {
    const scene = new ValueScene()
    const shared = { x: 1 }
    const failure = new Error("from the getter")
    const value = {
      shared,
      get bad(): never {
        throw failure
      },
    }
    expect(thrownBy(() => scene.encode(value))).toBe(failure)
    assertSame(scene.roundTrip([shared, 1]), [shared, 1])
  })

  test("a getter that changes the object does not break the bytes", () => {
    const scene = new ValueScene()
    const make = (): Record<string, unknown> => ({
      get a(): number {
        delete this["b"]
        this["c"] = 3
        return 1
      },
      b: 2,
    })
    for (let time = 0; time < 20; time++) expect(scene.roundTrip(make())).toEqual({ a: 1, b: undefined })
  })

  test("a getter that shortens or lengthens the array around it does not break the bytes", () => {
    const scene = new ValueScene()
    const change = (length: number): unknown[] => {
      const array: unknown[] = [0, 1, 2]
      Object.defineProperty(array, 0, { get: () => ((array.length = length), "got"), enumerable: true })
      return array
    }
    assertSame(scene.roundTrip(change(1)), holey(3, { 0: "got" }))
    assertSame(scene.roundTrip(change(9)), ["got", 1, 2])
  })

  test("a Map or Set that changes while it is read is refused", () => {
    const scene = new ValueScene()
    const map = new Map<unknown, unknown>()
    map.set("a", {
      get b(): unknown {
        return map.set({}, 1)
      },
    })
    expect(thrownBy(() => scene.encode(map))).toMatchObject({ _tag: "ValueRefused", path: "$" })
    const set = new Set<unknown>()
    set.add({
      get b(): unknown {
        return set.clear()
      },
    })
    expect(thrownBy(() => scene.encode({ set }))).toMatchObject({ _tag: "ValueRefused", path: "$.set" })
  })
})
