// The field lists of all learnt shapes as one tree, one field a step. An encoder walks it while it writes an object, so
// that it knows the shape when it has written the last field, whatever object came before: there is no guess to go wrong
// where objects of many shapes alternate.

/** A place in the tree: the shapes that begin with the same fields. */
export class ShapeNode {
  /** The shape whose fields end here, or -1. */
  shapeId = -1
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
