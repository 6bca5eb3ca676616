// The read set of a transaction: the keys that it read and that must hold at its commit. One that ends on its turn never
// needs it, and nobody knows that before, so reads are noted as they come, in a list, and told apart only when there are
// many of them or somebody asks. Must not judge whether a read still holds: that is the transaction's.

import type { TableEntry } from "../table/catalogue.ts"

/** Reads that are noted without a look at whether they were noted before. */
const NOTED_COUNT_MAX = 64

export class ReadSet {
  #entries: TableEntry[] = []
  #keys: string[] = []
  #tables: Map<TableEntry, Set<string>> | undefined
  /** Keys in the sets. */
  #count = 0

  /** Returns how many keys were read so far, at least where they are few: a key counts as often as it was read there. */
  note(entry: TableEntry, key: string): number {
    if (this.#tables !== undefined) return this.#add(this.#tables, entry, key)
    this.#entries.push(entry)
    const count = this.#keys.push(key)
    return count < NOTED_COUNT_MAX ? count : this.#sort()
  }

  /** The keys, by their tables. */
  byTable(): ReadonlyMap<TableEntry, ReadonlySet<string>> {
    if (this.#tables === undefined) this.#sort()
    return this.#tables ?? new Map()
  }

  #sort(): number {
    const tables = (this.#tables = new Map())
    for (const [place, entry] of this.#entries.entries()) this.#add(tables, entry, this.#keys[place] as string)
    this.#entries = []
    this.#keys = []
    return this.#count
  }

  #add(tables: Map<TableEntry, Set<string>>, entry: TableEntry, key: string): number {
    let keys = tables.get(entry)
    if (keys === undefined) tables.set(entry, (keys = new Set()))
    const before = keys.size
    keys.add(key)
    this.#count += keys.size - before
    return this.#count
  }
}
