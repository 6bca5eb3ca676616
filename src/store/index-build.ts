// Fills indexes from the table that they are of, a bounded piece at a time, while commits go on and change the same
// indexes. A record is taken as it is at the moment at which the walk comes to it, and entries form a set, so it does not
// matter which of the two comes to a record first.

import type { Engine } from "../actors/engine.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { UniqueViolation } from "../model/index-errors.ts"
import type { TableEntry } from "../table/catalogue.ts"
import { decodeIndexKey } from "../table/index-key.ts"
import type { Partition } from "../table/shard-tables.ts"
import type { TableCursor } from "../table/table-cursor.ts"
import { ClaimsInDoubt } from "./claims-in-doubt.ts"
import type { InDoubtWrites } from "./claims-in-doubt.ts"
import { ABSENT, IndexEdits } from "./index-edits.ts"
import type { SecondaryIndex } from "./secondary-index.ts"
import { otherHolder } from "./unique-check.ts"

/** `waiting`: a shard is down. `over`: none of its indexes is its own any more. */
export type BuildProgress = "more" | "done" | "waiting" | "over"

export class IndexBuild {
  readonly #engine: Engine
  readonly #entry: TableEntry
  readonly #decoder: ValueDecoder
  readonly #edits: IndexEdits = new IndexEdits()
  #indexes: readonly SecondaryIndex[]
  #shard = 0
  #partition: Partition | undefined
  #cursor: TableCursor | undefined
  readonly #inDoubt: InDoubtWrites
  #claims: ClaimsInDoubt | undefined

  constructor(engine: Engine, entry: TableEntry, indexes: readonly SecondaryIndex[], inDoubt: InDoubtWrites) {
    this.#engine = engine
    this.#entry = entry
    this.#decoder = new ValueDecoder(engine.catalogue.shapes)
    this.#indexes = indexes
    this.#inDoubt = inDoubt
    for (const index of indexes) index.begin(this)
  }

  /** The indexes that it still builds. */
  get indexes(): readonly SecondaryIndex[] {
    return this.#indexes
  }

  /** Takes in some hundred records. */
  step(): BuildProgress {
    this.#indexes = this.#indexes.filter((index) => index.build === this)
    if (this.#indexes.length === 0) return "over"
    const { shards } = this.#engine
    for (; this.#shard < shards.length; this.#shard++) {
      const tables = shards[this.#shard]?.tables
      if (tables === undefined) return "waiting"
      const partition = tables.partition(this.#entry.id)
      if (partition === undefined) continue
      if (partition.pending > 0) partition.drain(this.#engine.requireBuffer())
      if (partition !== this.#partition) {
        // Also where a shard was built anew in the middle of its walk: what was taken in is taken in again.
        this.#partition = partition
        this.#cursor = partition.table.cursor()
      }
      if (this.#cursor?.next() === true) {
        this.#takeIn(partition, this.#cursor)
        return "more"
      }
    }
    // Behind the table: from here on nobody but transactions in doubt changes what matters to them.
    if (this.#claims !== undefined || this.#inDoubt.countOf(this.#entry) > 0) {
      this.#claims ??= new ClaimsInDoubt(this.#inDoubt.writesTo(this.#entry))
      if (this.#claims.step(this.#indexes, this)) return "more"
    }
    for (const index of this.#indexes) if (index.build === this) index.finish()
    return "done"
  }

  #takeIn({ table }: Partition, { keys, addresses }: TableCursor): void {
    let values: readonly unknown[]
    try {
      // All of them first: the functions of indexes are the user's, and addresses hold only as long as nothing changes.
      values = addresses.map((address) =>
        this.#decoder.decode(table.bytesAt(address), table.valueStart(address), table.valueEnd(address)),
      )
    } catch (error) {
      // A value that cannot be read back: nobody else's business than of those who want to.
      for (const index of this.#indexes) index.fail(error)
      return
    }
    for (const index of this.#indexes) {
      try {
        for (let at = 0; at < keys.length; at++) this.#add(index, keys[at] as string, values[at])
        index.doneRecords += keys.length
      } catch (error) {
        this.#edits.reset()
        index.fail(error)
      }
    }
  }

  #add(index: SecondaryIndex, key: string, value: unknown): void {
    const edits = this.#edits
    edits.addChange(index, key, ABSENT, value)
    for (let edit = 0; index.definition.isUnique && edit < edits.count; edit++) {
      const start = edits.starts[edit] as number
      const keyEnd = edits.keyEnds[edit] as number
      const holder = otherHolder(index, edits.bytes, start, keyEnd, edits.ends[edit] as number)
      if (holder === undefined) continue
      const indexKey = decodeIndexKey(edits.bytes, start, keyEnd)
      throw new UniqueViolation(index.table, index.name, indexKey, key, holder.recordKey())
    }
    edits.apply()
  }
}
