// Where a decoder stands in the bytes, and the checks that every read goes through: nothing before `start` or from `end`
// on is ever looked at, and a size is compared with the bytes that are left before anything is allocated for it.

import { VALUE_DEPTH_MAX } from "../model/limits.ts"
import { type ShapeRegistry } from "./shape-registry.ts"
import { ValueDamaged } from "./value-damaged.ts"

/** Makes one object from the field values that the cursor stands before, and moves the cursor behind them. */
export type Construct = (cursor: ValueCursor) => object

/** What a decoder knows of a shape. */
export interface ShapeReader {
  readonly fields: readonly string[]
  /** How often the shape was read before there was a constructor. */
  readCount: number
  construct: Construct | undefined
}

/** Longest run of holes that may be kept dense whatever the budget. */
const HOLES_ALWAYS_DENSE = 16
/** Holes of one value that may be kept dense. A few bytes stand for any number of them, so memory needs this bound. */
const HOLES_DENSE_MAX = 4_096

const NOTHING: Buffer = Buffer.alloc(0)

export class ValueCursor {
  /** Constant after construction. */
  readonly shapes: ShapeRegistry
  /** By the number of the shape. Grows with the shapes that are read. */
  readonly shapeReaders: (ShapeReader | undefined)[] = []

  // Changed by whoever reads.
  source: Buffer = NOTHING
  position = 0
  end = 0
  /** The objects met so far, in the order of their tags; undefined while the value holds no references. */
  objects: object[] | undefined = undefined
  #depth = 0
  #holesLeft = 0

  constructor(shapes: ShapeRegistry) {
    this.shapes = shapes
  }

  /** Stands before the first of the bytes. */
  begin(source: Buffer, start: number, end: number): void {
    this.source = source
    this.position = start
    this.end = end
    this.objects = undefined
    this.#depth = 0
    this.#holesLeft = HOLES_DENSE_MAX
    if (start < 0 || end > source.length) this.damaged("a value outside the buffer")
  }

  /** Lets go of the bytes. */
  release(): void {
    this.source = NOTHING
    this.objects = undefined
  }

  /** The next byte. */
  byte(): number {
    const position = this.position
    if (position >= this.end) return this.damaged("the end")
    this.position = position + 1
    return this.source[position] as number
  }

  /** Moves over `size` bytes and returns where they start. */
  take(size: number): number {
    const position = this.position
    if (size > this.end - position) return this.damaged(`the end inside ${size} bytes`)
    this.position = position + size
    return position
  }

  /** Goes into a container. */
  enter(): void {
    if (this.#depth >= VALUE_DEPTH_MAX) this.damaged(`more than ${VALUE_DEPTH_MAX} containers inside each other`)
    this.#depth++
  }

  /** Leaves a container. */
  leave(): void {
    this.#depth--
  }

  /** Notes an object, so that a reference can find it. */
  met<Met extends object>(object: Met): Met {
    if (this.objects !== undefined) this.objects.push(object)
    return object
  }

  /** Whether an array may take memory for that many holes in a row. */
  mayBeDense(holeCount: number): boolean {
    if (holeCount <= HOLES_ALWAYS_DENSE) return true
    if (holeCount > this.#holesLeft) return false
    this.#holesLeft -= holeCount
    return true
  }

  damaged(found: string): never {
    throw new ValueDamaged(this.position, found)
  }
}
