import { createContext, runInContext } from "node:vm"
import { describe, expect, test } from "vitest"
import { assertSame } from "./same-value.ts"
import { thrownBy, ValueScene } from "./value-scene.ts"

/** Values that structuredClone gives back as they are, and the codec too. */
const values: Readonly<Record<string, unknown>> = {
  date: new Date(1_760_000_000_123),
  "date before 1970": new Date(-1),
  "earliest date": new Date(-8.64e15),
  "invalid date": new Date(NaN),
  "empty Map": new Map(),
  "Map in insertion order": new Map<unknown, unknown>([
    ["b", 1],
    ["a", { deep: new Map([[NaN, null]]) }],
    [0, undefined],
  ]),
  "Set in insertion order": new Set<unknown>(["z", { a: 1 }, NaN, "a"]),
  "regular expression": /a(?<name>b)+\/[\u{1F600}]/giu,
  "empty regular expression": new RegExp(""),
  "regular expression with all flags": /x/dgimsuy,
  "empty ArrayBuffer": new ArrayBuffer(0),
  ArrayBuffer: new Uint8Array([1, 2, 3]).buffer,
  DataView: new DataView(new Uint8Array([9, 8, 7]).buffer),
  Int8Array: new Int8Array([-1, 2]),
  Uint8Array: new Uint8Array(300).fill(7),
  Uint8ClampedArray: new Uint8ClampedArray([255]),
  Int16Array: new Int16Array([-30_000]),
  Uint16Array: new Uint16Array([60_000]),
  Int32Array: new Int32Array([-(2 ** 31)]),
  Uint32Array: new Uint32Array([2 ** 32 - 1]),
  Float32Array: new Float32Array([0.5, -0, NaN]),
  Float64Array: new Float64Array([0.1, -0, NaN]),
  BigInt64Array: new BigInt64Array([-1n]),
  BigUint64Array: new BigUint64Array([2n ** 64n - 1n]),
  "boxed number": Object(-0),
  "boxed string": Object("abc"),
  "boxed lone surrogate": Object("\ud800"),
  "boxed boolean": Object(false),
  "boxed bigint": Object(2n ** 70n),
  "error without a message": new Error(),
  "error with an empty message": new Error(""),
  "error with a cause": new TypeError("broken", { cause: { code: 7 } }),
  "error with an undefined cause": new RangeError("broken", { cause: undefined }),
  errors: [new EvalError("a"), new ReferenceError("b"), new SyntaxError("c"), new URIError("d")],
  "error with a name of its own": Object.assign(new Error("m"), { name: "Custom" }),
  "error whose name is that of another type": Object.assign(new Error("m"), { name: "RangeError" }),
  "error with a message that is no string": Object.assign(new Error("m"), { message: 7 }),
  "error with properties of its own": Object.assign(new Error("m"), { code: "ENOENT" }),
  "error of a class of its own": new (class NotFound extends RangeError {})("m"),
  "many errors": new AggregateError([new Error("one")], "several"),
}

describe("as structuredClone", () => {
  test.each(Object.entries(values))("%s", (_name, value) => {
    const scene = new ValueScene()
    for (const wrapped of [value, [value, value], { value }]) {
      assertSame(scene.roundTrip(wrapped), structuredClone(wrapped))
    }
  })

  test("Float16Array, where the runtime has it", () => {
    const constructor: unknown = Reflect.get(globalThis, "Float16Array")
    if (typeof constructor !== "function") return expect(constructor).toBeUndefined()
    const array: unknown = Reflect.construct(constructor, [[1.5, -0, 65_504]])
    assertSame(new ValueScene().roundTrip(array), structuredClone(array))
  })

  test("lastIndex of a regular expression is not kept", () => {
    const expression = /a/g
    expression.lastIndex = 5
    assertSame(new ValueScene().roundTrip(expression), structuredClone(expression))
  })

  test("an error whose stack was taken away", () => {
    const error = new Error("m")
    Reflect.deleteProperty(error, "stack")
    error.stack = 5 as unknown as string
    assertSame(new ValueScene().roundTrip(error), structuredClone(error))
  })

  test("an error that is its own cause", () => {
    const error = new Error("m")
    Object.defineProperty(error, "cause", { value: error, writable: true, configurable: true })
    assertSame(new ValueScene().roundTrip(error), structuredClone(error))
  })

  test("properties of plain objects that are not enumerable are no part of the value", () => {
    const value = Object.defineProperty({ a: 1 }, "hidden", { value: 2, enumerable: false })
    assertSame(new ValueScene().roundTrip(value), structuredClone(value))
  })
})

