// The operator at the end of every live query: filter, map, order, limit. Rows come in one change at a time, and go out
// as deltas of the window, at the cost of the change and not of the result.
//
//   change ──> where ──> sort key ──> sorted blocks of all rows that match ──> window [offset, offset + limit) ──> deltas
//
// Keeps every row that matches, those outside the window too: what moves up into it is at hand, as it was at the commit
// that the result belongs to. Synchronous and pure: it knows no store, no feed and no time.

import { indexOrder } from "./index-part.ts"
import type { IndexPart } from "./index-part.ts"
import { differenceOf } from "./live-difference.ts"
import { rowOrder } from "./live-order.ts"
import type { OrderBy, Ordered, RowOrder } from "./live-order.ts"
import type { LiveDelta, LiveRow, SourceChange } from "./live-row.ts"
import { isSameSelection } from "./same-selection.ts"
import { SortedBlocks } from "./sorted-blocks.ts"

/** Steps of more changes than this are worth a look at the whole window before and after. */
const SINGLE_COUNT_MAX = 8

export interface WindowOptions {
  readonly where?: ((value: unknown, key: string) => boolean) | undefined
  readonly orderBy?: OrderBy | undefined
  /** The order where `orderBy` says nothing. Default: that of the part; without one, by key. */
  readonly order?: RowOrder | undefined
  /** Only rows that are in it. */
  readonly part?: IndexPart | undefined
  readonly offset?: number | undefined
  readonly limit?: number | undefined
  readonly select?: ((value: unknown, key: string) => unknown) | undefined
}

/** A row that matches. */
interface Entry extends Ordered {
  readonly key: string
  value: unknown
  version: number
  sortKey: Ordered["sortKey"]
  /** See SortedBlocks. */
  abbreviated: number
  /** What users see of it; made when it is in the window for the first time. */
  row: LiveRow | undefined
  /** What they saw before, to be shown again if it is the same. */
  earlier: LiveRow | undefined
}

export class LiveWindow {
  readonly #where: WindowOptions["where"]
  readonly #part: IndexPart | undefined
  readonly #select: WindowOptions["select"]
  readonly #order: RowOrder
  readonly #low: number
  readonly #high: number
  readonly #entries: Map<string, Entry> = new Map()
  readonly #sorted: SortedBlocks<Entry>
  #result: readonly LiveRow[] | undefined = undefined

  constructor(options: WindowOptions) {
    const { where, offset = 0, limit = Number.POSITIVE_INFINITY, select, part } = options
    this.#where = where
    this.#part = part
    this.#select = select
    this.#order = orderFrom(options)
    this.#low = offset
    this.#high = offset + limit
    this.#sorted = new SortedBlocks<Entry>(this.#order.compare, fenceOf)
  }

  /** Rows that match, those outside the window included. */
  get count(): number {
    return this.#entries.size
  }

  /** What the window shows; the same array as long as it does not change. */
  get result(): readonly LiveRow[] {
    this.#result ??= this.#sorted.slice(this.#low, this.#high).map((entry) => this.#rowOf(entry))
    return this.#result
  }

  /** The value of a row that matches, if it is still of that version. */
  known(key: string, version: number): { readonly value: unknown } | undefined {
    const entry = this.#entries.get(key)
    return entry?.version === version ? entry : undefined
  }

  /** The keys of rows that match. */
  keys(): Iterable<string> {
    return this.#entries.keys()
  }

