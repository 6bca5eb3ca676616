// A walk over all records of a table as they were at an LSN, in the order of mixed hashes: what still holds, from the
// table's index, and what was overwritten or deleted since, from that of its versions. Both indexes are walked in step,
// so that a record that turns into a version between two steps is neither missed nor met twice.
//
// Guarantees: every key that the table held at the LSN is delivered exactly once, whatever is written meanwhile. One step
// delivers a bounded part. Requires a snapshot at the LSN to be open as long as it goes on.

import type { HashIndex } from "./hash-index.ts"
import { homeOf } from "./index-segment.ts"
import type { Table } from "./table.ts"

/** Entries of an index after which a step ends, at the next change of the hash. */
const STEP_COUNT = 512
const MIXED_END = 0x1_0000_0000

export class VersionCursor {
  /** Keys of this step; may be empty. */
  readonly keys: string[] = []
  readonly #table: Table
  readonly #at: { readonly lsn: number }
  /** The records whose mixed hash is below this one were delivered. */
  #mixed = 0

  /** `at.lsn` may change from infinity, which stands for the present, to the present's LSN. */
  constructor(table: Table, at: { readonly lsn: number }) {
    this.#table = table
    this.#at = at
  }

  /** Goes on. False at the end, with no keys. */
  next(): boolean {
    this.keys.length = 0
    if (this.#mixed >= MIXED_END) return false
    const table = this.#table
    const { index, versions } = table
    const { lsn } = this.#at
    const from = this.#mixed
    index.ensure(from)
    let to = stepEnd(index, from)
    if (versions !== undefined && versions.count > 0) to = Math.min(to, stepEnd(versions.index, from))
    for (const address of entriesOf(index, from, to))
      if (table.lsnAt(address) <= lsn) this.keys.push(keyAt(table, address))
    if (versions !== undefined && versions.count > 0) {
      for (const row of entriesOf(versions.index, from, to)) {
        if (versions.holdsAt(row, lsn)) this.keys.push(versions.keyOf(row))
      }
    }
    this.#mixed = to
    return true
  }
}

/** Where a step that begins at a mixed hash ends: behind the segment, or earlier where that holds much. */
function stepEnd(index: HashIndex, from: number): number {
  const position = index.positionOf(from)
  const segment = index.directory[position] as Uint32Array
  const depth = index.depths[position] as number
  let count = 0
  let last = -1
  for (let word = homeOf(segment, depth, from); word < segment.length; word += 2) {
    const mixed = segment[word] as number
    if (segment[word + 1] === 0 || mixed < from) continue
    // Equal hashes stay together, because the position cannot tell them apart.
    if (count >= STEP_COUNT && mixed !== last) return mixed
    last = mixed
    count++
  }
  const span = MIXED_END / 2 ** depth
  return (Math.floor(from / span) + 1) * span
}

/** What an index has for mixed hashes from `from` up to, but not with, `to`. Requires: they are of one segment. */
function entriesOf(index: HashIndex, from: number, to: number): number[] {
  const entries: number[] = []
  const position = index.positionOf(from)
  const segment = index.directory[position] as Uint32Array
  for (let word = homeOf(segment, index.depths[position] as number, from); word < segment.length; word += 2) {
    const mixed = segment[word] as number
    const entry = segment[word + 1] as number
    if (entry === 0 || mixed < from) continue
    if (mixed >= to) break
    entries.push(entry - 1)
  }
  return entries
}

function keyAt(table: Table, address: number): string {
  return table.bytesAt(address).toString("utf8", table.keyStart(address), table.keyEnd(address))
}
