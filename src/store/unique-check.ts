// Whether unique indexes would still be unique behind a commit. Judged by the state that the commit makes: within one
// commit two records may change their keys with each other.

import { UniqueViolation } from "../model/index-errors.ts"
import { decodeIndexKey } from "../table/index-key.ts"
import type { EntryWalk } from "../table/ordered-entries.ts"
import type { IndexEdits } from "./index-edits.ts"
import type { SecondaryIndex } from "./secondary-index.ts"

/**
 * The first entry of another record with the index key from `start` to `keyEnd`, behind which the own record's key stands
 * up to `end`. Undefined where there is none.
 */
export function otherHolder(
  index: SecondaryIndex,
  bytes: Buffer,
  start: number,
  keyEnd: number,
  end: number,
  isExempt: (walk: EntryWalk) => boolean = noExemption,
): EntryWalk | undefined {
  const walk = index.entries.walk(bytes.subarray(start, keyEnd), undefined, false)
  while (walk.next()) {
    if (!isSame(walk.bytes, walk.start, walk.keyEnd, bytes, start, keyEnd)) return undefined
    if (isSame(walk.bytes, walk.keyEnd, walk.end, bytes, keyEnd, end) || isExempt(walk)) continue
    return walk
  }
  return undefined
}

/** Fails with: UniqueViolation, IndexBuilding, what the build of a unique index failed with. */
export function checkUnique(edits: IndexEdits): void {
  let insertions = 0
  for (let edit = 0; edit < edits.count; edit++) {
    const index = edits.indexes[edit] as SecondaryIndex
    if (edits.isInsertion[edit] !== true || !index.definition.isUnique) continue
    insertions++
    if (!index.isOnline) index.requireReady()
  }
  if (insertions === 0) return
  let leaving: LeavingEntries | undefined
  const claims = insertions > 1 ? new Map<SecondaryIndex, Map<string, number>>() : undefined
  for (let edit = 0; edit < edits.count; edit++) {
    const index = edits.indexes[edit] as SecondaryIndex
    if (edits.isInsertion[edit] !== true || !index.definition.isUnique) continue
    const { bytes } = edits
    const start = edits.starts[edit] as number
    const keyEnd = edits.keyEnds[edit] as number
    const end = edits.ends[edit] as number
    const holder = otherHolder(index, bytes, start, keyEnd, end, (walk) => {
      leaving ??= new LeavingEntries(edits)
      return leaving.has(index, walk)
    })
    if (holder !== undefined) throw violation(edits, edit, holder.recordKey())
    const other = claims === undefined ? undefined : claim(claims, edits, edit)
    if (other !== undefined) throw violation(edits, edit, other)
  }
}

/** Entries that a commit removes. Those that it adds again as well are met as claims. */
class LeavingEntries {
  readonly #texts = new Map<SecondaryIndex, Set<string>>()

  constructor(edits: IndexEdits) {
    for (let edit = 0; edit < edits.count; edit++) {
      const index = edits.indexes[edit] as SecondaryIndex
      if (edits.isInsertion[edit] === true || !index.definition.isUnique) continue
      let texts = this.#texts.get(index)
      if (texts === undefined) this.#texts.set(index, (texts = new Set()))
      texts.add(edits.bytes.latin1Slice(edits.starts[edit] as number, edits.ends[edit] as number))
    }
  }

  has(index: SecondaryIndex, walk: EntryWalk): boolean {
    return this.#texts.get(index)?.has(walk.bytes.latin1Slice(walk.start, walk.end)) === true
  }
}

/** The key of another record that gets the same index key in the same commit. */
function claim(claims: Map<SecondaryIndex, Map<string, number>>, edits: IndexEdits, edit: number): string | undefined {
  const index = edits.indexes[edit] as SecondaryIndex
  let ofIndex = claims.get(index)
  if (ofIndex === undefined) claims.set(index, (ofIndex = new Map()))
  const { bytes } = edits
  const start = edits.starts[edit] as number
  const keyEnd = edits.keyEnds[edit] as number
  const text = bytes.latin1Slice(start, keyEnd)
  const other = ofIndex.get(text)
  ofIndex.set(text, edit)
  if (other === undefined) return undefined
  const otherKeyEnd = edits.keyEnds[other] as number
  const otherEnd = edits.ends[other] as number
  if (isSame(bytes, otherKeyEnd, otherEnd, bytes, keyEnd, edits.ends[edit] as number)) return undefined
  return bytes.utf8Slice(otherKeyEnd, otherEnd)
}

function violation(edits: IndexEdits, edit: number, holder: string): UniqueViolation {
  const { table, name } = edits.indexes[edit] as SecondaryIndex
  const keyEnd = edits.keyEnds[edit] as number
  const indexKey = decodeIndexKey(edits.bytes, edits.starts[edit] as number, keyEnd)
  return new UniqueViolation(table, name, indexKey, edits.bytes.utf8Slice(keyEnd, edits.ends[edit] as number), holder)
}

function isSame(left: Buffer, from: number, to: number, right: Buffer, rightFrom: number, rightTo: number): boolean {
  if (to - from !== rightTo - rightFrom) return false
  for (let at = from; at < to; at++) if (left[at] !== right[at - from + rightFrom]) return false
  return true
}

function noExemption(): boolean {
  return false
}
