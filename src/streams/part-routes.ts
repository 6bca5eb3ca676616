// Finds the parts of one index that a record is in, among any number of them: those of one key by a look into a map, ranges
// by a tree of intervals. Parts with the same rows are one, whoever asked for them.

import type { IndexPart } from "./index-part.ts"
import { IntervalTree } from "./interval-tree.ts"
import type { LiveSource } from "./live-node.ts"

/** A part, and all who want it, by their source. */
export interface PartRoute<Target> {
  readonly part: IndexPart
  readonly targets: Map<LiveSource, Target>
  /** The number of the last look that found it: see `PartRoutes.isFound`. */
  look: number
}

export class PartRoutes<Target> {
  /** By key, and by the part's id. */
  readonly #equal: Map<string, PartRoute<Target>> = new Map()
  readonly #ranges: Map<string, PartRoute<Target>> = new Map()
  readonly #tree: IntervalTree<PartRoute<Target>> = new IntervalTree()
  /** How many looks there were. */
  #looks = 0

  get count(): number {
    return this.#equal.size + this.#ranges.size
  }

  *values(): Generator<PartRoute<Target>, undefined> {
    yield* this.#equal.values()
    yield* this.#ranges.values()
    return undefined
  }

  add(part: IndexPart, source: LiveSource, target: Target): void {
    const routes = part.equal === undefined ? this.#ranges : this.#equal
    const name = part.equal ?? part.id
    let route = routes.get(name)
    if (route === undefined) {
      routes.set(name, (route = { part, targets: new Map(), look: 0 }))
      if (part.equal === undefined) this.#tree.add(part, route)
    }
    route.targets.set(source, target)
  }

  /** Returns whether nobody wants the part any more. */
  remove(part: IndexPart, source: LiveSource): boolean {
    const routes = part.equal === undefined ? this.#ranges : this.#equal
    const name = part.equal ?? part.id
    const route = routes.get(name)
    if (route?.targets.delete(source) !== true || route.targets.size > 0) return false
    if (part.equal === undefined) this.#tree.remove(part)
    return routes.delete(name)
  }

  find(part: IndexPart): PartRoute<Target> | undefined {
    return part.equal === undefined ? this.#ranges.get(part.id) : this.#equal.get(part.equal)
  }

  /** Puts the parts that hold one of the keys into `found`, each once, and returns how many there are. */
  match(keys: readonly string[], found: PartRoute<Target>[]): number {
    const look = ++this.#looks
    let count = 0
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at] as string
      const end = this.#matchKey(key, found, count)
      // A part may hold several keys of a value, and a value may have a key twice.
      for (let each = count; each < end; each++) {
        const route = found[each] as PartRoute<Target>
        if (route.look === look) continue
        route.look = look
        found[count++] = route
      }
    }
    return count
  }

  /** Whether the last `match` has found it. */
  isFound(route: PartRoute<Target>): boolean {
    return route.look === this.#looks
  }

  #matchKey(key: string, found: PartRoute<Target>[], count: number): number {
    let end = count
    const equal = this.#equal.get(key)
    if (equal !== undefined) found[end++] = equal
    return this.#tree.match(key, found, end)
  }
}