  /** Takes in a row before the first result is asked for. `loaded` has to follow. */
  load(key: string, value: unknown, version: number, earlier?: LiveWindow): void {
    if (!this.#isIn(value, key)) return
    const entry = this.#entryFor(key, value, version)
    const old = earlier === undefined ? undefined : earlier.#entries.get(key)
    if (old !== undefined && old.version === version && old.value === value) entry.row = old.row
    else entry.earlier = old?.row
    this.#entries.set(key, entry)
  }

  loaded(): void {
    this.#sorted.load([...this.#entries.values()])
  }

  /** Shows these rows, which are the same as its own. */
  keepResult(rows: readonly LiveRow[]): void {
    this.#result = rows
  }

  /** Whether the row is, or will be, one that matches. Throws what the user's function throws. */
  concerns({ key, isThere, value }: SourceChange): boolean {
    return (isThere && this.#isIn(value, key)) || this.#entries.has(key)
  }

  /** Applies the changes of one commit, and returns what they do to the window. Throws what the user's functions throw. */
  step(commit: readonly SourceChange[]): LiveDelta[] {
    const changes = commit.length > 1 ? lastOfEachKey(commit) : commit
    const deltas: LiveDelta[] = []
    const windowCount = Math.min(this.#high, this.#sorted.count) - this.#low
    if (changes.length > SINGLE_COUNT_MAX && changes.length * 4 > windowCount) {
      const before = this.result
      for (const change of changes) this.#apply(change, undefined)
      this.#result = undefined
      const found = differenceOf(before, this.result)
      if (found.length === 0) this.#result = before
      return found
    }
    for (const change of changes) this.#apply(change, deltas)
    if (deltas.length > 0) this.#result = undefined
    return deltas
  }

  #isIn(value: unknown, key: string): boolean {
    if (this.#part !== undefined && this.#part.placeOf(value, key) === undefined) return false
    return this.#where === undefined || this.#where(value, key)
  }

  #entryFor(key: string, value: unknown, version: number): Entry {
    const sortKey = this.#order.sortKeyOf(value, key)
    const abbreviated = this.#order.abbreviate(sortKey)
    return { key, value, version, sortKey, abbreviated, row: undefined, earlier: undefined }
  }

  #apply({ key, isThere, value, version }: SourceChange, deltas: LiveDelta[] | undefined): void {
    const entry = this.#entries.get(key)
    if (isThere && this.#isIn(value, key)) {
      if (entry !== undefined) {
        this.#exchange(entry, value, version, deltas)
      } else {
        const made = this.#entryFor(key, value, version)
        this.#entries.set(key, made)
        this.#insert(made, deltas)
      }
    } else if (entry !== undefined) {
      this.#entries.delete(key)
      this.#remove(entry, deltas)
    }
  }

  #insert(entry: Entry, deltas: LiveDelta[] | undefined): void {
    const rank = this.#sorted.add(entry, this.#high)
    if (deltas === undefined || rank >= this.#high) return
    if (this.#sorted.count > this.#high) this.#leave(this.#at(this.#high), this.#high - 1, deltas)
    if (rank >= this.#low) this.#enter(entry, rank, deltas)
    else if (this.#sorted.count > this.#low) this.#enter(this.#at(this.#low), this.#low, deltas)
  }

  #remove(entry: Entry, deltas: LiveDelta[] | undefined): void {
    const rank = this.#sorted.remove(entry, this.#high)
    if (deltas === undefined || rank >= this.#high) return
    if (rank >= this.#low) this.#leave(entry, rank, deltas)
    else if (this.#sorted.count >= this.#low) this.#leave(this.#at(this.#low - 1), this.#low, deltas)
    if (this.#sorted.count >= this.#high) this.#enter(this.#at(this.#high - 1), this.#high - 1, deltas)
  }

  /** A row gets another value, and with it, perhaps, another place. */
  #exchange(entry: Entry, value: unknown, version: number, deltas: LiveDelta[] | undefined): void {
    const high = this.#high
    const low = this.#low
    const sortKey = this.#order.sortKeyOf(value, entry.key)
    const abbreviated = this.#order.abbreviate(sortKey)
    const isMoved = abbreviated !== entry.abbreviated || this.#order.compare({ key: entry.key, sortKey }, entry) !== 0
    const from = isMoved ? this.#sorted.remove(entry, high) : this.#sorted.rankOf(entry, high)
    const wasIn = from >= low && from < high
    const before = wasIn && deltas !== undefined ? this.#rowOf(entry) : undefined
    entry.earlier = entry.row ?? entry.earlier
    entry.row = undefined
    entry.value = value
    entry.version = version
    entry.sortKey = sortKey
    entry.abbreviated = abbreviated
    const to = isMoved ? this.#sorted.add(entry, high) : from
    if (deltas === undefined) return
    const isIn = to >= low && to < high
    if (before !== undefined && isIn) {
      this.#change(before, entry, from, to, deltas)
      return
    }
    // On the same side of the window: nothing in it has moved.
    if (!wasIn && !isIn && from < low === to < low) return
    if (before !== undefined) deltas.push({ type: "leave", key: before.key, value: before.value, index: from - low })
    else if (from < low) this.#leave(this.#at(low - 1), low, deltas)
    else this.#leave(this.#at(high), high - 1, deltas)
    if (isIn) this.#enter(entry, to, deltas)
    else if (to < low) this.#enter(this.#at(low), low, deltas)
    else this.#enter(this.#at(high - 1), high - 1, deltas)
  }

  #change(before: LiveRow, entry: Entry, from: number, to: number, deltas: LiveDelta[]): void {
    const row = this.#rowOf(entry)
    const place = { key: entry.key, value: row.value, before: before.value, index: to - this.#low }
    if (from !== to) deltas.push({ type: "move", ...place, from: from - this.#low })
    else if (row !== before) deltas.push({ type: "change", ...place })
  }

  #enter(entry: Entry, rank: number, deltas: LiveDelta[]): void {
    deltas.push({ type: "enter", key: entry.key, value: this.#rowOf(entry).value, index: rank - this.#low })
  }

  #leave(entry: Entry, rank: number, deltas: LiveDelta[]): void {
    deltas.push({ type: "leave", key: entry.key, value: this.#rowOf(entry).value, index: rank - this.#low })
  }

  /** Requires: there is one of that rank. */
  #at(rank: number): Entry {
    return this.#sorted.at(rank) as Entry
  }

  #rowOf(entry: Entry): LiveRow {
    if (entry.row !== undefined) return entry.row
    const { key, earlier } = entry
    const value = this.#select === undefined ? entry.value : this.#select(entry.value, key)
    const isSame = earlier !== undefined && isSameSelection(earlier.value, value)
    entry.row = isSame ? earlier : { key, value }
    entry.earlier = undefined
    return entry.row
  }
}

/** Its place, which stays when the row moves. */
function fenceOf({ key, sortKey, abbreviated }: Entry): Entry {
  return { key, value: undefined, version: 0, sortKey, abbreviated, row: undefined, earlier: undefined }
}

function orderFrom({ orderBy, order, part }: WindowOptions): RowOrder {
  if (orderBy !== undefined) return rowOrder(orderBy)
  if (order !== undefined) return order
  return part === undefined ? rowOrder(undefined) : indexOrder(part.isReverse, (value, key) => part.placeOf(value, key))
}

/** What a commit does to each key in the end: what lies between is nobody's business. */
function lastOfEachKey(changes: readonly SourceChange[]): readonly SourceChange[] {
  const last = new Map(changes.map((change) => [change.key, change]))
  return last.size === changes.length ? changes : [...last.values()]
}
