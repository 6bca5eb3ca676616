// What a commit will change in indexes, found out before the commit is made and applied when it is: entries to be removed
// and entries to be added, as bytes in one buffer that is used again for the next commit.

import { INDEX_KEY_SIZE_MAX, KEY_SIZE_MAX } from "../model/limits.ts"
import { IndexKeyRefused } from "../model/index-errors.ts"
import { encodeIndexKey, indexKeyFault } from "../table/index-key.ts"
import type { SecondaryIndex } from "./secondary-index.ts"

/** Stands for the value of a record that is not there: `undefined` is a value like others. */
export const ABSENT: unique symbol = Symbol("absent")

/** Room that one entry needs at most. */
const ENTRY_SIZE_MAX: number = INDEX_KEY_SIZE_MAX + KEY_SIZE_MAX
const SIZE_FIRST = 64 * 1024
/** What a large commit has made necessary is not kept. */
const SIZE_KEPT_MAX = 1024 * 1024

export class IndexEdits {
  bytes: Buffer = Buffer.allocUnsafeSlow(SIZE_FIRST)
  /** Edits in order: entry i is for `indexes[i]`, lies from `starts[i]` to `ends[i]`, its index key ends at `keyEnds[i]`. */
  count = 0
  readonly indexes: SecondaryIndex[] = []
  readonly isInsertion: boolean[] = []
  readonly starts: number[] = []
  readonly keyEnds: number[] = []
  readonly ends: number[] = []
  #end = 0

  /** Forgets all edits. */
  reset(): void {
    this.count = 0
    this.#end = 0
    if (this.bytes.length > SIZE_KEPT_MAX) this.bytes = Buffer.allocUnsafeSlow(SIZE_FIRST)
    if (this.indexes.length > SIZE_FIRST) {
      for (const list of [this.indexes, this.isInsertion, this.starts, this.keyEnds, this.ends]) list.length = 0
    }
  }

  /** A record changes from one value to another. Fails with: IndexKeyRefused. */
  addChange(index: SecondaryIndex, key: string, before: unknown, after: unknown): void {
    const from = this.count
    if (before !== ABSENT) this.#addRemovals(index, key, before)
    const middle = this.count
    if (after !== ABSENT) this.addEntries(index, key, after, true)
    if (middle > from && middle - from === this.count - middle && this.#areSame(from, middle)) {
      this.#end = this.starts[from] as number
      this.count = from
    }
  }

  /** Adds an edit for each key that the index takes from a value. Fails with: IndexKeyRefused. */
  addEntries(index: SecondaryIndex, key: string, value: unknown, isInsertion: boolean): void {
    const keys = index.extract(key, value)
    if (keys === undefined || keys === null) return
    if (!index.definition.isMany) this.#add(index, key, keys, isInsertion)
    else for (const each of keys as readonly unknown[]) this.#add(index, key, each, isInsertion)
  }

  /** Makes the edits in the indexes. */
  apply(): void {
    const { bytes } = this
    for (let edit = 0; edit < this.count; edit++) {
      const { entries } = this.indexes[edit] as SecondaryIndex
      const start = this.starts[edit] as number
      const end = this.ends[edit] as number
      if (this.isInsertion[edit] === true) entries.insert(bytes, start, end, (this.keyEnds[edit] as number) - start)
      else entries.remove(bytes, start, end)
    }
    this.reset()
  }

  #addRemovals(index: SecondaryIndex, key: string, before: unknown): void {
    try {
      this.addEntries(index, key, before, false)
    } catch (error) {
      // The build would come upon it, unless this very write mends it. In an index that is whole there is no such value.
      if (index.state !== "building") throw error
    }
  }

  #add(index: SecondaryIndex, key: string, indexKey: unknown, isInsertion: boolean): void {
    const start = this.#end
    if (start + ENTRY_SIZE_MAX > this.bytes.length) this.#grow()
    const keyEnd = encodeIndexKey(indexKey, this.bytes, start)
    if (keyEnd < 0) throw new IndexKeyRefused(index.table, index.name, key, indexKeyFault(indexKey))
    const end = writeKey(this.bytes, keyEnd, key)
    const edit = this.count++
    this.indexes[edit] = index
    this.isInsertion[edit] = isInsertion
    this.starts[edit] = start
    this.keyEnds[edit] = keyEnd
    this.ends[edit] = end
    this.#end = end
  }

  /** Whether the edits from `from` take away what those from `middle` on bring back, one by one. */
  #areSame(from: number, middle: number): boolean {
    const { bytes } = this
    const start = this.starts[from] as number
    const half = this.starts[middle] as number
    const end = this.#end
    if (half - start !== end - half) return false
    for (let at = start; at < half; at++) if (bytes[at] !== bytes[at + half - start]) return false
    return true
  }

  #grow(): void {
    const grown = Buffer.allocUnsafeSlow(this.bytes.length * 2)
    this.bytes.copy(grown, 0, 0, this.#end)
    this.bytes = grown
  }
}

/** Writes a record's key, which has passed the checks of keys. */
function writeKey(target: Buffer, at: number, key: string): number {
  const size = key.length
  for (let index = 0; index < size; index++) {
    const unit = key.charCodeAt(index)
    if (unit > 0x7f) return at + target.utf8Write(key, at)
    target[at + index] = unit
  }
  return at + size
}
