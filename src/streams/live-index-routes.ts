// Who wants which part of one index: finds the live values that a change concerns by the index keys of the new value, and by
// where the record was before. So a change costs those whose parts it enters, leaves or stays in, and nobody else.
//
// Where a record was is kept for those that are in a part which somebody wants: the parts, of which one record has few. It
// may name a part too many, of a live value that has ended, or that has not got so far; never one too few. A live value that
// gets a change for nothing finds that out itself.

import type { Change } from "../model/change.ts"
import { probe } from "../model/invariant.ts"
import type { IndexPart, LiveIndex } from "./index-part.ts"
import type { LiveSource } from "./live-node.ts"
import { PartRoutes } from "./part-routes.ts"
import type { PartRoute } from "./part-routes.ts"

/** Parts without anybody that records may still be noted in, besides as many as there are. */
const GONE_COUNT_MAX = 64
const NONE: readonly string[] = []

export class LiveIndexRoutes<Target> {
  readonly #index: LiveIndex
  readonly #parts: PartRoutes<Target> = new PartRoutes()
  /** By the record's key: the part it is in, or several. */
  readonly #places: Map<string, PartRoute<Target> | readonly PartRoute<Target>[]> = new Map()
  /** Scratch of `route`. */
  readonly #found: PartRoute<Target>[] = []
  #goneCount = 0

  constructor(index: LiveIndex) {
    this.#index = index
  }

  get isEmpty(): boolean {
    return this.#parts.count === 0
  }

  /** Records of which it keeps where they were. */
  get placeCount(): number {
    return this.#places.size
  }

  add(part: IndexPart, source: LiveSource, target: Target): void {
    this.#parts.add(part, source, target)
  }

  remove(part: IndexPart, source: LiveSource): void {
    if (this.#parts.remove(part, source) && ++this.#goneCount > this.#parts.count + GONE_COUNT_MAX) this.#sweep()
  }

  /** A record that was read from the table is in the part, which somebody wants. */
  note(part: IndexPart, key: string): void {
    const route = this.#parts.find(part)
    const known = this.#places.get(key)
    if (route === undefined || known === route) return
    if (known === undefined) this.#places.set(key, route)
    else if (!Array.isArray(known)) this.#places.set(key, [known as PartRoute<Target>, route])
    else if (!known.includes(route)) this.#places.set(key, [...(known as readonly PartRoute<Target>[]), route])
  }

  /**
   * The parts that a change enters, leaves or stays in. `isOld`: what was read from the table may be newer than the change,
   * so that the record may be where it was noted as well.
   */
  route(change: Change, isOld: boolean): readonly PartRoute<Target>[] {
    const found = this.#found
    const { key } = change
    const count = this.#parts.match(change.kind === "put" ? this.#keysOf(key, change.value) : NONE, found)
    const known = this.#places.get(key)
    found.length = count
    if (known === undefined) {
      if (count > 0) this.#places.set(key, placesOf(found))
      return found
    }
    if (count === 1 && known === found[0]) return found
    const now = placesOf(found)
    for (const route of Array.isArray(known) ? (known as readonly PartRoute<Target>[]) : [known as PartRoute<Target>]) {
      if (!this.#parts.isFound(route)) found.push(route)
    }
    if (isOld) this.#places.set(key, placesOf(found))
    else if (count > 0) this.#places.set(key, now)
    else this.#places.delete(key)
    return found
  }

  /** Nothing where the function throws: whoever had the row meets that by itself. */
  #keysOf(key: string, value: unknown): readonly string[] {
    try {
      return this.#index.keysOf(key, value)
    } catch {
      return NONE
    }
  }

  /** Forgets the parts that nobody wants any more. */
  #sweep(): void {
    probe("places of records in parts that nobody wants are forgotten")
    this.#goneCount = 0
    for (const [key, known] of this.#places) {
      const all = Array.isArray(known) ? (known as readonly PartRoute<Target>[]) : [known as PartRoute<Target>]
      const kept = all.filter(({ targets }) => targets.size > 0)
      if (kept.length === 0) this.#places.delete(key)
      else if (kept.length < all.length) this.#places.set(key, placesOf(kept))
    }
  }
}

/** One is kept as it is: nearly all records are in one part. */
function placesOf<Target>(found: readonly PartRoute<Target>[]): PartRoute<Target> | readonly PartRoute<Target>[] {
  return found.length === 1 ? (found[0] as PartRoute<Target>) : found.slice()
}
