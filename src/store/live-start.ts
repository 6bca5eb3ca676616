// How live values get their first state: all of them walk over one snapshot, in slices, so that no turn is long, and wait
// until what it holds is durable. A failed log can take back commits that a snapshot holds: then the shards are built anew,
// the snapshot has ended, and the start has come to nothing.

import type { Engine } from "../actors/engine.ts"
import { Restarting } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { IndexBuilding } from "../model/index-errors.ts"
import { SnapshotExpired } from "../model/transaction-errors.ts"
import type { LiveNode } from "../streams/live-node.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import { loadParts } from "./live-parts.ts"
import { LiveReading, pause } from "./live-reading.ts"
import type { Wish } from "./live-reading.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { VersionReader } from "./version-reader.ts"

/** Whether a start that failed with this is worth another try, once every actor is up. */
export function isPassing(cause: unknown): boolean {
  return cause instanceof SnapshotExpired || cause instanceof Restarting || cause instanceof IndexBuilding
}

export class LiveStart {
  readonly #engine: Engine
  readonly #registry: SnapshotRegistry
  readonly #versions: VersionReader
  constructor(engine: Engine, registry: SnapshotRegistry, versions: VersionReader) {
    this.#engine = engine
    this.#registry = registry
    this.#versions = versions
  }

  /**
   * Loads them and lets them go on from there. False, with nothing done that counts, where `isCurrent` says meanwhile that
   * this start means nothing any more. Fails with: SnapshotExpired, Restarting, StoreClosed, Corruption.
   */
  async run(nodes: readonly LiveNode<unknown>[], isCurrent: () => boolean): Promise<boolean> {
    await this.#engine.ready()
    if (!isCurrent()) return false
    const snapshot = this.#registry.take()
    try {
      const { lsn } = snapshot
      for (const node of nodes) node.begin(lsn)
      const reading = new LiveReading(this.#versions, { snapshot, lsn }, this.#engine.clock, isCurrent)
      for (const [table, wishes] of wishesByTable(nodes)) {
        const inParts = wishes.filter(({ wanted }) => wanted.part !== undefined)
        const walking = wishes.filter(({ wanted }) => wanted.key === undefined && wanted.part === undefined)
        const entry = this.#engine.catalogue.entry(table)
        for (const wish of wishes) if (wish.wanted.key !== undefined) reading.give(entry, wish.wanted.key, [wish])
        if (walking.length > 0 && !(await this.#walk(entry, walking, reading))) return false
        if (inParts.length > 0 && !(await loadParts(reading, entry, inParts))) return false
      }
      await this.#untilDurable(snapshot)
      if (!isCurrent()) return false
      for (const node of nodes) node.finish()
      return true
    } finally {
      this.#registry.release(snapshot)
    }
  }

  /** False where the start means nothing any more. */
  async #walk(entry: TableEntry, wishes: readonly Wish[], reading: LiveReading): Promise<boolean> {
    const byPrefix = wishesByPrefix(wishes)
    for (const key of reading.versions.keys(entry, reading.view)) {
      if (reading.isSliceOver) {
        if (!(await reading.rest())) return false
        if (wishes.every(({ node }) => node.isOver)) return true
      }
      for (const [length, prefixes] of byPrefix) {
        const matching = prefixes.get(key.slice(0, length))
        if (matching !== undefined) reading.give(entry, key, matching)
      }
    }
    return true
  }

  rest(ms: number): Promise<void> {
    return pause(this.#engine.clock, ms)
  }

  async #untilDurable(snapshot: OpenSnapshot): Promise<void> {
    const { commit, status } = this.#engine
    // Where the disk is full, there is nothing but what was read from it.
    if (commit === undefined && status.state !== "read-only") throw this.#engine.unavailable("the log")
    try {
      await commit?.flush()
    } catch {
      probe("a live query starts while the log fails")
      throw this.#engine.unavailable("the log")
    }
    this.#registry.check(snapshot)
  }
}

/** By the length of the prefix, by the prefix. */
function wishesByPrefix(wishes: readonly Wish[]): Map<number, Map<string, Wish[]>> {
  const lengths = new Map<number, Map<string, Wish[]>>()
  for (const wish of wishes) {
    const { prefix } = wish.wanted
    const prefixes = lengths.get(prefix.length) ?? new Map<string, Wish[]>()
    lengths.set(prefix.length, prefixes)
    const equal = prefixes.get(prefix) ?? []
    prefixes.set(prefix, equal)
    equal.push(wish)
  }
  return lengths
}

function wishesByTable(nodes: readonly LiveNode<unknown>[]): Map<string, Wish[]> {
  const tables = new Map<string, Wish[]>()
  for (const node of nodes) {
    for (const [source, wanted] of node.sources.entries()) {
      const wishes = tables.get(wanted.table) ?? []
      tables.set(wanted.table, wishes)
      wishes.push({ node, source, wanted })
    }
  }
  return tables
}
