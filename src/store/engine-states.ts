// The states of a store for its change feed: that of now through a snapshot, which costs nothing to take, and those of the
// past out of the files, which are read into memory as a whole.

import type { Engine } from "../actors/engine.ts"
import type { Change } from "../model/change.ts"
import { CommitUnknown, Corruption, CursorExpired, StorageFailed, StoreClosed, WriteRejected } from "../model/errors.ts"
import { InvariantViolation, probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import { KIND_DELETE } from "../format/record.ts"
import { readPast } from "../recovery/read-past.ts"
import type { Filter } from "../streams/filter.ts"
import type { FeedState, FeedStates } from "../streams/feed-state.ts"
import { Catalogue } from "../table/catalogue.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import { ShardTables } from "../table/shard-tables.ts"
import { Reader } from "./reader.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { StoreLife } from "./store-life.ts"
import type { ReadView, VersionReader } from "./version-reader.ts"

/** Records of a piece, and keys that are looked at before others get a turn. */
const PIECE_COUNT_MAX = 1_024
const LOOK_COUNT_MAX = 4_096
/** Milliseconds between two looks for a newer state. */
const RENEWAL_MS = 100
/** An owner that lets go of files while they are read is met by reading again, so often. */
const ATTEMPT_COUNT = 5

export class EngineStates implements FeedStates {
  readonly #engine: Engine
  readonly #life: StoreLife
  readonly #registry: SnapshotRegistry
  readonly #reader: VersionReader

  constructor(engine: Engine, life: StoreLife, registry: SnapshotRegistry, reader: VersionReader) {
    this.#engine = engine
    this.#life = life
    this.#registry = registry
    this.#reader = reader
  }

  get lastLsn(): Lsn {
    return lsnOf(this.#engine.commit?.lastLsn ?? this.#engine.lsnMin - 1)
  }

  hasCommitsAfter(lsn: Lsn): boolean {
    return lsn + 1 >= (this.#engine.log?.oldestLsn ?? 1)
  }

  hasStateAt(lsn: Lsn): boolean {
    if (!this.hasCommitsAfter(lsn)) return false
    const oldestLsn = this.#engine.log?.oldestLsn ?? 1
    const isBase = (throughLsn: number): boolean => throughLsn <= lsn && throughLsn + 1 >= oldestLsn
    return oldestLsn === 1 || lsn === this.lastLsn || this.#engine.checkpoints.some((one) => isBase(one.throughLsn))
  }

  wallMs(): number {
    return this.#engine.clock.wallMs()
  }

  take(): FeedState {
    this.#life.requireOpen()
    return new SnapshotState(this.#engine.catalogue, this.#registry, this.#reader, this.#registry.take())
  }

  at(lsn: Lsn): FeedState | Promise<FeedState> {
    if (lsn === this.lastLsn && this.#engine.intake !== undefined) return this.take()
    return this.#past(lsn)
  }

  async settled(state: FeedState): Promise<boolean> {
    try {
      await this.#life.flush()
    } catch (error) {
      if (!(error instanceof CommitUnknown || error instanceof WriteRejected)) throw error
      await this.#engine.ready()
      return false
    }
    // A log that failed and was recovered meanwhile has built the shards anew, which ended the snapshot.
    return state.isReadable
  }

  async pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#engine.clock.after(0, resolve, true)
    await promise
  }

  later(callback: () => void): () => void {
    const timer = this.#engine.clock.after(RENEWAL_MS, callback)
    return () => timer.cancel()
  }

  async #past(lsn: Lsn): Promise<FeedState> {
    probe("a stream reads a state of the past")
    await this.#life.flush()
    if (!this.hasCommitsAfter(lsn)) throw new CursorExpired(lsn, this.#engine.log?.oldestLsn ?? 1)
    const { directory, shardCount } = this.#engine.settings
    const catalogue = new Catalogue(this.#engine.settings.compression)
    for (let attempt = 1; ; attempt++) {
      this.#life.requireOpen()
      const shards = Array.from({ length: shardCount }, () => new ShardTables())
      catalogue.reset()
      try {
        await readPast(directory, this.#engine.manifest, { lsn }, catalogue, shards)
        return new PastState(lsn, new PastReader(catalogue, shards, this.#engine))
      } catch (error) {
        const isGone = error instanceof StorageFailed && error.systemCode === "ENOENT"
        if ((!isGone && !(error instanceof Corruption)) || attempt === ATTEMPT_COUNT) throw error
      }
    }
  }
}

class SnapshotState implements FeedState {
  readonly lsn: Lsn
  readonly #catalogue: Catalogue
  readonly #registry: SnapshotRegistry
  readonly #reader: VersionReader
  readonly #snapshot: OpenSnapshot
  readonly #view: ReadView
  #isOpen = true

  constructor(catalogue: Catalogue, registry: SnapshotRegistry, reader: VersionReader, snapshot: OpenSnapshot) {
    this.lsn = lsnOf(snapshot.lsn)
    this.#catalogue = catalogue
    this.#registry = registry
    this.#reader = reader
    this.#snapshot = snapshot
    this.#view = { snapshot, lsn: snapshot.lsn }
  }

  get isReadable(): boolean {
    try {
      this.#registry.check(this.#snapshot)
      return true
    } catch {
      return false
    }
  }

  value(table: string, key: string): unknown {
    return this.#reader.get(this.#catalogue.entry(table), key, this.#view)
  }

  *pieces({ table, prefix, keys, kind }: Filter): Generator<readonly Change[] | undefined, undefined> {
    if (kind === KIND_DELETE) return undefined
    const entries =
      table === undefined ? this.#catalogue.userNames().map((name) => this.#catalogue.entry(name)) : [table]
    const start = Buffer.from(prefix).toString()
    let piece: Change[] = []
    let looks = 0
    for (const entry of entries) {
      for (const key of keys ?? this.#reader.keys(entry, this.#view)) {
        if (key.startsWith(start)) this.#add(piece, entry, key)
        if (piece.length === PIECE_COUNT_MAX) {
          yield piece
          piece = []
        }
        if (++looks % LOOK_COUNT_MAX === 0) yield undefined
      }
    }
    if (piece.length > 0) yield piece
    return undefined
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#registry.release(this.#snapshot)
  }

  #add(piece: Change[], entry: TableEntry, key: string): void {
    const version = this.#reader.versionOf(entry, key, this.#view)
    if (version === 0) return
    const value = this.#reader.get(entry, key, this.#view)
    piece.push({ kind: "put", table: entry.name, key, value, lsn: lsnOf(version) })
  }
}

class PastState implements FeedState {
  readonly lsn: Lsn
  #reader: PastReader | undefined

  constructor(lsn: Lsn, reader: PastReader) {
    this.lsn = lsn
    this.#reader = reader
  }

  get isReadable(): boolean {
    return this.#reader !== undefined
  }

  value(table: string, key: string): unknown {
    if (this.#reader === undefined) throw new StoreClosed("a state of the past was let go", "Read another")
    return this.#reader.get(table, key)
  }

  pieces(): Generator<readonly Change[] | undefined, undefined> {
    throw new InvariantViolation("a stream begins with the state of now")
  }

  close(): void {
    this.#reader = undefined
  }
}

/** Tables that were read from files: nobody else has them. */
class PastReader {
  readonly #catalogue: Catalogue
  readonly #reader: Reader

  constructor(catalogue: Catalogue, shards: readonly ShardTables[], { manifest }: Engine) {
    this.#catalogue = catalogue
    this.#reader = new Reader({
      catalogue,
      manifest,
      shards: shards.map((tables, index) => ({ name: `shard-${index}`, require: () => tables })),
      requireBuffer: () => {
        throw new InvariantViolation("a state of the past has no notes")
      },
      unavailable: () => new StoreClosed("a state of the past was let go", "Read another"),
    })
  }

  get(table: string, key: string): unknown {
    return this.#reader.get(this.#catalogue.entry(table), key)
  }
}
