// The indexes that a transaction reads, and whether what it has read of them still holds when it is to commit: each range,
// read again at the snapshot and in the present, must give the same entries. So a phantom is a record that comes into a
// range, leaves it or moves within it, and nothing else in the table is one.

import { LimitExceeded } from "../model/errors.ts"
import { BATCH_OPERATION_COUNT_MAX } from "../model/limits.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { Operation } from "./commit-session.ts"
import type { IndexBounds } from "./index-range.ts"
import type { PresentIndex } from "./present-index.ts"
import { compare, SnapshotIndex } from "./snapshot-index.ts"
import type { EntryPlace, OwnWrites } from "./snapshot-index.ts"
import { TableIndex } from "./table-index.ts"
import type { IndexSource, IndexWalk } from "./table-index.ts"
import type { TableContext } from "./table-context.ts"
import { PRESENT } from "./version-reader.ts"
import type { ReadView } from "./version-reader.ts"
import type { WriteSet } from "./write-set.ts"

/** What the indexes need of their transaction. */
export interface TransactionReads {
  readonly context: TableContext
  readonly view: ReadView
  readonly writes: WriteSet
  /** Whether what is read must hold at the commit. */
  readonly isSerializable: boolean
  /** Throws where the transaction has ended. */
  check(): void
  get(entry: TableEntry, key: string): unknown
}

interface Range {
  readonly present: PresentIndex
  readonly bounds: IndexBounds
}

const NOTHING: ReadonlyMap<string, Operation> = new Map()

export class TransactionIndexes {
  /** Those of whose indexes something was read that must hold at the commit. */
  readonly tables: Set<TableEntry> = new Set()
  readonly #reads: TransactionReads
  readonly #ranges: Range[] = []

  constructor(reads: TransactionReads) {
    this.#reads = reads
  }

  /** Fails with: NoSuchIndex. */
  read<Value, Key>(entry: TableEntry, name: string): TableIndex<Value, Key> {
    const { context, view } = this.#reads
    const present = context.indexes.present(entry, name)
    const own = (): OwnWrites => this.#reads.writes.of(entry)
    const index = new SnapshotIndex(present, context.versions, view, own)
    const source: IndexSource = {
      walk: (bounds): IndexWalk => {
        this.#note(present, bounds, own())
        return index.walk(bounds)
      },
      count: (bounds) => {
        this.#note(present, { ...bounds, limit: Number.POSITIVE_INFINITY }, own())
        return index.count(bounds)
      },
      value: (key) => this.#reads.get(entry, key),
    }
    return new TableIndex<Value, Key>(name, source)
  }

  /** Names of the tables in whose ranges others have changed something since the snapshot. */
  conflicts(snapshot: OpenSnapshot): readonly string[] {
    const { context, view } = this.#reads
    const changed = new Set<TableEntry>()
    for (const entry of this.tables) if (context.versions.hasChanged(entry, snapshot)) changed.add(entry)
    const found: string[] = []
    for (const { present, bounds } of this.#ranges) {
      const { entry } = present
      if (!changed.has(entry)) continue
      const before = new SnapshotIndex(present, context.versions, view).places(bounds, NOTHING)
      const after = new SnapshotIndex(present, context.versions, PRESENT).places(bounds, NOTHING)
      if (areSame(before, after)) continue
      found.push(entry.name)
      changed.delete(entry)
    }
    return found
  }

  #note(present: PresentIndex, bounds: IndexBounds, own: OwnWrites): void {
    this.#reads.check()
    if (!this.#reads.isSerializable) return
    if (this.#ranges.length === BATCH_OPERATION_COUNT_MAX) {
      const what = "the transaction's count of ranges read"
      throw new LimitExceeded(what, BATCH_OPERATION_COUNT_MAX, this.#ranges.length + 1, "Divide it")
    }
    // With own writes in between it has seen others than the first ones.
    const limit = own.size > 0 ? Number.POSITIVE_INFINITY : bounds.limit
    this.tables.add(present.entry)
    this.#ranges.push({ present, bounds: { ...bounds, limit } })
  }
}

function areSame(before: readonly EntryPlace[], after: readonly EntryPlace[]): boolean {
  return before.length === after.length && before.every((place, at) => compare(place, after[at] as EntryPlace) === 0)
}
