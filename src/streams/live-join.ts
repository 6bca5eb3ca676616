// The operator that joins two tables: each row of the left one with the row of the right one whose key it names. The
// result has the keys of the left table, so it is one to one, or many to one. A change on the right side comes out as a
// change of every row that names its key.
//
// Keeps both tables as it has seen them, and for each key of the right one the keys on the left that name it (in the terms
// of incremental view maintenance, an arrangement of either side). Synchronous and pure.

import type { IndexPart } from "./index-part.ts"
import type { SourceChange } from "./live-row.ts"

/** The sources of a join. */
const LEFT = 0

export interface JoinOptions {
  /** The key in the right table that a row of the left one names; undefined for none. */
  readonly on: (value: unknown, key: string) => string | undefined
  /** The row of the result. `right` is undefined where the right table has no such key, if such rows are kept at all. */
  readonly select: (left: unknown, right: unknown, keys: JoinedKeys) => unknown
  /** Whether rows that find nothing on the right are left out. */
  readonly isInner: boolean
  /** Only rows of the left table that are in it. */
  readonly part?: IndexPart | undefined
}

/** The keys that a joined row was made of. */
export interface JoinedKeys {
  readonly left: string
  /** What the left row names, whether it is there or not. */
  readonly right: string | undefined
}

interface Left {
  readonly value: unknown
  readonly version: number
  readonly names: string | undefined
  /** Where it stands in the part of the index, if the join has one. */
  readonly place: string | undefined
}

interface Right {
  readonly value: unknown
  readonly version: number
}

/** A row of the result. */
export interface JoinedRow {
  readonly key: string
  readonly value: unknown
  readonly version: number
}

export class LiveJoin {
  readonly #on: JoinOptions["on"]
  readonly #select: JoinOptions["select"]
  readonly #isInner: boolean
  readonly #part: IndexPart | undefined
  readonly #lefts: Map<string, Left> = new Map()
  readonly #rights: Map<string, Right> = new Map()
  /** Keys on the left, by the key on the right that they name. */
  readonly #named: Map<string, Set<string>> = new Map()

  constructor({ on, select, isInner, part }: JoinOptions) {
    this.#on = on
    this.#select = select
    this.#isInner = isInner
    this.#part = part
  }

  /** Rows that are kept of both tables. */
  get count(): number {
    return this.#lefts.size + this.#rights.size
  }

  known(source: number, key: string, version: number): { readonly value: unknown } | undefined {
    const row = (source === LEFT ? this.#lefts : this.#rights).get(key)
    return row?.version === version ? row : undefined
  }

  /** The keys that are kept of a table. */
  keys(source: number): Iterable<string> {
    return (source === LEFT ? this.#lefts : this.#rights).keys()
  }

  /** Where a row of the left table stands in the part of the index. */
  placeOf(key: string): string | undefined {
    return this.#lefts.get(key)?.place
  }

  /** All joined rows. */
  *rows(): Generator<JoinedRow, undefined> {
    for (const [key, left] of this.#lefts) {
      const row = this.#joined(key, left)
      if (row !== undefined) yield row
    }
    return undefined
  }

  /** Takes a change in, and adds what it does to joined rows to `out`, unless nobody asks. */
  change(change: SourceChange, out: SourceChange[] | undefined): void {
    if (change.source === LEFT) this.#changeLeft(change, out)
    else this.#changeRight(change, out)
  }

  #changeLeft({ key, isThere, value, version }: SourceChange, out: SourceChange[] | undefined): void {
    const old = this.#lefts.get(key)
    const left = isThere ? this.#leftOf(key, value, version) : undefined
    if (old?.names !== left?.names) {
      if (old?.names !== undefined) this.#forget(old.names, key)
      if (left?.names !== undefined) this.#note(left.names, key)
    }
    if (left === undefined) this.#lefts.delete(key)
    else this.#lefts.set(key, left)
    out?.push(this.#changeOf(key, left, version))
  }

  /** Undefined where it is not in the part. */
  #leftOf(key: string, value: unknown, version: number): Left | undefined {
    const place = this.#part?.placeOf(value, key)
    if (this.#part !== undefined && place === undefined) return undefined
    return { value, version, names: this.#nameIn(value, key), place }
  }

  #changeRight({ key, isThere, value, version }: SourceChange, out: SourceChange[] | undefined): void {
    if (isThere) this.#rights.set(key, { value, version })
    else this.#rights.delete(key)
    if (out === undefined) return
    for (const name of this.#named.get(key) ?? []) out.push(this.#changeOf(name, this.#lefts.get(name), version))
  }

  #changeOf(key: string, left: Left | undefined, version: number): SourceChange {
    const row = left === undefined ? undefined : this.#joined(key, left)
    return { source: LEFT, key, isThere: row !== undefined, value: row?.value, version: row?.version ?? version }
  }

  #joined(key: string, { value, version, names }: Left): JoinedRow | undefined {
    const right = names === undefined ? undefined : this.#rights.get(names)
    if (right === undefined && this.#isInner) return undefined
    const made = this.#select(value, right?.value, { left: key, right: names })
    return { key, value: made, version: Math.max(version, right?.version ?? 0) }
  }

  #nameIn(value: unknown, key: string): string | undefined {
    const name: unknown = this.#on(value, key)
    if (name === undefined || typeof name === "string") return name
    throw new TypeError(`"on" must give a key of the other table, or undefined, not a value of type ${typeof name}`)
  }

  #note(name: string, key: string): void {
    const keys = this.#named.get(name)
    if (keys === undefined) this.#named.set(name, new Set([key]))
    else keys.add(key)
  }

  #forget(name: string, key: string): void {
    const keys = this.#named.get(name)
    keys?.delete(key)
    if (keys?.size === 0) this.#named.delete(name)
  }
}
