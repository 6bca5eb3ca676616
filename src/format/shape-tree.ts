// The field lists of all learnt shapes as one tree, one field a step. An encoder walks it with the fields of an object
// to learn its shape, whatever object came before: there is no guess to go wrong where objects of many shapes alternate.

/** What an encoder knows of a shape. */
export interface ShapeLeaf {
  readonly id: number
  readonly fields: readonly string[]
  /** How often the shape was written before there was a function for it. */
  writeCount: number
  /** Writes the field values of an object of this shape. */
  writeFields: WriteFields | undefined
}

/** Writes the field values of an object that stands inside `depth` containers. Returns the position behind them. */
export type WriteFields = (
  target: Buffer,
  position: number,
  object: Readonly<Record<string, unknown>>,
  depth: number,
  writer: FieldWriter,
) => number

/** Writes one field value of any kind. */
export interface FieldWriter {
  writeField(target: Buffer, position: number, value: unknown, depth: number, field: string): number
}

/** A place in the tree: the shapes that begin with the same fields. */
export class ShapeNode {
  /** The shape whose fields end here. */
  leaf: ShapeLeaf | undefined = undefined
  /** The step that was asked for last, kept apart because the next object most often takes the same. */
  field: string | undefined = undefined
  next: ShapeNode | undefined = undefined
  /** All steps. */
  readonly #steps: Map<string, ShapeNode> = new Map()

  /** The node behind `field`, or undefined where no shape goes on with it. Callers compare with `field` themselves. */
  follow(field: string): ShapeNode | undefined {
    const next = this.#steps.get(field)
    if (next !== undefined) {
      this.field = field
      this.next = next
    }
    return next
  }

  /** The node behind `field`, made if need be. */
  grow(field: string): ShapeNode {
    const known = this.#steps.get(field)
    if (known !== undefined) return known
    const next = new ShapeNode()
    this.#steps.set(field, next)
    return next
  }
}
