import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { constructorFor, loopFor } from "../../src/format/shape-constructor.ts"
import { fieldWriterFor, writeFieldsOf } from "../../src/format/shape-fields.ts"
import { ShapeRegistry } from "../../src/format/shape-registry.ts"
import { compile } from "../../src/format/value-compile.ts"
import { ValueCursor } from "../../src/format/value-cursor.ts"
import type { Construct } from "../../src/format/value-cursor.ts"
import { readValue } from "../../src/format/value-reader.ts"
import { ValueDamaged } from "../../src/format/value-damaged.ts"
import { assertSame } from "./same-value.ts"
import { thrownBy, ValueScene } from "./value-scene.ts"

const script = fileURLToPath(new URL("./value-without-generated-code.ts", import.meta.url))

function run(...flags: string[]): unknown {
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, script], { encoding: "utf8" })
  return stdout.startsWith("{") ? JSON.parse(stdout) : stderr
}

describe("generated code", () => {
  test("where the runtime forbids it, bytes and values are the same", () => {
    expect(run("--disallow-code-generation-from-strings")).toEqual({ isForbidden: true, differences: [] })
  })

  test("where it is allowed, the same script finds the same", () => {
    expect(run()).toEqual({ isForbidden: false, differences: [] })
  })

  test("a function is made from its text and the values that it names", () => {
    const add = compile({ one: 1 }, "return function add(other) { return one + other }") as (other: number) => number
    expect(add(2)).toBe(3)
  })

  test("a mistake in the text is an error, not a forbidden function", () => {
    expect(() => compile({}, "return (")).toThrow(SyntaxError)
  })
})

const names = ["a", "__proto__", "constructor", '"]: alert(1), ["', "\n", "7", ""]

describe("loops and generated functions", () => {
  test("make equal objects", () => {
    const bytes = Buffer.from(names.map((_, index) => index + 1))
    const construct = (make: Construct): object => {
      const cursor = new ValueCursor(new ShapeRegistry())
      cursor.begin(bytes, 0, bytes.length)
      return make(cursor)
    }
    const generated = construct(constructorFor(names, [...bytes], readValue))
    assertSame(construct(loopFor(names, readValue)), generated)
    assertSame(construct(constructorFor(names, [], readValue)), generated)
    expect(Object.keys(generated)).toEqual(["7", ...names.filter((name) => name !== "7")])
  })

  test("write equal fields, and refuse what is not plain", () => {
    const values = [1, "two", true, false, null, 0.1, undefined]
    const writer = {
      writeField: (target: Buffer, position: number, value: unknown, depth: number, field: string): number => {
        const text = `${field}=${String(value)}@${depth}`
        return position + target.write(text, position)
      },
    }
    const object = Object.fromEntries(names.map((name, index) => [name, values[index]]))
    const written = [fieldWriterFor(names), writeFieldsOf(names)].map((writeFields) => {
      const target = Buffer.alloc(500)
      const end = writeFields(target, 3, object, 2, writer)
      expect(writeFields(target, 3, Object.assign(Object.create(null), object), 2, writer)).toBe(-1)
      return [end > 3, target[0]]
    })
    expect(written[0]).toEqual(written[1])
  })
})

/** A value of every kind that generated functions know, at the edges of its kind, and some that they leave to others. */
const samples: readonly unknown[] = [
  [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, -1, -256, -257, -(2 ** 31), -0],
  [2 ** 47 - 1, -(2 ** 47), 2 ** 47, 0.5, 0.1, -1.5e300, Number.NaN, Number.POSITIVE_INFINITY],
  ["", "a", "é", "x".repeat(32), "x".repeat(33), "x".repeat(63), "x".repeat(64), "x".repeat(300), "€", "\ud800"],
  [true, false, null, undefined, 7n, [1], { inner: 1 }, new Date(5), new Map([[1, 2]])],
].flat()

describe("generated readers", () => {
  test("read every kind of value in a field, whatever the field held when they were made", () => {
    for (const before of samples) {
      const scene = new ValueScene()
      scene.teach({ first: before, second: before })
      for (const now of samples) {
        assertSame(scene.roundTrip({ first: now, second: before }), { first: now, second: before })
        assertSame(scene.roundTrip({ first: before, second: now }), { first: before, second: now })
      }
    }
  })

  test("look at nothing behind the end of the value", () => {
    for (const sample of samples) {
      const scene = new ValueScene()
      const object = { first: sample, second: sample }
      scene.teach(object)
      const bytes = scene.encode(object)
      for (let size = 0; size < bytes.length; size++) {
        expect(thrownBy(() => scene.decode(bytes.subarray(0, size)))).toBeInstanceOf(ValueDamaged)
      }
    }
  })

  test("read objects of more fields than are read by code of their own", () => {
    const scene = new ValueScene()
    const wide = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`field${index}`, samples[index % 30]]))
    scene.teach(wide)
    assertSame(scene.roundTrip(wide), wide)
  })
})
