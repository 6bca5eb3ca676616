// Hands durable commits to the live values that they concern: all of a store's share one subscription of its feed, so every
// change is decoded once, and all of them stand at the same commit. Who watches a key, a prefix, or a key of an index, is
// found by it, whatever the number of others.
//
// First every live value takes the commit in; then those who follow deltas are told; listeners of values are told at the
// end of the turn, once for all commits that became durable together. So nobody who is told meets a value that lags behind.

import type { Change, Commit } from "../model/change.ts"
import type { LiveIndex } from "./index-part.ts"
import { LiveIndexRoutes } from "./live-index-routes.ts"
import type { LiveHost, LiveNode, LiveSource } from "./live-node.ts"

interface Route {
  readonly node: LiveNode<unknown>
  readonly source: number
  readonly prefix: string
}

/** By the source, of which every live value has its own. */
type Routes = Map<LiveSource, Route>

/** Who wants what of one table. */
class TableRoutes {
  readonly whole: Routes = new Map()
  readonly byKey: Map<string, Routes> = new Map()
  /** By the length of the prefix, by the prefix. */
  readonly byPrefix: Map<number, Map<string, Routes>> = new Map()
  readonly byIndex: Map<LiveIndex, LiveIndexRoutes<Route>> = new Map()
  /** By key: the last changes, while somebody loads parts of indexes. */
  readonly late: Map<string, Change> = new Map()

  get isEmpty(): boolean {
    const { whole, byKey, byPrefix, byIndex } = this
    return whole.size === 0 && byKey.size === 0 && byPrefix.size === 0 && byIndex.size === 0
  }

  add(source: LiveSource, route: Route): void {
    const { key, prefix, part } = source
    if (part !== undefined) {
      madeIn(this.byIndex, part.index, () => new LiveIndexRoutes<Route>(part.index)).add(part, source, route)
    } else if (key !== undefined) madeIn(this.byKey, key, newRoutes).set(source, route)
    else if (prefix === "") this.whole.set(source, route)
    else madeIn(madeIn(this.byPrefix, prefix.length, newPrefixes), prefix, newRoutes).set(source, route)
  }

  remove(source: LiveSource): void {
    const { key, prefix, part } = source
    if (part !== undefined) {
      const routes = this.byIndex.get(part.index)
      routes?.remove(part, source)
      if (routes?.isEmpty === true) this.byIndex.delete(part.index)
    } else if (key !== undefined) removeFrom(this.byKey, key, source)
    else if (prefix === "") this.whole.delete(source)
    else {
      const prefixes = this.byPrefix.get(prefix.length)
      if (prefixes !== undefined) removeFrom(prefixes, prefix, source)
      if (prefixes?.size === 0) this.byPrefix.delete(prefix.length)
    }
  }
}

export class LiveRouter implements LiveHost {
  readonly #onForget: (node: LiveNode<unknown>) => void
  readonly #tables: Map<string, TableRoutes> = new Map()
  readonly #nodes: Set<LiveNode<unknown>> = new Set()
  /** Those whose listeners have something to see at the end of the turn. */
  #changed: Set<LiveNode<unknown>> = new Set()
  /** Those that load parts of indexes. */
  readonly #keeping: Set<LiveNode<unknown>> = new Set()
  #lsn = 0
  /** The newest commit that parts of indexes were loaded as of. */
  #loadedLsn = 0

  /** `onForget`: a live value is over. */
  constructor(onForget: (node: LiveNode<unknown>) => void) {
    this.#onForget = onForget
  }

  get lsn(): number {
    return this.#lsn
  }

  get nodes(): ReadonlySet<LiveNode<unknown>> {
    return this.#nodes
  }

