import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { VALUE_DEPTH_MAX } from "../../src/model/limits.ts"
import { ValueDamaged } from "../../src/format/value-damaged.ts"
import { assertSame } from "./same-value.ts"
import { holey, terse, thrownBy, ValueScene } from "./value-scene.ts"

const MEBIBYTE = 1024 * 1024
const circle: Record<string, unknown> = { name: "circle" }
circle["self"] = circle

/** Values that use every tag. */
const values: readonly unknown[] = [
  { id: 4711, name: "user-4711", email: "u4711@example.io", age: 41, score: 1177.875, active: true, ts: 1760000032977 },
  [0, -1, 300, -300, 2 ** 40, 0.5, 0.1, NaN, undefined, null, true, false, 5n, -(2n ** 90n)],
  ["", "short", "é", "x".repeat(64), "x".repeat(256), "東京", "\ud800"],
  [holey(3, { 0: 1, 2: 3 }), Array.from({ length: 20 }, (_, index) => index), { free: 1, form: [{}] }],
  new Map<unknown, unknown>([
    ["a", { b: 1 }],
    [2, new Set([1, "two"])],
  ]),
  [
    new Date(5),
    /a+/gi,
    new Uint8Array([1, 2, 3]),
    new Float64Array([1.5]),
    new ArrayBuffer(2),
    new DataView(new ArrayBuffer(3)),
  ],
  [
    Object(1),
    Object("box"),
    terse(new TypeError("no", { cause: { deep: [1] } })),
    Object.assign(Object.create(null), { a: 1 }),
  ],
  [circle, circle],
]

function taughtScene(): ValueScene {
  const scene = new ValueScene()
  for (const value of values) scene.teach([value])
  return scene
}

/** The value of the bytes, or what is wrong with them. Anything but ValueDamaged comes out. */
function outcomeOf(scene: ValueScene, source: Buffer, start: number, end: number): unknown {
  try {
    return scene.decoder.decode(source, start, end)
  } catch (error) {
    if (error instanceof ValueDamaged) return error.message
    throw error
  }
}

function count(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) + 128)
  }
}

