// Finds the shape of a list of fields. All shapes are one tree, one field a step, so that the cost does not depend on
// how many there are; and the shapes found last are tried first, one for each number of fields, because the next object
// most often has the shape of the one before, or of its parent.

/** What an encoder knows of a shape. */
export interface ShapeLeaf {
  readonly id: number
  readonly fields: readonly string[]
  /** How often the shape was written before there was a function for it. */
  writeCount: number
  writeFields: WriteFields | undefined
}

/**
 * Writes the field values of a plain object that stands inside `depth` containers. Returns the position behind them, or
 * -1 if the object turns out not to be plain.
 */
export type WriteFields = (
  target: Buffer,
  position: number,
  object: Readonly<Record<string, unknown>>,
  depth: number,
  writer: FieldWriter,
) => number

/** Writes one field value of any kind. */
export interface FieldWriter {
  writeField(target: Buffer, position: number, value: unknown, depth: number, field: string, container: object): number
}

/** Leaves that are tried first: one for each number of fields modulo this, a power of two. */
const LIKELY_COUNT = 16

interface ShapeNode {
  leaf: ShapeLeaf | undefined
  readonly steps: Map<string, ShapeNode>
}

export class ShapeTree {
  readonly #root: ShapeNode = { leaf: undefined, steps: new Map() }
  readonly #likely: (ShapeLeaf | undefined)[] = new Array<ShapeLeaf | undefined>(LIKELY_COUNT).fill(undefined)

  /** The shape with exactly these fields. */
  find(fields: readonly string[]): ShapeLeaf | undefined {
    const count = fields.length
    const likely = this.#likely[count & (LIKELY_COUNT - 1)]
    if (likely !== undefined && likely.fields.length === count) {
      const expected = likely.fields
      let index = 0
      while (index < count && expected[index] === fields[index]) index++
      if (index === count) return likely
    }
    return this.#walk(fields)
  }

  /** Adds a shape. Where the same list has a number already, that one stays. */
  add(id: number, fields: readonly string[]): ShapeLeaf {
    let node = this.#root
    for (const field of fields) {
      let next = node.steps.get(field)
      if (next === undefined) {
        next = { leaf: undefined, steps: new Map() }
        node.steps.set(field, next)
      }
      node = next
    }
    node.leaf ??= { id, fields, writeCount: 0, writeFields: undefined }
    return node.leaf
  }

  #walk(fields: readonly string[]): ShapeLeaf | undefined {
    let node = this.#root
    for (const field of fields) {
      const next = node.steps.get(field)
      if (next === undefined) return undefined
      node = next
    }
    const leaf = node.leaf
    if (leaf !== undefined) this.#likely[fields.length & (LIKELY_COUNT - 1)] = leaf
    return leaf
  }
}