describe("unlike structuredClone", () => {
  test("a Buffer comes back as the Uint8Array that it is", () => {
    const back = new ValueScene().roundTrip(Buffer.from("orrery"))
    assertSame(back, new Uint8Array(Buffer.from("orrery")))
  })

  test("of a view only the bytes that it shows are kept", () => {
    const { buffer } = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7])
    const scene = new ValueScene()
    const back = scene.roundTrip([new Uint16Array(buffer, 2, 2), new DataView(buffer, 3, 1)]) as ArrayBufferView[]
    expect(back[0]?.buffer.byteLength).toBe(4)
    assertSame(back[0], new Uint16Array(new Uint8Array([2, 3, 4, 5]).buffer))
    assertSame(back[1], new DataView(new Uint8Array([3]).buffer))
  })

  test("views of one buffer come back with memory of their own", () => {
    const memory = new ArrayBuffer(4)
    const [left, right] = new ValueScene().roundTrip([new Uint8Array(memory), new Uint8Array(memory)]) as Uint8Array[]
    expect(left?.buffer).not.toBe(right?.buffer)
  })

  test("of a resizable buffer the bytes are kept", () => {
    const memory = new ArrayBuffer(3, { maxByteLength: 10 })
    new Uint8Array(memory).set([1, 2, 3])
    const back = new ValueScene().roundTrip([memory, new Uint8Array(memory)])
    assertSame(back, [new Uint8Array([1, 2, 3]).buffer, new Uint8Array([1, 2, 3])])
  })
})