  add(node: LiveNode<unknown>): void {
    this.#nodes.add(node)
    for (const [index, source] of node.sources.entries()) {
      madeIn(this.#tables, source.table, () => new TableRoutes()).add(source, {
        node,
        source: index,
        prefix: source.prefix,
      })
    }
  }

  forget(node: LiveNode<unknown>): void {
    if (!this.#nodes.delete(node)) return
    this.letGo(node)
    this.#changed.delete(node)
    for (const source of node.sources) {
      const routes = this.#tables.get(source.table)
      routes?.remove(source)
      if (routes?.isEmpty === true) this.#tables.delete(source.table)
    }
    this.#onForget(node)
  }

  keep(node: LiveNode<unknown>, snapshotLsn: number): void {
    this.#keeping.add(node)
    this.#loadedLsn = Math.max(this.#loadedLsn, snapshotLsn)
  }

  letGo(node: LiveNode<unknown>): void {
    if (!this.#keeping.delete(node) || this.#keeping.size > 0) return
    for (const { late } of this.#tables.values()) late.clear()
  }

  adopt(source: LiveSource, keys: Iterable<string>, snapshotLsn: number): readonly Change[] {
    const changes: Change[] = []
    const routes = this.#tables.get(source.table)
    const { part } = source
    if (routes === undefined || part === undefined) return changes
    const places = routes.byIndex.get(part.index)
    for (const key of keys) {
      const change = routes.late.get(key)
      if (change !== undefined && change.lsn > snapshotLsn) changes.push(change)
      else places?.note(part, key)
    }
    return changes
  }

  /** Takes a commit in. Throws nothing: what users' functions throw ends their own query. */
  commit(commit: Commit): void {
    const touched: LiveNode<unknown>[] = []
    for (const change of commit.changes) {
      const routes = this.#tables.get(change.table)
      if (routes === undefined) continue
      hand(change, routes, touched)
      if (routes.byIndex.size > 0) this.#handByIndex(change, routes, touched)
    }
    this.#lsn = commit.lsn
    for (const node of touched) node.settle()
    this.#tell(touched)
  }

  /** A live value shows a state that was loaded. */
  shown(nodes: readonly LiveNode<unknown>[]): void {
    this.#tell(nodes)
  }

  #handByIndex(change: Change, { byIndex, late }: TableRoutes, touched: LiveNode<unknown>[]): void {
    if (this.#keeping.size > 0) late.set(change.key, change)
    for (const routes of byIndex.values()) {
      for (const { targets } of routes.route(change, change.lsn <= this.#loadedLsn)) give(targets, change, touched)
    }
  }

  #tell(nodes: Iterable<LiveNode<unknown>>): void {
    for (const node of nodes) {
      if (node.isOver) continue
      node.publish()
      if (this.#changed.size === 0) queueMicrotask(() => this.#showAll())
      this.#changed.add(node)
    }
  }

  #showAll(): void {
    const changed = this.#changed
    this.#changed = new Set()
    for (const node of changed) node.show()
  }
}

function hand(change: Change, { whole, byKey, byPrefix }: TableRoutes, touched: LiveNode<unknown>[]): void {
  if (whole.size > 0) give(whole, change, touched)
  const watching = byKey.size === 0 ? undefined : byKey.get(change.key)
  if (watching !== undefined) give(watching, change, touched)
  for (const [length, prefixes] of byPrefix) {
    const found = change.key.length < length ? undefined : prefixes.get(change.key.slice(0, length))
    if (found !== undefined) give(found, change, touched)
  }
}

/** Gives the change to all of them; those that take it share the object. */
function give(routes: Routes, { kind, key, lsn, value }: Change, touched: LiveNode<unknown>[]): void {
  const first = { source: 0, key, isThere: kind === "put", value, version: lsn }
  for (const { node, source, prefix } of routes.values()) {
    // Found by a part of an index, or by the prefix already.
    if (prefix !== "" && !key.startsWith(prefix)) continue
    if (node.receive(source === 0 ? first : { ...first, source })) touched.push(node)
  }
}

function newRoutes(): Routes {
  return new Map()
}

function newPrefixes(): Map<string, Routes> {
  return new Map()
}

function madeIn<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function removeFrom(routes: Map<string, Routes>, name: string, source: LiveSource): void {
  const known = routes.get(name)
  known?.delete(source)
  if (known?.size === 0) routes.delete(name)
}
