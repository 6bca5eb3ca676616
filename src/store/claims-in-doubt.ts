// Whether an index that is being built has room for what prepared transactions have promised to write. They were checked
// when they were prepared, against the indexes of that moment; what comes later must not refuse their COMMIT, so it is the
// later one that gives way: the index.
//
// Guarantees, of an index that has passed: any of them may be committed or aborted, in any order, without a violation, as
// long as nobody else writes to the table of a unique index (held-keys.ts sees to that). Must not change anything but the
// state of the indexes that it fails.

import { KIND_PUT } from "../format/record.ts"
import { IndexKeyInDoubt } from "../model/index-errors.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { decodeIndexKey } from "../table/index-key.ts"
import type { Operation } from "./commit-session.ts"
import { IndexEdits } from "./index-edits.ts"
import type { SecondaryIndex } from "./secondary-index.ts"
import { otherHolder } from "./unique-check.ts"

/** What one prepared transaction is to write to a table. */
export interface ClaimedWrites {
  readonly id: string
  readonly operations: readonly Operation[]
}

/** The transactions in doubt, as indexes need them. */
export interface InDoubtWrites {
  /** Keys of the table that wait for a decision. */
  countOf(entry: TableEntry): number
  /** What is to be written to the table, a transaction at a time; decisions may come in between. */
  writesTo(entry: TableEntry): Iterator<ClaimedWrites>
  /** The transaction that the commit decides; undefined where it decides none. */
  decidedBy(operations: readonly Operation[]): string | undefined
}

export const NONE_IN_DOUBT: InDoubtWrites = {
  countOf: () => 0,
  writesTo: () => [].values(),
  decidedBy: () => undefined,
}

/** Operations that one step looks at, if it does not come upon a larger transaction. */
const STEP_OPERATIONS = 500

export class ClaimsInDoubt {
  readonly #edits = new IndexEdits()
  readonly #writes: Iterator<ClaimedWrites>
  /** By unique index, the record that each index key was promised to. */
  readonly #promised: Map<SecondaryIndex, Map<string, string>> = new Map()

  constructor(writes: Iterator<ClaimedWrites>) {
    this.#writes = writes
  }

  /** Looks at some transactions, and fails the indexes that have no room for them. Returns whether there are more. */
  step(indexes: readonly SecondaryIndex[], build: object): boolean {
    for (let looked = 0; looked < STEP_OPERATIONS;) {
      const next = this.#writes.next()
      if (next.done === true) return false
      looked += next.value.operations.length
      for (const index of indexes) {
        if (index.build !== build) continue
        try {
          this.#check(index, next.value)
        } catch (error) {
          index.fail(error)
        }
      }
    }
    return true
  }

  #check(index: SecondaryIndex, { id, operations }: ClaimedWrites): void {
    const { table, name, definition } = index
    const edits = this.#edits
    edits.reset()
    for (const { kind, key, value } of operations) {
      if (kind !== KIND_PUT) continue
      try {
        edits.addEntries(index, key, value, true)
      } catch (error) {
        throw new IndexKeyInDoubt(table, name, { id, key }, error)
      }
    }
    if (!definition.isUnique) return
    const own = new Set(operations.map(({ key }) => key))
    const promised = this.#promised.get(index) ?? new Map<string, string>()
    this.#promised.set(index, promised)
    for (let edit = 0; edit < edits.count; edit++) {
      const { bytes } = edits
      const start = edits.starts[edit] as number
      const keyEnd = edits.keyEnds[edit] as number
      const end = edits.ends[edit] as number
      const key = bytes.utf8Slice(keyEnd, end)
      const text = bytes.latin1Slice(start, keyEnd)
      // What the transaction overwrites or deletes itself is not in its way.
      const holder = otherHolder(index, bytes, start, keyEnd, end, (walk) => own.has(walk.recordKey()))?.recordKey()
      const other = holder ?? promised.get(text)
      if (other !== undefined && other !== key) {
        const value = decodeIndexKey(bytes, start, keyEnd)
        throw new IndexKeyInDoubt(table, name, { id, key, value, holder: other })
      }
      promised.set(text, key)
    }
  }
}
