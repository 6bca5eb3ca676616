// The indexes of all tables of a store, and the rule that keeps them: looks at each commit before it is made, finds out
// what it changes in indexes, refuses it where a unique index would not be unique any more, and makes the changes when it
// is made. So an index is never a commit ahead of its table or behind it.

import type { Engine } from "../actors/engine.ts"
import { KIND_PUT } from "../format/record.ts"
import { IndexKeyInDoubt, IndexKeyRefused, UniqueViolation } from "../model/index-errors.ts"
import { probe } from "../model/invariant.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { NONE_IN_DOUBT } from "./claims-in-doubt.ts"
import type { InDoubtWrites } from "./claims-in-doubt.ts"
import type { Operation } from "./commit-session.ts"
import type { CheckedDefinition } from "./index-definition.ts"
import { ABSENT, IndexEdits } from "./index-edits.ts"
import { PresentIndex } from "./present-index.ts"
import type { Reader } from "./reader.ts"
import { TableIndex } from "./table-index.ts"
import { TableIndexes } from "./table-indexes.ts"
import { checkUnique } from "./unique-check.ts"
import type { VersionReader } from "./version-reader.ts"
import type { WriteRule, WriteRules } from "./write-rule.ts"

/** The numbers of all indexes together; `table.indexes()` has them one by one. */
export interface IndexMetrics {
  readonly defined: number
  /** Entries: one for each key of each record. */
  readonly entries: number
  /** Bytes of memory. */
  readonly bytes: number
  /** Those that cannot be read: because they are being built, or their build has failed. */
  readonly building: number
  readonly failed: number
  /** Builds that have come to their end. */
  readonly builds: number
  /** Writes that were refused, because a unique index would not have been unique any more. */
  readonly violations: number
}

export class IndexRegistry implements WriteRule {
  /** Set by the store, before there is an index. */
  inDoubt: InDoubtWrites = NONE_IN_DOUBT
  #violationCount = 0
  readonly #engine: Engine
  readonly #reader: Reader
  readonly #versions: VersionReader
  readonly #rules: WriteRules
  readonly #tables: Map<TableEntry, TableIndexes> = new Map()
  readonly #edits: IndexEdits = new IndexEdits()

  constructor(engine: Engine, reader: Reader, versions: VersionReader, rules: WriteRules) {
    this.#engine = engine
    this.#reader = reader
    this.#versions = versions
    this.#rules = rules
  }

  /** Those of a table. */
  of(entry: TableEntry): TableIndexes {
    let indexes = this.#tables.get(entry)
    if (indexes === undefined) {
      if (this.#tables.size === 0) this.#rules.addConstraint(this)
      this.#tables.set(entry, (indexes = new TableIndexes(this.#engine, entry, this.inDoubt)))
    }
    return indexes
  }

  /** An index of a table, to be read as it is. Fails with: NoSuchIndex. */
  read<Value, Key>(entry: TableEntry, name: string): TableIndex<Value, Key> {
    return new TableIndex<Value, Key>(name, this.present(entry, name))
  }

  /** What the index is read through. Fails with: NoSuchIndex. */
  present(entry: TableEntry, name: string): PresentIndex {
    const indexes = this.of(entry)
    return new PresentIndex(this.#engine, this.#reader, indexes, indexes.require(name))
  }

  /** Whether a write to one key of the table can stand in the way of a write to another. */
  hasUnique(entry: TableEntry): boolean {
    return this.#tables.get(entry)?.list.some(({ definition }) => definition.isUnique) === true
  }

  /** See TableIndexes.define. */
  define(entry: TableEntry, definitions: readonly CheckedDefinition[]): void {
    if (definitions.length > 0) this.of(entry).define(definitions)
  }

  /** The store is up again: what a recovery has taken back is in no index any more. */
  refresh(): void {
    for (const indexes of this.#tables.values()) indexes.refresh()
  }

  check(operations: readonly Operation[]): readonly Operation[] {
    for (;;) {
      this.#edits.reset()
      try {
        if (operations.length === 1) this.#plan(operations[0] as Operation, false)
        else {
          const isDecision = this.inDoubt.decidedBy(operations) !== undefined
          for (const operation of this.#lastOfEach(operations)) this.#plan(operation, isDecision)
        }
        checkUnique(this.#edits)
        return operations
      } catch (error) {
        if (this.#givesWay(error, operations)) continue
        if (error instanceof UniqueViolation) this.#violationCount++
        throw error
      }
    }
  }

  committed(): void {
    this.#edits.apply()
  }

  metrics(): IndexMetrics {
    const numbers = { defined: 0, entries: 0, bytes: 0, building: 0, failed: 0, builds: 0 }
    for (const { list, buildCount } of this.#tables.values()) {
      numbers.builds += buildCount
      numbers.defined += list.length
      for (const { entries, state } of list) {
        numbers.entries += entries.count
        numbers.bytes += entries.byteSize
        if (state === "building") numbers.building++
        else if (state === "failed") numbers.failed++
      }
    }
    return { ...numbers, violations: this.#violationCount }
  }

  /** An index that is still being built gives way to what was promised before: it fails, and the decision is made. */
  #givesWay(error: unknown, operations: readonly Operation[]): boolean {
    if (!(error instanceof UniqueViolation || error instanceof IndexKeyRefused)) return false
    const id = this.inDoubt.decidedBy(operations)
    if (id === undefined) return false
    const { table, index: name, key } = error
    const index = this.#tables.get(this.#engine.catalogue.entry(table))?.list.find((each) => each.name === name)
    if (index?.state !== "building") return false
    probe("an index that is being built gives way to a decision")
    const other = error instanceof UniqueViolation ? { value: error.value, holder: error.holder } : {}
    index.fail(new IndexKeyInDoubt(table, name, { id, key, ...other }, error))
    return true
  }

  #plan({ kind, entry, key, value }: Operation, isDecision: boolean): void {
    const indexes = this.#tables.get(entry)
    if (indexes === undefined) return
    indexes.refresh()
    const isPut = kind === KIND_PUT
    let before: unknown = ABSENT
    let isRead = false
    for (const index of indexes.list) {
      if (!index.isKept) {
        if (isPut && index.definition.isUnique && !isDecision) index.requireReady()
        continue
      }
      if (!isRead) {
        const held = this.#versions.getVersioned(entry, key)
        if (held.version > 0) before = held.value
        isRead = true
      }
      this.#edits.addChange(index, key, before, isPut ? value : ABSENT)
    }
  }

  /** Of several operations on one key the last one, which decides; of tables with indexes alone. */
  #lastOfEach(operations: readonly Operation[]): Iterable<Operation> {
    const last = new Map<TableEntry, Map<string, Operation>>()
    for (const operation of operations) {
      if (operation.entry.ruleCount === 0 || !this.#tables.has(operation.entry)) continue
      let ofTable = last.get(operation.entry)
      if (ofTable === undefined) last.set(operation.entry, (ofTable = new Map()))
      ofTable.set(operation.key, operation)
    }
    return [...last.values()].flatMap((ofTable) => [...ofTable.values()])
  }
}
