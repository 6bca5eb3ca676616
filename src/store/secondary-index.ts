// One secondary index: the keys that a function takes from the values of a table, in order, each with the key of its
// record. State that is derived from the table, in memory, and kept by whoever changes the table.
//
//   building ──> ready           a build has come to its end
//       └──────> failed          the function refused a record that is there, or two records have one key of a unique index
//   any     ──> building         recovery has taken the table back to another state
//   any     ──> dropped

import { IndexBuilding, IndexKeyRefused, NoSuchIndex } from "../model/index-errors.ts"
import { INDEX_KEYS_OF_VALUE_MAX } from "../model/limits.ts"
import { OrderedEntries } from "../table/ordered-entries.ts"
import type { CheckedDefinition } from "./index-definition.ts"

export type IndexState = "building" | "ready" | "failed" | "dropped"

export class SecondaryIndex {
  readonly table: string
  readonly name: string
  readonly definition: CheckedDefinition
  readonly entries: OrderedEntries = new OrderedEntries()
  // Changed by the builds of the index, and by what drops it.
  state: IndexState = "building"
  /** Why it has failed. */
  failure: unknown
  /** What builds it at the moment. */
  build: object | undefined
  doneRecords = 0
  totalRecords = 0
  /** Whether its keys may be written while it is built, judged by what is in it so far: see TableIndexes.create. */
  isOnline = false
  /** Told when it is dropped, or has failed: whoever follows it. */
  onGone: ((reason: unknown) => void) | undefined
  #settled: PromiseWithResolvers<void> = quietly(Promise.withResolvers())

  constructor(table: string, definition: CheckedDefinition) {
    this.table = table
    this.name = definition.name
    this.definition = definition
  }

  /** Whether commits change it. */
  get isKept(): boolean {
    return this.state === "building" || this.state === "ready"
  }

  /** What the index takes from a value: one key, for a many index an array of them; no key: undefined or null. */
  extract(key: string, value: unknown): unknown {
    try {
      const taken = this.definition.of(value)
      return this.definition.isMany && taken !== undefined && taken !== null ? this.#collect(key, taken) : taken
    } catch (error) {
      if (error instanceof IndexKeyRefused) throw error
      const reason = `its function failed with ${error instanceof Error ? error.message : String(error)}`
      throw new IndexKeyRefused(this.table, this.name, key, reason, error)
    }
  }

  /** Fails with: IndexBuilding, NoSuchIndex, what the build failed with. */
  requireReady(): void {
    if (this.state === "ready") return
    if (this.state === "building") {
      throw new IndexBuilding(this.table, this.name, this.doneRecords, this.totalRecords)
    }
    if (this.state === "dropped") throw new NoSuchIndex(this.table, this.name)
    throw this.failure
  }

  /** Resolves when the index can be read. Fails with: NoSuchIndex, StoreClosed, what the build failed with. */
  ready(): Promise<void> {
    return this.#settled.promise
  }

  /** Begins anew, from nothing. */
  begin(build: object): void {
    if (this.state !== "building") this.#settled = quietly(Promise.withResolvers())
    this.state = "building"
    this.failure = undefined
    this.build = build
    this.doneRecords = 0
    this.totalRecords = 0
    this.entries.clear()
  }

  finish(): void {
    this.state = "ready"
    this.build = undefined
    this.isOnline = false
    this.#settled.resolve()
  }

  fail(reason: unknown): void {
    this.state = "failed"
    this.failure = reason
    this.build = undefined
    this.isOnline = false
    this.entries.clear()
    this.#settled.reject(reason)
    this.onGone?.(reason)
  }

  drop(reason: unknown = new NoSuchIndex(this.table, this.name)): void {
    this.state = "dropped"
    this.build = undefined
    this.entries.clear()
    this.#settled.reject(reason)
    this.onGone?.(reason)
  }

  #collect(key: string, taken: unknown): readonly unknown[] {
    if (typeof taken !== "object" || taken === null || !(Symbol.iterator in taken)) {
      throw new IndexKeyRefused(this.table, this.name, key, "many: true asks for something to iterate over")
    }
    const keys: unknown[] = []
    for (const each of taken as Iterable<unknown>) {
      if (keys.length === INDEX_KEYS_OF_VALUE_MAX) {
        throw new IndexKeyRefused(this.table, this.name, key, `more than ${INDEX_KEYS_OF_VALUE_MAX} keys`)
      }
      keys.push(each)
    }
    return keys
  }
}

/** Somebody may wait for it; nobody has to. */
function quietly(settled: PromiseWithResolvers<void>): PromiseWithResolvers<void> {
  settled.promise.catch(() => undefined)
  return settled
}
