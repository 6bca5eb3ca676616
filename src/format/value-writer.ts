// Writes one value, depth first. Guarantees: the bytes depend on the value and on the learnt shapes only; nothing before
// the start is touched; an object met twice is written once and referred to. Stores past the end of the target are
// ignored by the language, so room is checked once a container and at the very end, not once a byte.
//
// Getters and proxies run the user's code in here. Whatever they do to the objects meanwhile, the result is well-formed
// bytes or a refusal.

import { LimitExceeded, ValueRefused } from "../model/errors.ts"
import { VALUE_DEPTH_MAX, VALUE_SIZE_MAX } from "../model/limits.ts"
import { fieldWriterFor } from "./shape-fields.ts"
import { type ShapeRegistry } from "./shape-registry.ts"
import { writeBuiltin } from "./value-builtin-writer.ts"
import { farEnd, isIndex, nearEnd } from "./value-holes.ts"
import { writeBigint, writeCount, writeNumber } from "./value-number.ts"
import { instanceText, pathText, STEP_ELEMENT, STEP_FIELD, stepText } from "./value-path.ts"
import {
  ARRAY_SHORT_LENGTH_MAX,
  TAG_ARRAY,
  TAG_ARRAY_SHORT,
  TAG_FALSE,
  TAG_HOLES,
  TAG_NULL,
  TAG_OBJECT,
  TAG_OBJECT_NULL,
  TAG_REFERENCE,
  TAG_SHAPED,
  TAG_TRUE,
  TAG_UNDEFINED,
} from "./value-tags.ts"
import { writeText } from "./value-text.ts"

/** Thrown when the target is full. Made once: it carries nothing, and a stack trace would cost more than the value. */
export const NO_ROOM: Error = new Error("the target is full")

/** Objects that are compared one by one with those met before; with more, a Map finds them. */
const SCAN_COUNT_MAX = 24
/** Times a shape is written in a loop before a function is generated for it. */
const WRITES_BEFORE_FUNCTION = 8

type Fields = Record<string, unknown>

const { getPrototypeOf, getOwnPropertySymbols, hasOwn } = Object

export class ValueWriter {
  readonly #shapes: ShapeRegistry

  // Changed only while a value is written, between `begin` and `release`.

  /** Whether TAG_REFERENCE was written. */
  hasReferences = false
  /** Where writing must stop, and whether that is the limit of a value's size. */
  #start = 0
  #stop = 0
  /** The objects met so far in the order of their tags; `#seenIndex` instead once there are many. */
  readonly #seen: (object | undefined)[] = []
  #seenCount = 0
  #seenIndex: Map<object, number> | undefined = undefined
  /** The way to the value that is being written: one step a container. */
  readonly #steps: (string | number)[] = new Array<string | number>(VALUE_DEPTH_MAX + 2).fill(0)
  readonly #stepKinds: Uint8Array = new Uint8Array(VALUE_DEPTH_MAX + 2)

  constructor(shapes: ShapeRegistry) {
    this.#shapes = shapes
  }

  begin(target: Buffer, start: number): void {
    this.#start = start
    this.#stop = Math.min(target.length, start + VALUE_SIZE_MAX)
  }

