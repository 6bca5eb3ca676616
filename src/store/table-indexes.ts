// The indexes of one table: which there are, and how they come up. Small tables are taken in at once; large ones in slices
// between which everything else goes on, and writes are followed. After a recovery, which may have taken commits back, all
// of them are built anew; a shard that is built anew alone comes back as it was, and they stay.

import type { Engine } from "../actors/engine.ts"
import { NoSuchIndex } from "../model/index-errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { InDoubtWrites } from "./claims-in-doubt.ts"
import { IndexBuild } from "./index-build.ts"
import { requireFew, requireSame } from "./index-definition.ts"
import type { CheckedDefinition } from "./index-definition.ts"
import { SecondaryIndex } from "./secondary-index.ts"
import type { IndexState } from "./secondary-index.ts"
import { throwIfAborted } from "./option-checks.ts"

/** Records up to which an index is built within the call that wants it. */
const AT_ONCE_COUNT = 10_000
/** How long one slice of a longer build takes, and how many steps at most. */
const SLICE_MS = 3
const SLICE_STEPS = 8
/** Between two looks at a shard that is down. */
const WAITING_MS = 10

/** How the build of an index gets on. */
export interface IndexProgress {
  readonly doneRecords: number
  /** About how many there are. */
  readonly totalRecords: number
}

/** What there is to know of an index. */
export interface IndexInfo extends IndexProgress {
  readonly name: string
  readonly isUnique: boolean
  readonly isMany: boolean
  readonly state: Exclude<IndexState, "dropped">
  /** Entries: one for each key of each record. */
  readonly entries: number
  /** Bytes of memory. */
  readonly bytes: number
}

export interface CreateIndexOptions {
  /** Told after each slice of the build. What it throws takes the index away again. */
  readonly onProgress?: (progress: IndexProgress) => void
  /** Takes the index away again, as long as it is being built. */
  readonly signal?: AbortSignal
}

export class TableIndexes {
  /** Builds that have come to their end. */
  buildCount = 0
  readonly entry: TableEntry
  readonly #engine: Engine
  readonly #inDoubt: InDoubtWrites
  #list: readonly SecondaryIndex[] = []
  /** Of the state that the indexes were built from. */
  #recoveryCount: number

  constructor(engine: Engine, entry: TableEntry, inDoubt: InDoubtWrites) {
    this.#engine = engine
    this.#inDoubt = inDoubt
    this.entry = entry
    this.#recoveryCount = engine.recoveryCount
  }

  get list(): readonly SecondaryIndex[] {
    return this.#list
  }

  /** Fails with: NoSuchIndex. */
  require(name: string): SecondaryIndex {
    const index = this.#list.find((candidate) => candidate.name === name)
    if (index === undefined) throw new NoSuchIndex(this.entry.name, String(name))
    return index
  }

  /** Adds those that are not there yet, all or none. Fails with: IndexConflict, LimitExceeded. */
  define(definitions: readonly CheckedDefinition[]): void {
    const table = this.entry.name
    const missing = definitions.filter((definition) => {
      const known = this.#list.find(({ name }) => name === definition.name)
      if (known !== undefined) requireSame(table, known.definition, definition)
      return known === undefined
    })
    requireFew(table, this.#list.length + missing.length)
    this.#add(missing.map((definition) => new SecondaryIndex(table, definition)))
  }

  /**
   * Adds one while the table is in use: writes go on, and violations of a unique index among what is there already take it
   * away again. Waits for one that is there with the same definition. Fails with: IndexConflict, LimitExceeded, UniqueViolation, IndexKeyRefused, the signal's reason.
   */
  async create(definition: CheckedDefinition, { onProgress, signal }: CreateIndexOptions): Promise<void> {
    throwIfAborted(signal)
    const table = this.entry.name
    const known = this.#list.find(({ name }) => name === definition.name)
    if (known !== undefined) {
      requireSame(table, known.definition, definition)
      return known.ready()
    }
    requireFew(table, this.#list.length + 1)
    const index = new SecondaryIndex(table, definition)
    index.isOnline = true
    const onAbort = (): void => this.#remove(index, signal?.reason)
    signal?.addEventListener("abort", onAbort, { once: true })
    this.#add([index], (progress) => {
      try {
        onProgress?.(progress)
      } catch (error) {
        this.#remove(index, error)
      }
    })
    try {
      await index.ready()
    } catch (error) {
      this.#remove(index, error)
      throw error
    } finally {
      signal?.removeEventListener("abort", onAbort)
    }
  }