describe("bytes that nobody encoded", () => {
  test("a value cut short anywhere is damaged", () => {
    const scene = taughtScene()
    for (const value of values) {
      const bytes = scene.encode(value)
      for (let size = 0; size < bytes.length; size++) {
        expect(thrownBy(() => scene.decode(bytes.subarray(0, size)))).toBeInstanceOf(ValueDamaged)
      }
    }
  })

  test("bytes behind a value are damage", () => {
    const scene = taughtScene()
    for (const value of values) {
      const bytes = Buffer.concat([scene.encode(value), Buffer.alloc(1)])
      expect(String(thrownBy(() => scene.decode(bytes)))).toMatch(/behind the value/)
    }
  })

  test("any single flipped bit gives a value or ValueDamaged, and looks at nothing outside", () => {
    const scene = taughtScene()
    for (const value of values) {
      const bytes = scene.encode(value)
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const flipped = Buffer.from(bytes)
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const end = 9 + flipped.length
        const among = (fill: number): Buffer => Buffer.concat([Buffer.alloc(9, fill), flipped, Buffer.alloc(99, fill)])
        const outcome = outcomeOf(scene, among(0x00), 9, end)
        // The tag of holes is the one byte that a reader of arrays looks at before anything else.
        assertSame(outcomeOf(scene, among(0xf2), 9, end), outcome)
      }
    }
  })

  test("random bytes give a value or ValueDamaged", () => {
    const scene = taughtScene()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        outcomeOf(scene, Buffer.from(bytes), 0, bytes.length)
      }),
      { numRuns: 20_000 },
    )
  })

  test("tags in any order give a value or ValueDamaged", () => {
    const scene = taughtScene()
    const byte = fc.oneof(fc.integer({ min: 0xc0, max: 0xff }), fc.integer({ min: 0, max: 5 }), fc.constant(0x82))
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), fc.boolean(), (bytes, isShared) => {
        const source = Buffer.from(isShared ? [0xfd, ...bytes] : bytes)
        outcomeOf(scene, source, 0, source.length)
      }),
      { numRuns: 20_000 },
    )
  })

  test("a value outside the buffer is damaged", () => {
    const scene = new ValueScene()
    const source = Buffer.from([1, 1, 1])
    for (const [start, end] of [
      [-1, 2],
      [0, 4],
      [2, 1],
      [3, 3],
      [5, 6],
    ] as const) {
      expect(thrownBy(() => scene.decoder.decode(source, start, end))).toBeInstanceOf(ValueDamaged)
    }
  })

  test("the error says where it stopped", () => {
    const error = thrownBy(() => new ValueScene().decoder.decode(Buffer.from([9, 9, 0xc2, 1, 0xfe]), 2, 5))
    expect(error).toMatchObject({ _tag: "ValueDamaged", offset: 4 })
    expect(String(error)).toMatch(/unknown tag 254 at byte 4/)
    // Not only at the end of the buffer: other records follow.
    expect(String(thrownBy(() => new ValueScene().decode(Buffer.from([0x85, 0x61]))))).toMatch(/end inside 5 bytes/)
  })

  test.each([
    ["nothing", []],
    ["a tag that is not known", [0xfe]],
    ["a shape that is not defined", [0xd0, 0x00]],
    ["an object whose key is no string", [0xf3, 1, 5, 5]],
    ["a date that is no number", [0xf7, 0x81, 0x41]],
    ["a date that is a bigint", [0xf7, 0xea, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["a regular expression that does not parse", [0xf8, 0x81, 0x28, 0x80]],
    ["a regular expression with unknown flags", [0xf8, 0x81, 0x61, 0x81, 0x7a]],
    ["a box around null", [0xfa, 0xe1]],
    ["a box around an object", [0xfa, 0xf3, 0]],
    ["binary data of an unknown kind", [0xf9, 99, 0]],
    ["half an element", [0xf9, 11, 5, 0, 0, 0, 0, 0]],
    ["an error of an unknown type", [0xfb, 0x0f]],
    ["an error whose message is no string", [0xfb, 0x10, 0x05]],
    ["half a UTF-16 character", [0xf0, 1, 0, 0, 0, 0x41]],
    ["a bigint with a sign of 2", [0xeb, 2, 1, 1]],
    ["a count of more than 32 bits", [0xf1, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["a count that does not end", [0xf1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]],
    ["holes outside an array", [0xf2, 1]],
    ["holes in a Set", [0xf6, 1, 0xf2, 1]],
    ["no holes", [0xc1, 0xf2, 0, 1]],
    ["more holes than elements", [0xc2, 0xf2, 3]],
    ["a reference in a value without", [0xfc, 0]],
    ["a reference to what comes later", [0xfd, 0xc2, 0xfc, 1, 0xf3, 0]],
    ["a mark of references inside", [0xc1, 0xfd, 1]],
    ["two marks of references", [0xfd, 0xfd, 1]],
  ])("damage: %s", (_name, bytes) => {
    expect(thrownBy(() => new ValueScene().decode(Buffer.from(bytes)))).toBeInstanceOf(ValueDamaged)
  })
})

describe("bombs", () => {
  test.each([
    ["short arrays", [0xc1]],
    ["long arrays", [0xf1, 1]],
    ["objects", [0xf3, 1, 0x81, 0x61]],
    ["objects without prototype", [0xf4, 1, 0x81, 0x61]],
    ["Map keys", [0xf5, 1]],
    ["Map values", [0xf5, 1, 1]],
    ["Sets", [0xf6, 1]],
    ["dates", [0xf7]],
    ["boxes", [0xfa]],
    ["regular expressions", [0xf8]],
    ["errors", [0xfb, 0x40]],
    ["messages of errors", [0xfb, 0x10]],
    ["shapes", [0xd0, 0x00]],
  ])("a million %s inside each other are damage", (_name, bytes) => {
    const scene = new ValueScene()
    scene.shapes.define(0, ["a"])
    for (const mark of [[], [0xfd]]) {
      const source = Buffer.concat([Buffer.from(mark), Buffer.alloc(bytes.length * 1_000_000, Buffer.from(bytes))])
      expect(thrownBy(() => scene.decoder.decode(source, 0, source.length))).toBeInstanceOf(ValueDamaged)
    }
  })

  test("containers up to the limit are read", () => {
    const bytes = Buffer.concat([Buffer.alloc(VALUE_DEPTH_MAX, 0xc1), Buffer.from([1])])
    expect(JSON.stringify(new ValueScene().decode(bytes))).toHaveLength(2 * VALUE_DEPTH_MAX + 1)
    const deeper = Buffer.concat([Buffer.from([0xc1]), bytes])
    expect(thrownBy(() => new ValueScene().decode(deeper))).toBeInstanceOf(ValueDamaged)
  })

  const size32 = [0xff, 0xff, 0xff, 0xff]
  const sizes: readonly (readonly [string, number[]])[] = [
    ["an array", [0xf1, ...count(2 ** 32 - 1)]],
    ["an array of 30 million", [0xf1, ...count(30_000_000)]],
    ["an object", [0xf3, ...count(2 ** 32 - 1)]],
    ["a Map", [0xf5, ...count(2 ** 32 - 1)]],
    ["a Set", [0xf6, ...count(2 ** 32 - 1)]],
    ["a Latin-1 string", [0xed, ...size32]],
    ["a UTF-8 string", [0xef, ...size32]],
    ["a UTF-16 string", [0xf0, 0xfe, 0xff, 0xff, 0xff]],
    ["a bigint", [0xeb, 0, ...count(2 ** 32 - 1)]],
    ["an ArrayBuffer", [0xf9, 0, ...count(2 ** 32 - 1)]],
    ["a Float64Array", [0xf9, 11, ...count(2 ** 31)]],
    ["a string that is the source of an expression", [0xf8, 0xed, ...size32]],
  ]
  test.each(sizes)("a size of thousands of millions takes no memory: %s", (_name, bytes) => {
    const scene = new ValueScene()
    const source = Buffer.from([...bytes, 1, 1, 1, 1])
    const before = process.memoryUsage()
    for (let time = 0; time < 20; time++) {
      expect(thrownBy(() => scene.decoder.decode(source, 0, source.length))).toBeInstanceOf(ValueDamaged)
    }
    const after = process.memoryUsage()
    expect(after.heapTotal - before.heapTotal).toBeLessThan(64 * MEBIBYTE)
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * MEBIBYTE)
  })

  /** Heap that is held while the value of the bytes is alive, in bytes. */
  function heapOf(scene: ValueScene, source: Buffer): number {
    const before = process.memoryUsage().heapUsed
    const value = scene.decoder.decode(source, 0, source.length)
    const held = process.memoryUsage().heapUsed - before
    expect(value).toBeDefined()
    return held
  }

  test("many small arrays with long holes take little memory", () => {
    const hole = [0xf1, ...count(5001), 0xf2, ...count(5000), 1]
    const source = Buffer.concat([
      Buffer.from([0xf1, ...count(20_000)]),
      Buffer.alloc(hole.length * 20_000, Buffer.from(hole)),
    ])
    // Dense, these would be 20,000 times 40 kB.
    expect(heapOf(new ValueScene(), source)).toBeLessThan(100 * MEBIBYTE)
  })

  test("one array with many long holes takes little memory and ends soon", () => {
    const run = [0xf2, ...count(1000), 1]
    const source = Buffer.concat([
      Buffer.from([0xf1, ...count(1001 * 100_000)]),
      Buffer.alloc(run.length * 100_000, Buffer.from(run)),
    ])
    // Dense, this would be 800 MB.
    expect(heapOf(new ValueScene(), source)).toBeLessThan(200 * MEBIBYTE)
  })

  test("holes of thousands of millions at the end take no memory", () => {
    const source = Buffer.from([0xf1, ...count(2 ** 32 - 1), 1, 0xf2, ...count(2 ** 32 - 2)])
    const scene = new ValueScene()
    expect(heapOf(scene, source)).toBeLessThan(MEBIBYTE)
    expect(scene.decoder.decode(source, 0, source.length)).toHaveLength(2 ** 32 - 1)
  })

  test("nested arrays that all claim the rest of the bytes take little memory", () => {
    const claim = Buffer.from([0xf1, ...count(1_000_000)])
    const source = Buffer.concat([...Array.from({ length: 200 }, () => claim), Buffer.alloc(1_000_100)])
    const scene = new ValueScene()
    const before = process.memoryUsage().heapTotal
    expect(thrownBy(() => scene.decoder.decode(source, 0, source.length))).toBeInstanceOf(ValueDamaged)
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(200 * MEBIBYTE)
  })
})

describe("prototypes", () => {
  const proto = [0x89, ...Buffer.from("__proto__")]
  const polluted = [0xf3, 1, 0x88, ...Buffer.from("polluted"), 1]

  test("fault 29: a field called __proto__ is a field like any other", () => {
    const scene = new ValueScene()
    const value: unknown = JSON.parse('{"a":1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
    for (let time = 0; time < 30; time++) {
      for (const wrapped of [value, [value, value], new Map([[value, value]])]) {
        const back = scene.roundTrip(wrapped)
        assertSame(back, wrapped)
      }
    }
    expect(Reflect.get({}, "polluted")).toBeUndefined()
    expect(scene.shapes.count).toBeGreaterThan(0)
  })

  test.each([
    ["in an object in full", [0xf3, 1, ...proto, ...polluted]],
    ["twice", [0xf3, 2, ...proto, ...polluted, ...proto, ...polluted]],
    ["without a prototype", [0xf4, 1, ...proto, ...polluted]],
    ["where references are", [0xfd, 0xf3, 2, ...proto, ...polluted, 0x81, 0x62, 0xfc, 1]],
  ])("__proto__ %s sets no prototype", (_name, bytes) => {
    const scene = new ValueScene()
    const back = scene.decode(Buffer.from(bytes)) as object
    expect(Object.hasOwn(back, "__proto__")).toBe(true)
    expect([Object.prototype, null]).toContain(Object.getPrototypeOf(back))
    expect(Reflect.get({}, "polluted")).toBeUndefined()
  })

  test("a setter on Object.prototype is not called", () => {
    const scene = new ValueScene()
    let callCount = 0
    const value = { trap: 1, other: 2 }
    const bytes = scene.encode(value)
    const set = (): void => {
      callCount++
    }
    Object.defineProperty(Object.prototype, "trap", { set, configurable: true })
    try {
      for (let time = 0; time < 30; time++) {
        expect(Object.entries(scene.decode(bytes) as object)).toEqual(Object.entries(value))
        expect(Object.entries(scene.roundTrip(value) as object)).toEqual(Object.entries(value))
      }
    } finally {
      Reflect.deleteProperty(Object.prototype, "trap")
    }
    expect(callCount).toBe(0)
  })

  test("names of fields are never code", () => {
    const scene = new ValueScene()
    const names = [
      '"',
      "'",
      "`",
      "\\",
      '"]:1},globalThis.broken=1,{["',
      "${1}",
      "\u2028",
      "a\nb",
      "*/",
      "//",
      "__proto__",
    ]
    const value = Object.fromEntries(names.map((name, index) => [name, index]))
    for (let time = 0; time < 30; time++) assertSame(scene.roundTrip(value), value)
    expect(scene.shapes.count).toBe(1)
    expect(Reflect.get(globalThis, "broken")).toBeUndefined()
  })
})
