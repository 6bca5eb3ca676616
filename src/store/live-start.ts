// How live values get their first state: all of them walk over one snapshot, in slices, so that no turn is long, and wait
// until what it holds is durable. A failed log can take back commits that a snapshot holds: then the shards are built anew,
// the snapshot has ended, and the start has come to nothing.

import type { Engine } from "../actors/engine.ts"
import { Restarting } from "../model/errors.ts"
import { probe } from "../model/invariant.ts"
import { SnapshotExpired } from "../model/transaction-errors.ts"
import type { LiveNode, LiveSource } from "../streams/live-node.ts"
import type { OpenSnapshot } from "../table/retention.ts"
import type { SnapshotRegistry } from "./snapshot-registry.ts"
import type { ReadView, VersionReader } from "./version-reader.ts"

/** Milliseconds that a slice of the walk takes about. */
const SLICE_MS = 3
/** Rows after which the clock is looked at. */
const LOOK_COUNT = 64

interface Wish {
  readonly node: LiveNode<unknown>
  readonly source: number
  readonly wanted: LiveSource
}

/** Whether a start that failed with this is worth another try, once every actor is up. */
export function isPassing(cause: unknown): boolean {
  return cause instanceof SnapshotExpired || cause instanceof Restarting
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
      const view: ReadView = { snapshot, lsn }
      for (const [table, wishes] of wishesByTable(nodes)) {
        const walking = wishes.filter(({ wanted }) => wanted.key === undefined)
        for (const wish of wishes) if (wish.wanted.key !== undefined) this.#read(table, wish.wanted.key, [wish], view)
        if (walking.length > 0 && !(await this.#walk(table, walking, view, isCurrent))) return false
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
  async #walk(table: string, wishes: readonly Wish[], view: ReadView, isCurrent: () => boolean): Promise<boolean> {
    const { catalogue, clock } = this.#engine
    const entry = catalogue.entry(table)
    const byPrefix = wishesByPrefix(wishes)
    let count = 0
    let sliceStartMs = clock.monotonicMs()
    for (const key of this.#versions.keys(entry, view)) {
      if (++count % LOOK_COUNT === 0 && clock.monotonicMs() - sliceStartMs >= SLICE_MS) {
        // Others have their turn.
        await this.rest(0)
        if (!isCurrent()) return false
        if (wishes.every(({ node }) => node.isOver)) return true
        sliceStartMs = clock.monotonicMs()
      }
      for (const [length, prefixes] of byPrefix) {
        const matching = prefixes.get(key.slice(0, length))
        if (matching !== undefined) this.#read(table, key, matching, view)
      }
    }
    return true
  }

  #read(table: string, key: string, wishes: readonly Wish[], view: ReadView): void {
    const entry = this.#engine.catalogue.entry(table)
    const version = this.#versions.versionOf(entry, key, view)
    if (version === 0) return
    let read: { readonly value: unknown } | undefined
    for (const { node, source } of wishes) {
      if (node.isOver) continue
      const known = node.known(source, key, version)
      if (known === undefined) read ??= { value: this.#versions.get(entry, key, view) }
      node.load(source, key, (known ?? read)?.value, version)
    }
  }

  async rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#engine.clock.after(ms, resolve, true)
    await promise
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
