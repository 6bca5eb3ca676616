// What transactions in doubt hold: keys that one of them wrote, keys that it depends on having read, tables that it
// walked. Like the locks of two-phase locking that outlive the first phase (Gray 1978; Bernstein, Hadzilacos, Goodman
// 1987, chapter 7), in memory alone: they follow from the prepared transactions. Guarantees: a look costs a few map
// lookups for an operation, however many transactions hold however much; tables that nothing holds are not looked at,
// because their `ruleCount` does not count this rule. Must not decide anything.

import { invariant } from "../model/invariant.ts"
import type { TableEntry } from "../table/catalogue.ts"

/** What one transaction holds. */
export interface Holds {
  /** Nobody else writes them, and nobody else who prepares may have read them. */
  readonly writes: ReadonlyMap<TableEntry, readonly string[]>
  /** Nobody else writes them. */
  readonly reads: ReadonlyMap<TableEntry, readonly string[]>
  /** Nobody else writes anything in them. */
  readonly scanned: readonly TableEntry[]
}

/** Who is in the way, and where. */
export interface HeldKey {
  readonly table: string
  readonly key: string
  readonly id: string
}

interface HeldTable {
  readonly writers: Map<string, string>
  readonly readers: Map<string, Set<string>>
  readonly scanners: Set<string>
}

export class HeldKeys {
  readonly #tables: Map<TableEntry, HeldTable> = new Map()
  readonly #hasUnique: (entry: TableEntry) => boolean

  /** `hasUnique`: whether a write to one key of a table can stand in the way of a write to another, at the moment. */
  constructor(hasUnique: (entry: TableEntry) => boolean) {
    this.#hasUnique = hasUnique
  }

  /** Requires: `obstacle` finds none. */
  hold(id: string, { writes, reads, scanned }: Holds): void {
    for (const [entry, keys] of writes) {
      const { writers } = this.#ensure(entry)
      for (const key of keys) writers.set(key, id)
    }
    for (const [entry, keys] of reads) {
      const { readers } = this.#ensure(entry)
      for (const key of keys) {
        const ids = readers.get(key)
        if (ids === undefined) readers.set(key, new Set([id]))
        else ids.add(id)
      }
    }
    for (const entry of scanned) this.#ensure(entry).scanners.add(id)
  }

  release(id: string, { writes, reads, scanned }: Holds): void {
    for (const [entry, keys] of writes) {
      for (const key of keys) this.#require(entry).writers.delete(key)
    }
    for (const [entry, keys] of reads) {
      const { readers } = this.#require(entry)
      for (const key of keys) {
        const ids = readers.get(key)
        ids?.delete(id)
        if (ids?.size === 0) readers.delete(key)
      }
    }
    for (const entry of scanned) this.#require(entry).scanners.delete(id)
    for (const entry of new Set([...writes.keys(), ...reads.keys(), ...scanned])) this.#drop(entry)
  }

  /** Nothing is held any more. */
  clear(): void {
    for (const entry of this.#tables.keys()) entry.ruleCount--
    this.#tables.clear()
  }

  /** Which transaction, other than `own`, keeps the key from being written. */
  holderAgainstWrite(entry: TableEntry, key: string, own?: string): string | undefined {
    const held = this.#tables.get(entry)
    if (held === undefined) return undefined
    const writer = held.writers.get(key)
    // Nobody else in doubt can depend on a key that was promised to its writer.
    if (writer !== undefined) return writer === own ? undefined : writer
    const holder = otherIn(held.readers.get(key), own) ?? otherIn(held.scanners, own)
    if (holder !== undefined || held.writers.size === 0 || !this.#hasUnique(entry)) return holder
    // The unique index came later than the PREPARE. Who would take the promised index key is not known by its record's.
    return otherIn(held.writers.values(), own)
  }

  /** Keys of the table that transactions in doubt write. */
  writtenCount(entry: TableEntry): number {
    return this.#tables.get(entry)?.writers.size ?? 0
  }

  /**
   * What keeps a transaction with these reads from being prepared: keys that another one in doubt has written. Were they
   * shared, two transactions over several stores could each come before the other.
   */
  obstacle({ reads, scanned }: Holds): HeldKey | undefined {
    for (const [entry, keys] of reads) {
      const writers = this.#tables.get(entry)?.writers
      if (writers === undefined || writers.size === 0) continue
      for (const key of keys) {
        const id = writers.get(key)
        if (id !== undefined) return { table: entry.name, key, id }
      }
    }
    for (const entry of scanned) {
      for (const [key, id] of this.#tables.get(entry)?.writers ?? []) return { table: entry.name, key, id }
    }
    return undefined
  }

  #ensure(entry: TableEntry): HeldTable {
    const found = this.#tables.get(entry)
    if (found !== undefined) return found
    const held: HeldTable = { writers: new Map(), readers: new Map(), scanners: new Set() }
    this.#tables.set(entry, held)
    entry.ruleCount++
    return held
  }

  #require(entry: TableEntry): HeldTable {
    const held = this.#tables.get(entry)
    invariant(held !== undefined, "what a prepared transaction holds is held until it is decided")
    return held
  }

  #drop(entry: TableEntry): void {
    const { writers, readers, scanners } = this.#require(entry)
    if (writers.size + readers.size + scanners.size > 0) return
    this.#tables.delete(entry)
    entry.ruleCount--
  }
}

function otherIn(ids: Iterable<string> | undefined, own: string | undefined): string | undefined {
  for (const id of ids ?? []) if (id !== own) return id
  return undefined
}
