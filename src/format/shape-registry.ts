// The object shapes that a store has learnt: lists of field names under small numbers. A value of a learnt shape is kept
// as its number and its field values; the names are in the log once, in a 'define shape' record that precedes, or shares
// the commit with, the first value that uses it. One registry a store; shapes are only ever added, until `clear`.

import type { Compression } from "../model/compression.ts"
import { invariant } from "../model/invariant.ts"
import { SHAPE_COUNT_MAX, SHAPE_FIELD_COUNT_MAX } from "../model/limits.ts"
import { ShapeCandidates } from "./shape-candidates.ts"
import { type ShapeLeaf, ShapeTree } from "./shape-tree.ts"
import { ValueDamaged } from "./value-damaged.ts"

/** A shape as the log knows it. */
export interface ShapeDefinition {
  readonly id: number
  readonly fields: readonly string[]
}

const NONE: readonly ShapeDefinition[] = Object.freeze([])

export class ShapeRegistry {
  /** What readers of values need beside the shapes travels with them. Undefined: compressed values cannot be read. */
  readonly compression: Compression | undefined
  #tree: ShapeTree = new ShapeTree()
  /** By number. */
  #fields: (readonly string[] | undefined)[] = []
  #count = 0
  #pending: ShapeDefinition[] = []
  #candidates: ShapeCandidates = new ShapeCandidates()

  constructor(compression?: Compression) {
    this.compression = compression
  }

  /** The same shapes, as encoders look for them. */
  get tree(): ShapeTree {
    return this.#tree
  }

  /** Whether there are shapes that the log does not know yet. */
  get hasPending(): boolean {
    return this.#pending.length > 0
  }

  /** How many shapes are known. */
  get count(): number {
    return this.#count
  }

  /** The field names of a shape, in order. */
  fieldsOf(id: number): readonly string[] | undefined {
    return this.#fields[id]
  }

  /**
   * Adds a shape that the log defines. Defining it again with the same fields changes nothing.
   * Throws InvariantViolation if the number has other fields already, or the list can be no shape.
   */
  define(id: number, fields: readonly string[]): void {
    const known = this.#fields[id]
    if (known !== undefined) {
      invariant(isSameList(known, fields), `shape ${id} has one list of fields`)
      return
    }
    invariant(
      Number.isInteger(id) && id >= 0 && id < SHAPE_COUNT_MAX,
      `the number of a shape is below the limit: ${id}`,
    )
    invariant(
      fields.length > 0 && fields.length <= SHAPE_FIELD_COUNT_MAX && new Set(fields).size === fields.length,
      `shape ${id} has between one and ${SHAPE_FIELD_COUNT_MAX} fields, each once`,
    )
    this.#add(id, fields)
  }

  /**
   * The shape with exactly these fields, learnt now if they were seen before. For encoders that found none in the tree.
   * Requires: `fields` is the own enumerable string keys of one object, and is not changed later.
   */
  learn(fields: readonly string[]): ShapeLeaf | undefined {
    const id = this.#fields.length
    if (fields.length === 0 || fields.length > SHAPE_FIELD_COUNT_MAX || id >= SHAPE_COUNT_MAX) return undefined
    if (!this.#candidates.sight(fields, this.#count)) return undefined
    const leaf = this.#add(id, fields)
    this.#pending.push({ id, fields: leaf.fields })
    return leaf
  }

  /** The shapes that were learnt and not taken yet, in the order of their numbers. The caller now owes them to the log. */
  takePending(): readonly ShapeDefinition[] {
    if (this.#pending.length === 0) return NONE
    const taken = this.#pending
    this.#pending = []
    return taken
  }

  /** Gives back definitions whose write was abandoned: the next `takePending` returns them again, first. */
  restorePending(definitions: readonly ShapeDefinition[]): void {
    if (definitions.length === 0) return
    for (const { id, fields } of definitions) {
      const known = this.fieldsOf(id)
      invariant(known !== undefined && isSameList(known, fields), `shape ${id} is known when it is given back`)
    }
    this.#pending = [...definitions, ...this.#pending]
  }

  /** Forgets everything. */
  clear(): void {
    this.#tree = new ShapeTree()
    this.#fields = []
    this.#count = 0
    this.#pending = []
    this.#candidates = new ShapeCandidates()
  }

  #add(id: number, names: readonly string[]): ShapeLeaf {
    const fields = names.map(internalized)
    while (this.#fields.length < id) this.#fields.push(undefined)
    this.#fields[id] = fields
    this.#count++
    return this.#tree.add(id, fields)
  }
}

/**
 * The same string in the form that property names have, which engines compare by address. A name fresh from the log is
 * another object with the same characters, and comparing those costs several times as much in every field.
 */
function internalized(name: string): string {
  return Object.keys({ [name]: true })[0] as string
}

function isSameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((field, index) => field === right[index])
}

/**
 * Writes the fields of a shape: u16 count, then u16 size and UTF-8 each. Returns the end, which is past the end of the
 * target if they did not fit.
 */
export function encodeShapeFields(fields: readonly string[], target: Buffer, start: number): number {
  let position = start + 2
  if (position <= target.length) target.writeUInt16LE(fields.length, start)
  for (const field of fields) {
    const size = Buffer.byteLength(field)
    if (position + 2 + size <= target.length) {
      target.writeUInt16LE(size, position)
      target.write(field, position + 2)
    }
    position += 2 + size
  }
  return position
}

/** Reads the fields of a shape. Throws ValueDamaged unless they are exactly the bytes from `start` to `end`. */
export function decodeShapeFields(source: Buffer, start: number, end: number): readonly string[] {
  if (start < 0 || end > source.length || start + 2 > end) throw new ValueDamaged(start, "a shape without fields")
  const count = source.readUInt16LE(start)
  if (count === 0 || count > SHAPE_FIELD_COUNT_MAX) throw new ValueDamaged(start, `a shape of ${count} fields`)
  const fields: string[] = []
  let position = start + 2
  for (let index = 0; index < count; index++) {
    if (position + 2 > end) throw new ValueDamaged(position, "the end inside a shape")
    const size = source.readUInt16LE(position)
    if (position + 2 + size > end) throw new ValueDamaged(position, "the end inside the name of a field")
    fields.push(source.toString("utf8", position + 2, position + 2 + size))
    position += 2 + size
  }
  if (position !== end) throw new ValueDamaged(position, "bytes behind a shape")
  if (new Set(fields).size !== fields.length) throw new ValueDamaged(start, "a shape with the same field twice")
  return fields
}
