// A store as it was at a moment: read from its files into memory, and nothing else. No lock, no log, no writes; the owner
// may go on beside it. What it holds does not change any more.

import type { Manifest } from "../format/manifest.ts"
import { StoreClosed } from "../model/errors.ts"
import type { OrreryError } from "../model/errors.ts"
import { InvariantViolation } from "../model/invariant.ts"
import type { MerkleRoot } from "../model/merkle.ts"
import { checkTableName } from "../model/system-tables.ts"
import type { Platform } from "../platform/platform.ts"
import { readPast } from "../recovery/read-past.ts"
import type { Moment } from "../recovery/find-past.ts"
import type { PastState } from "../recovery/read-past.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { Catalogue } from "../table/catalogue.ts"
import { ShardTables } from "../table/shard-tables.ts"
import { rootOf } from "./past-root.ts"
import { Reader } from "./reader.ts"
import { readStoreFiles } from "./store-reading.ts"
import { TableView } from "./table-view.ts"

export class PastStore {
  /** The directory. */
  readonly path: string
  /** The last commit in it; 0 for the empty state. */
  readonly lsn: number
  readonly #catalogue: Catalogue
  readonly #platform: Platform
  #shards: readonly ShardTables[]
  #reader: Reader | undefined

  /** Made by `open` with `readOnly: true`. */
  constructor(
    path: string,
    lsn: number,
    manifest: Manifest,
    catalogue: Catalogue,
    shards: readonly ShardTables[],
    platform: Platform,
  ) {
    this.path = path
    this.lsn = lsn
    this.#catalogue = catalogue
    this.#platform = platform
    this.#shards = shards
    this.#reader = new Reader({
      catalogue,
      manifest,
      shards: shards.map((tables, index) => ({ name: `shard-${index}`, require: () => this.#require(tables) })),
      requireBuffer: () => {
        throw new InvariantViolation("a state of the past has no notes")
      },
      unavailable: () => closed(),
    })
  }

  /** Names of the tables that hold, or held, records. */
  tables(): string[] {
    return this.#catalogue.userNames()
  }

  /** The table as it was; empty if there was none of that name. Fails with: StoreClosed. */
  table<Value = unknown>(name: string): TableView<Value> {
    if (this.#reader === undefined) throw closed()
    checkTableName(name)
    return new TableView<Value>(this.#reader, this.#catalogue.entry(name))
  }

  /**
   * The Merkle root of what it holds: that which the store had behind that commit. Made anew by every call, some
   * microseconds a record, in slices. Fails with: StoreClosed, ValueDamaged.
   */
  async merkleRoot(): Promise<MerkleRoot> {
    const requireOpen = (): void => {
      if (this.#reader === undefined) throw closed()
    }
    requireOpen()
    return rootOf(this.#platform, this.lsn, this.#catalogue, this.#shards, requireOpen)
  }

  /** Lets go of the memory. Calling it twice is allowed. */
  close(): Promise<void> {
    this.#reader = undefined
    this.#shards = []
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #require(tables: ShardTables): ShardTables {
    if (this.#reader === undefined) throw closed()
    return tables
  }
}

/** What reading a directory gave. */
export interface PastReading {
  readonly directory: LogDirectory
  readonly manifest: Manifest
  readonly catalogue: Catalogue
  readonly shards: readonly ShardTables[]
  readonly state: PastState
}

/** Fails with: CannotOpen, NotAStore, HistoryExpired, UnsupportedFormat, Corruption, StorageFailed, the signal's reason. */
export async function openPast(
  platform: Platform,
  path: string,
  moment: Moment,
  shardCount: number,
  signal: AbortSignal | undefined,
): Promise<PastStore> {
  const { manifest, catalogue, shards, state } = await readDirectory(platform, path, moment, shardCount, signal)
  return new PastStore(path, state.lsn, manifest, catalogue, shards, platform)
}

/** Reads a state into memory. Fails as `openPast` does. */
export async function readDirectory(
  platform: Platform,
  path: string,
  moment: Moment,
  shardCount: number,
  signal: AbortSignal | undefined,
  catalogue: Catalogue = new Catalogue(platform.compression),
): Promise<PastReading> {
  return readStoreFiles(platform, path, signal, async (directory, manifest) => {
    catalogue.reset()
    const shards = Array.from({ length: shardCount }, () => new ShardTables())
    const state = await readPast(directory, manifest, moment, catalogue, shards)
    return { directory, manifest, catalogue, shards, state }
  })
}

function closed(): OrreryError {
  return new StoreClosed("it was closed by its user", "Open it again")
}
