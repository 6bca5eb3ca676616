// Walks over what is in tables, for views that are built or removed: a slice at a time, each no more than one commit takes.

import type { Engine } from "../actors/engine.ts"
import { KIND_DELETE } from "../format/record.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { Operation } from "./commit-session.ts"
import type { Reader } from "./reader.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { VersionReader } from "./version-reader.ts"
import { MIXED_END } from "./view-record.ts"
import type { ViewWalk } from "./view-record.ts"
import type { ViewParts } from "./view-tables.ts"

/** A record that a walk has met. */
export type WalkedRecord = readonly [source: number, table: string, key: string, value: unknown]

/** A snapshot for a walk. */
export interface WalkSnapshot extends Disposable {
  readonly lsn: number
  readonly open: OpenSnapshot
}

/** Records of a slice. */
const SLICE = 512

export class ViewWalks {
  readonly #engine: Engine
  readonly #reader: Reader
  readonly #versions: VersionReader
  readonly #registry: SnapshotRegistry

  constructor(engine: Engine, reader: Reader, versions: VersionReader, registry: SnapshotRegistry) {
    this.#engine = engine
    this.#reader = reader
    this.#versions = versions
    this.#registry = registry
  }

  /** Where a walk begins. */
  first(): ViewWalk {
    return { source: 0, shard: 0, shards: this.#engine.shards.length, mixed: 0 }
  }

  /**
   * Tells of the next records, as they are at this moment, and returns where the walk goes on; undefined: it is over. A
   * record that is there all along is met at least once, whatever happens between two steps, restarts of the store
   * included. Fails with: Restarting.
   */
  step(
    from: readonly string[],
    walk: ViewWalk,
    meet: (source: number, table: string, key: string, value: unknown) => void,
  ): ViewWalk | undefined {
    const { shards } = this.#engine
    // Other shards hold other keys: the source is walked over anew.
    const at = walk.shards === shards.length ? walk : { ...walk, shard: 0, shards: shards.length, mixed: 0 }
    const table = from[at.source]
    if (table === undefined) return undefined
    const entry = this.#engine.catalogue.entry(table)
    const partition = shards[at.shard]?.require().partition(entry.id)
    let mixed = MIXED_END
    if (partition !== undefined) {
      if (partition.pending > 0) partition.drain(this.#engine.requireBuffer())
      const cursor = partition.table.cursor(at.mixed)
      cursor.next()
      for (const key of cursor.keys) meet(at.source, table, key, this.#reader.get(entry, key))
      mixed = cursor.position
    }
    if (mixed < MIXED_END) return { ...at, mixed }
    if (at.shard + 1 < shards.length) return { ...at, shard: at.shard + 1, mixed: 0 }
    return at.source + 1 < from.length ? { ...at, source: at.source + 1, shard: 0, mixed: 0 } : undefined
  }

  /** All tables as they are now. */
  snapshot(): WalkSnapshot {
    const open = this.#registry.take()
    return { lsn: open.lsn, open, [Symbol.dispose]: () => this.#registry.release(open) }
  }

  /** What the sources held at the snapshot, each record once. Each slice is to be read when its turn has come. */
  *slices({ open }: WalkSnapshot, from: readonly string[]): Generator<() => WalkedRecord[], undefined> {
    const view = { snapshot: open, lsn: open.lsn }
    for (const [source, table] of from.entries()) {
      const entry = this.#engine.catalogue.entry(table)
      let keys: string[] = []
      const slice = (wanted: readonly string[]) => (): WalkedRecord[] =>
        wanted.map((key) => [source, table, key, this.#versions.get(entry, key, view)])
      for (const key of this.#versions.keys(entry, view)) {
        keys.push(key)
        if (keys.length < SLICE) continue
        yield slice(keys)
        keys = []
      }
      if (keys.length > 0) yield slice(keys)
    }
    return undefined
  }

  /** Operations that remove all records of a view's tables, a slice at a time. */
  *removals({ rows, claims, given }: ViewParts): Generator<readonly Operation[], undefined> {
    for (const entry of [rows, claims, ...given]) {
      let operations: Operation[] = []
      for (const key of this.#keys(entry)) {
        operations.push({ kind: KIND_DELETE, entry, key, value: undefined })
        if (operations.length < SLICE) continue
        yield operations
        operations = []
      }
      if (operations.length > 0) yield operations
    }
    return undefined
  }

  #keys(entry: TableEntry): Iterable<string> {
    return this.#reader.keys(entry)
  }
}
