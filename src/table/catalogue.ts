// The catalogue: which tables there are, by name and number, and which object shapes values are written in. It is part
// of the state that the log folds into: definitions are records of the commit that first needs them.
//
// Entries outlive a rebuild of the catalogue: handles keep theirs, and find it undefined again if its definition was
// lost with the commit that carried it.

import { ShapeRegistry } from "../format/shape-registry.ts"
import { COMPRESS_NEVER } from "../format/value-compression.ts"
import type { Compression } from "../model/compression.ts"
import { LimitExceeded } from "../model/errors.ts"
import { invariant } from "../model/invariant.ts"
import { TABLE_COUNT_MAX, TABLE_NAME_SIZE_MAX } from "../model/limits.ts"
import { isSystemTable } from "../model/system-tables.ts"

export interface TableEntry {
  readonly name: string
  /** Whether the table is one of the engine's own: see model/system-tables.ts. */
  readonly isSystem: boolean
  /** From 1 on; 0 while the table has not been defined in the log. Changed only by the catalogue. */
  id: number
  /** How many write rules look at commits to the table (store/write-rule.ts). Changed only by their owners. */
  ruleCount: number
  /** Bytes from which on the table's values are compressed when they are written. Changed only by the store. */
  compressFrom: number
}

export class Catalogue {
  readonly shapes: ShapeRegistry
  readonly #compressFrom: number
  readonly #byName = new Map<string, TableEntry>()
  readonly #byId: (TableEntry | undefined)[] = []

  /** `compression`: for whoever reads values. `compressFrom`: what new entries begin with. */
  constructor(compression?: Compression, compressFrom: number = COMPRESS_NEVER) {
    this.shapes = new ShapeRegistry(compression)
    this.#compressFrom = compressFrom
  }

  /** The entry for a name, made if there is none. Fails with: LimitExceeded for a name that is too long. */
  entry(name: string): TableEntry {
    const found = this.#byName.get(name)
    if (found !== undefined) return found
    const size = Buffer.byteLength(name)
    if (size > TABLE_NAME_SIZE_MAX) {
      throw new LimitExceeded("the table name's size in bytes", TABLE_NAME_SIZE_MAX, size, "Use a shorter name")
    }
    const isSystem = isSystemTable(name)
    const entry: TableEntry = { name, isSystem, id: 0, ruleCount: 0, compressFrom: this.#compressFrom }
    this.#byName.set(name, entry)
    return entry
  }

  byId(id: number): TableEntry | undefined {
    return this.#byId[id]
  }

  /** The number that the next new table takes. Fails with: LimitExceeded. */
  nextId(): number {
    const id = Math.max(1, this.#byId.length)
    if (id > TABLE_COUNT_MAX) {
      throw new LimitExceeded("the number of tables", TABLE_COUNT_MAX, id, "Keep more kinds of things in one table")
    }
    return id
  }

  /** Takes over a definition, from the log or on its way there. Repeating one is allowed. */
  define(id: number, name: string): void {
    const entry = this.entry(name)
    const known = this.#byId[id]
    invariant(known === undefined || known === entry, "I8: a table id keeps its name")
    invariant(entry.id === 0 || entry.id === id, "I8: a table name keeps its id")
    entry.id = id
    while (this.#byId.length <= id) this.#byId.push(undefined)
    this.#byId[id] = entry
  }

  /** Takes back a definition whose commit was not made. Requires: it was the last one. */
  undefine(entry: TableEntry): void {
    invariant(entry.id > 0 && entry.id === this.#byId.length - 1, "I8: the last definition is taken back first")
    this.#byId.pop()
    entry.id = 0
  }

  /** How many numbers were given to tables. */
  get count(): number {
    return Math.max(0, this.#byId.length - 1)
  }

  /** Names of the defined tables, in the order of their definition. */
  names(): string[] {
    return this.#byId.flatMap((entry) => (entry === undefined ? [] : [entry.name]))
  }

  /** The same without the engine's own. */
  userNames(): string[] {
    return this.#byId.flatMap((entry) => (entry === undefined || entry.isSystem ? [] : [entry.name]))
  }

  /** Forgets every definition, before the log is folded anew. Entries stay, undefined. */
  reset(): void {
    for (const entry of this.#byName.values()) entry.id = 0
    this.#byId.length = 0
    this.shapes.clear()
  }
}