  /** Fails with: NoSuchIndex. */
  drop(name: string): void {
    this.#remove(this.require(name))
  }

  /** Resolves when all of them can be read. Fails with what the first one fails with. */
  async ready(): Promise<void> {
    this.refresh()
    await Promise.all(this.#list.map((index) => index.ready()))
  }

  /** Sees to it that the indexes are of the state that there is. To be called before they are read or changed. */
  refresh(): void {
    if (this.#recoveryCount === this.#engine.recoveryCount || !this.#isUp) return
    probe("indexes are built anew after a recovery")
    this.#recoveryCount = this.#engine.recoveryCount
    this.#build(this.#list)
  }

  infos(): readonly IndexInfo[] {
    return this.#list.map((index) => ({
      name: index.name,
      isUnique: index.definition.isUnique,
      isMany: index.definition.isMany,
      state: index.state as IndexInfo["state"],
      entries: index.entries.count,
      bytes: index.entries.byteSize,
      doneRecords: index.doneRecords,
      totalRecords: index.totalRecords,
    }))
  }

  #add(indexes: readonly SecondaryIndex[], onProgress?: (progress: IndexProgress) => void): void {
    if (indexes.length === 0) return
    // Behind a recovery that nobody has looked at yet those that are there are another matter.
    this.refresh()
    if (this.#list.length === 0) {
      this.entry.ruleCount++
      this.#recoveryCount = this.#engine.recoveryCount
    }
    this.#list = [...this.#list, ...indexes]
    this.#build(indexes, onProgress)
  }

  #remove(index: SecondaryIndex, reason?: unknown): void {
    if (!this.#list.includes(index)) return
    this.#list = this.#list.filter((other) => other !== index)
    if (this.#list.length === 0) this.entry.ruleCount--
    index.drop(reason)
  }

  /** All at once, if they are few and nobody wants to be told; or in slices. */
  #build(indexes: readonly SecondaryIndex[], onProgress?: (progress: IndexProgress) => void): void {
    if (indexes.length === 0) return
    const build = new IndexBuild(this.#engine, this.entry, indexes, this.#inDoubt)
    if (this.#isUp && this.#recordCount() <= AT_ONCE_COUNT) {
      let progress = build.step()
      while (progress === "more") progress = build.step()
      invariant(progress !== "waiting", "a build that stays on its turn meets every shard")
      if (progress === "done") this.buildCount++
      for (const index of indexes) index.totalRecords = index.doneRecords
      for (const { doneRecords, totalRecords } of indexes) onProgress?.({ doneRecords, totalRecords })
    } else this.#slice(build, onProgress)
  }

  #slice(build: IndexBuild, onProgress: ((progress: IndexProgress) => void) | undefined): void {
    const { clock } = this.#engine
    const total = this.#isUp ? this.#recordCount() : 0
    for (const index of build.indexes) index.totalRecords = Math.max(total, index.doneRecords)
    clock.after(
      0,
      () => {
        const end = clock.monotonicMs() + SLICE_MS
        const { state } = this.#engine.status
        this.refresh()
        let progress = build.step()
        for (let step = 1; progress === "more" && step < SLICE_STEPS && clock.monotonicMs() < end; step++) {
          progress = build.step()
        }
        if (progress === "done") this.buildCount++
        for (const { doneRecords, totalRecords } of build.indexes) onProgress?.({ doneRecords, totalRecords })
        if (progress === "more") this.#slice(build, onProgress)
        else if (progress === "waiting" && (state === "closed" || state === "closing")) this.#end(build)
        else if (progress === "waiting") clock.after(WAITING_MS, () => this.#slice(build, onProgress), true)
      },
      true,
    )
  }

  /** The store is closed. */
  #end(build: IndexBuild): void {
    for (const index of build.indexes) index.fail(this.#engine.closedError())
  }

  get #isUp(): boolean {
    return this.#engine.shards.every(({ tables }) => tables !== undefined)
  }

  #recordCount(): number {
    let count = 0
    for (const { tables } of this.#engine.shards) {
      const partition = tables?.partition(this.entry.id)
      count += (partition?.table.count ?? 0) + (partition?.pending ?? 0)
    }
    return count + this.#inDoubt.countOf(this.entry)
  }
}