  /** Lets go of the value's objects. */
  release(): void {
    const seen = this.#seen
    for (let index = Math.min(this.#seenCount, SCAN_COUNT_MAX) - 1; index >= 0; index--) seen[index] = undefined
    this.#seenCount = 0
    this.#seenIndex = undefined
    this.hasReferences = false
  }

  /** Writes any value that stands inside `depth` containers. Returns the position behind it. */
  writeValue(target: Buffer, position: number, value: unknown, depth: number): number {
    switch (typeof value) {
      case "string":
        return writeText(target, position, value)
      case "number":
        return writeNumber(target, position, value)
      case "boolean":
        target[position] = value ? TAG_TRUE : TAG_FALSE
        return position + 1
      case "undefined":
        target[position] = TAG_UNDEFINED
        return position + 1
      case "bigint":
        return writeBigint(target, position, value)
      case "object":
        if (value !== null) return this.writeObject(target, position, value, depth)
        target[position] = TAG_NULL
        return position + 1
      case "function":
        return this.refuse(depth, "is a function", "Store what it returns, or leave it out")
      case "symbol":
        return this.refuse(depth, "is a symbol", "Store its description, a string")
    }
  }

  /** Notes the way into a container's part before that part is written. `depth` is the container's. */
  step(depth: number, kind: number, step: string | number): void {
    this.#steps[depth] = step
    this.#stepKinds[depth] = kind
  }

  /** Checks, once a container, that there is room to go on and that the nesting has an end. */
  enter(position: number, depth: number): void {
    if (depth >= VALUE_DEPTH_MAX) {
      const remedy = "Store the inner parts under keys of their own"
      throw new LimitExceeded("the depth of the value", VALUE_DEPTH_MAX, depth + 1, remedy)
    }
    if (position > this.#stop) this.overflow(position)
  }

  /** Gives up because the value reached `position`. */
  overflow(position: number): never {
    const size = position - this.#start
    if (size <= VALUE_SIZE_MAX) throw NO_ROOM
    throw new LimitExceeded("the size of the value", VALUE_SIZE_MAX, size, "Store it in parts, under a key each")
  }

  /** Refuses the value inside `depth` containers; `inside` leads further into it. */
  refuse(depth: number, reason: string, remedy: string, inside = ""): never {
    const steps: string[] = []
    for (let index = 0; index < depth; index++) {
      steps.push(stepText(this.#stepKinds[index] as number, this.#steps[index] as string | number))
    }
    throw new ValueRefused(`${pathText(steps)}${inside}`, reason, remedy)
  }

  /** Refuses an object that is keyed by symbols: they cannot be found again in another process. */
  refuseSymbols(depth: number, object: object): void {
    const symbols = getOwnPropertySymbols(object)
    if (symbols.length === 0) return
    for (const symbol of symbols) {
      if (Object.prototype.propertyIsEnumerable.call(object, symbol)) {
        this.refuse(depth, "is keyed by a symbol", "Use a string as key", `[${String(symbol)}]`)
      }
    }
  }

  /**
   * Writes the object that is the value itself. If all of its fields are simple, which is what most records are, it is
   * not noted as met: nothing can refer to it.
   */
  writeRoot(target: Buffer, position: number, object: object): number {
    if (!Array.isArray(object) && !ArrayBuffer.isView(object)) {
      const end = this.#writeShaped(target, position, object as Fields, 0)
      if (end >= 0) return end
    }
    this.#remember(object)
    return this.#writeMet(target, position, object, 0)
  }

  /** Writes an object of any kind, or refers to it if it was met before. */
  writeObject(target: Buffer, position: number, object: object, depth: number): number {
    const before = this.#remember(object)
    if (before >= 0) {
      this.hasReferences = true
      target[position] = TAG_REFERENCE
      return writeCount(target, position + 1, before)
    }
    // First what most objects are. The keys of an array or a view would be the indices of all that it holds.
    if (!Array.isArray(object) && !ArrayBuffer.isView(object)) {
      const end = this.#writeShaped(target, position, object as Fields, depth)
      if (end >= 0) return end
    }
    return this.#writeMet(target, position, object, depth)
  }

  /** Writes an object that has been noted, and that is not of a shape with a function. */
  #writeMet(target: Buffer, position: number, object: object, depth: number): number {
    if (Array.isArray(object)) return this.#writeArray(target, position, object, depth)
    const prototype: unknown = getPrototypeOf(object)
    if (prototype === Object.prototype) return this.#writePlain(target, position, object as Fields, depth)
    if (prototype === null) {
      return this.#writePairs(target, position, object as Fields, depth, Object.keys(object), TAG_OBJECT_NULL)
    }
    const end = writeBuiltin(this, target, position, object, prototype, depth)
    return end >= 0 ? end : this.#refuseInstance(depth, object)
  }

  /** The index of an object that was met before, or -1 if this is the first time. */
  #remember(object: object): number {
    const count = this.#seenCount
    if (count < SCAN_COUNT_MAX) {
      const seen = this.#seen
      for (let index = 0; index < count; index++) if (seen[index] === object) return index
      seen[count] = object
    } else {
      let seenIndex = this.#seenIndex
      if (seenIndex === undefined) {
        seenIndex = new Map()
        for (let index = 0; index < count; index++) seenIndex.set(this.#seen[index] as object, index)
        this.#seenIndex = seenIndex
      }
      const before = seenIndex.get(object)
      if (before !== undefined) return before
      seenIndex.set(object, count)
    }
    this.#seenCount = count + 1
    return -1
  }

  /** A plain object of a shape that has its function, or -1 if it is none. */
  #writeShaped(target: Buffer, start: number, object: Fields, depth: number): number {
    const leaf = this.#shapes.tree.find(Object.keys(object))
    if (leaf === undefined || leaf.writeFields === undefined) return -1
    this.enter(start, depth)
    target[start] = TAG_SHAPED | (leaf.id >>> 8)
    target[start + 1] = leaf.id
    const end = leaf.writeFields(target, start + 2, object, depth, this)
    if (end >= 0 && getOwnPropertySymbols(object).length > 0) this.refuseSymbols(depth, object)
    return end
  }

  /** A plain object of any other shape. */
  #writePlain(target: Buffer, start: number, object: Fields, depth: number): number {
    const fields = Object.keys(object)
    const leaf = this.#shapes.tree.find(fields) ?? this.#shapes.learn(fields)
    if (leaf === undefined) return this.#writePairs(target, start, object, depth, fields, TAG_OBJECT)
    this.enter(start, depth)
    this.refuseSymbols(depth, object)
    leaf.writeCount++
    if (leaf.writeCount === WRITES_BEFORE_FUNCTION) leaf.writeFields = fieldWriterFor(leaf.fields)
    target[start] = TAG_SHAPED | (leaf.id >>> 8)
    target[start + 1] = leaf.id
    let position = start + 2
    for (const field of fields) position = this.writeField(target, position, object[field], depth, field, object)
    return position
  }

  /** Writes a part of an object, for the writers of shapes. */
  writeField(
    target: Buffer,
    position: number,
    value: unknown,
    depth: number,
    field: string,
    container: object,
  ): number {
    // The value itself comes first in the order of tags, if any object inside may count.
    if (this.#seenCount === 0) this.#remember(container)
    this.#steps[depth] = field
    this.#stepKinds[depth] = STEP_FIELD
    return this.writeValue(target, position, value, depth + 1)
  }

  /** An object in full: names and values. */
  #writePairs(
    target: Buffer,
    start: number,
    object: Fields,
    depth: number,
    fields: readonly string[],
    tag: number,
  ): number {
    this.enter(start, depth)
    this.refuseSymbols(depth, object)
    target[start] = tag
    let position = writeCount(target, start + 1, fields.length)
    for (const field of fields) {
      if (position > this.#stop) this.overflow(position)
      position = writeText(target, position, field)
      const value = object[field]
      if (typeof value === "number") position = writeNumber(target, position, value)
      else if (typeof value === "string") position = writeText(target, position, value)
      else position = this.writeField(target, position, value, depth, field, object)
    }
    return position
  }

  #writeArray(target: Buffer, start: number, array: readonly unknown[], depth: number): number {
    if (getPrototypeOf(array) !== Array.prototype) this.#refuseInstance(depth, array)
    this.enter(start, depth)
    // A proxy may call anything its length.
    const length = array.length >>> 0
    let position = start + 1
    if (length <= ARRAY_SHORT_LENGTH_MAX) target[start] = TAG_ARRAY_SHORT | length
    else {
      target[start] = TAG_ARRAY
      position = writeCount(target, position, length)
    }
    let presentCount = length
    let keys: readonly string[] | undefined
    for (let index = 0; index < length; index++) {
      if (position > this.#stop) this.overflow(position)
      const value = array[index]
      if (typeof value === "string") position = writeText(target, position, value)
      else if (typeof value === "number") position = writeNumber(target, position, value)
      else if (value !== undefined || hasOwn(array, index)) {
        this.#steps[depth] = index
        this.#stepKinds[depth] = STEP_ELEMENT
        position = this.writeValue(target, position, value, depth + 1)
      } else {
        let end = nearEnd(array, index, length)
        if (end < 0) {
          keys ??= Object.keys(array)
          end = farEnd(keys, index, length)
        }
        target[position] = TAG_HOLES
        position = writeCount(target, position + 1, end - index)
        presentCount -= end - index
        index = end - 1
      }
    }
    // Values make a box for each number, keys a text for each index: which are many only where the array is long.
    const own = length <= ARRAY_SHORT_LENGTH_MAX ? Object.keys(array) : Object.values(array)
    if (own.length > presentCount) this.#refuseNamed(depth, array)
    this.refuseSymbols(depth, array)
    return position
  }

  #refuseNamed(depth: number, array: readonly unknown[]): void {
    // Names follow the indices in the order of properties.
    const name = Object.keys(array).at(-1)
    if (name === undefined || isIndex(name)) return
    this.refuse(depth, "is a named property of an array", "Store an object that holds both", stepText(STEP_FIELD, name))
  }

  #refuseInstance(depth: number, object: object): never {
    const { reason, remedy } = instanceText(object)
    return this.refuse(depth, reason, remedy)
  }
}
