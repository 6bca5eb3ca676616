// Walks over what is in tables, for views that are built or removed: a slice at a time, each no more than one commit takes.

import type { Engine } from "../actors/engine.ts"
import { KIND_DELETE } from "../format/record.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { Table } from "../table/table.ts"
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
/** Regions that a slice looks at. */
const LOOK_COUNT_MAX = 4_096
const REGION_COUNT_MAX = 2 ** 20
/** Records of a region, about. */
const REGION_RECORDS = 16

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
    // In how many regions shows when there is a source to look at.
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
    const table = from[walk.source]
    if (table === undefined) return undefined
    const entry = this.#engine.catalogue.entry(table)
    // Other shards hold other keys: the source is walked over anew.
    const isKnown = walk.shards === shards.length && walk.regions !== undefined
    const anew = { ...walk, shard: 0, shards: shards.length, mixed: 0 }
    const at = isKnown ? walk : { ...anew, regions: regionsFor(this.#reader.size(entry) / shards.length) }
    const partition = shards[at.shard]?.require().partition(entry.id)
    let place = MIXED_END
    if (partition !== undefined) {
      if (partition.pending > 0) partition.drain(this.#engine.requireBuffer())
      place = this.#regionsOf(partition.table, at, (key) => meet(at.source, table, key, this.#reader.get(entry, key)))
    }
    if (place < MIXED_END) return { ...at, mixed: place }
    if (at.shard + 1 < shards.length) return { ...at, shard: at.shard + 1, mixed: 0 }
    const next = { source: at.source + 1, shard: 0, shards: shards.length, mixed: 0 }
    return at.source + 1 < from.length ? next : undefined
  }

  /**
   * Tells of the keys from a place on, about a slice of them, and returns the place behind. Regions of the hashes come in
   * bit-reversed order, so that those who come after each other are far apart. In the order of the hashes a view with the
   * keys of its source would fill its own index at one end, where every insertion passes over all that came before.
   */
  #regionsOf(table: Table, { mixed, regions = 1 }: ViewWalk, meet: (key: string) => void): number {
    const span = MIXED_END / regions
    let place = mixed
    let count = 0
    for (let looks = 0; place < MIXED_END && count < SLICE && looks < LOOK_COUNT_MAX; looks++) {
      const region = Math.floor(place / span)
      const start = reversed(region, regions) * span
      const cursor = table.cursor(start + (place - region * span), start + span)
      cursor.next()
      for (const key of cursor.keys) meet(key)
      count += cursor.keys.length
      place = region * span + (cursor.position - start)
    }
    return place
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

/** A power of two. */
function regionsFor(recordCount: number): number {
  let regions = 1
  while (regions < REGION_COUNT_MAX && regions * REGION_RECORDS < recordCount) regions *= 2
  return regions
}

/** The number with its bits, of which there are as many as numbers below `count` have, the other way round. */
function reversed(number: number, count: number): number {
  let result = 0
  for (let bit = 1, place = count >>> 1; place > 0; bit <<= 1, place >>>= 1) if ((number & bit) !== 0) result |= place
  return result
}
