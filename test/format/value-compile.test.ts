import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { constructorFor, loopFor } from "../../src/format/shape-constructor.ts"
import { fieldWriterFor, writeFieldsOf } from "../../src/format/shape-fields.ts"
import { compile } from "../../src/format/value-compile.ts"
import { assertSame } from "./same-value.ts"

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
    const read = (source: unknown[]): unknown => source.shift()
    const make = (): unknown[] => names.map((_, index) => ({ index }))
    const generated = constructorFor(names, read)(make())
    assertSame(loopFor(names, read)(make()), generated)
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
