// An index as it is: with every commit that was applied, whether it is durable or not, as `get` has it.

import type { Engine } from "../actors/engine.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { EntryWalk } from "../table/ordered-entries.ts"
import { keyOver } from "./index-range.ts"
import type { IndexBounds } from "./index-range.ts"
import type { Reader } from "./reader.ts"
import type { SecondaryIndex } from "./secondary-index.ts"
import type { IndexSource, IndexWalk } from "./table-index.ts"
import type { TableIndexes } from "./table-indexes.ts"

export class PresentIndex implements IndexSource {
  readonly entry: TableEntry
  readonly index: SecondaryIndex
  readonly #engine: Engine
  readonly #reader: Reader
  readonly #indexes: TableIndexes

  constructor(engine: Engine, reader: Reader, indexes: TableIndexes, index: SecondaryIndex) {
    this.#engine = engine
    this.#reader = reader
    this.entry = indexes.entry
    this.#indexes = indexes
    this.index = index
  }

  /** Whether it can be read at the moment. */
  get isReady(): boolean {
    this.#indexes.refresh()
    return this.index.state === "ready"
  }

  walk({ low, high, isReverse }: IndexBounds): IndexWalk {
    return new CheckedWalk(this, this.index.entries.walk(low, high, isReverse))
  }

  count({ low, high }: IndexBounds): number {
    this.require()
    return this.index.entries.countBetween(low, high)
  }

  first(indexKey: unknown): string | undefined {
    // First: it may build the index anew, and with it call functions that look into others.
    this.require()
    const { bytes, end } = keyOver(indexKey)
    return this.index.entries.firstOf(bytes, 0, end)
  }

  value(key: string): unknown {
    return this.#reader.get(this.entry, key)
  }

  /** Fails with: IndexBuilding, NoSuchIndex, what its build failed with, Restarting, StoreClosed. */
  require(): void {
    // What a shard that is down holds may be taken back before it comes up again.
    for (const shard of this.#engine.shards) shard.require()
    this.#indexes.refresh()
    this.index.requireReady()
  }
}

class CheckedWalk implements IndexWalk {
  readonly #source: PresentIndex
  readonly #walk: EntryWalk

  constructor(source: PresentIndex, walk: EntryWalk) {
    this.#source = source
    this.#walk = walk
  }

  get bytes(): Buffer {
    return this.#walk.bytes
  }

  get start(): number {
    return this.#walk.start
  }

  get keyEnd(): number {
    return this.#walk.keyEnd
  }

  get end(): number {
    return this.#walk.end
  }

  next(): boolean {
    this.#source.require()
    return this.#walk.next()
  }

  recordKey(): string {
    return this.#walk.recordKey()
  }
}
