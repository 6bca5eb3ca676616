// Finds the parts of one index that a record is in, among any number of them: those of one key by a look into a map, ranges
// one by one. Parts with the same rows are one, whoever asked for them.

import type { IndexPart } from "./index-part.ts"
import type { LiveSource } from "./live-node.ts"

/** A part, and all who want it, by their source. */
export interface PartRoute<Target> {
  readonly part: IndexPart
  readonly targets: Map<LiveSource, Target>
}

export class PartRoutes<Target> {
  /** By key, and by the part's id. */
  readonly #equal: Map<string, PartRoute<Target>> = new Map()
  readonly #ranges: Map<string, PartRoute<Target>> = new Map()

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
    if (route === undefined) routes.set(name, (route = { part, targets: new Map() }))
    route.targets.set(source, target)
  }

  /** Returns whether nobody wants the part any more. */
  remove(part: IndexPart, source: LiveSource): boolean {
    const routes = part.equal === undefined ? this.#ranges : this.#equal
    const name = part.equal ?? part.id
    const route = routes.get(name)
    if (route?.targets.delete(source) !== true || route.targets.size > 0) return false
    return routes.delete(name)
  }

  find(part: IndexPart): PartRoute<Target> | undefined {
    return part.equal === undefined ? this.#ranges.get(part.id) : this.#equal.get(part.equal)
  }

  /** Puts the parts that hold one of the keys into `found`, each once, and returns how many there are. */
  match(keys: readonly string[], found: PartRoute<Target>[]): number {
    let count = 0
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at] as string
      const equal = this.#equal.get(key)
      // A value may have a key twice.
      if (equal !== undefined && (at === 0 || !isAmong(found, count, equal))) found[count++] = equal
    }
    for (const range of this.#ranges.values()) {
      for (let at = 0; at < keys.length; at++) {
        if (!range.part.holds(keys[at] as string)) continue
        found[count++] = range
        break
      }
    }
    return count
  }
}

function isAmong(found: readonly unknown[], count: number, wanted: unknown): boolean {
  for (let at = 0; at < count; at++) if (found[at] === wanted) return true
  return false
}