describe("refused, with the place", () => {
  class User {
    name = "Ada"
  }
  const withSymbol = { a: 1, [Symbol("tag")]: 2 }
  const detached = new ArrayBuffer(4)
  const detachedView = new Uint8Array(detached)
  structuredClone(detached, { transfer: [detached] })
  const shrunk = new ArrayBuffer(8, { maxByteLength: 8 })
  const shrunkView = new DataView(shrunk, 4, 4)
  shrunk.resize(2)
  const shared = new SharedArrayBuffer(4)
  const generator = (function* () {
    yield 1
  })()
  const revoked = Proxy.revocable({}, {})

  const refusals: readonly (readonly [name: string, value: unknown, path: string, words: RegExp])[] = [
    ["a function", () => 1, "$", /is a function/],
    ["a symbol", Symbol("s"), "$", /is a symbol/],
    ["a field", { address: { lines: ["a", "b", Symbol("s")] } }, "$.address.lines[2]", /is a symbol/],
    ["a field with a strange name", { "first name": () => 1 }, '$["first name"]', /is a function/],
    ["a field with an empty name", { "": () => 1 }, '$[""]', /is a function/],
    ["a field with a name of many letters", { größe_1: () => 1 }, "$.größe_1", /is a function/],
    ["a key of a Map", { tags: new Map([[() => 1, 1]]) }, "$.tags<Map key 0>", /is a function/],
    [
      "a value of a Map",
      new Map<unknown, unknown>([
        ["a", 1],
        ["b", { c: () => 1 }],
      ]),
      "$<Map value 1>.c",
      /function/,
    ],
    ["an item of a Set", [new Set([1, [() => 1]])], "$[0]<Set item 1>[0]", /is a function/],
    ["the cause of an error", { error: new Error("m", { cause: [() => 1] }) }, "$.error.cause[0]", /is a function/],
    ["an object keyed by a symbol", { a: withSymbol }, "$.a[Symbol(tag)]", /keyed by a symbol/],
    ["an array keyed by a symbol", Object.assign([1], withSymbol, { a: undefined }), "$.a", /named property/],
    ["an array with a named property", { list: Object.assign([1, 2], { total: 3 }) }, "$.list.total", /named property/],
    ["a match of a regular expression", { found: /b/.exec("abc") }, "$.found.groups", /named property/],
    ["a Date with a property", Object.assign(new Date(0), { zone: "UTC" }), "$.zone", /named property/],
    ["a Map with a property", [Object.assign(new Map(), { "my name": 1 })], '$[0]["my name"]', /named property/],
    ["a boxed string with a property", Object.assign(Object("ab"), { c: 1 }), "$.c", /named property/],
    ["an instance of a class", { user: new User() }, "$.user", /instance of User/],
    ["an array of a class", new (class List extends Array {})(), "$", /instance of List/],
    ["a Map of a class", new (class Index extends Map {})(), "$", /instance of Index/],
    ["bytes of a class", new (class Bytes extends Uint8Array {})(2), "$", /instance of Bytes/],
    ["an object that inherits from another", Object.create({ a: 1 }), "$", /another realm|prototype/],
    ["an object that only looks like a Date", Object.create(Date.prototype), "$", /instance of Date/],
    ["an object that only looks like a Map", Object.create(Map.prototype), "$", /instance of Map/],
    ["an object that only looks like an Error", Object.create(Error.prototype), "$", /instance of Error/],
    ["an object that only looks like bytes", Object.create(Uint8Array.prototype), "$", /instance of Uint8Array/],
    ["an object that only looks like a box", Object.create(Number.prototype), "$", /instance of Number/],
    [
      "an object whose constructor throws",
      Object.create({
        get constructor(): never {
          throw new Error("no")
        },
      }),
      "$",
      /prototype/,
    ],
    ["an object of another realm", runInContext("({ a: 1 })", createContext()), "$", /another realm/],
    ["a boxed symbol", Object(Symbol("s")), "$", /instance of Symbol/],
    ["a Promise", { later: Promise.resolve(1) }, "$.later", /is a Promise/],
    ["a WeakMap", new WeakMap(), "$", /instance of WeakMap/],
    ["a WeakSet", new WeakSet(), "$", /instance of WeakSet/],
    ["a WeakRef", new WeakRef({}), "$", /instance of WeakRef/],
    ["a generator", { generator }, "$.generator", /cannot be given back/],
    ["a SharedArrayBuffer", shared, "$", /others may change/],
    ["a view of a SharedArrayBuffer", [new Uint8Array(shared)], "$[0]", /shared memory/],
    ["a detached buffer", detached, "$", /detached/],
    ["a view of a detached buffer", { a: detachedView }, "$.a", /detached/],
    ["a view outside its buffer", shrunkView, "$", /outside its buffer/],
    ["a URL", new URL("https://example.org"), "$", /instance of URL/],
    ["a DOMException", new DOMException("m", "AbortError"), "$", /instance of DOMException/],
  ]

  test.each(refusals)("%s", (_name, value, path, words) => {
    const scene = new ValueScene()
    const error = thrownBy(() => scene.encode(value))
    expect(error).toMatchObject({ _tag: "ValueRefused", path })
    expect(String(error)).toMatch(words)
    expect(scene.roundTrip({ after: [1] })).toEqual({ after: [1] })
  })

  test("the place is the same once the shapes on the way are learnt", () => {
    const scene = new ValueScene()
    scene.teach({ user: { name: "Ada", address: { city: "London" } } })
    const error = thrownBy(() => scene.encode({ user: { name: "Ada", address: { city: () => "London" } } }))
    expect(error).toMatchObject({ path: "$.user.address.city" })
    expect(thrownBy(() => scene.encode({ user: withSymbol }))).toMatchObject({ path: "$.user[Symbol(tag)]" })
    scene.teach({ a: 1 })
    expect(thrownBy(() => scene.encode([withSymbol]))).toMatchObject({ path: "$[0][Symbol(tag)]" })
    expect(thrownBy(() => scene.encode([Object.assign(new User(), { name: "x" })]))).toMatchObject({ path: "$[0]" })
  })

  test("an instance of a class whose fields are a learnt shape is refused", () => {
    const scene = new ValueScene()
    scene.teach({ name: "Ada" })
    expect(thrownBy(() => scene.encode(new User()))).toMatchObject({ _tag: "ValueRefused", path: "$" })
  })

  test("a long path is cut in the middle, a long name at its end", () => {
    const scene = new ValueScene()
    let value: unknown = () => 1
    for (let index = 0; index < 100; index++) value = { [`f${index}`]: value }
    const error = thrownBy(() => scene.encode(value)) as { path: string }
    expect(error.path).toMatch(/^\$\.f99\.f98.*….*\.f1\.f0$/)
    const long = thrownBy(() => scene.encode({ ["x".repeat(1000)]: () => 1 })) as { path: string }
    expect(long.path.length).toBeLessThan(100)
  })

  test("a revoked proxy is a TypeError of the language", () => {
    revoked.revoke()
    expect(thrownBy(() => new ValueScene().encode(revoked.proxy))).toBeInstanceOf(TypeError)
  })
})
