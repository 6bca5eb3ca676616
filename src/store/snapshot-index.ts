// An index as it was at a snapshot, with the writes of a transaction on top: what is in the index now and was not written
// since, what versions of the table that are kept for the snapshot had in it, and what the transaction has written itself.
// The index keeps no versions: the table's, of which there are as many as there were changes since, are enough.
//
// Guarantees: the same as the index of a table that has the snapshot's records and the transaction's. What a walk delivers
// is found out at its first step, within one turn.

import { KIND_PUT } from "../format/record.ts"
import { KEY_SIZE_MAX } from "../model/limits.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Operation } from "./commit-session.ts"
import { IndexEdits } from "./index-edits.ts"
import type { IndexBounds } from "./index-range.ts"
import type { PresentIndex } from "./present-index.ts"
import type { IndexSource, IndexWalk } from "./table-index.ts"
import { PRESENT } from "./version-reader.ts"
import type { ReadView, VersionReader } from "./version-reader.ts"

/** Where an entry lies. Its bytes do not change. */
export type EntryPlace = Pick<IndexWalk, "bytes" | "start" | "keyEnd" | "end">

/** Writes that lie on top, by the records' keys. */
export type OwnWrites = ReadonlyMap<string, Operation>

const NO_WRITES: OwnWrites = new Map()
const NOTHING: Buffer = Buffer.alloc(0)

export class SnapshotIndex implements IndexSource {
  readonly #present: PresentIndex
  readonly #entry: TableEntry
  readonly #versions: VersionReader
  readonly #view: ReadView
  readonly #own: () => OwnWrites

  /** `view` may turn from the present into a snapshot of it. */
  constructor(present: PresentIndex, versions: VersionReader, view: ReadView, own: () => OwnWrites = noWrites) {
    this.#present = present
    this.#entry = present.entry
    this.#versions = versions
    this.#view = view
    this.#own = own
  }

  walk(bounds: IndexBounds): IndexWalk {
    return new PlaceWalk(() => this.places(bounds, this.#own()))
  }

  count(bounds: IndexBounds): number {
    return this.places({ ...bounds, limit: Number.POSITIVE_INFINITY }, this.#own()).length
  }

  value(key: string): unknown {
    return this.#versions.get(this.#entry, key, this.#view)
  }

  /** Entries within the bounds, in their order, up to the limit. */
  places(bounds: IndexBounds, own: OwnWrites): readonly EntryPlace[] {
    const { isReverse, limit } = bounds
    const { snapshot, lsn } = this.#view
    const walk = this.#present.walk(bounds)
    const hasChanged = snapshot !== undefined && this.#versions.hasChanged(this.#entry, snapshot)
    const others = hasChanged || own.size > 0 ? this.#others(bounds, own, hasChanged) : []
    const places: EntryPlace[] = []
    let next = 0
    while (places.length < limit && walk.next()) {
      const key = own.size > 0 || hasChanged ? walk.recordKey() : ""
      if (own.has(key) || (hasChanged && this.#versions.versionOf(this.#entry, key, PRESENT) > lsn)) continue
      const place = { bytes: walk.bytes, start: walk.start, keyEnd: walk.keyEnd, end: walk.end }
      for (; next < others.length && places.length < limit; next++) {
        const other = others[next] as EntryPlace
        if (compare(other, place) > 0 !== isReverse) break
        places.push(other)
      }
      if (places.length < limit) places.push(place)
    }
    while (next < others.length && places.length < limit) places.push(others[next++] as EntryPlace)
    return places
  }

  /** Entries that are not in the index as it is, in the order of the walk. */
  #others({ low, high, isReverse }: IndexBounds, own: OwnWrites, hasChanged: boolean): readonly EntryPlace[] {
    const edits = new IndexEdits()
    const { index } = this.#present
    if (hasChanged) {
      for (const [key, value] of this.#versions.changedSince(this.#entry, this.#view)) {
        if (!own.has(key)) edits.addEntries(index, key, value, true)
      }
    }
    for (const { kind, key, value } of own.values()) {
      // A key that is too long is refused by the commit.
      if (kind === KIND_PUT && Buffer.byteLength(key) <= KEY_SIZE_MAX) edits.addEntries(index, key, value, true)
    }
    const places: EntryPlace[] = []
    for (let edit = 0; edit < edits.count; edit++) {
      const start = edits.starts[edit] as number
      const end = edits.ends[edit] as number
      const isBelow = high === undefined || edits.bytes.compare(high, 0, high.length, start, end) < 0
      if (!isBelow || edits.bytes.compare(low, 0, low.length, start, end) < 0) continue
      places.push({ bytes: edits.bytes, start, keyEnd: edits.keyEnds[edit] as number, end })
    }
    places.sort((left, right) => (isReverse ? compare(right, left) : compare(left, right)))
    return places.filter((place, at) => at === 0 || compare(place, places[at - 1] as EntryPlace) !== 0)
  }
}

class PlaceWalk implements IndexWalk {
  bytes: Buffer = NOTHING
  start = 0
  keyEnd = 0
  end = 0
  readonly #find: () => readonly EntryPlace[]
  #places: readonly EntryPlace[] | undefined
  #next = 0

  constructor(find: () => readonly EntryPlace[]) {
    this.#find = find
  }

  next(): boolean {
    this.#places ??= this.#find()
    const place = this.#places[this.#next++]
    if (place === undefined) return false
    this.bytes = place.bytes
    this.start = place.start
    this.keyEnd = place.keyEnd
    this.end = place.end
    return true
  }

  recordKey(): string {
    return this.bytes.utf8Slice(this.keyEnd, this.end)
  }
}

/** The order of two entries: of their index keys, then of their records' keys. */
export function compare(left: EntryPlace, right: EntryPlace): number {
  return left.bytes.compare(right.bytes, right.start, right.end, left.start, left.end)
}

function noWrites(): OwnWrites {
  return NO_WRITES
}
