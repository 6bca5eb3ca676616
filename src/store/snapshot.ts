// A snapshot, as users hold it: all tables as they were behind one commit, to be read at leisure while writers go on.

import type { Engine } from "../actors/engine.ts"
import { LimitExceeded, StoreClosed } from "../model/errors.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { checkTableName } from "../model/system-tables.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { IndexRegistry } from "./index-registry.ts"
import { SnapshotIndex } from "./snapshot-index.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { TableHandle } from "./table-handle.ts"
import { TableIndex } from "./table-index.ts"
import type { IndexSource } from "./table-index.ts"
import { TableView } from "./table-view.ts"
import type { TableReads } from "./table-view.ts"
import type { ReadView, VersionReader } from "./version-reader.ts"

/** What a snapshot that nobody closed leaves: no way to it itself, or it would never be collected. */
interface Remains {
  readonly open: OpenSnapshot
  /** Made with the snapshot; its text is put together only when it is wanted. */
  readonly place: Error
}

/** A snapshot that was collected as garbage without having been closed. */
export interface SnapshotLeak {
  readonly lsn: number
  /** Where it was taken: a stack trace. */
  readonly place: string
}

/** What a snapshot's tables read through. Held by them as well, so a snapshot lives as long as any of its tables. */
class SnapshotReads implements TableReads {
  readonly #reader: VersionReader
  readonly #view: ReadView

  constructor(reader: VersionReader, open: OpenSnapshot) {
    this.#reader = reader
    this.#view = { snapshot: open, lsn: open.lsn }
  }

  get(entry: TableEntry, key: string): unknown {
    return this.#reader.get(entry, key, this.#view)
  }

  has(entry: TableEntry, key: string): boolean {
    return this.#reader.has(entry, key, this.#view)
  }

  size(entry: TableEntry): number {
    return this.#reader.size(entry, this.#view)
  }

  keys(entry: TableEntry): IterableIterator<string> {
    return this.#reader.keys(entry, this.#view)
  }

  /** Holds this object, as the tables of the snapshot do. */
  index(indexes: IndexRegistry, entry: TableEntry, name: string): IndexSource {
    const index = new SnapshotIndex(indexes.present(entry, name), this.#reader, this.#view)
    return {
      walk: (bounds) => index.walk(bounds),
      count: (bounds) => index.count(bounds),
      value: (key) => this.get(entry, key),
    }
  }
}

export class Snapshot {
  /** The last commit in it; 0 for the empty state. */
  readonly lsn: Lsn
  readonly #engine: Engine
  readonly #reads: SnapshotReads
  readonly #indexes: IndexRegistry
  readonly #close: () => void
  readonly #names: readonly string[]

  /** Made by `store.snapshot()`. */
  constructor(engine: Engine, lsn: Lsn, reads: SnapshotReads, indexes: IndexRegistry, close: () => void) {
    this.lsn = lsn
    this.#engine = engine
    this.#reads = reads
    this.#indexes = indexes
    this.#close = close
    this.#names = engine.catalogue.userNames()
  }

  /** Names of the tables that hold, or held, records. */
  tables(): string[] {
    return [...this.#names]
  }

  /**
   * The table as it was; empty if there was none of that name. What it reads, and walks over, does not change.
   * Its reads fail with: SnapshotExpired, StoreClosed.
   */
  table<Value = unknown>(name: string): TableView<Value> {
    checkTableName(name)
    return new TableView<Value>(this.#reads, this.#engine.catalogue.entry(name))
  }

  /**
   * An index of a table of the same store, as it was. The more was changed since, the longer its reads take.
   * Fails with: NoSuchIndex; its reads with SnapshotExpired, IndexBuilding, StoreClosed.
   */
  index<Value, Keys, Name extends keyof Keys & string>(
    table: TableHandle<Value, Keys>,
    name: Name,
  ): TableIndex<Value, Keys[Name]> {
    return new TableIndex(name, this.#reads.index(this.#indexes, table.entry, name))
  }

  /** Lets go of what was kept for it. Calling it twice is allowed. */
  close(): void {
    this.#close()
  }

  [Symbol.dispose](): void {
    this.#close()
  }
}

/** Takes snapshots for users, counts them, and tells of those that nobody closed. */
export class Snapshots {
  openCount = 0
  leakedCount = 0
  readonly #engine: Engine
  readonly #registry: SnapshotRegistry
  readonly #reader: VersionReader
  readonly #indexes: IndexRegistry
  readonly #countMax: number
  readonly #collected: FinalizationRegistry<Remains>

  constructor(
    engine: Engine,
    registry: SnapshotRegistry,
    reader: VersionReader,
    indexes: IndexRegistry,
    countMax: number,
    onLeak: (leak: SnapshotLeak) => void,
  ) {
    this.#engine = engine
    this.#registry = registry
    this.#reader = reader
    this.#indexes = indexes
    this.#countMax = countMax
    this.#collected = new FinalizationRegistry(({ open, place }) => {
      this.openCount--
      this.leakedCount++
      registry.release(open)
      onLeak({ lsn: open.lsn, place: place.stack ?? "" })
    })
  }

  /** Fails with: LimitExceeded, Restarting, StoreClosed. */
  take(): Snapshot {
    const { state } = this.#engine.status
    if (state === "closing") throw new StoreClosed("it was closed by its user", "Open it again")
    if (this.openCount >= this.#countMax) {
      const remedy = "Close those that are not needed any more, or raise snapshots.count"
      throw new LimitExceeded("the number of open snapshots", this.#countMax, this.openCount + 1, remedy)
    }
    const open = this.#registry.take()
    const reads = new SnapshotReads(this.#reader, open)
    const token = {}
    let isOpen = true
    const close = (): void => {
      if (!isOpen) return
      isOpen = false
      this.openCount--
      this.#collected.unregister(token)
      this.#registry.release(open)
    }
    this.openCount++
    this.#collected.register(reads, { open, place: new Error("a snapshot was taken here") }, token)
    return new Snapshot(this.#engine, lsnOf(open.lsn), reads, this.#indexes, close)
  }
}
